# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of disk files, made by hand and by qemu-img: what they say, and what is refused before QEMU opens it."""

from __future__ import annotations

import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.header import HEADER_BYTES, Header, read_header
from ansible_collections.virt.image.tests.unit.support import message

MIB = 2**20
PARENT = b'\nparentFileNameHint="base.vmdk"\n'
DESCRIPTOR = b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicSparse"\n'
HOSTILE = DESCRIPTOR.replace(b"Sparse", b"Flat") + b'RW 2048 FLAT "/etc/shadow" 0\n'


def qcow2(version=3, capacity=MIB, backing=b"", incompatible=0, offset=200, length=None):
    """Return a qcow2 header as in QEMU's docs/interop/qcow2.txt."""
    length = len(backing) if length is None else length
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", version, offset if length else 0, length, 16, capacity)
    head = head.ljust(72, b"\0") + struct.pack(">Q", incompatible)
    return head.ljust(offset, b"\0") + backing


def vmdk(capacity=2048, at=1, sectors=20, descriptor=DESCRIPTOR, directory=26, early=b"", end=b""):
    """Return a sparse VMDK: its header as in VMware's Virtual Disk Format 5.0, and its descriptor at a sector."""
    head = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 1, 3, capacity, 128, at, sectors, 512, 21, directory, 128)
    head = (head + struct.pack("<B4s", 0, b"\n \r\n")).ljust(512, b"\0")
    return ((head + early).ljust(at * 512, b"\0") + descriptor).ljust(max(MIB // 4, at * 512 + 20 * 512), b"\0") + end


def vdi(kind=1, capacity=MIB):
    """Return a VDI header as in VirtualBox' VDICore.h."""
    head = b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + struct.pack(
        "<IIII", 0xBEDA107F, 0x10001, 400, kind
    )
    return head.ljust(368, b"\0") + struct.pack("<Q", capacity) + bytes(512)


def iso():
    return bytes(0x8000) + b"\x01CD001\x01" + bytes(4096)


def told(data, size=None):
    return read_header(data[:HEADER_BYTES], len(data) if size is None else size, "d")


@pytest.mark.parametrize(
    "data, header",
    [
        (qcow2(), Header("qcow2", MIB)),
        (qcow2(version=2), Header("qcow2", MIB)),
        (qcow2(version=2, incompatible=0xFF), Header("qcow2", MIB)),
        (qcow2(incompatible=0b11011), Header("qcow2", MIB)),
        (qcow2(backing=b"base.qcow2"), Header("qcow2", MIB, "base.qcow2")),
        (qcow2(backing=b'json:{"file": {}}'), Header("qcow2", MIB, 'json:{"file": {}}')),
        (qcow2(backing=b"b\xff"), Header("qcow2", MIB, "b\udcff")),
        (qcow2(version=1), Header("qcow", MIB)),
        (qcow2(version=1, backing=b"base"), Header("qcow", MIB, "base")),
        (vmdk(), Header("vmdk", MIB)),
        (vdi(), Header("vdi", MIB)),
        (vdi(kind=2), Header("vdi", MIB)),
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
        (qcow2(incompatible=0b100), "is a qcow2 that keeps its data in another file; one single file was expected"),
        (qcow2(incompatible=0b100000), "has unknown incompatible qcow2 features (0x20)"),
        (qcow2(incompatible=2**63), "has unknown incompatible qcow2 features (0x8000000000000000)"),
        (qcow2(version=4), "is qcow2 of version 4; known are 2 and 3"),
        (qcow2(backing=b"a" * 1024), "has a backing file name out of its header's bounds"),
        (qcow2(backing=b"abc", length=9), "has a backing file name out of its header's bounds"),
        (qcow2()[:20], "ends within its header"),
        (qcow2()[:76], "ends within its header"),
        (vmdk()[:40], "ends within its header"),
        (vdi()[:100], "ends within its header"),
        (vdi(kind=4), "is a VDI of type 4, which builds on another file"),
        (vmdk(descriptor=DESCRIPTOR + PARENT), "is a VMDK that builds on another file (parentFileNameHint)"),
        (HOSTILE, "is a VMDK that keeps its data in other files; one single file was expected"),
    ],
)
def test_refused(data, words):
    assert message(told, data) == f"d: {words}"


# What QEMU's block/vmdk.c follows, and a glance at the descriptor's lines does not see; each is a stranger's way to a
# file of the host. Seen with qemu-img 7.2: "convert" of the first copies the named file into the guest's disk.
@pytest.mark.parametrize(
    "data",
    [
        vmdk(capacity=0, descriptor=HOSTILE),
        vmdk(sectors=0, descriptor=DESCRIPTOR + PARENT),
        vmdk(sectors=1, descriptor=(DESCRIPTOR + b"#").ljust(600, b"x") + PARENT),
        vmdk(at=40, descriptor=DESCRIPTOR, early=DESCRIPTOR + PARENT),
        vmdk(descriptor=DESCRIPTOR + b"x" + PARENT.replace(b"\n", b" ")),
        vmdk(descriptor=DESCRIPTOR + b"a=1" + PARENT.replace(b"\n", b"\r")),
        vmdk(at=HEADER_BYTES // 512, descriptor=DESCRIPTOR + PARENT),
        vmdk(directory=2**64 - 1, end=vmdk(at=1, descriptor=b"")[:512] + bytes(512)),
    ],
    ids=[
        "no capacity",
        "no length",
        "short length",
        "QEMU reads at 512",
        "in a line",
        "carriage return",
        "far away",
        "second header at the end",
    ],
)
def test_hostile_vmdk(data):
    with pytest.raises(ImageError):
        told(data)


@pytest.mark.parametrize(
    "data", [qcow2(capacity=2**63), qcow2(version=1, capacity=2**60), vmdk(capacity=2**55), vdi(capacity=2**64 - 1)]
)
def test_size_is_bounded(data):
    with pytest.raises(ImageError):
        told(data)


@pytest.mark.parametrize("size", ["5M", "4097K"])
@pytest.mark.parametrize(
    "kind", ["qcow2", "qcow2 -o compat=0.10", "qcow2 -o extended_l2=on", "qcow", "vmdk", "vdi", "raw"]
)
def test_qemu_img_makes_what_we_read(tmp_path, kind, size):
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    path = tmp_path / "disk"
    format_, *options = kind.split()
    subprocess.run(["qemu-img", "create", "-q", "-f", format_, *options, path, size], check=True)
    data = path.read_bytes()
    capacity = int(size[:-1]) * {"M": MIB, "K": 1024}[size[-1]]
    header = told(data)
    assert (header.format, header.backing) == (format_, None)
    assert capacity <= header.capacity < capacity + MIB


@pytest.mark.parametrize("kind", ["qcow2", "qcow", "vmdk"])
def test_qemu_img_s_backing_file_is_seen(tmp_path, kind):
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    base, path = tmp_path / "base", tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, base, "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, "-b", base, "-F", kind, path], check=True)
    if kind == "vmdk":
        assert "builds on another file" in message(told, path.read_bytes())
    else:
        assert told(path.read_bytes()).backing == str(base)


def test_qemu_img_s_data_file_is_seen(tmp_path):
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    path = tmp_path / "disk"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", path, "1M"], check=True
    )
    assert "keeps its data in another file" in message(told, path.read_bytes())


@pytest.mark.parametrize("start", [qcow2(), qcow2(version=1), vmdk()[:600], vdi(), iso(), HOSTILE])
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
