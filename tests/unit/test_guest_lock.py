# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on guests: one play works on a guest, until its process ends, and nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import guest_lock
from ansible_collections.virt.image.plugins.module_utils._io.guest_lock import hold_guest
from ansible_collections.virt.image.plugins.module_utils._io.lock import Locks
from ansible_collections.virt.image.tests.unit.support import message

UUID = "6d1a1c8e-0000-4000-8000-1234567890ab"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")


class Link:
    """Stands in for a connection to a daemon."""

    def __init__(self, uri="qemu:///system", is_local=True, is_session=False):
        self.uri, self.is_local, self.is_session = uri, is_local, is_session
        self.locks, self.link = Locks(), self

    def getURI(self):
        return self.uri


def refused(link, uuid=UUID):
    words = message(hold_guest, "web", uuid, link)
    link.locks.close()
    return words


@pytest.fixture(name="holder")
def _holder():
    holder = Link()
    hold_guest("web", UUID, holder)
    yield holder
    holder.locks.close()


def test_one_play_has_a_guest(holder):
    told = f"another play works on it (process {os.getpid()} of user {os.getuid()}); run again when it has ended"
    assert refused(Link()) == told
    # What it holds already, it may hold again; and it goes on holding it when the folders are released.
    hold_guest("web", UUID, holder)
    holder.locks.release()
    assert refused(Link(), UUID.upper()) == told
    assert not refused(Link(), UUID.replace("6", "7"))
    holder.locks.close()
    assert not refused(Link())


def test_who_asks_is_told_again_and_again(holder, monkeypatch):
    monkeypatch.setattr(guest_lock, "QUEUE", 0)
    for number in range(3 * 64):
        words = refused(Link())
        assert words.startswith("another play works on it"), number
    assert holder.locks


@pytest.mark.parametrize(
    "uri", ["qemu+unix:///system", "qemu:///system?socket=/run/libvirt/libvirt-sock", "qemu:///system?mode=direct"]
)
def test_a_daemon_is_the_same_by_each_of_its_uris(uri, holder):
    assert refused(Link(uri)) and holder


def test_each_daemon_has_its_own_guests(holder, monkeypatch, tmp_path):
    assert not refused(Link("qemu:///system?socket=/other/libvirt-sock"))
    assert not refused(Link("xen:///system"))
    assert not refused(Link("qemu+ssh://host/system", is_local=False)) and holder
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "a"))
    mine = Link("qemu:///session", is_session=True)
    hold_guest("web", UUID, mine)
    assert refused(Link("qemu:///session", is_session=True))
    assert refused(Link(f"qemu:///session?socket={tmp_path}/a/libvirt/libvirt-sock", is_session=True))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "b"))
    assert not refused(Link("qemu:///session", is_session=True))
    mine.locks.close()


def test_what_a_play_starts_does_not_hold_the_guest():
    holder = Link()
    hold_guest("web", UUID, holder)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], close_fds=False, **pipes) as child:
        # It is what it is to be: until then it has all that we have.
        child.stdout.readline()
        holder.locks.close()
        assert not refused(Link())
        child.communicate(b"\n")


def test_elsewhere_there_is_no_lock(holder, monkeypatch):
    monkeypatch.setattr(guest_lock.sys, "platform", "darwin")
    assert not refused(Link()) and holder
