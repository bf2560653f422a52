# SPDX-License-Identifier: GPL-3.0-or-later
"""What qemu-img is told, and what becomes of what it says, with a stand-in for it."""

from __future__ import annotations

import json
import os
import shutil
import threading

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import qemu_img
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.qemu_img import convert, grow
from ansible_collections.virt.image.tests.unit import disks
from ansible_collections.virt.image.tests.unit.qemu_tool import (  # pylint: disable=unused-import  # fixtures
    MIB,
    _stand_in,
    watched,
)
from ansible_collections.virt.image.tests.unit.support import message, until


def test_a_percentage_that_is_cut_off_is_not_taken_for_another():
    """What qemu-img has written when it is looked at may end anywhere."""
    with watched().share("work") as job, qemu_img._Percentage(job) as told:
        assert job.look() is None
        pieces = {b"    (0.00/100%)\r": 0, b"  (12.50/100%)\r    (99": 12.5, b".25/100%)\r": 99.25, b"x" * 999: 99.25}
        for written, seen in pieces.items():
            os.write(told.output, written)
            assert until(lambda end=written[-9:]: told._told.endswith(end)) and job.look() == seen


# As commit does at 0 %: far more than a pipe holds.
TALKATIVE = """#!/usr/bin/python3
import sys
sys.stdout.write("    (0.00/100%)\\r" * 65536 + "    (50.00/100%)\\r")
sys.stdout.flush()
open({words!r}, "w").write(" ".join(sys.argv[1:]))
"""


@pytest.mark.parametrize("looked_at", [True, False])
def test_what_it_tells_never_holds_it_up(tmp_path, monkeypatch, looked_at):
    """Nobody looks while it runs; it is asked to tell only where somebody might."""
    tool, words = tmp_path / "qemu-img", tmp_path / "words"
    tool.write_text(TALKATIVE.format(words=str(words)))
    tool.chmod(0o755)
    (tmp_path / "a").write_bytes(bytes(512))
    monkeypatch.setattr(shutil, "which", lambda _name: str(tool))
    monkeypatch.setattr(qemu_img, "LONG", (10, 10))
    threads = threading.active_count()
    with (watched() if looked_at else Jobs()).share("work") as job:
        convert(str(tmp_path / "a"), "raw", str(tmp_path / "b"), "raw", job)
        assert ("-p" in words.read_text().split()) == looked_at
        assert (job.look() == 50.0) if looked_at else (job.look is None)
    assert threading.active_count() == threads


@pytest.mark.parametrize("format", ["raw", "qcow2", "vmdk", "vdi", "qcow"])
def test_qemu_img_is_told_all_that_it_may_open(stand_in, format):
    folder = stand_in("printf '%s\\n' \"$@\" > told; echo $LC_ALL $MALLOC_ARENA_MAX > environment")
    made = {"raw": b"", "qcow2": disks.qcow2(), "vmdk": disks.vmdk(), "vdi": disks.vdi(), "qcow": disks.qcow()}
    (folder / "a").write_bytes(made[format])
    convert("a", format, "b", "qcow2")
    told = (folder / "told").read_text().splitlines()
    node = {"driver": format, "file": {"driver": "file", "filename": f"{folder}/a"}}
    if format not in ("raw", "vdi"):
        node["backing"] = None
    assert told[:3] + told[4:] == ["convert", "-O", "qcow2", f"{folder}/b"]
    assert json.loads(told[3].partition("json:")[2]) == node
    assert (folder / "environment").read_text() == "C 1\n"


@pytest.mark.parametrize(
    "script, words",
    [
        ("echo 'qemu-img: no\n  such thing' >&2; exit 1", "qemu-img: no such thing"),
        ("printf '\\377\\n' >&2; exit 1", "\ufffd"),
        ("exit 3", "qemu-img ended with 3"),
        ("kill -SEGV $$", "qemu-img ended with -11"),
    ],
)
def test_qemu_img_s_own_words(stand_in, script, words):
    stand_in(script)
    assert message(convert, "disk.raw", "raw", "b", "qcow2") == f"cannot convert disk.raw from raw to qcow2: {words}"


def test_only_what_was_made_is_removed(stand_in):
    stand_in("exit 1")
    os.symlink("disk.raw", "b")
    assert message(convert, "disk.raw", "raw", "b", "qcow2")
    assert os.path.lexists("b") and os.path.exists("disk.raw")
    assert message(grow, "disk.raw", "raw", 9 * MIB)
    assert os.path.exists("disk.raw")


def test_missing(monkeypatch, tmp_path):
    (tmp_path / "d").write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = "qemu-img is missing on this host; install qemu-utils (qemu-img)"
    assert message(grow, f"{tmp_path}/d", "raw", 1) == f"cannot grow {tmp_path}/d: {words}"
