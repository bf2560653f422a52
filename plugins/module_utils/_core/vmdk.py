# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header, footer and descriptor of a VMDK in one file.

Sources: VMware's Virtual Disk Format 5.0; QEMU's block/vmdk.c (vmdk_open_vmdk4, vmdk_parent_open), which follows some of
what a descriptor names, wherever that stands.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from .binary import MAX_TABLE, unpack
from .errors import ImageError
from .names import plain

SECTOR = 512
# The marker of the footer, the footer, and the marker of the end, each of them a sector.
TAIL_BYTES = 3 * SECTOR
AT_END = 2**64 - 1
FOOTER, END_OF_STREAM = 3, 0
DEFLATE = 1
# QEMU reads it there, whatever the header says.
DESCRIPTOR_SECTOR = 1
MAX_TABLE_ENTRIES = 512
# Grains are read whole: 2 MiB, qcow2's largest cluster, against 64 KiB in all files seen.
MAX_GRAIN = 4096
# One file that holds all its data; of the others QEMU opens the files that their extents name.
TYPES = ("monolithicsparse", "streamoptimized")
NO_PARENT = "ffffffff"
PARENT_WORDS = "is a VMDK that builds on another file (parentFileNameHint)"
EXTENT = re.compile(r'(?:RW|RDONLY|NOACCESS)\s+[0-9]+\s+([A-Z]+)(?:\s+"([^"]*)")?(?:\s+[0-9]+)?', re.IGNORECASE)
FIELD = re.compile(r'([A-Za-z][A-Za-z0-9]*)\s*=\s*(?:"([^"]*)"|([^"\s]*))')


class _Sparse(NamedTuple):
    """What counts of a sparse header, in sectors."""

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor: int
    descriptor_sectors: int
    table_entries: int
    redundant_directory: int
    directory: int
    overhead: int
    unclean: int
    line_ends: bytes
    compression: int


def read_vmdk(head: bytes, size: int, tail: Optional[bytes], where: str) -> int:
    """Return the virtual size of a VMDK; one with a footer is checked by that too, where there is a tail."""
    header = _sparse(head, 0, where)
    begin, length = header.descriptor * SECTOR, header.descriptor_sectors * SECTOR
    # Without a capacity, QEMU takes the descriptor for that of a disk in other files.
    if not header.capacity or header.descriptor != DESCRIPTOR_SECTOR or not length or begin + length > len(head):
        raise ImageError("is a VMDK whose descriptor is not at its beginning", where)
    # Anywhere, as QEMU looks beyond the length that is told.
    if b"parentfilenamehint" in head.lower():
        raise ImageError(PARENT_WORDS, where)
    _check_descriptor(head[begin : begin + length].split(b"\0")[0].decode("latin-1"), where)
    if header.directory == AT_END and tail is not None:
        _check_footer(tail, size, header, where)
    return header.capacity * SECTOR


def _sparse(data: bytes, offset: int, where: str) -> _Sparse:
    """Return the header at an offset; what QEMU would have to read for it is bounded."""
    told = _Sparse(*unpack("<IIQQQQIQQQB4sH", data, offset + 4, where))
    if not 1 <= told.version <= 3:
        raise ImageError(f"is VMDK of version {told.version}; known are 1 to 3", where)
    if told.compression not in (0, DEFLATE):
        raise ImageError(f"is compressed in an unknown way ({told.compression}); known is deflate (1)", where)
    if not 0 < told.grain <= MAX_GRAIN or told.grain & told.grain - 1:
        raise ImageError(f"has grains of {told.grain} sectors; a power of 2 up to {MAX_GRAIN} was expected", where)
    if not 0 < told.table_entries <= MAX_TABLE_ENTRIES:
        raise ImageError(f"has grain tables of {told.table_entries} entries; 1 to {MAX_TABLE_ENTRIES} are known", where)
    if told.capacity // (told.grain * told.table_entries) * 4 >= MAX_TABLE:
        raise ImageError(f"has a grain directory of more than {MAX_TABLE} bytes", where)
    return told


def _check_footer(tail: bytes, size: int, header: _Sparse, where: str) -> None:
    """Check the footer, whose fields QEMU takes for those of the header."""
    tail = tail[-TAIL_BYTES:]
    if size % SECTOR or len(tail) != TAIL_BYTES:
        raise ImageError("is a stream-optimised VMDK that is cut off; it ends with whole sectors", where)
    marker, end = unpack("<QII", tail, 0, where), unpack("<QII", tail, 2 * SECTOR, where)
    if marker[1:] != (0, FOOTER) or end != (0, 0, END_OF_STREAM) or tail[SECTOR : SECTOR + 4] != b"KDMV":
        raise ImageError(
            "is a stream-optimised VMDK without its footer; it is cut off, or has something after it", where
        )
    footer = _sparse(tail, SECTOR, where)
    if footer.directory == AT_END or footer.capacity != header.capacity:
        raise ImageError("is a stream-optimised VMDK whose footer says something else than its header", where)
    # Not read by QEMU; some writers leave it out there.
    place = (footer.descriptor, footer.descriptor_sectors)
    if place not in ((0, 0), (header.descriptor, header.descriptor_sectors)):
        raise ImageError("is a stream-optimised VMDK with a second descriptor, that of its footer", where)
    if b"parentfilenamehint" in tail.lower():
        raise ImageError(PARENT_WORDS, where)


def _check_descriptor(text: str, where: str) -> None:
    """Check the embedded descriptor: one extent, which is this file, and no parent. Each line must be understood."""
    fields, extents = {}, []
    for line in (line.strip() for line in text.split("\n")):
        extent, field = EXTENT.fullmatch(line), FIELD.fullmatch(line)
        if not line or line.startswith(("#", "ddb.")):
            continue
        if extent:
            extents.append(extent)
        elif field and field[1].lower() not in fields:
            fields[field[1].lower()] = (field[2] or field[3] or "").lower()
        else:
            raise ImageError(f"is a VMDK with a line in its descriptor that means nothing: {plain(line[:80])!r}", where)
    kind = fields.get("createtype")
    if kind not in TYPES:
        what = f"of type {plain(kind)!r:.80}" if kind else "without createType"
        raise ImageError(f"is a VMDK {what}; one single file was expected (monolithicSparse, streamOptimized)", where)
    if fields.get("parentcid", NO_PARENT) != NO_PARENT:
        raise ImageError("is a VMDK that builds on another file (parentCID)", where)
    if len(extents) != 1 or extents[0][1].upper() != "SPARSE" or "/" in (extents[0][2] or ""):
        raise ImageError("is a VMDK that keeps its data in other files; one single file was expected", where)
