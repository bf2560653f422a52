# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in a FAT file system, as far as an EFI system partition needs it: a few folders, in bounded work.

Source: Microsoft's FAT: General Overview of On-Disk Format 1.03; ECMA-107.
"""

from __future__ import annotations

import struct
from typing import Callable, NamedTuple, Optional

# Read a piece of the file system: (offset, length) -> bytes, fewer at its end.
Read = Callable[[int, int], bytes]

SECTORS = (512, 1024, 2048, 4096)
ENTRY = 32
FOLDER, LABEL = 0x10, 0x08
# The folders looked into are small; one that goes on, or goes round in circles, is read no further.
MAX_FOLDER_BYTES = 64 * 1024
FAT12_CLUSTERS, FAT16_CLUSTERS = 4085, 65525


class _Fat(NamedTuple):
    """The layout of a file system, in bytes; a root of 0 bytes begins in a cluster, as FAT32 has it."""

    bits: int
    table: int
    cluster: int
    data: int
    root: int
    root_bytes: int
    root_cluster: int
    last: int


class _Entry(NamedTuple):
    """An entry of a folder: its short name, its first cluster, and whether it is a folder itself."""

    name: str
    cluster: int
    is_folder: bool


def list_folder(read: Read, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the short names of the files in a folder (EFI, BOOT), upper case; none where it is not there, or no FAT."""
    fat = _layout(read(0, 512))
    if fat is None:
        return ()
    entries = _entries(_root(read, fat), fat)
    for name in path:
        found = next((entry for entry in entries if entry.is_folder and entry.name == name), None)
        if found is None:
            return ()
        entries = _entries(_chain(read, fat, found.cluster), fat)
    return tuple(entry.name for entry in entries if not entry.is_folder)


def _layout(head: bytes) -> Optional[_Fat]:
    """Return the layout that a boot sector tells, or None where it is none of FAT."""
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        return None
    sector, per_cluster, reserved, tables, root_entries, small, _media, small_fat = struct.unpack_from("<HBHBHHBH", head, 11)
    large, large_fat, _flags, _version, root_cluster = struct.unpack_from("<IIHHI", head, 32)
    total, table = small or large, small_fat or large_fat
    if sector not in SECTORS or per_cluster not in (1, 2, 4, 8, 16, 32, 64, 128) or not (reserved and tables and table):
        return None
    root = (reserved + tables * table) * sector
    root_bytes = -(-root_entries * ENTRY // sector) * sector
    clusters = (total * sector - root - root_bytes) // (per_cluster * sector)
    if clusters < 1:
        return None
    bits = 12 if clusters < FAT12_CLUSTERS else 16 if clusters < FAT16_CLUSTERS else 32
    return _Fat(
        bits, reserved * sector, per_cluster * sector, root + root_bytes, root, root_bytes, root_cluster, clusters + 1
    )


def _root(read: Read, fat: _Fat) -> bytes:
    if fat.bits == 32:
        return _chain(read, fat, fat.root_cluster)
    return read(fat.root, min(fat.root_bytes, MAX_FOLDER_BYTES))


def _chain(read: Read, fat: _Fat, cluster: int) -> bytes:
    """Return the content of a folder, at most MAX_FOLDER_BYTES of it, whatever its chain of clusters is."""
    content, seen = b"", set()
    while 2 <= cluster <= fat.last and cluster not in seen and len(content) < MAX_FOLDER_BYTES:
        seen.add(cluster)
        content += read(fat.data + (cluster - 2) * fat.cluster, fat.cluster)
        cluster = _next(read, fat, cluster)
    return content[:MAX_FOLDER_BYTES]


def _next(read: Read, fat: _Fat, cluster: int) -> int:
    """Return the cluster after one, or a number that is none where there is no more."""
    if fat.bits == 12:
        found = read(fat.table + cluster * 3 // 2, 2)
        number = int.from_bytes(found, "little") if len(found) == 2 else 0
        return number >> 4 if cluster % 2 else number & 0xFFF
    width = fat.bits // 8
    return int.from_bytes(read(fat.table + cluster * width, width), "little") & 0x0FFFFFFF


def _entries(content: bytes, fat: _Fat) -> list:
    found = []
    for at in range(0, len(content) - ENTRY + 1, ENTRY):
        entry = content[at : at + ENTRY]
        if entry[0] == 0:
            break
        attributes = entry[11]
        # 0xE5 is one that was deleted; the name of the volume, and pieces of long names, have this attribute.
        if entry[0] == 0xE5 or attributes & LABEL:
            continue
        name, ending = (part.decode("ascii", "replace").rstrip() for part in (entry[:8], entry[8:11]))
        high, low = struct.unpack_from("<H", entry, 20)[0], struct.unpack_from("<H", entry, 26)[0]
        cluster = low | (high << 16 if fat.bits == 32 else 0)
        found.append(_Entry(f"{name}.{ending}" if ending else name, cluster, bool(attributes & FOLDER)))
    return found
