# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long work of a call, said where it is done; who wants to tell of it looks here, from another thread.

Who works pays nothing for that: a number is looked at, and not reported.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Callable, Optional

from .._core.sample import BYTES, PERCENT, Sample


class Job:
    """Work that may take long. Who does it sets `done`, in the unit, or `look`, which returns that when it is called.

    Where it is not `watched`, nobody will call that.
    """

    def __init__(self, number: int, what: str, total: Optional[float], unit: str, clock, watched: bool) -> None:
        self.number, self.what, self.total, self.unit = number, what, total, unit
        self.watched = watched
        self.done: Optional[float] = None
        self.look: Optional[Callable] = None
        self._clock, self._since = clock, clock()

    def sample(self) -> Sample:
        done = self.look() if self.look else self.done
        return Sample(self.number, self.what, self._clock() - self._since, done, self.total, self.unit)


class Jobs:
    """The jobs of a call, one after the other."""

    def __init__(self, clock=time.monotonic) -> None:
        self._clock = clock
        self._number = 0
        self._current: Optional[Job] = None
        # Whether somebody looks while they are done.
        self.watched = False

    @contextmanager
    def job(self, what: str, total: Optional[int] = None):
        """Give a job of so many bytes in all (none or 0: that is not known)."""
        with self._job(what, total or None, BYTES) as job:
            yield job

    @contextmanager
    def share(self, what: str):
        """Give a job of which only the percentage is known."""
        with self._job(what, 100, PERCENT) as job:
            yield job

    @contextmanager
    def _job(self, what: str, total: Optional[int], unit: str):
        self._number += 1
        around, self._current = self._current, Job(self._number, what, total, unit, self._clock, self.watched)
        try:
            yield self._current
        finally:
            self._current = around

    def sample(self) -> Optional[Sample]:
        """Return how far the job is that is being done, or None where none is."""
        job = self._current
        return job.sample() if job else None
