# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file system shares blocks, a whole plain file is shared, and read for its digests only."""

from __future__ import annotations

import gzip
import os

import pytest

from ansible_collections.virt.image.plugins.module_utils._io.pump import FileWriter, pour
from ansible_collections.virt.image.tests.unit.pumping import (  # pylint: disable=unused-import  # fixtures
    NOISE,
    _nothing_is_left,
    all_of,
    new_file,
    sha256,
)
from ansible_collections.virt.image.tests.unit.support import message
from ansible_collections.virt.image.tests.unit.test_unpack import MIB


class Sharing(FileWriter):
    """A writer of a file system that shares blocks, as Btrfs and XFS do."""

    def __init__(self, target):
        super().__init__(target.fileno())
        self.target = target

    def clone(self, source):
        os.pwrite(self.target.fileno(), os.pread(source, 10 * MIB, 0), 0)
        return os.fstat(self.target.fileno()).st_size

    def write(self, offset, data):
        raise AssertionError("it was to be shared")


@pytest.mark.parametrize("size", [0, 1, 2 * MIB])
def test_a_file_that_is_shared(size):
    with new_file(NOISE[:size]) as source, new_file() as target:
        found = pour(source, Sharing(target), ["sha256"], "disk")
        assert (found.read, found.size, found.digests) == (size, size, {"sha256": sha256(NOISE[:size])})
        assert all_of(target) == NOISE[:size]


def test_a_file_that_is_shared_is_not_read_for_nothing(monkeypatch):
    with new_file() as source, new_file() as target:
        os.ftruncate(source.fileno(), 2**40)
        writer = Sharing(target)
        monkeypatch.setattr(writer, "clone", lambda descriptor: 2**40)
        monkeypatch.setattr(writer, "begin", lambda have: iter([have]))
        found = pour(source, writer, (), "disk")
        assert (found.read, found.size, found.digests) == (2**40, 2**40, {})


def test_a_file_that_is_shared_is_not_too_large():
    with new_file(NOISE) as source, new_file() as target:
        assert message(pour, source, Sharing(target), (), "disk", 5).startswith("disk: has more than 5 bytes")


@pytest.mark.parametrize("offset", [0, 5])
def test_only_a_whole_plain_file_is_shared(offset):
    with new_file() as source, new_file() as target:
        source.write(NOISE if offset else gzip.compress(NOISE))
        source.seek(offset)
        with pytest.raises(AssertionError, match="shared"):
            pour(source, Sharing(target), (), "disk")
