# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads on a host how far it is, beside the connection that the task has to it.

Another thread does that. So nothing here displays, as what Ansible displays goes through a lock of all its processes; and
nothing here uses the connection, which is not made for two. Nobody logs in for it: a host is asked only over a connection that
is there (ControlPersist), as a login may want a touch or a code, and too many of them get an address locked out.
"""

from __future__ import annotations

import copy
import os
import shlex
import subprocess
import threading
from contextlib import suppress
from typing import Optional

from ansible.module_utils.common.text.converters import to_bytes

from ansible_collections.virt.image.plugins.module_utils._core.sample import MOST_BYTES

LOCAL, SSH = "ansible.plugins.connection.local", "ansible.plugins.connection.ssh"
# Before what the user has, so that it is these that count. Where there is no connection to share, ssh makes one of its own:
# with a program that fails.
SHARED = (b"-oControlMaster=no", b"-oProxyCommand=false", b"-oBatchMode=yes")
# Of ssh, where there was no connection.
NOT_CONNECTED = 255


class NotAsked(Exception):
    """The host cannot be asked without a login."""


def reader_of(connection):
    """Return what reads on a connection's host, or None where only the connection itself could."""
    # Other connections may have one session, or one helper, for all (libssh, Mitogen).
    kind = type(connection).__module__
    if kind == LOCAL:
        return Here()
    command = _command(connection) if kind == SSH else None
    return There(command) if command else None


def _command(connection) -> Optional[list]:
    """Return ssh's command line up to the host, as the connection has it; None where it has none."""
    # Building it notes things.
    own = copy.copy(connection)
    own.sshpass_pipe = None
    # Whatever is wrong here is wrong with the task's own command too, which will say so.
    with suppress(Exception):
        own.host = own.get_option("host") or own._play_context.remote_addr
        program = own.get_option("ssh_executable")
        words = own._build_command(program, "ssh", own.host)
        for end in own.sshpass_pipe or ():
            os.close(end)
        # Without sshpass before it: there will be no password.
        words = words[words.index(to_bytes(program)) :]
        while b"-J" in words:
            # That and a ProxyCommand exclude each other; who shares a connection needs neither.
            at = words.index(b"-J")
            del words[at : at + 2]
        return [words[0], *SHARED, *words[1:]]
    return None


class Here:
    """Reads on this machine."""

    def record(self, path: str) -> bytes:
        """Return what a module wrote down, nothing where it did not."""
        with suppress(OSError), os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(MOST_BYTES + 1)
        return b""

    def size(self, path: str) -> Optional[int]:
        """Return a file's size in bytes, or None."""
        with suppress(OSError):
            return os.stat(path).st_size
        return None

    def stop(self) -> None:
        """Nothing here takes long."""


class There:
    """Reads on another machine; `command` is ssh's command line up to the host."""

    def __init__(self, command: list) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._stopped = False
        self._process: Optional[subprocess.Popen] = None

    def record(self, path: str) -> bytes:
        """Return what a module wrote down, nothing where it did not; raise NotAsked."""
        return self._told(f"head -c {MOST_BYTES} {shlex.quote(path)}")

    def size(self, path: str) -> Optional[int]:
        """Return a file's size in bytes, or None; raise NotAsked."""
        told = self._told(f"stat -c %s {shlex.quote(path)}").strip()
        return int(told) if told.isdigit() else None

    def stop(self) -> None:
        """End what is being read, and read no more."""
        with self._lock:
            self._stopped = True
            if self._process:
                self._process.kill()

    def _told(self, words: str) -> bytes:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with self._lock:
            if self._stopped:
                return b""
            self._process = subprocess.Popen([*self._command, to_bytes(words)], **quiet)
        with self._process as process:
            # Whose profile talks may say more than is asked for, without end.
            told = process.stdout.read(MOST_BYTES + 1)
            if len(told) > MOST_BYTES:
                process.kill()
        if process.returncode == NOT_CONNECTED:
            raise NotAsked
        return b"" if process.returncode else told
