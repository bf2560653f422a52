# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of disk files, made by hand and by qemu-img: what they say, and what is refused before QEMU opens it.

VMDKs have a file of their own, test_vmdk.py.
"""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.header import (
    HEADER_BYTES,
    TAIL_BYTES,
    Header,
    read_header,
)
from ansible_collections.virt.image.tests.unit.disks import (
    DESCRIPTOR,
    MIB,
    extension,
    iso,
    qcow,
    qcow2,
    stream,
    vdi,
    vmdk,
)
from ansible_collections.virt.image.tests.unit.support import FACTOR, message, value_or_words

DATA_FILE = "is a qcow2 that keeps its data in another file; one single file was expected"
OTHER_FILES = "is a VMDK that keeps its data in other files; one single file was expected"
ENCRYPTED = "is encrypted, and has no one here to give it its secret; qemu-img convert makes one that is not"
BITMAPS = 0x23852875
BACKING_FORMAT = 0xE2792ACA


def told(data, size=None):
    return read_header(data[:HEADER_BYTES], len(data) if size is None else size, "d", data[-TAIL_BYTES:])


def bitmaps(count=1, reserved=0, size=24, offset=5 << 16):
    return extension(BITMAPS, struct.pack(">IIQQ", count, reserved, size, offset))


@pytest.mark.parametrize(
    "data, header",
    [
        (qcow2(), Header("qcow2", MIB)),
        (qcow2(version=2), Header("qcow2", MIB)),
        (qcow2(incompatible=1), Header("qcow2", MIB)),
        (qcow2(incompatible=8, compression=1), Header("qcow2", MIB)),
        (qcow2(incompatible=16), Header("qcow2", MIB)),
        (qcow2(header_bytes=104), Header("qcow2", MIB)),
        (qcow2(cluster_bits=9, l1_offset=512, l1_entries=32), Header("qcow2", MIB)),
        (qcow2(cluster_bits=21, l1_offset=1 << 21, refcount_offset=2 << 21), Header("qcow2", MIB)),
        (qcow2(snapshots=4096, snapshots_offset=7 << 16), Header("qcow2", MIB, snapshots=4096)),
        (qcow2(refcount_order=0), Header("qcow2", MIB)),
        (
            qcow2(capacity=2**53, l1_entries=2**14, cluster_bits=21, refcount_offset=0, l1_offset=0),
            Header("qcow2", 2**53),
        ),
        (qcow2(extensions=bitmaps()), Header("qcow2", MIB)),
        (qcow2(extensions=extension(0x6803F857, b"names of features"), backing=b"b"), Header("qcow2", MIB, "b")),
        (qcow2(backing=b"base.qcow2"), Header("qcow2", MIB, "base.qcow2")),
        (
            qcow2(backing=b"base.qcow2", extensions=extension(BACKING_FORMAT, b"qcow2")),
            Header("qcow2", MIB, "base.qcow2", "qcow2"),
        ),
        (qcow2(extensions=extension(BACKING_FORMAT, b"qcow2")), Header("qcow2", MIB)),
        (qcow2(backing=b'json:{"file": {}}'), Header("qcow2", MIB, 'json:{"file": {}}')),
        (qcow2(backing=b"b\xff"), Header("qcow2", MIB, "b\udcff")),
        (qcow(), Header("qcow", MIB)),
        (qcow(backing=b"base"), Header("qcow", MIB, "base")),
        (vmdk(), Header("vmdk", MIB)),
        (stream(), Header("vmdk", MIB)),
        (vdi(), Header("vdi", MIB)),
        (vdi(kind=2), Header("vdi", MIB)),
        (vdi(capacity=1000), Header("vdi", 1024)),
        (iso(), Header("iso", 0x8000 + 7 + 4096)),
        (bytes(1000), Header("raw", 1000)),
        (b"", Header("raw", 0)),
        (b"QFI", Header("raw", 3)),
        (b"\x7fELF" + bytes(100), Header("raw", 104)),
    ],
)
def test_header(data, header):
    assert told(data) == header


@pytest.mark.parametrize(
    "data, words",
    [
        (qcow2(incompatible=0b100), DATA_FILE),
        (qcow2(autoclear=0b10), DATA_FILE),
        (qcow2(extensions=extension(0x44415441, b"/etc/shadow")), DATA_FILE),
        (qcow2(extensions=extension(BACKING_FORMAT, b"raw") + extension(0x44415441, b"d")), DATA_FILE),
        (qcow2(incompatible=0b100000), "has unknown incompatible qcow2 features (0x20)"),
        (qcow2(incompatible=2**63), "has unknown incompatible qcow2 features (0x8000000000000000)"),
        (qcow2(incompatible=2), "is marked as corrupt; qemu-img check -r all repairs what can be repaired"),
        (qcow2(version=4), "is qcow2 of version 4; known are 2 and 3"),
        (qcow2(version=0), "is qcow2 of version 0; known are 2 and 3"),
        (qcow2(cluster_bits=8), "has clusters of 2^8 bytes; qcow2 has 2^9 to 2^21"),
        (qcow2(cluster_bits=2**32 - 1), "has clusters of 2^4294967295 bytes; qcow2 has 2^9 to 2^21"),
        (qcow2(header_bytes=103), "has a header of 103 bytes; 104 to those of a cluster were expected"),
        (qcow2(header_bytes=2**16 + 1), "has a header of 65537 bytes; 104 to those of a cluster were expected"),
        (qcow2(encryption=1), ENCRYPTED),
        (qcow2(encryption=2), ENCRYPTED),
        (qcow2(extensions=extension(0x0537BE77, bytes(16))), ENCRYPTED),
        (qcow(encryption=1), ENCRYPTED),
        (
            qcow2(incompatible=8, compression=2),
            "is compressed in an unknown way (2); known are zlib (0) and zstd (1, with its feature)",
        ),
        (
            qcow2(compression=1),
            "is compressed in an unknown way (1); known are zlib (0) and zstd (1, with its feature)",
        ),
        (
            qcow2(incompatible=8),
            "is compressed in an unknown way (0); known are zlib (0) and zstd (1, with its feature)",
        ),
        (
            qcow2(incompatible=16, cluster_bits=13, l1_entries=200),
            "has subclusters in clusters of 2^13 bytes; they need 2^14",
        ),
        (qcow2(refcount_order=7), "has reference counts of 2^7 bits; at most 2^6 are known"),
        (qcow2(refcount_clusters=0), "has no table of reference counts"),
        (qcow2(refcount_clusters=129), "has a reference count table of 8454144 bytes; at most 8388608 are taken"),
        (qcow2(refcount_offset=100), "has a reference count table at 100, where no cluster begins"),
        (qcow2(snapshots=4097), "has a snapshot table of 163880 bytes; at most 163840 are taken"),
        (qcow2(snapshots_offset=9), "has a snapshot table at 9, where no cluster begins"),
        (qcow2(l1_entries=2**22 + 1), "has an L1 table of 33554440 bytes; at most 33554432 are taken"),
        (qcow2(l1_offset=2**63), "has an L1 table at 9223372036854775808, where no cluster begins"),
        (qcow2(l1_entries=0), "has an L1 table of 0 entries, too few for a disk of 1048576 bytes"),
        (
            qcow2(capacity=2**40, l1_entries=2047),
            "has an L1 table of 2047 entries, too few for a disk of 1099511627776 bytes",
        ),
        (qcow2(backing=b"a" * 1024), "has a backing file name out of its header's bounds"),
        (qcow2(backing=b"abc", length=2**32 - 1), "has a backing file name out of its header's bounds"),
        (qcow2(backing_offset=2**40), "has a backing file name out of its header's bounds"),
        (
            qcow2(backing=b"abc", offset=510, cluster_bits=9, l1_entries=32),
            "has a backing file name out of its header's bounds",
        ),
        (qcow2(extensions=extension(1, b"", 2**32 - 1)), "has a header extension out of its header's bounds"),
        (qcow2(extensions=extension(1, b"", 2**16 - 119)), "has a header extension out of its header's bounds"),
        (qcow2(extensions=extension(1, bytes(300)), backing=b"b"), "has a header extension out of its header's bounds"),
        (qcow2(extensions=extension(BACKING_FORMAT, b"a" * 16)), "has a backing format whose name is too long for one"),
        (
            qcow2(extensions=extension(BITMAPS, bytes(16))),
            "has a header extension for bitmaps of 16 bytes; 24 were expected",
        ),
        (qcow2(extensions=bitmaps(0)), "has 0 bitmaps in a directory of 24 bytes, which is out of bounds"),
        (qcow2(extensions=bitmaps(65536)), "has 65536 bitmaps in a directory of 24 bytes, which is out of bounds"),
        (
            qcow2(extensions=bitmaps(size=2**40)),
            f"has 1 bitmaps in a directory of {2**40} bytes, which is out of bounds",
        ),
        (qcow2(extensions=bitmaps(offset=1)), "has 1 bitmaps in a directory of 24 bytes, which is out of bounds"),
        (qcow2(extensions=bitmaps(reserved=1)), "has 1 bitmaps in a directory of 24 bytes, which is out of bounds"),
        (qcow(cluster_bits=17), "is a qcow with clusters of 2^17 bytes and tables of 2^9 entries"),
        (qcow(l2_bits=5), "is a qcow with clusters of 2^12 bytes and tables of 2^5 entries"),
        (qcow(capacity=1), "is a qcow of 1 bytes, which QEMU has no table for"),
        (qcow(capacity=2**44), f"is a qcow of {2**44} bytes, which QEMU has no table for"),
        (qcow(backing=b"a" * 1024), "has a backing file name out of its header's bounds"),
        (qcow2()[:20], "ends within its header"),
        (qcow2()[:76], "ends within its header"),
        (qcow2()[:104], "ends within its header"),
        (qcow2()[:112], "ends within its header"),
        (qcow()[:47], "ends within its header"),
        (vmdk()[:40], "ends within its header"),
        (vdi()[:100], "ends within its header"),
        (vdi(kind=4), "is a VDI of type 4, which builds on another file"),
        (vdi(parent=b"x" * 16), "is a VDI of type 1, which builds on another file"),
        (vdi(link=b"x" * 16), "is a VDI of type 1, which builds on another file"),
        (vdi(version=0x10002), "is VDI of version 1.2; known is 1.1"),
        (vdi(block=512), "is a VDI with blocks of 512 bytes, or out of line; QEMU takes blocks of 1 MiB"),
        (vdi(map_at=513), "is a VDI with blocks of 1048576 bytes, or out of line; QEMU takes blocks of 1 MiB"),
        (vdi(capacity=2 * MIB, blocks=1), "is a VDI of 2097152 bytes with a map for 1048576"),
        (vdi(blocks=2**32 - 1), "is a VDI with a map of 4294967295 blocks; at most 8388608 are taken"),
        (DESCRIPTOR, OTHER_FILES),
    ],
)
def test_refused(data, words):
    assert message(told, data) == f"d: {words}"


@pytest.mark.parametrize(
    "data",
    [
        qcow2(capacity=2**63, l1_entries=2**22, cluster_bits=21, l1_offset=0, refcount_offset=0),
        qcow2(capacity=2**53 + 1, l1_entries=2**22, cluster_bits=21, l1_offset=0, refcount_offset=0),
        qcow(capacity=2**60),
        vmdk(capacity=2**55),
        vdi(capacity=2**64 - 1),
    ],
)
def test_size_is_bounded(data):
    assert message(told, data)


def qemu_img(*arguments):
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    return subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True).stdout


def virtual_size(path):
    return json.loads(qemu_img("info", "--output=json", path))["virtual-size"]


SECRET = ("--object", "secret,id=s,data=abc")
# qemu-img's arguments after `create`, and None or what we say of the file that it makes. Not LUKS: how it times its keys
# fails now and then on a busy machine.
MADE = [
    ("-f qcow2", None),
    ("-f qcow2 -o compat=0.10", None),
    ("-f qcow2 -o cluster_size=512", None),
    ("-f qcow2 -o cluster_size=2M", None),
    ("-f qcow2 -o refcount_bits=1", None),
    ("-f qcow2 -o refcount_bits=64", None),
    ("-f qcow2 -o extended_l2=on", None),
    ("-f qcow2 -o extended_l2=on,cluster_size=16k", None),
    ("-f qcow2 -o lazy_refcounts=on", None),
    ("-f qcow2 -o compression_type=zlib", None),
    ("-f qcow2 -o compression_type=zstd", None),
    ("-f qcow2 -o preallocation=metadata", None),
    ("-f qcow2 -o preallocation=falloc", None),
    ("-f qcow2 -o data_file={tmp}/data", DATA_FILE),
    ("-f qcow2 -o data_file={tmp}/data,data_file_raw=on", DATA_FILE),
    ("-f qcow2 -o encrypt.format=aes,encrypt.key-secret=s", ENCRYPTED),
    ("-f qcow", None),
    ("-f qcow -o encrypt.format=aes,encrypt.key-secret=s", ENCRYPTED),
    ("-f vmdk", None),
    ("-f vmdk -o subformat=monolithicSparse,adapter_type=lsilogic,hwversion=6", None),
    ("-f vmdk -o compat6", None),
    ("-f vmdk -o zeroed_grain=on", None),
    ("-f vmdk -o subformat=streamOptimized", None),
    ("-f vmdk -o subformat=monolithicFlat", OTHER_FILES),
    ("-f vmdk -o subformat=twoGbMaxExtentSparse", OTHER_FILES),
    ("-f vmdk -o subformat=twoGbMaxExtentFlat", OTHER_FILES),
    ("-f vdi", None),
    ("-f vdi -o static=on", None),
    ("-f raw", None),
]


@pytest.mark.parametrize("size", [4097 * 1024, 3 * 2**30])
@pytest.mark.parametrize("options, words", MADE, ids=[options for options, _words in MADE])
def test_what_qemu_img_makes(tmp_path, options, words, size):
    if "preallocation" in options:
        size = min(size, 5 * MIB)
    path, options = tmp_path / "disk", options.format(tmp=tmp_path).split()
    qemu_img("create", "-q", *(SECRET if "key-secret" in options[-1] else ()), *options, path, size)
    with open(path, "rb") as file:
        head = file.read(HEADER_BYTES)
    if words:
        assert message(read_header, head, path.stat().st_size, "d") == f"d: {words}"
    else:
        assert read_header(head, path.stat().st_size, "d") == Header(options[1], virtual_size(path))


@pytest.mark.parametrize("kind", ["vpc", "vhdx", "qed", "parallels"])
def test_formats_that_no_descriptor_can_name(tmp_path, kind):
    path = tmp_path / "disk"
    qemu_img("create", "-q", "-f", kind, path, "1M")
    assert "image, which no descriptor can name; qemu-img convert makes a qcow2 of it" in message(told, path.read_bytes())


@pytest.mark.parametrize(
    "options",
    [
        "-O qcow2 -c",
        "-O qcow2 -c -o compression_type=zstd",
        "-O qcow2 -o compat=0.10",
        "-O qcow",
        "-O vmdk",
        "-O vmdk -o subformat=streamOptimized",
        "-O vdi",
        "-O raw",
    ],
)
def test_what_qemu_img_converts(tmp_path, options):
    source, path = tmp_path / "source", tmp_path / "disk"
    source.write_bytes(bytes(range(256)) * (MIB // 256) + bytes(MIB))
    qemu_img("convert", "-f", "raw", *options.split(), source, path)
    assert told(path.read_bytes()) == Header(options.split()[1], 2 * MIB)


def test_what_qemu_img_adds(tmp_path):
    """Snapshots and bitmaps inside of the file are taken, marks of trouble are told apart."""
    path = tmp_path / "disk"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    for number in range(3):
        qemu_img("snapshot", "-c", f"s{number}", path)
        qemu_img("bitmap", "--add", path, f"b{number}")
    data = bytearray(path.read_bytes())
    assert told(bytes(data)) == Header("qcow2", MIB, snapshots=3)
    for bits, words in ((1, ""), (2, "is marked as corrupt"), (3, "is marked as corrupt")):
        data[79] = bits
        assert words in message(told, bytes(data)) and bool(words) == bool(message(told, bytes(data)))


@pytest.mark.parametrize("kind", ["qcow2", "qcow", "vmdk"])
def test_qemu_img_s_backing_file_is_seen(tmp_path, kind):
    base, path = tmp_path / "base", tmp_path / "disk"
    qemu_img("create", "-q", "-f", kind, base, "1M")
    qemu_img("create", "-q", "-f", kind, "-b", base, "-F", kind, path)
    if kind == "vmdk":
        assert "builds on another file" in message(told, path.read_bytes())
    else:
        expected = Header(kind, MIB, str(base), "qcow2" if kind == "qcow2" else None)
        assert told(path.read_bytes()) == expected


STARTS = [qcow2(), qcow2(backing=b"b", extensions=bitmaps()), qcow(), vmdk(), stream(), vdi(), iso(), DESCRIPTOR]


@pytest.mark.parametrize("start", STARTS)
@given(st.data())
def test_any_bytes_end_in_a_header_or_words(start, data):
    raw = bytearray(start)
    for _time in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, min(len(raw) - 1, 600)))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        assert isinstance(told(cut), Header)
    except ImageError:
        pass


@pytest.mark.fuzz
@pytest.mark.parametrize("start", STARTS)
def test_mutated_numbers_end_in_a_header_or_words(start):
    """Numbers at the edges, where shifts and products go wrong, in both of a file's headers."""
    dice = random.Random(1)
    edges = [2**power + step for power in range(0, 65) for step in (-1, 0, 1) if 0 <= 2**power + step < 2**64]
    for _time in range(250 * FACTOR):
        raw = bytearray(start)
        for _other in range(dice.randint(1, 4)):
            width, order = dice.choice((1, 2, 4, 8)), dice.choice(("big", "little"))
            number = (dice.choice(edges) & (256**width - 1)).to_bytes(width, order)
            place = dice.randrange(0, 600) if dice.random() < 0.8 else len(raw) - dice.randrange(8, 1537)
            raw[place : place + width] = number
        value_or_words(Header, told, bytes(raw))
