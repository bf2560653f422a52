# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for a guest's generations, and what is said of one that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .plan import Plan, Sighting
from .record import CONFIRMED, Record

STATES = ("staged", "active", "confirmed", "rolled_back", "pruned")
FORWARD = ("staged", "active")
KEEP, SNAPSHOT, RESET = "keep", "snapshot", "reset"
USER_DISKS, SCRATCH = (KEEP, SNAPSHOT), (KEEP, RESET)
OTHERS = ("refuse", "skip")
LEASE = 600
# What became of a guest, besides the states of generations.
CURRENT, SKIPPED, ROLLED_BACK = "current", "skipped", "rolled_back"


@dataclass(frozen=True)
class Aim:
    """What is to become of the generations of guests, as the user said it; `now` in seconds since 1970."""

    state: str
    user_disks: str = KEEP
    scratch: str = KEEP
    keep_generations: int = 1
    retry: bool = False
    skip_others: bool = False
    owner: Optional[str] = None
    lease: int = LEASE
    takeover: bool = False
    reason: Optional[str] = None
    version: Optional[str] = None
    now: int = 0


def idle(sighting: Sighting, status: Optional[str]) -> Plan:
    """Return the plan of a guest that stays as it is."""
    live, name = sighting.live, sighting.name
    # Where more is done after all, and fails, the definition of before is not to come back: its disks may be merged.
    return Plan(name=name, before=live.as_read, after=live.xml, was=live.state, state=live.state, status=status, way_back=())


def status_of(record: Record) -> str:
    """Return what is said of a guest whose active generation is the one that is asked for."""
    return CURRENT if record.state == CONFIRMED else record.state
