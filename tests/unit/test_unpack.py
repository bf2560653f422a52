# SPDX-License-Identifier: GPL-3.0-or-later
"""Packed content, made by the real tools: unpacked as they do, or refused in words, with nothing left over."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import unpack
from ansible_collections.virt.image.plugins.module_utils._io.unpack import content_head, packing_of, unpacked
from ansible_collections.virt.image.tests.unit.support import message

MIB = 2**20
CONTENT = random.Random(1).randbytes(150_000) + b"virt.image " * 30_000 + bytes(300_000)
POINTS = 20
# What a test may take in memory beyond what Python and its modules have; the bombs are twice as large.
ROOM = 48 * MIB


def zstd(data, *options):
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}
NAMES = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}
# New in Python 3.14, or in backports.zstd.
WAYS = [*PACK, *(["zst by library"] if unpack._zstd_library() else [])]


def running():
    """Return our threads, and the processes that are our children, also those that nobody waited for."""
    lists = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return {*threading.enumerate(), *sum(lists, [])}


@pytest.fixture(scope="module", name="packed")
def _packed():
    return {kind: pack(CONTENT) for kind, pack in PACK.items()}


@pytest.fixture(name="kind", params=WAYS)
def _kind(request, monkeypatch):
    """Return each packing; zstd once by its command and once by the library, where this Python has one."""
    kind, _by, library = request.param.partition(" by ")
    if not library:
        monkeypatch.setattr(unpack, "_zstd_library", lambda: None)
    return kind


@pytest.fixture(autouse=True)
def _nothing_is_left():
    before = running()
    yield
    assert running() <= before


def cut(data, size):
    return (data[start : start + size] for start in range(0, len(data), size))


def whole(kind, data, size=10_000):
    return b"".join(unpacked(kind, cut(data, size), "disk"))


@pytest.mark.parametrize(
    "head, kind",
    [
        (b"", None),
        (b"\x1f", None),
        (b"\x1f\x8b\x08", "gz"),
        (b"\x1f\x8b\x07\0", None),
        (b"BZh91AY&SY", "bz2"),
        (b"BZh01AY&SY", None),
        (b"BZh91AY&S", None),
        (b"BZh9 is a text", None),
        (b"BZh", None),
        (bz2.compress(b""), "bz2"),
        (lzma.compress(b"")[:6], "xz"),
        (lzma.compress(b"", format=lzma.FORMAT_ALONE), None),
        (b"\x28\xb5\x2f\xfd", "zst"),
        (b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd", "zst"),
        (b"\x5f\x2a\x4d\x18\0\0\0\0\x50\x2a\x4d\x18\x01\0\0\0a\x28\xb5\x2f\xfd", "zst"),
        (b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x04\x22\x4d\x18", None),
        (b"\x50\x2a\x4d\x18\xff\xff\xff\xffabcd", None),
        (b"\x50\x2a\x4d\x18", None),
        (b"\x4f\x2a\x4d\x18\0\0\0\0\x28\xb5\x2f\xfd", None),
        (b"QFI\xfb", None),
    ],
)
def test_packing(head, kind):
    assert packing_of(head) == kind


@pytest.mark.parametrize("size", [1, 1000, 16 * 1024, MIB])
@pytest.mark.parametrize("content", [b"", b"x", CONTENT[:2000], CONTENT], ids=len)
def test_content_comes_whole(kind, content, size):
    data = PACK[kind](content)
    assert packing_of(data) == kind
    if size > 1 or len(data) < 5000:
        assert whole(kind, data, size) == content


def test_a_block_of_exactly_the_bound(kind):
    content = bytes(unpack.BLOCK * 2)
    blocks = list(unpacked(kind, [PACK[kind](content)], "disk"))
    assert max(map(len, blocks)) <= unpack.BLOCK
    assert b"".join(blocks) == content


@pytest.mark.parametrize("size", [7, 10_000])
def test_several_streams_are_one_content(kind, size):
    streams = [b"one", b"", CONTENT[:100_000], b"", b"two"]
    if size > 7 or kind != "zst":
        assert whole(kind, b"".join(map(PACK[kind], streams)), size) == b"".join(streams)


@pytest.mark.parametrize(
    "kind, padding, said",
    [
        ("gz", 1, None),
        ("gz", 5000, None),
        ("xz", 4, None),
        ("xz", 40000, None),
        (
            "xz",
            3,
            "disk: is damaged: 3 zero bytes follow an xz stream, which is no multiple of 4; deliver it whole again",
        ),
        ("bz2", 4, "disk: goes on after the end of its bzip2 content with something that is not bzip2; deliver it "),
        ("zst", 4, "disk: "),
    ],
)
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("size", [1, MIB])
def test_padding(kind, padding, said, again, size):
    data = PACK[kind](b"one") + bytes(padding) + (PACK[kind](b"two") if again else b"")
    if said:
        assert message(whole, kind, data, size).startswith(said)
    else:
        assert whole(kind, data, size) == (b"onetwo" if again else b"one")


@pytest.mark.parametrize("size", [1, MIB])
def test_something_after_the_end_is_refused(kind, packed, size):
    data = (packed[kind] if size > 1 else PACK[kind](b"x")) + b"something else"
    said = message(whole, kind, data, size)
    if kind != "zst":
        name = NAMES[kind]
        assert said == (
            f"disk: goes on after the end of its {name} content with something that is not {name}; "
            "deliver it without that"
        )
    assert said.startswith("disk: ")


def test_content_that_ends_too_early(kind, packed):
    data = packed[kind]
    for point in range(POINTS):
        said = message(whole, kind, data[: len(data) * point // POINTS], MIB)
        assert said == f"disk: ends too early: its {NAMES[kind]} content is not complete; deliver it whole again"
    assert message(whole, kind, data[:-1]).startswith("disk: ends too early: ")


def test_a_second_stream_that_ends_too_early(kind, packed):
    second = PACK[kind](b"two")
    assert message(whole, kind, packed[kind] + second[:-2]).startswith("disk: ends too early: ")


def test_content_that_is_damaged(kind, packed):
    for point in [*range(2, POINTS), -1]:
        data = bytearray(packed[kind])
        data[len(data) * point // POINTS if point > 0 else point] ^= 0x55
        said = message(whole, kind, bytes(data))
        assert said.startswith(("disk: is damaged, or not packed with", "disk: ends too early: ")), point
        assert "\n" not in said and len(said) < 400


def test_something_that_is_not_packed(kind):
    assert message(whole, kind, b"something else" * 100).startswith(
        f"disk: is damaged, or not packed with {NAMES[kind]}"
    )


def with_dictionary(data, size):
    """Return an .xz file (format 1.1.0, 3.1) whose first block says that it needs a larger dictionary."""
    header = bytearray(data[12 : 12 + (data[12] + 1) * 4 - 4])
    assert header[2:4] == b"\x21\x01"
    header[4] = size
    return data[:12] + bytes(header) + zlib.crc32(header).to_bytes(4, "little") + data[12 + len(header) + 4 :]


HUNGRY = {
    # A dictionary of 128 MiB, and a window of 256 MiB (RFC 8878, 3.1.1.1.2).
    "xz": with_dictionary(lzma.compress(b"x"), 30),
    "zst": b"\x28\xb5\x2f\xfd\x00" + bytes([(28 - 10) << 3]) + b"\x09\0\0x",
}


def test_content_that_needs_much_memory(kind):
    if kind in HUNGRY:
        assert message(whole, kind, HUNGRY[kind]) == (
            "disk: needs more than 128 MiB of memory to unpack; pack it with a smaller dictionary or window "
            f"({kind if kind == 'xz' else 'zstd'} without --long or dict= beyond that)"
        )


def test_what_is_just_not_too_much():
    assert whole("xz", with_dictionary(lzma.compress(b"x"), 29)) == b"x"
    assert whole("zst", b"\x28\xb5\x2f\xfd\x00" + bytes([(27 - 10) << 3]) + b"\x09\0\0x") == b"x"
    assert whole("zst", zstd(CONTENT, "-19", "--long=27")) == CONTENT


def test_content_packed_twice_is_unpacked_once(kind):
    inner = gzip.compress(CONTENT)
    assert whole(kind, PACK[kind](inner)) == inner


def test_an_error_of_the_reader_comes_through(kind, packed):
    def broken():
        yield packed[kind][:1000]
        raise ConnectionResetError("the reader's")

    with pytest.raises(ConnectionResetError, match="the reader's"):
        list(unpacked(kind, broken(), "disk"))


def test_leaving_early(kind):
    content = unpacked(kind, cut(PACK[kind](bytes(4 * MIB)) * 10, 5000), "disk")
    assert set(next(content)) == {0}
    content.close()


def test_many_empty_streams_cost_little(kind):
    if kind != "zst":
        begun = time.process_time()
        assert whole(kind, PACK[kind](b"") * 10_000, MIB) == b""
        assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "script, said",
    [
        ("exit 0", "is damaged, or not packed with zstd as it begins: zstd ended with 0;"),
        ("cat >/dev/null; exit 3", "is damaged, or not packed with zstd as it begins: zstd ended with 3;"),
        ("kill -9 $$", "is damaged, or not packed with zstd as it begins: zstd ended with -9;"),
        ("echo no luck >&2; cat >/dev/null; exit 1", "is damaged, or not packed with zstd as it begins: no luck;"),
        ("yes no luck | head -c 300000 >&2; exit 1", "is damaged, or not packed with zstd as it begins: no luck no "),
        ("yes premature end | head -c 300000 >&2; exit 1", "ends too early: "),
    ],
)
def test_what_the_command_says(script, said, monkeypatch, tmp_path):
    program = tmp_path / "zstd"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(unpack, "_zstd_library", lambda: None)
    monkeypatch.setattr(unpack.shutil, "which", lambda name: str(program))
    told = message(whole, "zst", b"\x28\xb5\x2f\xfd" + bytes(MIB))
    assert told.startswith(f"disk: {said}")
    assert len(told) < 90_000


def test_without_zstd(monkeypatch):
    monkeypatch.setattr(unpack, "_zstd_library", lambda: None)
    monkeypatch.setattr(unpack.shutil, "which", lambda name: None)
    said = message(whole, "zst", b"\x28\xb5\x2f\xfd")
    assert said == "disk: is packed with zstd, which this host cannot unpack; install zstd"


def test_a_zstd_that_cannot_be_started(monkeypatch, tmp_path):
    (tmp_path / "zstd").write_text("#!/nowhere/sh\n")
    (tmp_path / "zstd").chmod(0o755)
    monkeypatch.setattr(unpack, "_zstd_library", lambda: None)
    monkeypatch.setattr(unpack.shutil, "which", lambda name: str(tmp_path / "zstd"))
    said = message(whole, "zst", b"\x28\xb5\x2f\xfd")
    assert said == f"disk: cannot run {tmp_path}/zstd, which would unpack it: No such file or directory"


@pytest.mark.parametrize("kind, module", [("xz", "lzma"), ("bz2", "bz2")])
def test_a_python_without_the_library(kind, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    said = message(whole, kind, b"x")
    assert said.startswith(f"disk: is packed with {NAMES[kind]}, and the Python of this host cannot unpack it (")


@pytest.mark.parametrize("length", [1, 100, 65536, len(CONTENT), 10 * MIB])
def test_head(kind, packed, length):
    reader = io.BytesIO(packed[kind])
    assert content_head(reader, length, "disk") == (CONTENT[:length], kind)


def test_head_of_what_is_not_packed():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 3))

    assert content_head(Slow(CONTENT), 100, "disk") == (CONTENT[:100], None)
    assert content_head(io.BytesIO(b""), 100, "disk") == (b"", None)
    assert content_head(Slow(gzip.compress(b"content")), 100, "disk") == (b"content", "gz")


BOMBS = f"""
import bz2, lzma, resource, sys
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io.pump import pour
most = int(sys.argv[1])
class Writer:
    def write(self, offset, data):
        raise AssertionError("no zeros")
    def zeros(self, offset, length):
        pass
    def finish(self, size):
        pass
