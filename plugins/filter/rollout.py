# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that the role virt.image.rollout prepares its guests with."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.rollout import rollout_guests
from ansible_collections.virt.image.plugins.plugin_utils.door import door


class FilterModule:
    """The filters of the role virt.image.rollout."""

    def filters(self) -> dict:
        return {"rollout_guests": door(rollout_guests)}
