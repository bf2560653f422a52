# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private folders for what is on its way: in the user's cache, where a disk fits better than in /tmp."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager

from .._core.errors import ImageError

CACHE = "~/.cache/virt.image"
PREFIX = "work-"
NEW_SECONDS = 60


def cache() -> str:
    """Return the folder that this user's runs share, nobody else's; raise ImageError."""
    folder = os.path.expanduser(CACHE)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot make the folder: {error.strerror}", folder) from None
    return folder


@contextmanager
def workspace():
    """Give a private folder, which goes with what is in it; those that killed runs left go too."""
    shared = cache()
    _remove_abandoned(shared)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=shared)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Ends with this process, however that ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove_abandoned(shared: str) -> None:
    for entry in os.scandir(shared):
        if not entry.name.startswith(PREFIX) or not entry.is_dir(follow_symlinks=False):
            continue
        try:
            # One that is new may not be locked yet.
            if time.time() - entry.stat(follow_symlinks=False).st_mtime < NEW_SECONDS:
                continue
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            # Another run was quicker.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(entry.path, ignore_errors=True)
        except OSError:
            # Somebody works in it.
            pass
        finally:
            os.close(descriptor)
