# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk files made by hand, field by field, so that each field can be a wrong one."""

from __future__ import annotations

import struct
import zlib

MIB = 2**20
SECTOR = 512
DESCRIPTOR = (
    b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
    b'createType="monolithicSparse"\n\n# Extent description\nRW 2048 SPARSE "disk.vmdk"\n\n'
    b'# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = "4"\nddb.adapterType = "ide"\n'
)
AT_END = 2**64 - 1


def qcow2(version=3, capacity=MIB, backing=b"", offset=400, length=None, extensions=b"", size=MIB // 4, **fields):
    """Return a qcow2 header as in QEMU's docs/interop/qcow2.txt; what is not said is as qemu-img makes it."""
    length = len(backing) if length is None else length
    told = {
        "backing_offset": offset if length else 0,
        "backing_bytes": length,
        "cluster_bits": 16,
        "capacity": capacity,
        "encryption": 0,
        "l1_entries": max(1, -(-capacity // 2**29)) & 0xFFFFFFFF,
        "l1_offset": 3 << 16,
        "refcount_offset": 1 << 16,
        "refcount_clusters": 1,
        "snapshots": 0,
        "snapshots_offset": 0,
        "incompatible": 0,
        "compatible": 0,
        "autoclear": 0,
        "refcount_order": 4,
        "header_bytes": 112,
        "compression": 0,
    }
    assert not set(fields) - set(told)
    values = list({**told, **fields}.values())
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, *values[:11])
    if version == 3:
        head += struct.pack(">QQQIIB7x", *values[11:])
    return ((head + extensions).ljust(offset, b"\0") + backing).ljust(size, b"\0")


def extension(kind, content, length=None):
    """Return a header extension of a qcow2."""
    head = struct.pack(">II", kind, len(content) if length is None else length)
    return head + content + bytes(-len(content) % 8)


def qcow(capacity=MIB, backing=b"", offset=48, cluster_bits=12, l2_bits=9, encryption=0):
    """Return a qcow header of version 1."""
    head = struct.pack(
        ">4sIQIIQBBHIQ",
        *(b"QFI\xfb", 1, offset if backing else 0, len(backing), 0, capacity),
        *(cluster_bits, l2_bits, 0, encryption, 48),
    )
    return (head.ljust(offset, b"\0") + backing).ljust(4096, b"\0")


def vdi(kind=1, capacity=MIB, **fields):
    """Return a VDI header as in VirtualBox' VDICore.h, and an empty disk."""
    told = {
        "version": 0x10001,
        "map_at": 512,
        "data_at": 1024,
        "sector": 512,
        "block": MIB,
        "blocks": max(1, -(-capacity // MIB)) & 0xFFFFFFFF,
        "link": bytes(16),
        "parent": bytes(16),
    }
    assert not set(fields) - set(told)
    told.update(fields)
    head = b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0")
    head += struct.pack("<IIII", 0xBEDA107F, told["version"], 400, kind)
    head = head.ljust(340, b"\0") + struct.pack("<II", told["map_at"], told["data_at"])
    head = head.ljust(360, b"\0") + struct.pack("<IIQ", told["sector"], 0, capacity)
    head += struct.pack("<IIII", told["block"], 0, told["blocks"], 0)
    head = head.ljust(424, b"\0") + told["link"] + told["parent"]
    return head.ljust(512, b"\0") + b"\xff" * 512


def sparse_header(capacity=2048, at=1, sectors=20, directory=26, compression=0, **fields):
    """Return the sector of a sparse VMDK's header, as in VMware's Virtual Disk Format 5.0."""
    told = {"version": 1, "flags": 3, "grain": 128, "entries": 512, "redundant": 21, "overhead": 128, **fields}
    assert len(told) == 6
    head = struct.pack("<4sIIQQQQ", b"KDMV", told["version"], told["flags"], capacity, told["grain"], at, sectors)
    head += struct.pack("<IQQQ", told["entries"], told["redundant"], directory, told["overhead"])
    return (head + struct.pack("<B4sH", 0, b"\n \r\n", compression)).ljust(SECTOR, b"\0")


def vmdk(at=1, descriptor=DESCRIPTOR, early=b"", end=b"", **fields):
    """Return a sparse VMDK: its header, and its descriptor at a sector."""
    head = sparse_header(at=at, **fields) + early
    return (head.ljust(at * SECTOR, b"\0") + descriptor).ljust(max(MIB // 4, (at + 20) * SECTOR), b"\0") + end


def stream(content=bytes(MIB), descriptor=DESCRIPTOR, footer=None, marker=(0, 0, 3), end=(0, 0, 0), **fields):
    """Return a stream-optimised VMDK of some content with its footer, as other tools than QEMU write it."""
    fields = {"compression": 1, "version": 3, "flags": 0x30001, "redundant": 0, **fields}
    capacity = fields.pop("capacity", len(content) // SECTOR)
    made = bytearray(sparse_header(capacity=capacity, directory=AT_END, **fields))
    made += descriptor.replace(b"monolithicSparse", b"streamOptimized").ljust(127 * SECTOR, b"\0")
    table = [0] * 512
    for number in range(0, len(content) // SECTOR, 128):
        grain = zlib.compress(content[number * SECTOR : (number + 128) * SECTOR])
        table[number // 128] = len(made) // SECTOR
        made += struct.pack("<QI", number, len(grain)) + grain
        made += bytes(-len(made) % SECTOR)
    made += struct.pack("<QII", 4, 0, 1).ljust(SECTOR, b"\0")
    table_at = len(made) // SECTOR
    made += struct.pack("<512I", *table)
    made += struct.pack("<QII", 1, 0, 2).ljust(SECTOR, b"\0")
    directory = len(made) // SECTOR
    made += struct.pack("<I", table_at).ljust(SECTOR, b"\0")
    made += struct.pack("<QII", *marker).ljust(SECTOR, b"\0")
    made += sparse_header(**{"capacity": capacity, "directory": directory, **fields, **(footer or {})})
    made += struct.pack("<QII", *end).ljust(SECTOR, b"\0")
    return bytes(made)


def iso():
    return bytes(0x8000) + b"\x01CD001\x01" + bytes(4096)
