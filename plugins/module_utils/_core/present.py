# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a domain that is to be there: defined, and in the state that is asked for. One for guests and own XML."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from . import claims, definition, xml
from .drift import find_drift, keep_drift
from .errors import ImageError
from .lifecycle import CRASHED, IGNORE, LIVE, NEXT_BOOT, REPAIR, REPORT, RESTART, RESTARTED, RUNNING, UP, Course
from .living import plan_start, plan_stop, plan_waits
from .merge import Change
from .plan import Live, Plan
from .record import Record
from .running import Running, compare_running
from .steps import DefineDomain, SetAutostart, StartDomain


@dataclass(frozen=True)
class Wanted:
    """A domain as it is to be defined; `running` is how what runs differs from it.

    `drift` is what someone changed: with on_drift repair it is among the definition's changes, else it stays.
    """

    definition: definition.Definition
    drift: tuple[Change, ...] = ()
    running: Running = Running()
    # Whether a user wrote a part of it, so that libvirt's schema is to judge it.
    own_xml: bool = False


def want(
    tree,
    live: Optional[Live],
    record: Record,
    course: Course,
    absent: tuple[str, ...] = (),
    fixed: frozenset = frozenset(),
) -> Wanted:
    """Return what is to be defined, from the rendered tree; see compare_running for `absent` and `fixed`.

    Raises ImageError where a disk would be lost.
    """
    if live is None:
        return Wanted(definition.define_new(tree, record))
    before = live.record
    found = definition.redefine(tree, live.xml, record, absent)
    drift: tuple[Change, ...] = ()
    if before and found.changes:
        # What someone changed to what is wanted now is as it should be.
        differing = {change.path for change in found.changes}
        if course.on_drift != IGNORE:
            drift = tuple(change for change in find_drift(live.xml, before) or () if change.path in differing)
        if course.on_drift != REPAIR:
            tree, absent = keep_drift(tree, live.xml), ()
            found = definition.redefine(tree, live.xml, record)
    if any(change.path.startswith("devices/disk") for change in found.changes):
        claims.refuse_lost_disks(live.tree, xml.parse(found.xml, "domain"), before)
    if not live.active:
        return Wanted(found, drift)
    facts = (live.name, tree, found.xml, live.active, absent, found.changes, live.xml, fixed)
    running = compare_running(*facts)
    if running.differences:
        calm = compare_running(*facts, keep=True)
        drift += _drift_of(running, calm) if course.on_drift != IGNORE else ()
        running = running if course.on_drift == REPAIR else calm
    return Wanted(found, drift, running)


def _drift_of(running: Running, calm: Running) -> tuple[Change, ...]:
    """Return what someone changed in a running domain alone, with what was applied, and what runs."""
    left = [change for change in running.differences if change not in (*calm.differences, *running.foreign)]
    return tuple(Change(change.path, change.after, change.before) for change in left)


def plan_present(
    name: str, live: Optional[Live], wanted: Optional[Wanted], course: Course, before: tuple = (), after: tuple = ()
) -> Plan:
    """Return the plan; `before` are steps that the definition needs, `after` those for a domain that has settled.

    `wanted` None: the configuration stays as it is. Raises ImageError.
    """
    found = wanted.definition if wanted else None
    changes = found.changes if found else ()
    _refuse_what_cannot_start(live, found, course)
    steps = list(before)
    if found and (changes or not (live and live.persistent)):
        was = live.as_read if live else ""
        steps.append(DefineDomain(name, found.xml, new=live is None, before=was, own_xml=wanted.own_xml))
    if course.autostart is not None and course.autostart != bool(live and live.autostart):
        steps.append(SetAutostart(name, course.autostart))
    text = found.xml if found and changes else (live.xml if live else "")
    adopting = live is not None and live.record is None
    running = wanted.running if wanted else Running()
    # To be taken over is no reason to be restarted.
    how = LIVE if adopting and course.apply == RESTART else course.apply
    more, state, pending = _plan_state(name, live, course, how, running, text)
    pending = pending if state in RUNNING else ()
    # The last: until a guest has settled, its former definition may have to stand again.
    steps += [*more, *after]
    return Plan(
        name=name,
        steps=tuple(steps),
        waits=plan_waits(name, steps, state, course.wait),
        changes=changes,
        drift=wanted.drift if wanted else (),
        before=live.as_read if live else "",
        after=text,
        was=live.state if live else "absent",
        state=state,
        pending=pending,
        warnings=tuple(_warnings(wanted, course, pending)),
    )


def _refuse_what_cannot_start(live: Optional[Live], found: Optional[definition.Definition], course: Course) -> None:
    if course.state == "started" and live and live.state == CRASHED:
        raise ImageError(
            f"has crashed, and is kept as it is (on_crash: preserve); power it off (virsh destroy {live.name}) before it "
            "is started again"
        )
    if course.state in ("started", RESTARTED) and live and live.saved and found and found.changes:
        raise ImageError(
            "has a saved state (virsh managedsave), which would start with the old configuration; start it with virsh "
            "start, or drop the saved state with virsh managedsave-remove"
        )
    if course.state == RESTARTED and live and not live.persistent and not found:
        raise ImageError("is not persistent, and gone when it stops; xml is needed to define it again")


def _warnings(wanted: Optional[Wanted], course: Course, pending: tuple[Change, ...]):
    if pending:
        places = ", ".join(change.path for change in pending)
        yield f"runs on; until it is stopped and started again, it runs with other values of {places}"
    if wanted and wanted.drift and course.on_drift == REPORT:
        places = ", ".join(change.path for change in wanted.drift)
        yield f"was changed by someone else, and is left so (on_drift: {REPORT}): {places}"


def _plan_state(
    name: str, live: Optional[Live], course: Course, how: str, running: Running, text: str
) -> tuple[tuple, str, tuple[Change, ...]]:
    """Return the steps to the state that is asked for, that state, and what takes a restart after them."""
    state = live.state if live else "shutoff"

    def start() -> StartDomain:
        return plan_start(name, xml.parse(text, "domain").get("type"), state, course.wait)

    stop = plan_stop(name, state, course.shutdown)
    if course.state == "stopped" and stop:
        return stop, "shutoff", ()
    if stop and course.state == RESTARTED or state in UP and how == RESTART and running.pending:
        return (*stop, replace(start(), resume=False)), "running", ()
    steps: tuple = ()
    if course.state in ("started", RESTARTED) and state not in UP:
        steps, state = (start(),), "running"
    if how == NEXT_BOOT or state not in UP:
        return steps, state, running.differences
    return (*steps, *running.steps), state, running.pending + running.foreign
