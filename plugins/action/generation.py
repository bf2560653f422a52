# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the generation module, with images from either side as the guests module has them."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.action.guests import ActionModule as GuestsAction
from ansible_collections.virt.image.plugins.module_utils._core.aim import FORWARD


class ActionModule(GuestsAction):
    """The generation module."""

    MODULE = "virt.image.generation"

    def _deliveries(self) -> list:
        # On the way back no image is read.
        return super()._deliveries() if self._task.args.get("state") in FORWARD else []