def used(who):
    return resource.getrusage(who).ru_maxrss * 1024
before = used(resource.RUSAGE_SELF)
resource.setrlimit(resource.RLIMIT_AS, (512 * {MIB}, 512 * {MIB}))
try:
    print(pour(sys.stdin.buffer, Writer(), ["sha256"], "bomb", most or None).size)
except ImageError as error:
    print(error)
print(used(resource.RUSAGE_SELF) - before, used(resource.RUSAGE_CHILDREN))
"""


def exploded(bomb, most=0):
    """Return what a process under limits says of a bomb; it must not grow with it."""
    done = subprocess.run(
        [sys.executable, "-c", BOMBS, str(most)],
        input=bomb,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    said, used = done.stdout.decode().splitlines()
    assert max(map(int, used.split())) < ROOM
    return said


@pytest.fixture(scope="module", name="bombs")
def _bombs():
    return {kind: pack(bytes(8 * MIB)) for kind, pack in PACK.items()}


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_needs_little_memory(kind, bombs):
    assert exploded(bombs[kind] * 12) == str(96 * MIB)


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_stopped(kind, bombs):
    said = exploded(bombs[kind] * 1000, 4 * MIB)
    assert said.startswith(f"bomb: unpacks to more than {4 * MIB} bytes (at least {4 * MIB + 256 * 1024})")
