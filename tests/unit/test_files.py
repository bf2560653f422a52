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


def test_a_source_that_is_gone_is_not_said_of_the_target(tmp_path):
    def arrive():
        with files.arriving(str(tmp_path / "a"), 0o444) as part:
            files.copy(str(tmp_path / "gone"), part)

    assert message(arrive) == f"{tmp_path}/gone: cannot read: No such file or directory"


@pytest.mark.parametrize(
    "parts, size",
    [
        ([], 0),
        ([], 5 * MIB),
        ([(0, b"x")], 1),
        ([(0, b"start"), (9 * MIB, b"end")], 9 * MIB + 3),
        ([(20 * MIB, b"late")], 64 * MIB),
    ],
)
def test_a_copy_has_the_content_and_the_holes(tmp_path, parts, size):
    source, target = tmp_path / "source", tmp_path / "target"
    with open(source, "wb") as file:
        for offset, content in parts:
            file.seek(offset)
            file.write(content)
        file.truncate(size)
    target.write_bytes(b"")
    files.copy(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks + 16


def test_a_copy_by_hand_where_the_kernel_will_not(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    test_a_copy_has_the_content_and_the_holes(tmp_path, [(0, b"start"), (9 * MIB, b"end")], 9 * MIB + 3)


def test_a_source_that_changes_is_not_taken(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"one")
    target.write_bytes(b"")
    real = files._copy_range  # pylint: disable=protected-access

    def meanwhile(*arguments):
        real(*arguments)
        source.write_bytes(b"another")

    monkeypatch.setattr(files, "_copy_range", meanwhile)
    assert (
        message(files.copy, str(source), str(target))
        == f"{source}: changed while it was copied; run again when it is whole"
    )


def test_qemu_img_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (
        message(files.grow, "/d", "raw", 1)
        == "cannot grow /d: qemu-img is missing on this host; install qemu-utils (qemu-img)"
    )


def test_qemu_img_s_own_words(monkeypatch, tmp_path):
    (tmp_path / "qemu-img").write_text("#!/bin/sh\necho 'qemu-img: no\n  such thing' >&2\nexit 1\n")
    (tmp_path / "qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (
        message(files.convert, "/a", "vmdk", "qcow2")
        == "cannot convert /a from vmdk to qcow2: qemu-img: no such thing"
    )
