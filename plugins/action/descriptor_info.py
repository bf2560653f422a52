# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the descriptor_info module, and tells how far it is."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The descriptor_info module."""

    MODULE = "virt.image.descriptor_info"
