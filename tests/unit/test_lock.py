# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on the folders of pools: many use one, or one prunes it, and nothing is left."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from ansible_collections.virt.image.plugins.module_utils._io import lock
from ansible_collections.virt.image.tests.unit.support import message


def test_many_use_a_folder_or_one_prunes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0)
    folder = str(tmp_path)

    def prune():
        with lock.pruning(folder):
            pass

    def use():
        with lock.using(folder):
            pass

    with lock.using(folder), lock.using(folder):
        assert "waited 0 s for the folder: a play brings volumes to it" in message(prune)
        assert f"(process {os.getpid()})" in message(prune)
    with lock.pruning(folder):
        assert "it is being pruned" in message(use)
        assert "a play brings volumes to it" in message(prune)
    assert message(use) == message(prune) == ""
    assert os.listdir(folder) == []


def test_locks_are_held_until_they_are_released(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0)
    locks, others = lock.Locks(), lock.Locks()
    locks.use(str(tmp_path))
    locks.use(str(tmp_path))
    assert message(others.prune, str(tmp_path))
    locks.release()
    others.prune(str(tmp_path))
    assert message(locks.use, str(tmp_path))
    others.release()
    locks.use(str(tmp_path))
    locks.release()


def test_a_lock_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 60)
    with ExitStack() as holder:
        holder.enter_context(lock.using(str(tmp_path)))
        monkeypatch.setattr(lock.time, "sleep", lambda _seconds: holder.close())
        with lock.pruning(str(tmp_path)):
            pass


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with lock.using(str(tmp_path)):
        pass
    locks = lock.Locks()
    assert message(locks.prune, str(tmp_path)) == f"{tmp_path}: cannot lock the folder: Operation not supported"
    (tmp_path / ".a.part").write_bytes(b"")
    assert not locks.keep(str(tmp_path / ".a.part"))
    locks.release()


def test_a_folder_that_is_not_there(tmp_path):
    for one in (lock.Locks().use, lock.Locks().prune):
        assert message(one, f"{tmp_path}/no") == f"{tmp_path}/no: cannot open the folder: No such file or directory"


def test_a_part_that_is_a_link_is_left_alone(tmp_path):
    (tmp_path / "a").symlink_to("b")
    with lock.abandoned(str(tmp_path / "a")) as free:
        assert not free
    with lock.abandoned(str(tmp_path / "none")) as free:
        assert free


def test_some_locks_are_held_to_the_end(tmp_path):
    with ExitStack() as seen:
        entered = []

        @contextmanager
        def one():
            entered.append("in")
            yield
            entered.append("out")

        locks = lock.Locks()
        seen.callback(locks.close)
        locks.hold("web", one())
        locks.hold("web", one())
        locks.use(str(tmp_path))
        locks.release()
        assert entered == ["in"]
        locks.close()
        locks.close()
        assert entered == ["in", "out"]
        locks.hold("web", one())
        assert entered == ["in", "out", "in"]
