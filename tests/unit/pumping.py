# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the pump share: readers, writers, and new files."""

from __future__ import annotations

import hashlib
import io
import os
import random
import tempfile
from contextlib import contextmanager

import pytest

from ansible_collections.virt.image.tests.unit.test_unpack import MIB, PACK, running

NOISE = random.Random(7).randbytes(2 * MIB)


@pytest.fixture(scope="module", name="packed")
def _packed():
    return {kind: pack(NOISE[:600_000]) for kind, pack in PACK.items()}


@pytest.fixture(autouse=True)
def _nothing_is_left():
    before = running()
    yield
    assert running() <= before


class Memory:
    """A writer that tells what it was asked for."""

    def __init__(self, holes=True):
        self.holes = holes
        self.content, self.told, self.size = bytearray(), [], None

    def write(self, offset, data):
        assert offset == len(self.content)
        self.content += data
        self.told.append(("write", offset, len(data)))

    def zeros(self, offset, length):
        assert self.holes and offset == len(self.content)
        self.content += bytes(length)
        self.told.append(("zeros", offset, length))

    def finish(self, size):
        assert self.size is None
        self.size = size


class Socket:
    """A reader that gives less than it is asked for."""

    def __init__(self, content, most=1400):
        self._content, self._most = io.BytesIO(content), most

    def read(self, size):
        return self._content.read(min(size, self._most))


@contextmanager
def new_file(content=b""):
    with tempfile.TemporaryFile(buffering=0) as file:
        os.pwrite(file.fileno(), content, 0)
        yield file


def all_of(file):
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size + 1, 0)


def sha256(content):
    return hashlib.sha256(content).hexdigest()
