# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work is, read on its host: with no login, nothing displayed, and ended with the work."""

from __future__ import annotations

import os
import threading
import time

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ssh
from ansible.plugins.loader import connection_loader

from ansible_collections.virt.image.plugins.module_utils._core.sample import MOST_BYTES
from ansible_collections.virt.image.plugins.plugin_utils.progress import Watch
from ansible_collections.virt.image.plugins.plugin_utils.progress_reader import Here, NotAsked, There, reader_of
from ansible_collections.virt.image.tests.unit.support import until

# Stands in for ssh: runs its last word, or does what the test wants first.
SSH = """#!/bin/sh
printf '%s\\n' "$@" >> {folder}/words
{does}
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture(name="fake")
def _fake(tmp_path):
    def make(does=""):
        program = tmp_path / "ssh"
        program.write_text(SSH.format(folder=tmp_path, does=does))
        program.chmod(0o755)
        return program

    return make


def connection_to(program, **options):
    """Return a real connection plugin that is not connected."""
    context = PlayContext()
    context.remote_addr = "host1"
    made = connection_loader.get("ssh", context)
    made.set_options(direct={"ssh_executable": str(program), "host": "host1", "control_path_dir": str(program.parent), **options})
    return made


def test_each_kind_of_connection_has_its_reader(fake):
    assert isinstance(reader_of(connection_loader.get("local", PlayContext())), Here)
    assert isinstance(reader_of(connection_to(fake())), There)
    for other in ("ansible_mitogen.connection", "ansible_collections.ansible.netcommon.plugins.connection.libssh"):
        assert reader_of(type("Connection", (), {"__module__": other})()) is None


def test_a_file_is_read_over_ssh(fake, tmp_path):
    reader, path = reader_of(connection_to(fake())), tmp_path / "it's there"
    assert reader.record(str(path)) == b"" and reader.size(str(path)) is None
    path.write_bytes(b"{}".ljust(5000))
    assert reader.record(str(path)) == b"{}".ljust(MOST_BYTES) and reader.size(str(path)) == 5000


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ssh_args": ""},
        {"ssh_args": "-o ControlMaster=auto -o ControlPersist=60s -o ProxyCommand='nc gate 22' -J gate -o BatchMode=no"},
        {"ssh_common_args": "-J gate", "port": 2222, "remote_user": "joe"},
    ],
)
def test_nobody_logs_in_to_read(fake, tmp_path, options):
    """The first of an option counts for ssh: it takes no connection but one that is there."""
    reader_of(connection_to(fake(), **options)).size("/there")
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["-oControlMaster=no", "-oProxyCommand=false", "-oBatchMode=yes"]
    assert words[-2:] == ["host1", "stat -c %s /there"] and "-J" not in words
    assert "port" not in options or {"Port=2222", 'User="joe"'} <= set(words)


def test_where_ssh_has_no_connection_that_is_told_apart(fake):
    reader = reader_of(connection_to(fake("exit 255")))
    for ask in (reader.record, reader.size):
        with pytest.raises(NotAsked):
            ask("/there")


def test_a_password_is_not_needed_and_nothing_is_left_open(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(ssh, "SSHPASS_AVAILABLE", True)
    before = os.listdir("/proc/self/fd")
    connection = connection_to(fake(), password="secret", password_mechanism="sshpass")
    assert reader_of(connection).size(str(tmp_path / "ssh")) > 0
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert connection.sshpass_pipe is None and "secret" not in (tmp_path / "words").read_text()


def test_what_is_wrong_with_the_connection_is_for_the_task_to_say(fake):
    assert reader_of(connection_to(fake(), ssh_args="'unbalanced")) is None


@pytest.mark.parametrize("does", ["yes", "head -c 9000 /dev/zero"])
def test_who_says_too_much_is_cut_off(fake, does):
    reader = reader_of(connection_to(fake(f"exec {does}")))
    assert len(reader.record("/there")) in (0, MOST_BYTES + 1) and reader.size("/there") is None


def test_what_is_being_read_is_ended_with_the_work(fake, tmp_path, monkeypatch):
    """It leaves no thread and no process, and the thread never displays: what it has for that is shared by all workers."""
    shown = []
    reader = reader_of(connection_to(fake(f"echo $$ > {tmp_path}/process\nexec sleep 60")))
    monkeypatch.setattr(ssh.display, "verbosity", 6)
    monkeypatch.setattr(ssh.display, "display", lambda *told, **_options: shown.append((threading.current_thread().name, told)))
    began = time.monotonic()
    with Watch(lambda: reader.size("/there"), shown.append, 0.01, reader) as watch:
        process = int(until(lambda: (tmp_path / "process").exists() and (tmp_path / "process").read_text()))
    assert not watch.is_alive() and time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert shown == [] and reader.size("/there") is None


def test_a_file_is_read_here(tmp_path):
    reader, path = Here(), tmp_path / "progress"
    assert reader.record(str(path)) == b"" and reader.size(str(path)) is None
    path.write_bytes(bytes(5000))
    assert reader.record(str(path)) == bytes(MOST_BYTES + 1) and reader.size(str(path)) == 5000
    os.mkfifo(tmp_path / "pipe")
    assert reader.record(str(tmp_path / "pipe")) == b"" and reader.record(str(tmp_path)) == b""
