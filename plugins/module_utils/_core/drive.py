# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of one guest: what a user asks of each, checked.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .asker import Asker


@dataclass(frozen=True)
class DiskOption:
    """What a user asks of one disk besides the descriptor; size in bytes."""

    size: Optional[int] = None
    pool: Optional[str] = None


def parse_disks(asker: Asker) -> dict[str, DiskOption]:
    """Return what a user asks of the image's disks, by their ids; mistakes are collected."""
    options: dict[str, DiskOption] = {}
    for disk_id, option in asker.each("disks", _disk) or ():
        if disk_id and disk_id in options:
            asker.wrong(f"disks has the id {disk_id} twice")
        options[disk_id] = option
    return options


def _disk(asker: Asker) -> tuple:
    disk_id = asker.text("id")
    if not disk_id:
        asker.wrong("has no id; it is the id of a disk of the image")
    return disk_id, DiskOption(size=asker.size("size"), pool=asker.text("pool"))
