# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work is at a moment, and how a module writes that down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Optional

from .names import plain

BYTES, PERCENT = "B", "%"
# A record of a sample has at most so many bytes; a longer one is none of ours.
MOST_BYTES = 2048
MOST_LETTERS = 120


@dataclass(frozen=True)
class Sample:
    """How far a job was after so many seconds of it; `job` is its number in the call.

    `done` and `total` are in the unit, bytes or percent; None where they cannot be known.
    """

    job: int
    what: str
    seconds: float
    done: Optional[float] = None
    total: Optional[float] = None
    unit: str = BYTES


def render(sample: Sample) -> bytes:
    """Return a sample as a record of MOST_BYTES at most."""
    told = {**asdict(sample), "what": short(sample.what)}
    return json.dumps(told).encode("ascii")


def short(what: str) -> str:
    """Return what is done as a line of text that is not too long."""
    text = plain(what)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS - 3]}..."
