# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first bytes of a disk file say, read before any QEMU tool opens a stranger's file.

Sources: QEMU's docs/interop/qcow2.txt; VMware's Virtual Disk Format 5.0; VirtualBox's VDI header (VDICore.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Optional

from .errors import ImageError
from .units import LARGEST

HEADER_BYTES = 64 * 1024
SECTOR = 512
TAIL_BYTES = 1536
VMDK_AT_END = 2**64 - 1
# dirty, corrupt, compression type, extended L2 entries; bit 2 is the external data file.
QCOW2_KNOWN_INCOMPATIBLE = 0b11011
QCOW2_DATA_FILE = 0b100


@dataclass(frozen=True)
class Header:
    """A disk file's format, its virtual size in bytes, and the file it builds on."""

    format: str
    capacity: int
    backing: Optional[str] = None


def read_header(head: bytes, size: int, where: str, tail=None) -> Header:
    """Return what the first HEADER_BYTES of a file of `size` bytes say; anything unknown is raw.

    Raises ImageError where the file needs others that no descriptor can name, or claims to be larger than any disk.
    """
    header = _read(head, size, where)
    if header.capacity > LARGEST:
        raise ImageError(f"claims to be a disk of {header.capacity} bytes; at most {LARGEST} are taken", where)
    return header


def _read(head: bytes, size: int, where: str) -> Header:
    if head[:4] == b"QFI\xfb":
        return _qcow(head, where)
    if head[:4] == b"KDMV":
        return _vmdk(head, where)
    if head[:21] == b"# Disk DescriptorFile":
        raise ImageError("is a VMDK that keeps its data in other files; one single file was expected", where)
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return _vdi(head, where)
    if head[0x8001:0x8006] == b"CD001":
        return Header("iso", size)
    return Header("raw", size)


def _unpack(layout: str, head: bytes, offset: int, where: str) -> tuple:
    try:
        return struct.unpack_from(layout, head, offset)
    except struct.error:
        raise ImageError("ends within its header", where) from None


def _qcow(head: bytes, where: str) -> Header:
    version, backing_offset, backing_length = _unpack(">IQI", head, 4, where)
    if version == 1:
        # qcow: magic, version, backing offset and length, mtime, size.
        (capacity,) = _unpack(">Q", head, 24, where)
        return Header("qcow", capacity, _backing(head, backing_offset, backing_length, where))
    (capacity,) = _unpack(">Q", head, 24, where)
    if version not in (2, 3):
        raise ImageError(f"is qcow2 of version {version}; known are 2 and 3", where)
    incompatible = _unpack(">Q", head, 72, where)[0] if version == 3 else 0
    if incompatible & QCOW2_DATA_FILE:
        raise ImageError("is a qcow2 that keeps its data in another file; one single file was expected", where)
    if incompatible & ~(QCOW2_KNOWN_INCOMPATIBLE | QCOW2_DATA_FILE):
        raise ImageError(f"has unknown incompatible qcow2 features ({incompatible:#x})", where)
    return Header("qcow2", capacity, _backing(head, backing_offset, backing_length, where))


def _backing(head: bytes, offset: int, length: int, where: str) -> Optional[str]:
    if not offset or not length:
        return None
    name = head[offset : offset + length]
    if length > 1023 or len(name) != length:
        raise ImageError("has a backing file name out of its header's bounds", where)
    return name.decode("utf-8", "surrogateescape")


def _vmdk(head: bytes, where: str) -> Header:
    """Return the header of a VMDK in one file; QEMU follows what its descriptor names, wherever that stands."""
    capacity, _grain, offset, length = _unpack("<QQQQ", head, 12, where)
    (directory,) = _unpack("<Q", head, 56, where)
    if directory == VMDK_AT_END:
        raise ImageError(
            "is a stream-optimised VMDK, whose header stands at its end and is not read here; "
            "qemu-img convert -O vmdk makes one that is",
            where,
        )
    end = (offset + length) * SECTOR
    if not capacity or not length or not offset or end > len(head):
        raise ImageError(f"is a VMDK whose descriptor is not within its first {HEADER_BYTES} bytes", where)
    # Anywhere: QEMU reads some of it at sector 1, and beyond the length that is told.
    if b"parentfilenamehint" in head.lower():
        raise ImageError("is a VMDK that builds on another file (parentFileNameHint)", where)
    return Header("vmdk", capacity * SECTOR)


def _vdi(head: bytes, where: str) -> Header:
    # The header proper begins at 72; its second word is the type: 1 dynamic, 2 static, 4 differencing.
    _header_size, kind = _unpack("<II", head, 72, where)
    if kind not in (1, 2):
        raise ImageError(f"is a VDI of type {kind}, which builds on another file", where)
    (capacity,) = _unpack("<Q", head, 368, where)
    return Header("vdi", capacity)
