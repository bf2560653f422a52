# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter over domain XML: the disks of a domain and what they stand on."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.chain import parse_disks
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.plugins.plugin_utils.door import door, text_of


def disk_chains(text) -> list:
    return to_plain(parse_disks(text_of(text, "domain XML")))


class FilterModule:
    """The filter of virt.image over backing chains."""

    def filters(self) -> dict:
        return {"disk_chains": door(disk_chains)}
