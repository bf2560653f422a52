# SPDX-License-Identifier: GPL-3.0-or-later
"""Small disks for the tests: partition tables and FAT file systems with an EFI boot loader's name in them."""

from __future__ import annotations

import struct
import uuid

SECTOR = 512
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
ROOT_ARM = "b921b045-1df0-41c3-af44-4c6f280d3fae"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"


def entry(name, ending, cluster, attributes=0x20):
    """Return an entry of a FAT folder."""
    packed = name.ljust(8).encode() + ending.ljust(3).encode() + bytes([attributes])
    return packed + bytes(8) + struct.pack("<HIHI", cluster >> 16, 0, cluster & 0xFFFF, 0)


def fat(bits=16, loader="BOOTX64", next_of=None):
    """Return a FAT file system with EFI/BOOT/LOADER.EFI; `next_of` changes where clusters go on."""
    clusters = {12: 1000, 16: 5000, 32: 66000}[bits]
    table_bytes = -(-(clusters + 2) * bits // 8)
    table_sectors = -(-table_bytes // SECTOR)
    root_entries = 0 if bits == 32 else 512
    reserved, total = 1, 1 + table_sectors + root_entries * 32 // SECTOR + clusters
    head = bytearray(SECTOR)
    small = total if total < 65536 and bits != 32 else 0
    small_table = 0 if bits == 32 else table_sectors
    struct.pack_into("<HBHBHHBH", head, 11, SECTOR, 1, reserved, 1, root_entries, small, 0xF8, small_table)
    struct.pack_into("<I", head, 32, 0 if small else total)
    if bits == 32:
        struct.pack_into("<IHHI", head, 36, table_sectors, 0, 0, 2)
    head[510:512] = b"\x55\xaa"
    end = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}[bits]
    chain = {2: end, 3: end, 4: end, 5: end, **(next_of or {})}
    table = bytearray(table_sectors * SECTOR)
    for cluster, after in chain.items():
        at = cluster * bits // 8
        if bits == 12:
            was = int.from_bytes(table[at : at + 2], "little")
            now = was | (after << 4 if cluster % 2 else after)
            table[at : at + 2] = now.to_bytes(2, "little")
        else:
            table[at : at + bits // 8] = after.to_bytes(bits // 8, "little")
    root = (entry("SYSTEM", "", 0, 0x08) + b"\xe5" + entry("GONE", "", 9)[1:] + entry("EFI", "", 3, 0x10)).ljust(SECTOR, b"\0")
    folders = {2: root, 3: entry("BOOT", "", 4, 0x10), 4: entry("README", "TXT", 0) + entry(loader, "EFI", 5)}
    content = bytearray(clusters * SECTOR)
    for cluster, data in folders.items():
        content[(cluster - 2) * SECTOR : (cluster - 2) * SECTOR + len(data)] = data
    fixed = root.ljust(root_entries * 32, b"\0") if root_entries else b""
    return bytes(head) + bytes(table) + fixed + bytes(content)


def mbr(*rows, code=b"", disk=b""):
    """Return a disk with a partition table of (type, first sector, sectors), followed by `disk` from sector 1 on."""
    table = b"".join(struct.pack("<B3xB3xII", 0, *row) for row in rows)
    return code.ljust(446, b"\0")[:446] + table.ljust(64, b"\0") + b"\x55\xaa" + disk


def gpt(*partitions, code=b"", sector=SECTOR, count=128, size=128):
    """Return a disk with GPT partitions of (type's GUID, content), each from the next MiB on."""
    begin, entries, contents = 2**20, b"", []
    for kind, content in partitions:
        last = (begin + max(len(content), 1) - 1) // sector
        entries += uuid.UUID(kind).bytes_le + bytes(16) + struct.pack("<QQQ", begin // sector, last, 0) + bytes(size - 56)
        contents.append((begin, content))
        begin += -(-max(len(content), 1) // 2**20) * 2**20
    head = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, count, size)
    disk = bytearray(begin)
    disk[:SECTOR] = mbr((0xEE, 1, begin // sector - 1), code=code)
    disk[sector : sector + len(head)] = head
    disk[2 * sector : 2 * sector + len(entries)] = entries
    for at, content in contents:
        disk[at : at + len(content)] = content
    return bytes(disk)


def reader(disk, reads=None):
    """Return what reads from a disk, as the core asks for it; `reads` notes each piece."""

    def read(offset, length):
        if reads is not None:
            reads.append((offset, length))
        return disk[offset : offset + length] if offset >= 0 and length > 0 else b""

    return read
