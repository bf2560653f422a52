# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that several processes bring at once: one writes, the others wait and find it, whoever fails or is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io import files

FORK = multiprocessing.get_context("fork")


def bring(path, content, ready=None, go=None, fail=False):
    """Bring a file as a process does: tell when it is being written, wait for the word, end well or not."""
    try:
        with files.arriving(str(path), 0o444) as part:
            if part is None:
                os._exit(7)
            with open(part, "r+b") as file:
                file.write(content)
            if ready:
                ready.set()
                go.wait(30)
            if fail:
                raise ImageError("no more")
    except ImageError:
        os._exit(3)
    os._exit(0)


def start(*arguments, **options):
    process = FORK.Process(target=bring, args=arguments, kwargs=options)
    process.start()
    return process


def waiting(path):
    """Wait until a second process waits for the lock of a file (where the kernel shows it; else a while)."""
    inode = os.stat(path.parent / f".{path.name}.part").st_ino
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        with open("/proc/locks", encoding="ascii") as locks:
            if any("->" in line and f":{inode} " in line for line in locks):
                return
        time.sleep(0.01)


def left(folder):
    return sorted(os.listdir(folder))


def test_the_second_waits_and_finds_it(tmp_path):
    ready, go = FORK.Event(), FORK.Event()
    first = start(tmp_path / "a", b"first", ready, go)
    assert ready.wait(30)
    second = start(tmp_path / "a", b"second")
    waiting(tmp_path / "a")
    go.set()
    for process in (first, second):
        process.join(30)
    assert (first.exitcode, second.exitcode) == (0, 7)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert left(tmp_path) == ["a"]


def test_the_second_goes_on_where_the_first_fails(tmp_path):
    ready, go = FORK.Event(), FORK.Event()
    first = start(tmp_path / "a", b"first", ready, go, fail=True)
    assert ready.wait(30)
    second = start(tmp_path / "a", b"second")
    waiting(tmp_path / "a")
    go.set()
    for process in (first, second):
        process.join(30)
    assert (first.exitcode, second.exitcode) == (3, 0)
    assert (tmp_path / "a").read_bytes() == b"second"
    assert left(tmp_path) == ["a"]


def test_two_never_write_at_once_after_a_failure(tmp_path):
    """A third comes while the second, which waited for the first that failed, is writing."""
    events = [(FORK.Event(), FORK.Event()) for _process in range(2)]
    first = start(tmp_path / "a", b"first", *events[0], fail=True)
    assert events[0][0].wait(30)
    second = start(tmp_path / "a", b"second", *events[1])
    waiting(tmp_path / "a")
    events[0][1].set()
    first.join(30)
    assert events[1][0].wait(30)
    third = start(tmp_path / "a", b"third-is-longer")
    time.sleep(0.1)
    events[1][1].set()
    for process in (second, third):
        process.join(30)
    assert (second.exitcode, third.exitcode) == (0, 7)
    assert (tmp_path / "a").read_bytes() == b"second"


def test_killed_in_the_middle_then_again(tmp_path):
    ready, go = FORK.Event(), FORK.Event()
    first = start(tmp_path / "a", b"a longer content than the second", ready, go)
    assert ready.wait(30)
    os.kill(first.pid, signal.SIGKILL)
    first.join(30)
    assert left(tmp_path) == [".a.part"]
    second = start(tmp_path / "a", b"second")
    second.join(30)
    assert second.exitcode == 0
    assert (tmp_path / "a").read_bytes() == b"second"
    assert left(tmp_path) == ["a"]
