# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a domain's life: what starts it and waits for it, and what takes back a run that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .lifecycle import CRASHED, RUNNING, UP, Shutdown, Wait
from .live_steps import CHANGES
from .steps import (
    CopyVolume,
    CreateSeed,
    CreateVolume,
    DefineDomain,
    DeleteVolume,
    FillVolume,
    SetAutostart,
    StartDomain,
    StopDomain,
    UndefineDomain,
    WaitForGuest,
)

# Where one of these fails, the former definition stands again, so that the next run knows what is to be done.
BEGINNINGS = (DefineDomain, SetAutostart, StartDomain, *CHANGES)
MADE = (CreateVolume, CopyVolume, FillVolume, CreateSeed)


@dataclass(frozen=True)
class Now:
    """What a guest is in after a failure; `ours`: it lives the life that this run has begun, or gone on with."""

    state: str
    ours: bool = False


def plan_start(name: str, virt_type: Optional[str], state: str, wait: Wait) -> StartDomain:
    """Return the step that lets a domain run that is in that state."""
    return StartDomain(name, virt_type, state in ("paused", "pmsuspended"), wait.settle, bool(wait.serial))


def plan_stop(name: str, state: str, shutdown: Shutdown) -> tuple[StopDomain, ...]:
    """Return the step that stops a domain that is in that state, if there is something to stop.

    One that crashed and was kept has its disks open still; it hears nothing, and has nothing left to save.
    """
    if state == CRASHED:
        return (StopDomain(name, 0, True),)
    return (StopDomain(name, shutdown.timeout, shutdown.force),) if state in RUNNING else ()


def plan_waits(name: str, steps, state: str, wait: Wait) -> tuple:
    """Return what is waited for once the steps were taken, after which the domain is in that state."""
    started = any(isinstance(step, StartDomain) for step in steps)
    return (WaitForGuest(name, wait),) if state in UP and (wait.conditions or started and wait.settle) else ()


def split_at_start(steps: tuple) -> tuple[tuple, tuple]:
    """Return the steps up to the start of a domain, and those that are for one that stayed."""
    starts = [index for index, step in enumerate(steps) if isinstance(step, StartDomain)]
    end = starts[-1] + 1 if starts else len(steps)
    return steps[:end], steps[end:]


def plan_undo(taken, failed, was: str, before: str, now: Now) -> tuple:
    """Return the steps that bring back what was, where the step `failed` after those that were taken.

    `was` and `before` are the state and the XML of the domain before. A new guest goes with the volumes that were made
    for it; base volumes stay, others may use them. What a start left running goes first.
    """
    off = _power_off((failed,), now)
    is_off = bool(off) or now.state not in RUNNING
    if was == "absent":
        if not is_off or any(isinstance(step, StartDomain) for step in taken):
            # Someone else has started it meanwhile; or it has settled, and may have written.
            return ()
        defined = [UndefineDomain(step.name, undoing=True) for step in taken if isinstance(step, DefineDomain)]
        volumes = [DeleteVolume(step.pool, step.name) for step in reversed(taken) if isinstance(step, MADE)]
        return (*off, *defined, *volumes)
    # A guest that did not stop for its restart has its configuration for the next start.
    return (*off, *_restore(taken, was, before, is_off)) if isinstance(failed, BEGINNINGS) else ()


def plan_fallback(taken, was: str, before: str, now: Now) -> tuple:
    """Return the steps for a guest that was started and did not stay.

    It is powered off, gets back its former definition, and runs again with that if it did. A new one keeps its own, and
    its volumes: it may have written.
    """
    off = _power_off(taken, now)
    is_off = bool(off) or now.state not in RUNNING
    return (*off, *(_restore(taken, was, before, is_off) if was != "absent" else ()))


def plan_way_back(taken, way_back: tuple, now: Now) -> tuple:
    """Return the steps of a plan's way back, for a guest that has the definition that it had; one that runs is not started."""
    if any(isinstance(step, DefineDomain) and not step.note for step in taken):
        return ()
    noted = any(isinstance(step, DefineDomain) for step in taken)
    starts = tuple(step for step in way_back if isinstance(step, StartDomain) and now.state not in RUNNING)
    return starts + tuple(step for step in way_back if isinstance(step, DefineDomain) and noted)


def _power_off(begun, now: Now) -> tuple:
    """Return the step that ends the life that these steps began: not one that was resumed, nor what others started."""
    starts = [step for step in begun if isinstance(step, StartDomain) and not step.resume]
    return tuple(StopDomain(step.name, 0, True) for step in starts if now.ours and now.state in (*RUNNING, CRASHED))


def _restore(taken, was: str, before: str, is_off: bool) -> tuple:
    """Return the steps that give an existing domain its former definition, and let it run with that if it did."""
    steps: list = []
    defined = [step for step in taken if isinstance(step, DefineDomain)]
    steps += [DefineDomain(step.name, before, new=False, restored=True) for step in defined if before]
    steps += [SetAutostart(step.name, not step.autostart) for step in reversed(taken) if isinstance(step, SetAutostart)]
    stopped = [step for step in taken if isinstance(step, StopDomain)]
    if stopped and defined and was in UP and is_off:
        # With the former definition it ran.
        steps.append(StartDomain(stopped[0].name, None))
    return tuple(steps)


def lasting(taken, undone) -> tuple:
    """Return the steps that were taken and not taken back."""
    back = [type(step) for step in undone]
    gone = {(step.pool.path, step.name) for step in undone if isinstance(step, DeleteVolume)}

    def lasts(step) -> bool:
        if isinstance(step, DefineDomain):
            return UndefineDomain not in back and DefineDomain not in back
        if isinstance(step, SetAutostart):
            return UndefineDomain not in back and SetAutostart not in back
        return not (isinstance(step, MADE) and (step.pool.path, step.name) in gone)

    return tuple(step for step in taken if lasts(step))
