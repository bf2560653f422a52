# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first and last bytes of a disk file say, read before any QEMU tool opens a stranger's file.

Refused is what leads QEMU to other files, what it refuses itself, and what costs it more memory than a disk is worth.
Sources: here VirtualBox's VDI header (VDICore.h) and QEMU's block/vdi.c; see qcow.py and vmdk.py for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .binary import MAX_TABLE, unpack
from .errors import ImageError
from .qcow import read_qcow, read_qcow2
from .units import LARGEST, MIB
from .vmdk import TAIL_BYTES, read_vmdk

__all__ = ("HEADER_BYTES", "TAIL_BYTES", "Header", "read_header")

HEADER_BYTES = 64 * 1024
SECTOR = 512
VDI_VERSION = 0x10001
VDI_KINDS = (1, 2)
NO_UUID = bytes(16)
# Formats that no descriptor can name. As a raw disk, each would be one that libvirt takes for what it is not.
FOREIGN = {
    b"QED\0": "QED",
    b"vhdxfile": "VHDX",
    b"conectix": "VHD",
    b"WithoutFreeSpace": "Parallels",
    b"WithouFreSpacExt": "Parallels",
    b"Bochs Virtual HD Image": "Bochs",
}


@dataclass(frozen=True)
class Header:
    """A disk file's format, its virtual size in bytes, and the file that it builds on, with that file's format.

    `snapshots` is the number of those within a qcow2.
    """

    format: str
    capacity: int
    backing: Optional[str] = None
    backing_format: Optional[str] = None
    snapshots: int = 0


def read_header(head: bytes, size: int, where: str, tail: Optional[bytes] = None) -> Header:
    """Return what the first HEADER_BYTES of a file of `size` bytes say; anything unknown is raw.

    `tail` is the file's last TAIL_BYTES. Some VMDKs (streamOptimized) have what counts there: without a tail, as while
    a file still streams in, what their beginning says is told, and is to be read again with the tail.
    Raises ImageError where the file needs others that no descriptor can name, or claims to be larger than any disk.
    """
    header = _read(head, size, where, tail)
    if header.capacity > LARGEST:
        raise ImageError(f"claims to be a disk of {header.capacity} bytes; at most {LARGEST} are taken", where)
    return header


def _read(head: bytes, size: int, where: str, tail: Optional[bytes]) -> Header:
    if head[:4] == b"QFI\xfb":
        if unpack(">I", head, 4, where) == (1,):
            return Header("qcow", *read_qcow(head, where))
        return Header("qcow2", *read_qcow2(head, where))
    if head[:4] == b"KDMV":
        return Header("vmdk", read_vmdk(head, size, tail, where))
    if head[:21] == b"# Disk DescriptorFile":
        raise ImageError("is a VMDK that keeps its data in other files; one single file was expected", where)
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return Header("vdi", _vdi(head, where))
    if head[0x8001:0x8006] == b"CD001":
        return Header("iso", size)
    for magic, name in FOREIGN.items():
        if head.startswith(magic):
            raise ImageError(f"is a {name} image, which no descriptor can name; qemu-img convert makes a qcow2 of it", where)
    return Header("raw", size)


def _vdi(head: bytes, where: str) -> int:
    """Return the virtual size of a VDI, in whole sectors as QEMU has it."""
    version, _header_bytes, kind = unpack("<III", head, 68, where)
    map_at, data_at = unpack("<II", head, 340, where)
    sector, _unused, capacity, block, _extra, blocks = unpack("<IIQIII", head, 360, where)
    link, parent = unpack("<16s16s", head, 424, where)
    # 4 is differencing, 3 undo.
    if kind not in VDI_KINDS or link != NO_UUID or parent != NO_UUID:
        raise ImageError(f"is a VDI of type {kind}, which builds on another file", where)
    if version != VDI_VERSION:
        raise ImageError(f"is VDI of version {version >> 16}.{version & 0xFFFF}; known is 1.1", where)
    if block != MIB or sector != SECTOR or map_at % SECTOR or data_at % SECTOR:
        raise ImageError(f"is a VDI with blocks of {block} bytes, or out of line; QEMU takes blocks of 1 MiB", where)
    if capacity > blocks * block:
        raise ImageError(f"is a VDI of {capacity} bytes with a map for {blocks * block}", where)
    if blocks * 4 > MAX_TABLE:
        raise ImageError(f"is a VDI with a map of {blocks} blocks; at most {MAX_TABLE // 4} are taken", where)
    return -(-capacity // SECTOR) * SECTOR
