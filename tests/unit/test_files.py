# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the base store on a real folder: whole or not at all, holes as holes. Two at once: test_arriving.py."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io import files
from ansible_collections.virt.image.tests.unit.support import message

MIB = 2**20


def left(folder):
    return sorted(os.listdir(folder))


def test_a_file_arrives_whole(tmp_path):
    with files.arriving(str(tmp_path / "a"), 0o444) as part:
        assert left(tmp_path) == [".a.part"]
        assert stat.S_IMODE(os.stat(part).st_mode) == 0o600
        with open(part, "r+b") as file:
            file.write(b"content")
    assert left(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"content"
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o444


def test_a_file_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with files.arriving(str(tmp_path / "a"), 0o444) as part:
        assert part is None
    assert left(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("error", [ImageError("x"), ValueError("x"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_an_exception_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        with files.arriving(str(tmp_path / "a"), 0o444) as part:
            with open(part, "r+b") as file:
                file.write(b"half")
            raise error
    assert left(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    def arrive():
        with files.arriving(str(tmp_path / "no" / "a"), 0o444):
            pass

    assert message(arrive) == f"{tmp_path}/no/a: cannot write: No such file or directory"


def test_no_space_is_said_with_a_hint(tmp_path):
    def arrive():
        with files.arriving(str(tmp_path / "a"), 0o444):
            raise OSError(28, "No space left on device")

    assert (
        message(arrive)
        == f"{tmp_path}/a: cannot write: No space left on device; make room there, or choose another pool"
    )
    assert left(tmp_path) == []
