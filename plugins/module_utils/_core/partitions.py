# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The partition table of a disk: MBR with its chain of logical partitions, or GPT, in bounded work.

Sources: UEFI 2.10, 5 (GUID Partition Table); the Discoverable Partitions Specification of the UAPI Group.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from typing import Callable, Optional

Read = Callable[[int, int], bytes]

SECTORS = (512, 4096)
# More than any installer makes; a table that claims more is read so far.
MAX_PARTITIONS = 128
GPT_ENTRY = (128, 4096)
PROTECTIVE, EXTENDED = 0xEE, (0x05, 0x0F, 0x85)
ESP, BIOS_BOOT, PREP = "esp", "bios-boot", "prep"
MBR_KINDS = {0xEF: ESP, 0x41: PREP}
GPT_KINDS = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": ESP,
    "21686148-6449-6e6f-744e-656564454649": BIOS_BOOT,
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b": PREP,
}
# The root and /usr partitions of architectures.
GPT_ARCHES = {
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "x86_64",
    "8484680c-9521-48c6-9c11-b0720656f69e": "x86_64",
    "44479540-f297-41b2-9af7-d131d5f0458a": "i686",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "aarch64",
    "b0e01050-ee5f-4390-949a-9101b17104e9": "aarch64",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "armv7l",
    "60d5a7fe-8e7d-435c-b714-3dd8162144e1": "riscv32",
    "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "riscv64",
    "77055800-792c-4f94-b39a-98c91b762bb6": "loongarch64",
    "5eead9a9-fe09-4a1e-a1d7-520d00531306": "s390x",
    "c31c45e6-3f39-412e-80fb-4809c4980599": "ppc64le",
}


@dataclass(frozen=True)
class Partition:
    """A partition: where it begins in bytes, what kind it is (ESP, BIOS_BOOT, PREP), and of what architecture."""

    begin: int
    kind: Optional[str] = None
    arch: Optional[str] = None
    bootable: bool = False


@dataclass(frozen=True)
class Table:
    """A partition table: gpt, mbr, or None for a disk without one; `boot_code`: its first sector has a program in it.

    `signed`: that sector ends as a partition table or a boot sector does.
    """

    kind: Optional[str]
    boot_code: bool = False
    partitions: tuple[Partition, ...] = ()
    signed: bool = True


def read_table(read: Read) -> Table:
    """Return the partition table of a disk; what makes no sense is left out, or there is none."""
    first = read(0, 512)
    if len(first) < 512 or first[510:512] != b"\x55\xaa":
        return Table(None, signed=False)
    # What a BIOS starts; a table without it begins with zeros.
    boot_code = any(first[:440])
    rows = _rows(first)
    if any(kind == PROTECTIVE for kind, _active, _begin, _length in rows):
        found = _gpt(read)
        if found is not None:
            return Table("gpt", boot_code, found)
    if all(kind == PROTECTIVE for kind, _active, _begin, _length in rows):
        return Table(None, boot_code)
    return Table("mbr", boot_code, tuple(_mbr(read, rows)))


def _rows(sector: bytes) -> list:
    """Return the partitions in a sector: (type, whether it is active, first sector, sectors); none where it is no table."""
    rows = []
    for at in range(446, 510, 16):
        active, kind, begin, length = struct.unpack_from("<B3xB3xII", sector, at)
        if active not in (0, 0x80):
            # The boot sector of a file system, or text.
            return []
        if kind and length:
            rows.append((kind, bool(active), begin, length))
    return rows


def _mbr(read: Read, rows: list):
    for kind, active, begin, _length in rows:
        if kind in EXTENDED:
            yield from _logical(read, begin)
        elif kind != PROTECTIVE:
            yield Partition(begin * 512, MBR_KINDS.get(kind), bootable=active)


def _logical(read: Read, base: int):
    """Yield the logical partitions, each of whose sectors names the next one; one that was there ends them."""
    at, seen = base, set()
    while at not in seen and len(seen) < MAX_PARTITIONS:
        seen.add(at)
        sector = read(at * 512, 512)
        if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
            return
        further = None
        for kind, active, begin, _length in _rows(sector):
            if kind in EXTENDED:
                further = base + begin
            else:
                yield Partition((at + begin) * 512, MBR_KINDS.get(kind), bootable=active)
        if further is None:
            return
        at = further


def _gpt(read: Read) -> Optional[tuple[Partition, ...]]:
    for sector in SECTORS:
        head = read(sector, 92)
        if len(head) == 92 and head[:8] == b"EFI PART":
            (table,) = struct.unpack_from("<Q", head, 72)
            count, size = struct.unpack_from("<II", head, 80)
            if not GPT_ENTRY[0] <= size <= GPT_ENTRY[1] or size % 8 or table >= 2**55:
                return None
            entries = read(table * sector, min(count, MAX_PARTITIONS) * size)
            return tuple(_gpt_entries(entries, size, sector))
    return None


def _gpt_entries(entries: bytes, size: int, sector: int):
    for at in range(0, len(entries) - size + 1, size):
        kind = entries[at : at + 16]
        begin, end = struct.unpack_from("<QQ", entries, at + 32)
        if any(kind) and begin <= end < 2**55:
            name = str(uuid.UUID(bytes_le=kind))
            # Bit 2: a BIOS may start from it.
            yield Partition(begin * sector, GPT_KINDS.get(name), GPT_ARCHES.get(name), bool(entries[at + 48] & 4))
