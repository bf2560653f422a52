# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's memory is besides its size: how far it can grow, and the pages of the host that it is made of.

Source: https://libvirt.org/formatdomain.html#memory-backing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xen, xml
from .asker import Asker
from .errors import ImageError
from .peripherals import Filesystem


# What a PC's BIOS alone takes.
LEAST_KIB = 1024


@dataclass(frozen=True)
class Hugepages:
    """The host's large pages; `size_kib` None is the host's default size."""

    size_kib: Optional[int] = None


def parse_hugepages(asker: Asker) -> Hugepages:
    """Return the pages that a user asks for; mistakes are collected."""
    asker.refuse_unknown(("size",), "hugepages")
    return Hugepages(asker.kib("size"))


def memory_mistake(memory_kib: int, most_kib: Optional[int]) -> Optional[str]:
    """Return why a guest cannot have that memory, or None."""
    if memory_kib < LEAST_KIB:
        return f"memory is {memory_kib} KiB, and no guest starts with less than 1 MiB; is the unit right?"
    if most_kib and most_kib < memory_kib:
        return f"max_memory is {most_kib} KiB, and the guest has {memory_kib} KiB; it is at least as much"
    return None


def render_memory(memory_kib: int, most_kib: Optional[int], virt_type: Optional[str] = None) -> tuple:
    """Return <memory>, what there can be, and <currentMemory>, what there is; raise ImageError."""
    mistake = memory_mistake(memory_kib, most_kib)
    if mistake:
        raise ImageError(mistake)
    most, now = most_kib or memory_kib, memory_kib
    if virt_type == xen.TYPE:
        most, now = xen.whole_mib(most), xen.whole_mib(now)
    return (
        xml.element("memory", {"unit": "KiB"}, most),
        xml.element("currentMemory", {"unit": "KiB"}, now),
    )


def render_backing_memory(pages: Optional[Hugepages], filesystems: tuple[Filesystem, ...]):
    """Return <memoryBacking>, or None; virtiofsd reads the guest's memory, so that it must be shared."""
    shared = any(filesystem.driver == "virtiofs" for filesystem in filesystems)
    if pages is None and not shared:
        return None
    size = pages and pages.size_kib
    page = xml.element("page", {"size": size, "unit": "KiB"}) if size else None
    return xml.element(
        "memoryBacking",
        None,
        xml.element("hugepages", None, page) if pages else None,
        xml.element("source", {"type": "memfd"}) if shared else None,
        xml.element("access", {"mode": "shared"}) if shared else None,
    )
