# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img within its limits: whatever it does too much of ends in words, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import qemu_img
from ansible_collections.virt.image.plugins.module_utils._io.qemu_img import GIB, Limits, convert, create
from ansible_collections.virt.image.tests.unit.qemu_tool import (  # pylint: disable=unused-import  # fixtures
    MIB,
    _real,
    _stand_in,
)
from ansible_collections.virt.image.tests.unit.support import message


def test_limits_are_set(stand_in):
    folder = stand_in("for one in v t f s c; do ulimit -$one; done > limits")
    create("a", "raw", 4 * GIB)
    limits = (folder / "limits").read_text().split()
    assert limits[:2] == ["1048576", "30"]
    assert int(limits[2]) in ((4 * GIB + 16 * MIB + 64 * MIB) // block for block in (512, 1024))
    assert limits[3:] == ["8192", "0"]


def test_limits_grow_with_the_disk():
    assert Limits.of(MIB, True) == Limits(GIB, MIB + 4096 + 64 * MIB, 300, 3600)
    assert Limits.of(100 * GIB, True).processor == 3300
    assert Limits.of(100 * GIB, True).clock == 15600
    assert Limits.of(100 * GIB, False).processor == 30
    assert Limits.of(2**53, True).clock == Limits.of(2**53, True).processor == 24 * 3600


def gone(folder):
    """Return whether the stand-in, which wrote its process' number down, is no more, and its file neither."""
    return not os.path.exists("b") and not os.path.exists(f"/proc/{(folder / 'pid').read_text().strip()}")


@pytest.mark.parametrize(
    "hang", ["kill -STOP $$", "exec cat fifo", "trap '' TERM INT HUP; while :; do sleep 0.01; done"]
)
def test_too_much_time(stand_in, monkeypatch, hang):
    folder = stand_in(f"echo $$ > pid; echo begun > b; {hang}")
    os.mkfifo("fifo")
    monkeypatch.setattr(qemu_img, "LONG", (300, 1.5))
    told = message(convert, "disk.raw", "raw", "b", "qcow2")
    assert told == "cannot convert disk.raw from raw to qcow2: qemu-img took more than 1.5 s"
    assert gone(folder)


def test_too_much_processor_time(stand_in, monkeypatch):
    folder = stand_in("echo $$ > pid; echo begun > b; while :; do :; done")
    monkeypatch.setattr(qemu_img, "LONG", (1, 60))
    told = message(convert, "disk.raw", "raw", "b", "qcow2")
    assert told == "cannot convert disk.raw from raw to qcow2: qemu-img took more than 1 s of processor time"
    assert gone(folder)


# Far too little: with some more it depends on how many of its threads live at once.
@pytest.mark.parametrize("memory", [30, 40])
def test_too_much_memory(real, monkeypatch, memory):
    monkeypatch.setattr(qemu_img, "MEMORY", memory * MIB)
    told = message(convert, "disk.raw", "raw", "b", "qcow2")
    assert told.startswith(
        f"cannot convert disk.raw from raw to qcow2: qemu-img needs more than {memory} MiB of memory ("
    )
    assert not os.path.exists("b")


@pytest.mark.parametrize(
    "make", [lambda: convert("disk.raw", "raw", "b", "qcow2"), lambda: create("b", "raw", 5 * MIB)]
)
def test_too_large_a_file(real, monkeypatch, make):
    monkeypatch.setattr(qemu_img, "ENDS", -4 * MIB)
    assert "qemu-img wrote more than 1044 KiB, which no disk of that size needs" in message(make)
    assert not os.path.exists("b")


def test_an_interruption_leaves_nothing(stand_in):
    folder = stand_in("echo $$ > pid; echo begun > b; kill -INT $PPID; exec sleep 9")
    # What a shell runs in the background ignores it, and so does all that it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            convert("disk.raw", "raw", "b", "qcow2")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not os.path.exists("b")
    # After a Ctrl-C some versions of Python leave it to others to collect what was killed.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(int((folder / "pid").read_text()), 0)
    assert gone(folder)
