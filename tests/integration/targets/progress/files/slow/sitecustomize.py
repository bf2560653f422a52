# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the digests of files slow, as those of many gigabytes are: Python imports a file of this name when it starts."""

from __future__ import annotations

import hashlib
import time

# A disk of 4.5 MiB takes seven seconds.
SECONDS_A_MIB = 1.5


class Slow:
    """A hash that takes its time."""

    def __init__(self, made) -> None:
        self._made = made
        self.hexdigest = made.hexdigest

    def update(self, data: bytes) -> None:
        """Take some more."""
        time.sleep(SECONDS_A_MIB * len(data) / 2**20)
        self._made.update(data)


def new(*arguments, _quick=hashlib.new, **options):
    """Return a slow hash."""
    return Slow(_quick(*arguments, **options))


hashlib.new = new
