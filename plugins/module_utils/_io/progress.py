# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down how far long work is, for the action plugin, which reads it over a connection of its own."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import Optional

from .._core.sample import MOST_BYTES, Sample, render
from .jobs import Jobs

# A call that ends sooner leaves no trace.
EACH_SECONDS = 1
# Whoever Ansible logs in as reads it, also where the module runs as another user.
MODE = 0o644
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def written(jobs: Jobs, path: Optional[str]):
    """Have a file that tells of the jobs while they are done; it is there once one takes long, and goes at the end.

    Without a path there is none. Where it cannot be written there is none either, and no error: the work goes on.
    """
    if not path:
        yield
        return
    end, record = threading.Event(), Record(path)
    jobs.watched = True
    writer = threading.Thread(target=_write, args=(jobs, record, end), name="progress", daemon=True)
    writer.start()
    try:
        yield
    finally:
        jobs.watched = False
        end.set()
        writer.join()
        record.remove()


def _write(jobs: Jobs, record: Record, end: threading.Event) -> None:
    # Not to be told of the work is no reason to fail it.
    with suppress(Exception):
        while not end.wait(EACH_SECONDS):
            record.write(jobs.sample())


class Record:
    """A small file with the newest sample, which whoever reads it finds whole."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: Optional[int] = None

    def write(self, sample: Optional[Sample]) -> None:
        """Write a sample; without one, what was written is no longer so, as the call goes on with something else."""
        if self._file is None and sample is None:
            return
        if self._file is None:
            # In a folder that others may write to, this is not to follow what they put there.
            self._file = os.open(self._path, NEW, MODE)
            os.fchmod(self._file, MODE)
        # One call, of always as many bytes.
        os.pwrite(self._file, (render(sample) if sample else b"").ljust(MOST_BYTES), 0)

    def remove(self) -> None:
        if self._file is not None:
            os.close(self._file)
            with suppress(OSError):
                os.unlink(self._path)
