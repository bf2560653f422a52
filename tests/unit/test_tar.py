# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as OVF packages are; what else an archive can hold is refused before anything of it is read."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.tar import read_members
from ansible_collections.virt.image.tests.unit.platters import reader
from ansible_collections.virt.image.tests.unit.support import examples, message, value_or_words

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def packed(*members, format=tarfile.USTAR_FORMAT):
    """Return an archive of (name, content), or of members with other types."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def odd(name, **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def members_of(archive):
    return read_members(reader(archive), len(archive), "x.ova")


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_files(format):
    long = "x" * 90 + ".vmdk" if format == "ustar" else "x" * 180 + ".vmdk"
    archive = packed(("web.ovf", b"<Envelope/>"), ("./web.mf", b""), (long, b"data" * 300), format=FORMATS[format])
    found = members_of(archive)
    assert list(found) == ["web.ovf", "web.mf", long]
    last = found[long]
    assert archive[last.begin : last.begin + last.size] == b"data" * 300


def test_size_of_gnu_and_of_pax():
    told = odd("a", pax_headers={"size": "1000"})
    assert members_of(packed(("a", b"x" * 1000), format=FORMATS["gnu"]))["a"].size == 1000
    assert members_of(packed((told, b"x" * 1000), format=FORMATS["pax"]))["a"].size == 1000


@pytest.mark.parametrize(
    "members, words",
    [
        ([("/etc/passwd", b"x")], "is an absolute path"),
        ([("../x", b"x")], "leaves the descriptor's folder"),
        ([("a\nb", b"x")], "cannot be printed"),
        ([(odd("x", type=tarfile.SYMTYPE, linkname="/etc/shadow"), None)], "is no plain file"),
        ([(odd("x", type=tarfile.LNKTYPE, linkname="y"), None)], "is no plain file"),
        ([(odd("x", type=tarfile.FIFOTYPE), None)], "is no plain file"),
        ([(odd("x", type=tarfile.CHRTYPE), None)], "is no plain file"),
        ([("x", b"1"), ("x", b"2")], "is there twice"),
        ([(f"{number}", b"") for number in range(600)], "more than 512 files"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_is_refused(members, words):
    assert words in message(members_of, packed(*members))


def test_holes_are_refused():
    info = odd("x", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.size": "1099511627776"})
    assert "stored with holes" in message(members_of, packed((info, b"x"), format=FORMATS["pax"]))


def test_a_huge_header_is_not_read():
    archive = bytearray(packed((odd("x", pax_headers={"comment": "y" * 200_000}), b"x"), format=FORMATS["pax"]))
    reads = []
    words = message(read_members, reader(bytes(archive), reads), len(archive), "x.ova")
    assert "at most 65536 are read" in words and max(length for _offset, length in reads) <= 65536


@pytest.mark.parametrize("cut", [100, 700, 1500])
def test_cut_off(cut):
    assert message(members_of, packed(("a", b"x" * 1000))[:cut])


@pytest.mark.parametrize("archive", [b"", b"<Envelope/>" * 100, bytes(10240), b"\x1f\x8b\x08" + bytes(2000)])
def test_no_archive(archive):
    assert "is no tar archive" in message(members_of, archive) or members_of(archive) == {}


@given(st.data())
@examples(50)
def test_any_archive(data):
    archive = bytearray(packed(("web.ovf", b"<Envelope/>"), ("y" * 150, b"z" * 700), format=FORMATS["pax"]))
    for _time in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 4000))
        archive[at : at + 2] = data.draw(st.binary(min_size=1, max_size=12))
    # As who makes such a thing would: the sums are right.
    for at in range(0, len(archive) - 512, 512):
        if archive[at + 257 : at + 262] == b"ustar":
            total = sum(archive[at : at + 148]) + 256 + sum(archive[at + 156 : at + 512])
            archive[at + 148 : at + 156] = f"{total:06o}\0 ".encode()
    value_or_words(dict, members_of, bytes(archive))
