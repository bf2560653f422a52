# SPDX-License-Identifier: GPL-3.0-or-later
"""VMDKs: each way of theirs to other files, their footers, and what they make QEMU read."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.header import (
    HEADER_BYTES,
    TAIL_BYTES,
    Header,
    read_header,
)
from ansible_collections.virt.image.tests.unit.disks import AT_END, DESCRIPTOR, MIB, sparse_header, stream, vmdk
from ansible_collections.virt.image.tests.unit.support import message

PARENT = b'\nparentFileNameHint="base.vmdk"\n'
SHADOW = b'RW 2048 FLAT "/etc/shadow" 0\n'
HOSTILE = DESCRIPTOR.replace(b"Sparse", b"Flat") + SHADOW


def told(data, size=None):
    return read_header(data[:HEADER_BYTES], len(data) if size is None else size, "d", data[-TAIL_BYTES:])


def streaming(data):
    return read_header(data[:HEADER_BYTES], len(data), "d")


# Written by VirtualBox, by ESXi's export, and by older tools.
@pytest.mark.parametrize(
    "descriptor",
    [
        DESCRIPTOR,
        DESCRIPTOR.replace(b"\n", b"\r\n"),
        DESCRIPTOR.replace(b"RW 2048", b"RDONLY 2048"),
        DESCRIPTOR.replace(b'createType="mono', b'isNativeSnapshot="no"\nencoding="UTF-8"\ncreateType = "mono'),
        DESCRIPTOR.replace(b"disk.vmdk", "Büro 1.vmdk".encode()),
        DESCRIPTOR.replace(b"parentCID=ffffffff\n", b"parentCID=FFFFFFFF\n"),
        DESCRIPTOR + b'ddb.comment = "a/b = c"\nddb.uuid.parent="00000000-0000-0000-0000-000000000000"\n',
        DESCRIPTOR + b"\0" + b"what is left of a longer one",
    ],
)
def test_descriptors_that_others_write(descriptor):
    assert told(vmdk(descriptor=descriptor)) == Header("vmdk", MIB)
    assert told(stream(descriptor=descriptor)) == streaming(stream(descriptor=descriptor)) == Header("vmdk", MIB)


# What QEMU's block/vmdk.c follows, and a glance at the descriptor's lines does not see; each is a stranger's way to a
# file of the host. Seen with qemu-img 7.2: "convert" of the first copies the named file into the guest's disk.
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(vmdk(capacity=0, descriptor=HOSTILE), id="no capacity"),
        pytest.param(vmdk(sectors=0, descriptor=DESCRIPTOR + PARENT), id="no length"),
        pytest.param(vmdk(sectors=1, descriptor=(DESCRIPTOR + b"#").ljust(600, b"x") + PARENT), id="short length"),
        pytest.param(vmdk(at=40, early=DESCRIPTOR + PARENT), id="QEMU reads at 512"),
        pytest.param(vmdk(at=40, early=DESCRIPTOR), id="two descriptors"),
        pytest.param(vmdk(descriptor=DESCRIPTOR + b"x" + PARENT.replace(b"\n", b" ")), id="in a line"),
        pytest.param(vmdk(descriptor=DESCRIPTOR + b"a=1" + PARENT.replace(b"\n", b"\r")), id="carriage return"),
        pytest.param(vmdk(descriptor=DESCRIPTOR + b"#" + PARENT.replace(b"\n", b" ")), id="in a comment"),
        pytest.param(vmdk(descriptor=DESCRIPTOR + b"\0" + PARENT), id="after the text"),
        pytest.param(vmdk(at=HEADER_BYTES // 512, descriptor=DESCRIPTOR + PARENT), id="far away"),
        pytest.param(vmdk(sectors=2**60), id="long"),
        pytest.param(vmdk(sectors=2**64 - 1), id="as long as can be"),
        pytest.param(vmdk(directory=AT_END, end=sparse_header() + bytes(512)), id="second header at the end"),
        pytest.param(stream(capacity=0, descriptor=HOSTILE), id="no capacity, with footer"),
        pytest.param(stream(footer={"capacity": 0}), id="no capacity in the footer"),
        pytest.param(stream(footer={"capacity": 2**50}), id="another capacity in the footer"),
        pytest.param(stream(footer={"at": 200}), id="another descriptor in the footer"),
        pytest.param(stream(footer={"directory": AT_END}), id="a footer with a footer"),
        pytest.param(stream() + bytes(512), id="something after the footer"),
        pytest.param(stream()[:-512], id="no end of stream"),
        pytest.param(stream()[:-1], id="cut off"),
        pytest.param(stream() + b"\0", id="a byte more"),
        pytest.param(stream(marker=(0, 1, 3)), id="a marker with a size"),
        pytest.param(stream(marker=(0, 0, 2)), id="another marker"),
        pytest.param(stream(end=(1, 0, 0)), id="another end"),
    ],
)
def test_hostile(data):
    with pytest.raises(ImageError):
        told(data)


@pytest.mark.parametrize(
    "descriptor, words",
    [
        (DESCRIPTOR + PARENT, "is a VMDK that builds on another file (parentFileNameHint)"),
        (DESCRIPTOR.upper() + PARENT.upper(), "is a VMDK that builds on another file (parentFileNameHint)"),
        (DESCRIPTOR.replace(b"CID=ffffffff", b"CID=12345678"), "is a VMDK that builds on another file (parentCID)"),
        (DESCRIPTOR + SHADOW, "is a VMDK that keeps its data in other files; one single file was expected"),
        (DESCRIPTOR.replace(b"disk.vmdk", b"../disk.vmdk"), "keeps its data in other files"),
        (DESCRIPTOR.replace(b" SPARSE ", b" FLAT "), "keeps its data in other files"),
        (DESCRIPTOR.replace(b" SPARSE ", b" VMFSSPARSE "), "keeps its data in other files"),
        (DESCRIPTOR.replace(b"RW 2048", b"#RW 2048"), "keeps its data in other files"),
        (DESCRIPTOR + b'RW 2048 SPARSE "2.vmdk"\n', "keeps its data in other files"),
        (DESCRIPTOR.replace(b"Sparse", b"Flat"), "is a VMDK of type 'monolithicflat'; one single file was expected"),
        (DESCRIPTOR.replace(b"createType", b"kind"), "is a VMDK without createType; one single file"),
        (DESCRIPTOR + b'createType="monolithicFlat"\n', "that means nothing: 'createType=\"monolithicFlat\"'"),
        (DESCRIPTOR + b"hello world\n", "is a VMDK with a line in its descriptor that means nothing: 'hello world'"),
        (DESCRIPTOR + b'RW 0x10 FLAT "/etc/shadow" 0\n', "means nothing"),
        (b"", "is a VMDK without createType"),
    ],
)
def test_refused_descriptors(descriptor, words):
    for data in (vmdk(descriptor=descriptor), stream(descriptor=descriptor)):
        assert words in message(told, data)
        assert words in message(streaming, data)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"version": 4}, "is VMDK of version 4; known are 1 to 3"),
        ({"compression": 2}, "is compressed in an unknown way (2); known is deflate (1)"),
        ({"grain": 0}, "has grains of 0 sectors; a power of 2 up to 4096 was expected"),
        ({"grain": 2**40}, "a power of 2 up to 4096 was expected"),
        ({"grain": 100}, "has grains of 100 sectors"),
        ({"entries": 0}, "has grain tables of 0 entries; 1 to 512 are known"),
        ({"entries": 2**32 - 1}, "has grain tables of 4294967295 entries"),
        ({"capacity": 2**60}, "has a grain directory of more than 33554432 bytes"),
        ({"capacity": 2**30, "grain": 1, "entries": 1}, "has a grain directory of more than 33554432 bytes"),
    ],
)
def test_bounds_hold_for_header_and_footer(fields, words):
    assert words in message(told, vmdk(**fields))
    assert words in message(told, stream(**fields))
    assert words in message(told, stream(footer=fields))
    assert not message(streaming, stream(footer=fields))


def test_a_footer_without_a_descriptor():
    assert told(stream(footer={"at": 0, "sectors": 0})) == Header("vmdk", MIB)


def test_a_large_disk():
    """2 TiB with the usual grains, which is what VMware takes at most."""
    assert told(vmdk(capacity=2**32)) == Header("vmdk", 2**41)


def test_qemu_img_reads_the_same_stream(tmp_path):
    """Our hand-made file is real: QEMU reads its content, by its footer."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    content = bytes(range(256)) * (2 * MIB // 256)
    (tmp_path / "disk").write_bytes(stream(content))
    assert told(stream(content)) == Header("vmdk", 2 * MIB)
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", tmp_path / "disk", tmp_path / "raw"], check=True)
    assert (tmp_path / "raw").read_bytes() == content
