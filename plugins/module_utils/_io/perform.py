# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the plans of a call, waits for all guests at once, and takes back what may be where one fails."""

from __future__ import annotations

import time

from .._core.errors import ImageError
from .._core.living import Now, plan_fallback, plan_undo, plan_way_back, split_at_start
from .._core.plan import Plan
from .._core.steps import DefineDomain, FillVolume, ImportBase, StartDomain, StopDomain
from .apply import apply
from .files import remove
from .life import is_ours
from .module import Done, Outcome
from .url import Access
from .wait import wait_for


def perform(outcome: Outcome, connection) -> list[Done]:
    """Carry out all plans; a guest that fails does not hold up the others, and waiting comes last, for all at once."""
    broken: dict[str, str] = {}
    done = [_apply_one(plan, connection, outcome.access, broken) for plan in outcome.plans]
    if connection:
        # Domains have what they need, and are seen by who prunes.
        connection.locks.release()
    waits = [step for one in done if not one.error for step in one.plan.waits]
    results = wait_for(waits, connection, time.monotonic()) if waits else {}
    for one in done:
        if one.error:
            continue
        result = results.get(one.plan.name)
        if result:
            one.addresses, one.error = result.addresses, result.error
        if result and result.fell:
            _after_fall(one, connection)
            continue
        _apply_rest(one, connection, outcome.access)
        if one.error:
            _look_again(one, connection)
    _remove_spent(outcome.spent, done)
    return done


def _remove_spent(paths, done: list[Done]) -> None:
    """Remove what was fetched, but for what a plan that failed begins with when it is run again."""
    failed = [step for one in done if one.error for step in one.plan.steps]
    needed = {step.source.path for step in failed if isinstance(step, (ImportBase, FillVolume))}
    for path in paths:
        if path not in needed:
            remove(path)


def _apply_one(plan: Plan, connection, access: Access, broken: dict[str, str]) -> Done:
    """Carry out one plan up to its start; `broken` maps what could not be brought to the pools to the reason."""
    if plan.refused:
        return Done(plan, (), plan.was, error=plan.refused)
    needed = [path for path in plan.shared if path in broken]
    if needed:
        _note_unbrought(plan.steps, broken[needed[0]], broken)
        return Done(plan, (), plan.was, error=broken[needed[0]])
    taken: list = []
    stopped = downtime = None
    first, _rest = split_at_start(plan.steps)
    try:
        for step in apply(first, connection, access):
            taken.append(step)
            if isinstance(step, StopDomain):
                stopped = time.monotonic()
            elif isinstance(step, StartDomain) and stopped:
                downtime = time.monotonic() - stopped
    except ImageError as error:
        failed = first[len(taken)]
        _note_unbrought(first[len(taken):], str(error), broken)
        return _after_failure(plan, taken, failed, str(error), connection)
    return Done(plan, tuple(taken), plan.state, downtime=downtime)


def _note_unbrought(left, error: str, broken: dict[str, str]) -> None:
    """Note what these steps, which are not taken, would have brought for other guests too."""
    broken.update((step.path, error) for step in left if isinstance(step, ImportBase))


def _apply_rest(one: Done, connection, access: Access) -> None:
    """Carry out what comes after the start of a guest that stayed."""
    _first, rest = split_at_start(one.plan.steps)
    taken: list = []
    try:
        for step in apply(rest, connection, access):
            taken.append(step)
    except ImageError as error:
        one.error = "; then ".join(filter(None, (one.error, str(error))))
        _take_back(one, (*one.steps, *taken), rest[len(taken)], connection)
    one.steps = (*one.steps, *taken)


def _after_failure(plan: Plan, taken: list, failed, error: str, connection) -> Done:
    """Take back what was done for a guest that could not be defined or started, and return how it stands now."""
    one = Done(plan, tuple(taken), plan.was, error)
    _take_back(one, taken, failed, connection)
    _look_again(one, connection)
    return one


def _take_back(one: Done, taken, failed, connection) -> None:
    """Take back what may be of the steps that were taken before one failed."""
    plan = one.plan
    defined = any(isinstance(step, DefineDomain) for step in taken)
    try:
        if plan.was != "absent" or defined or connection.find_domain(plan.name) is None:
            now = _now(plan.name, connection)
            if plan.way_back is not None:
                _undo(one, plan_way_back(taken, plan.way_back, now), connection)
            else:
                _undo(one, plan_undo(taken, failed, plan.was, plan.before, now), connection)
    except ImageError as second:
        one.error = f"{one.error}; then {second}"


def _after_fall(one: Done, connection) -> None:
    """Power off a guest that was started and did not stay, and take back what may be."""
    try:
        now = _now(one.plan.name, connection)
        if now.state != "absent" and one.plan.way_back is None:
            _undo(one, plan_fallback(one.steps, one.plan.was, one.plan.before, now), connection)
    except ImageError as error:
        one.error = f"{one.error}; then {error}"
    _look_again(one, connection)


def _undo(one: Done, undoing: tuple, connection) -> None:
    for step in apply(undoing, connection, Access()):
        one.undone = (*one.undone, step)


def _now(name: str, connection) -> Now:
    live = connection.live(name)
    return Now(live.state, is_ours(name, connection)) if live else Now("absent")


def _look_again(one: Done, connection) -> None:
    """Note the state that a guest is in after a failure."""
    try:
        one.state = _now(one.plan.name, connection).state
    except ImageError as error:
        one.error = f"{one.error}; then {error}"
