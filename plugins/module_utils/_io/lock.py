# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on the folders of pools: many plays use one at a time, or one prunes it.

The folder itself is locked. A file in it would be a volume: libvirt lists hidden ones too. So nothing is made and
nothing is left, and check mode can hold the same locks. They end with the process, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import ExitStack, contextmanager
from typing import Optional

from .._core.errors import ImageError

WAIT_SECONDS = 60
POLL_SECONDS = 0.1
# Not every file system of a network has them.
WITHOUT_LOCKS = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
READ = os.O_RDONLY | os.O_CLOEXEC
# Where other hosts may have the same files. Source: libvirt's virFileIsSharedFSType.
SHARED = "nfs nfs4 cifs smb3 smbfs afs ceph gfs2 ocfs2 gpfs fuse.glusterfs fuse.quobyte".split()


class Locks:
    """The locks that a call holds: those of folders until it releases them, those that are held to its end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._to_the_end = ExitStack()
        self._held: set[str] = set()
        self._used: set[str] = set()
        self._parts: dict[str, bool] = {}

    def use(self, folder: str) -> None:
        """Keep a folder from being pruned, from the first look at its volumes until domains have what they need.

        Raises ImageError where it is being pruned for long.
        """
        if folder not in self._used:
            self._stack.enter_context(using(folder))
            self._used.add(folder)

    def prune(self, folder: str) -> None:
        """Have a folder alone; raise ImageError where others use it for long."""
        # This call's own look at the pool holds it too.
        self.release()
        self._stack.enter_context(pruning(folder))

    def keep(self, part: str) -> bool:
        """Return whether nobody writes a file that was arriving, and see to it that nobody does."""
        # Once: what we have locked is not free for us either.
        if part not in self._parts:
            self._parts[part] = self._stack.enter_context(abandoned(part))
        return self._parts[part]

    def hold(self, what: str, lock) -> None:
        """Enter a lock, once for each `what`, and hold it to the end of the call; it raises ImageError."""
        if what not in self._held:
            self._to_the_end.enter_context(lock)
            self._held.add(what)

    def release(self) -> None:
        """Release the folders."""
        self._used.clear()
        self._parts.clear()
        self._stack.close()

    def close(self) -> None:
        """Release everything."""
        self.release()
        self._held.clear()
        self._to_the_end.close()


@contextmanager
def using(folder: str):
    """Hold a folder together with others that use it."""
    with _folder(folder, fcntl.LOCK_SH, "it is being pruned"):
        yield


@contextmanager
def pruning(folder: str):
    """Hold a folder alone; one that other hosts may have too is refused: no lock is held there, no guest seen."""
    file_system = _file_system(folder)
    if file_system in SHARED:
        raise ImageError(
            f"is on {file_system}, which other hosts can have too, whose guests cannot be seen from here; nothing is "
            "removed",
            folder,
        )
    with _folder(folder, fcntl.LOCK_EX, "a play brings volumes to it, or prunes it too"):
        yield


@contextmanager
def abandoned(part: str):
    """Hold a file that was arriving (see files.arriving); the value is whether that could be done."""
    try:
        descriptor = os.open(part, READ | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield True
        return
    except OSError:
        yield False
        return
    try:
        free = _try(descriptor, fcntl.LOCK_EX)
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)


@contextmanager
def _folder(folder: str, how: int, why: str):
    try:
        # Read: what is opened for its path only (O_PATH) cannot be locked.
        descriptor = os.open(folder, READ | os.O_DIRECTORY)
    except OSError as error:
        raise ImageError(f"cannot open the folder: {error.strerror}", folder) from None
    try:
        _wait(descriptor, how, folder, why)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, how: int, folder: str, why: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if _try(descriptor, how):
                return
        except OSError as error:
            # Who only uses it is safe: nobody can prune it either.
            if error.errno in WITHOUT_LOCKS and how == fcntl.LOCK_SH:
                return
            raise ImageError(f"cannot lock the folder: {error.strerror}", folder) from None
        if time.monotonic() > deadline:
            who = _holder(descriptor)
            raise ImageError(f"waited {WAIT_SECONDS} s for the folder: {why}{who}; run again later", folder)
        time.sleep(POLL_SECONDS)


def _file_system(folder: str) -> Optional[str]:
    """Return the type of the file system that a folder is on, or None where it is not told.

    Source: proc_pid_mountinfo(5).
    """
    try:
        device = os.stat(folder).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                mount, _dash, rest = line.partition(" - ")
                if mount.split()[2:3] == [f"{os.major(device)}:{os.minor(device)}"]:
                    return rest.split()[0]
    except OSError:
        pass
    return None


def _try(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Return who holds a folder, as far as the system tells."""
    place = place_of(os.fstat(descriptor))
    # 0: a process of another container.
    found = [process for kind, process, where in _locks() if kind == "FLOCK" and where == place and process.isdigit()]
    return f" (process {found[0]})" if found and found[0] != "0" else ""


def place_of(status: os.stat_result) -> str:
    """Return a file as proc_locks(5) names it."""
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def locked_places() -> frozenset[str]:
    """Return the files of which processes have locked a part, as each QEMU does with every file of its disks.

    Source: QEMU's block/file-posix.c (raw_apply_lock_bytes). Some file systems (Btrfs) are named otherwise there.
    """
    return frozenset(place for kind, _process, place in _locks() if kind in ("OFDLCK", "POSIX"))


def _locks() -> list[tuple[str, str, str]]:
    """Return kind, process and file of each lock that is held, as far as the system tells. Source: proc_locks(5)."""
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            # Those that wait for a lock have an arrow before its kind.
            return [(fields[1], fields[4], fields[5]) for fields in map(str.split, file) if len(fields) == 8]
    except OSError:
        return []
