# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of who reads, writes or hashes come through, and odd systems are no hindrance."""

from __future__ import annotations

import io
import os

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import pump
from ansible_collections.virt.image.plugins.module_utils._io.pump import FileWriter, pour
from ansible_collections.virt.image.tests.unit.pumping import (  # pylint: disable=unused-import  # fixtures
    NOISE,
    Memory,
    Socket,
    _nothing_is_left,
    _packed,
    all_of,
    new_file,
    sha256,
)
from ansible_collections.virt.image.tests.unit.test_unpack import MIB, PACK


@pytest.mark.parametrize("kind", PACK)
def test_an_error_of_the_reader_comes_through(kind):
    class Broken(Socket):
        def read(self, size):
            data = super().read(size)
            if not data:
                raise ConnectionResetError("the reader's")
            return data

    for content in (NOISE[:300_000], PACK[kind](NOISE[:300_000])[:100_000], b""):
        with pytest.raises(ConnectionResetError, match="the reader's"):
            pour(Broken(content), Memory(), ["sha256", "sha1"], "disk")


@pytest.mark.parametrize("error", [OSError(28, "No space"), ValueError("x"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("kind", [None, *PACK])
def test_an_error_of_the_writer_comes_through(kind, error, packed):
    class Full(Memory):
        def write(self, offset, data):
            if offset:
                raise error
            super().write(offset, data)

    content = packed[kind] if kind else NOISE
    with pytest.raises(type(error)) as found:
        pour(io.BytesIO(content), Full(), ["sha256"], "disk")
    assert found.value is error


@pytest.mark.parametrize("many", [True, False])
def test_an_error_of_the_hash_comes_through(many, monkeypatch):
    class Broken:
        def update(self, _block):
            raise MemoryError("the hash's")

    monkeypatch.setattr(pump.hashlib, "new", lambda kind, usedforsecurity: Broken())
    with pytest.raises(MemoryError, match="the hash's"):
        pour(io.BytesIO(NOISE * 10 if many else b"x"), Memory(), ["sha256"], "disk")


def test_a_thread_that_cannot_begin(monkeypatch):
    class Second(pump._Hasher):
        def start(self):
            if self.name == "hash sha1":
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(pump, "_Hasher", Second)
    with pytest.raises(RuntimeError):
        pour(io.BytesIO(NOISE), Memory(), ["sha256", "sha1"], "disk")


def test_a_file_that_is_cut_off_meanwhile(monkeypatch):
    pread = os.pread

    with new_file(NOISE) as source:

        def cutting(descriptor, length, offset):
            if descriptor == source.fileno() and offset >= MIB:
                os.ftruncate(source.fileno(), MIB)
            return pread(descriptor, length, offset)

        monkeypatch.setattr(pump.os, "pread", cutting)
        found = pour(source, Memory(), ["sha256"], "disk")
        assert (found.size, found.digests) == (MIB, {"sha256": sha256(NOISE[:MIB])})


def refuse(*_arguments):
    raise OSError(22, "Invalid argument")


def test_a_file_system_that_tells_no_holes(monkeypatch):
    with new_file(NOISE) as source:
        os.ftruncate(source.fileno(), 4 * MIB)
        writer = Memory()
        monkeypatch.setattr(pump.os, "lseek", refuse)
        pour(source, writer, (), "disk")
        assert writer.content == NOISE + bytes(2 * MIB)


def test_a_write_that_takes_less_than_it_was_given(monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(pump.os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:1000], offset))
    with new_file() as target:
        pour(io.BytesIO(NOISE[:300_000]), FileWriter(target.fileno()), (), "disk")
        assert all_of(target) == NOISE[:300_000]


@pytest.mark.parametrize("advice", ["missing", "refused"])
def test_a_system_that_takes_no_advice(advice, monkeypatch):
    if advice == "missing":
        monkeypatch.delattr(pump.os, "posix_fadvise")
    else:
        monkeypatch.setattr(pump.os, "posix_fadvise", refuse)
    with new_file() as target:
        pour(io.BytesIO(NOISE * 5), FileWriter(target.fileno()), (), "disk")
        assert all_of(target) == NOISE * 5
