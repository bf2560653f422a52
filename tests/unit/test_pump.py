# SPDX-License-Identifier: GPL-3.0-or-later
"""What is poured arrives byte for byte, with its digests and its holes."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._io.pump import FileWriter, pour
from ansible_collections.virt.image.tests.unit.pumping import (  # pylint: disable=unused-import  # fixtures
    NOISE,
    Memory,
    Socket,
    _nothing_is_left,
    all_of,
    new_file,
    sha256,
)
from ansible_collections.virt.image.tests.unit.support import examples, message
from ansible_collections.virt.image.tests.unit.test_unpack import MIB, PACK

# Around what matters: a page, a cell, a block.
LENGTHS = st.sampled_from([1, 511, 4096, 65535, 65536, 65537, 131072, 262143, 262144, 262145, 600_000])
SEGMENTS = st.lists(st.tuples(st.sampled_from(["hole", "zeros", "noise"]), LENGTHS), max_size=8)


def sparse(file, segments):
    """Write segments into a file; return its content."""
    content = b""
    for kind, length in segments:
        data = NOISE[:length] if kind == "noise" else bytes(length)
        if kind != "hole":
            os.pwrite(file.fileno(), data, len(content))
        content += data
    os.ftruncate(file.fileno(), len(content))
    return content


def used(file):
    return os.fstat(file.fileno()).st_blocks * 512


@examples(40)
@given(segments=SEGMENTS)
def test_a_file_arrives(segments):
    with new_file() as source, new_file() as target:
        content = sparse(source, segments)
        found = pour(source, FileWriter(target.fileno()), ["sha256"], "disk", len(content))
        assert all_of(target) == content
        assert (found.read, found.size, found.packing) == (len(content), len(content), None)
        assert found.digests == {"sha256": sha256(content)}
        # What was zeros in the source may be a hole now, and no hole is filled. XFS counts shared blocks twice.
        assert used(target) <= 2 * used(source)


@examples(40)
@given(segments=SEGMENTS, most=st.sampled_from([1, 1400, 65536, MIB]), head=st.integers(0, 70_000), holes=st.booleans())
def test_a_stream_arrives(segments, most, head, holes):
    with new_file() as source:
        content = sparse(source, segments)
    if most == 1:
        content = content[:70_000]
    reader, writer = Socket(content, most), Memory(holes)
    first = b""
    while len(first) < head and (more := reader.read(head - len(first))):
        first += more
    found = pour(reader, writer, ["sha256", "md5"], "disk", len(content), head=first)
    assert writer.content == content
    assert (found.read, found.size, writer.size) == (len(content),) * 3
    assert found.digests == {"sha256": sha256(content), "md5": hashlib.md5(content).hexdigest()}


@examples(20)
@given(segments=SEGMENTS, have=st.integers(0, 600_000), plain=st.booleans())
def test_what_broke_off_is_taken_up(segments, have, plain):
    with new_file() as source, new_file() as target:
        content = sparse(source, segments)
        have = min(have, len(content))
        os.pwrite(target.fileno(), content[:have] + b"left by another", 0)
        source.seek(have)
        reader = source if plain else Socket(content[have:])
        found = pour(reader, FileWriter(target.fileno()), ["sha256"], "disk", len(content), have=have)
        assert all_of(target) == content
        assert (found.read, found.size, found.digests) == (len(content), len(content), {"sha256": sha256(content)})


def test_a_plain_file_is_read_from_its_head():
    with tempfile.NamedTemporaryFile() as source, new_file() as target:
        source.write(NOISE)
        source.seek(1000)
        head = source.read(100)
        found = pour(source, FileWriter(target.fileno()), ["sha256"], "disk", head=head)
        assert all_of(target) == NOISE[1000:]
        assert found.digests == {"sha256": sha256(NOISE[1000:])}


def test_a_file_that_is_not_read_as_it_is():
    with tempfile.NamedTemporaryFile() as source:
        source.write(gzip.compress(NOISE))
        source.flush()
        with gzip.open(source.name) as reader:
            writer = Memory()
            assert pour(reader, writer, (), "disk").packing is None
            assert writer.content == NOISE


def test_holes_are_neither_read_nor_written():
    with new_file() as source, new_file() as target:
        os.ftruncate(source.fileno(), 64 * MIB)
        os.pwrite(source.fileno(), b"x", 32 * MIB)
        found = pour(source, FileWriter(target.fileno()), (), "disk")
        assert found.size == os.fstat(target.fileno()).st_size == 64 * MIB
        assert used(target) <= MIB
        writer = Memory()
        source.seek(0)
        pour(source, writer, ["sha256"], "disk")
        assert [kind for kind, _offset, _length in writer.told] == ["zeros", "write", "zeros"]


def test_zeros_become_holes():
    content = NOISE[:65536] + bytes(65536 * 3) + NOISE[:100_000] + bytes(400_000) + b"x"
    writer = Memory()
    pour(Socket(content), writer, (), "disk")
    zeros = [(offset, length) for kind, offset, length in writer.told if kind == "zeros"]
    assert zeros[0] == (65536, 65536 * 3)
    # The cells between 362144 and 762144.
    assert sum(length for _offset, length in zeros[1:]) == 65536 * 5
    assert writer.content == content


def test_a_writer_without_holes_gets_all():
    with new_file() as source:
        os.ftruncate(source.fileno(), 3 * MIB + 5)
        writer = Memory(holes=False)
        assert pour(source, writer, ["sha256"], "disk").size == 3 * MIB + 5
        assert writer.content == bytes(3 * MIB + 5)
        assert {kind for kind, _offset, _length in writer.told} == {"write"}


@pytest.mark.parametrize("kinds", [(), ["sha256"], ["md5", "sha1", "sha512"], {"sha384": 1}])
def test_digests(kinds):
    found = pour(io.BytesIO(NOISE), Memory(), kinds, "disk")
    assert found.digests == {kind: hashlib.new(kind, NOISE).hexdigest() for kind in kinds}


def test_a_hash_that_is_not_there():
    said = message(pour, io.BytesIO(b""), Memory(), ["sha256", "nohash"], "disk")
    assert said == "the Python of this host has no hash nohash; use sha256"


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("kind", PACK)
def test_what_is_packed_is_unpacked(kind, plain):
    content = NOISE[:100_001] + bytes(MIB) + NOISE[:300_000]
    packed = PACK[kind](content)
    with new_file(packed) as source, new_file() as target:
        reader = source if plain else Socket(packed)
        found = pour(reader, FileWriter(target.fileno()), ["sha256"], "disk", len(content))
        assert (found.read, found.size, found.packing) == (len(packed), len(content), kind)
        assert found.digests == {"sha256": sha256(packed)}
        assert all_of(target) == content
        assert used(target) <= 500_000


@pytest.mark.parametrize("kind", PACK)
def test_what_is_packed_can_stay_so(kind):
    packed = PACK[kind](NOISE[:1000])
    writer = Memory()
    found = pour(io.BytesIO(packed), writer, (), "disk", unpack=False)
    assert (writer.content, found.packing) == (packed, None)


def test_a_packed_file_with_a_hole_in_it():
    with new_file(gzip.compress(b"one")) as source:
        os.ftruncate(source.fileno(), MIB)
        writer = Memory()
        found = pour(source, writer, ["sha256"], "disk", 3)
        assert (writer.content, found.read, found.packing) == (b"one", MIB, "gz")
        assert found.digests == {"sha256": sha256(all_of(source))}


def test_most():
    def pour_many(reader, most):
        pour(reader, Memory(), ["sha256"], "disk", most)

    beyond = ", and may not be larger than that"
    packed = gzip.compress(bytes(MIB))
    assert message(pour_many, io.BytesIO(b"12345"), 4) == f"disk: has more than 4 bytes (at least 5){beyond}"
    assert message(pour_many, io.BytesIO(packed), 4) == f"disk: unpacks to more than 4 bytes (at least 262144){beyond}"
    with new_file() as source:
        os.ftruncate(source.fileno(), 2**40)
        said = message(pour_many, source, MIB)
        assert said == f"disk: has more than {MIB} bytes (at least {2**40}){beyond}"


@pytest.mark.parametrize(
    "have, most, said",
    [
        (7, None, "has 5 bytes here, and not the 7 that were to be taken up"),
        (5, 4, "has more than 4 bytes (at least 5), and may not be larger than that"),
    ],
)
def test_what_is_there_and_cannot_be_taken_up(have, most, said):
    with new_file(b"12345") as target:
        found = message(pour, io.BytesIO(b""), FileWriter(target.fileno()), (), "disk", most, b"", have)
        assert found == f"disk: {said}"


def test_what_an_earlier_run_left_is_cut_off():
    with new_file(NOISE) as target:
        pour(io.BytesIO(bytes(65536) + b"x"), FileWriter(target.fileno()), (), "disk")
        assert all_of(target) == bytes(65536) + b"x"
