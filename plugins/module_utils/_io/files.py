# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the base store: whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import Optional

from .._core.errors import ImageError

READ_ONLY, PRIVATE = 0o444, 0o600
CONVERTED = ".qcow2"
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def arriving(path: str, mode: int, resume: bool = False):
    """Give a file to fill, which takes its name only when it is whole and on the disk.

    Where there is a file of its name with the ending CONVERTED at the end, that is taken instead. A second process that
    brings the same file waits, then finds it (the value is None). What a killed process left is overwritten, or with
    `resume` kept, and then a failure leaves what came so far too. Raises ImageError for what the file system refuses.
    """
    part = part_of(path)
    converted = part + CONVERTED
    with writing(path, part), held(part, resume):
        remove(converted)
        if os.path.exists(path):
            remove(part)
            yield None
            return
        try:
            yield part
            if os.path.exists(converted):
                # Locked before it stands in the place of the part: who comes next would get the lock of another file.
                with held(converted, resume=True):
                    os.replace(converted, part)
                    settle(part, path, mode)
            else:
                settle(part, path, mode)
        except BaseException:
            remove(converted)
            if not resume:
                remove(part)
            raise


def part_of(path: str) -> str:
    """Return where a file is filled before it takes its name: hidden, in the same folder."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.part")


@contextmanager
def writing(path: str, part: Optional[str] = None):
    """Turn what the file system refuses into one line; a part that fills the disk is removed."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and part:
            remove(part)
        hint = "; make room there, or choose another pool" if error.errno in FULL else ""
        raise ImageError(f"cannot write: {error.strerror}{hint}", path) from None


@contextmanager
def held(part: str, resume: bool = False):
    """Hold the lock of a file that is being written; without `resume`, empty it."""
    while True:
        with os.fdopen(_open(part), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held it before may have renamed or removed it; then the name is another file's, or free.
            if _is_at(file, part):
                if not resume:
                    file.truncate(0)
                yield
                return


def _open(part: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(part, flags, PRIVATE)
    except PermissionError:
        # A run that was killed just before the end left it read-only.
        os.unlink(part)
        return os.open(part, flags, PRIVATE)


def settle(part: str, path: str, mode: int, check=None) -> None:
    """Give a whole file its name, once it is on the disk; `check` is called just before, and may raise."""
    sync(part)
    if check:
        check()
    os.chmod(part, mode)
    os.rename(part, path)
    sync(os.path.dirname(path))


def _is_at(file, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def sync(path: str) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def room(path: str) -> int:
    """Return how many bytes a file may still take, with some left for those who have theirs on the same disk."""
    found = os.statvfs(os.path.dirname(path))
    return found.f_bavail * found.f_frsize * 19 // 20


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
