# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI variables and TPM state go with their generations, also where a run is killed between any two operations."""

from __future__ import annotations

import itertools
import os
import socket

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.moves import BringState, DropState, KeepState
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._io import belongings, states
from ansible_collections.virt.image.tests.unit.support import message

UUID = "6d1a1c8e-0000-4000-8000-1234567890ab"
TPM = "<tpm><backend type='emulator'/></tpm>"
BOTH = f"<domain><name>web</name><uuid>{UUID}</uuid><os firmware='efi'/><devices>{TPM}</devices></domain>"
NEITHER = f"<domain><name>web</name><uuid>{UUID}</uuid><os/><devices/></domain>"
# What changes the world: a kill comes before any one of them.
OPERATIONS = ["rename", "mkdir", "unlink", "rmdir", "open", "fsync", "fchmod"]


class Killed(BaseException):
    """Stands in for a kill: nothing of ours hears of it."""


class Host:
    """Stands in for a connection, with libvirt's folders."""

    is_local, is_session, uri = True, False, "qemu:///system"

    def __init__(self, folder):
        self.folder, self.xml, self.active = folder, BOTH, False
        self.nvram, self.tpm = folder / "qemu/nvram/web_VARS.fd", folder / "swtpm" / UUID
        for path in (self.nvram.parent, self.tpm.parent):
            path.mkdir(parents=True)

    def find_domain(self, _name):
        return self if self.xml else None

    def isActive(self):
        return self.active

    def configuration(self, _name):
        return self.xml

    def run(self, words):
        """Let the guest write to its state."""
        self.nvram.write_text(f"variables {words}")
        (self.tpm / "tpm2").mkdir(parents=True, exist_ok=True)
        (self.tpm / "tpm2" / "tpm2-00.permall").write_text(f"keys {words}")

    def state(self):
        return {
            str(path.relative_to(self.folder)): path.read_text()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def is_state(self, words):
        found = [self.nvram, self.tpm / "tpm2" / "tpm2-00.permall"]
        return [path.exists() and path.read_text() for path in found] == (
            [f"variables {words}", f"keys {words}"] if words else [False, False]
        )


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(belongings, "_folder", lambda what, _connection: str(tmp_path / what))
    return host


def keep(host, generation, **more):
    states.keep(KeepState("web", generation, UUID, **more), host)


def bring(host, generation, **more):
    states.bring(BringState("web", generation, UUID, **more), host)


def drop(host, generation, **more):
    states.drop(DropState("web", generation, UUID, **more), host)


def kept(host):
    return states.kept("web", UUID, host.xml, host)


def test_state_goes_with_its_generation(host):
    host.run("one")
    keep(host, 1)
    host.run("two")
    assert kept(host) == (1,)
    keep(host, 2)
    bring(host, 1)
    assert host.is_state("one")
    assert kept(host) == (1, 2)
    assert states.kept("web", UUID, None, host, (2, 3)) == (2,)
    drop(host, 1)
    drop(host, 1)
    assert kept(host) == (2,) and host.is_state("one")
    bring(host, 2)
    host.xml = None
    drop(host, 2)
    assert host.is_state("two")
    assert len(host.state()) == 2


def test_a_copy_has_owner_mode_and_labels(host):
    host.run("one")
    secret = host.tpm / "tpm2" / "tpm2-00.permall"
    host.tpm.chmod(0o710)
    secret.chmod(0o640)
    try:
        os.setxattr(secret, "user.label", b"mine")
    except OSError:
        pass
    if os.getuid() == 0:
        os.chown(secret, 1, 2)
    keep(host, 1)
    folder = host.tpm.parent / f"{UUID}.generation-1"
    copy = folder / "tpm2" / "tpm2-00.permall"
    assert folder.stat().st_mode & 0o777 == 0o710
    for value in ("st_mode", "st_uid", "st_gid"):
        assert getattr(copy.stat(), value) == getattr(secret.stat(), value)
    assert os.listxattr(copy) == os.listxattr(secret)


def test_a_generation_that_was_never_started_has_none_again(host):
    keep(host, 1)
    host.run("two")
    keep(host, 2)
    bring(host, 1)
    assert host.is_state(None)
    keep(host, 1)
    bring(host, 2)
    assert host.is_state("two")


def test_what_was_never_kept_leaves_what_is_there(host):
    host.run("two")
    bring(host, 1)
    assert host.is_state("two")


def test_a_guest_without_either_has_nothing_to_keep(host):
    host.xml = NEITHER
    keep(host, 1)
    bring(host, 1)
    drop(host, 1)
    assert not host.state() and kept(host) == ()


def test_the_generation_s_own_definition_says_where(host, tmp_path):
    own = tmp_path / "own.fd"
    own.write_text("one")
    text = BOTH.replace("<os firmware='efi'/>", f"<os><loader type='pflash'/><nvram>{own}</nvram></os>").replace(TPM, "")
    keep(host, 1, xml=text)
    own.write_text("two")
    bring(host, 1, xml=text)
    assert own.read_text() == "one"
    assert states.kept("web", UUID, text, host) == (1,)
    drop(host, 1, xml=text)
    assert os.listdir(own.parent).count("own.fd") == 1 and not (tmp_path / "own.fd.generation-1").exists()


def test_a_guest_that_runs_is_left_alone(host):
    host.run("one")
    host.active = True
    assert "was started meanwhile; run again" in message(keep, host, 1)
    assert "was started meanwhile; run again" in message(bring, host, 1)


def test_no_link_is_followed(host, tmp_path, monkeypatch):
    host.run("one")
    (tmp_path / "secret").write_text("secret")
    (host.tpm / "tpm2" / "link").symlink_to(tmp_path / "secret")
    assert "link: is neither a plain file nor a folder" in message(keep, host, 1)
    assert not [path for path in host.state() if ".part" in path]
    (host.tpm / "tpm2" / "link").unlink()
    with socket.socket(socket.AF_UNIX) as control:
        monkeypatch.chdir(host.tpm)
        control.bind("swtpm.sock")
        keep(host, 1)
    assert os.listdir(f"{host.tpm}.generation-1") == ["tpm2"]


def test_a_full_disk_leaves_what_was_there(host, monkeypatch):
    host.run("one")
    keep(host, 1)
    before = host.state()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(states.shutil, "copyfileobj", full)
    assert message(bring, host, 1).endswith("No space left on device; make room there")
    assert host.state() == before


def killing(monkeypatch, moment):
    """Kill before one of the operations that change the world; say how many there were."""
    count = itertools.count()
    for name in OPERATIONS:

        def call(*arguments, _real=getattr(os, name), **options):
            if next(count) >= moment:
                raise Killed
            return _real(*arguments, **options)

        monkeypatch.setattr(os, name, call)
    return count


def roll_back(host):
    keep(host, 2)
    bring(host, 1)


@pytest.mark.parametrize("was", ["one", None])
@pytest.mark.parametrize("now", ["two", None])
def test_whenever_it_is_killed_the_next_run_ends_well(was, now, tmp_path, monkeypatch):
    for moment in itertools.count():
        host = Host(tmp_path / str(moment))
        with monkeypatch.context() as patch:
            patch.setattr(belongings, "_folder", lambda what, _connection, here=host: str(here.folder / what))
            if was:
                host.run(was)
            keep(host, 1)
            if now:
                host.run(now)
            with patch.context() as kill:
                killing(kill, moment)
                try:
                    roll_back(host)
                    ended = True
                except Killed:
                    ended = False
            roll_back(host)
            assert host.is_state(was), moment
            # What the other one had is not lost.
            bring(host, 2)
            assert host.is_state(now if now or not was else was), moment
            assert not [path for path in host.state() if ".part" in path or ".old" in path]
        if ended:
            break
    assert moment > 20 or not (was or now)


def test_state_that_cannot_be_kept_is_refused(host, monkeypatch):
    def refused(text=BOTH, wanted=""):
        return message(states.refuse_unreachable_state, Live("web", text, "running", False), host, wanted)

    assert not refused()
    device = "<nvram type='block'><source dev='/dev/a'/></nvram>"
    block = BOTH.replace("<os firmware='efi'/>", f"<os><loader type='pflash'/>{device}</os>")
    assert refused(block).startswith("guest web: its UEFI variables are of type block; only a file")
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    assert refused().endswith(f"{host.nvram.parent} is not this user's to write to; run as root (become: true)")
    host.is_local, host.uri = False, "qemu+ssh://there/system"
    assert refused(NEITHER) == ""
    told = refused(NEITHER, BOTH)
    assert told.startswith("guest web: its UEFI variables and TPM state are files of another machine, which qemu+ssh://there")
    assert refused() == refused(BOTH, BOTH) == told
    assert "files of another machine" in message(keep, host, 1)
    assert kept(host) == () and not message(drop, host, 1)
