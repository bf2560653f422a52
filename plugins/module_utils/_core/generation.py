# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a generation of a guest's disks, as moves: staged, active, confirmed or rolled back, pruned."""

from __future__ import annotations

from dataclasses import replace

from . import claims, definition, history, xml
from .advance import keep_state, plan_forward
from .aim import CURRENT, FORWARD, ROLLED_BACK, Aim, idle, status_of
from .chain import Layer
from .errors import ImageError
from .history import say
from .lifecycle import RUNNING, UP
from .living import plan_start, plan_waits
from .merge import Change
from .moves import BringState, DropState, MergeDisk
from .plan import Plan, Sighting
from .record import BAD, CONFIRMED, PENDING, Generation, Record, RecordedDisk, read_record
from .steps import DefineDomain, DeleteVolume, StopDomain


def plan_generation(sighting: Sighting, aim: Aim) -> Plan:
    """Return the plan for one guest; raise ImageError."""
    record = own_record(sighting)
    _refuse_others(record, aim)
    if aim.state in FORWARD:
        return plan_forward(sighting, record, aim)
    return {"confirmed": _confirmed, "rolled_back": _rolled_back, "pruned": _pruned}[aim.state](sighting, record, aim)


def own_record(sighting: Sighting) -> Record:
    """Return the record of a guest that there is, and that was made from an image; raise ImageError."""
    live = sighting.live
    if live is None:
        raise ImageError("does not exist, so that it has no generations; the module guests makes it")
    tree = xml.parse(live.xml, "live domain")
    record = read_record(tree)
    if record is None or record.image is None:
        raise ImageError("was not made from an image; the module guests takes it over with adopt: true")
    claims.refuse_foreign_record(record, tree)
    if not live.persistent:
        raise ImageError("is not persistent; it has no definition that could be switched")
    return record


def _refuse_others(record: Record, aim: Aim) -> None:
    """Refuse a guest that someone else is moving."""
    if record.state == CONFIRMED or not record.owner or aim.takeover or aim.owner == record.owner:
        return
    if record.until and record.until > aim.now:
        raise ImageError(
            f"{record.owner} moves it to {say(record)}, for {record.until - aim.now} s at most; run again later, or take it "
            "over with takeover: true if that run is no more"
        )


def _confirmed(sighting: Sighting, record: Record, _aim: Aim) -> Plan:
    """Plan to make a pending generation the one that stays."""
    live, name = sighting.live, sighting.name
    if record.state == CONFIRMED:
        return idle(sighting, CONFIRMED)
    if record.state == PENDING and live.state not in UP:
        raise ImageError(
            f"is {live.state}, so that nothing shows that {say(record)} is healthy; start it (state: active), or roll it back"
        )
    over, steps, text = history.overlays(record), [], live.xml
    if over and record.state == PENDING:
        text = history.with_record(text, history.begin_merging(record))
        note = f"{say(record)} is confirmed, its user disks are being merged"
        steps.append(DefineDomain(name, text, new=False, before=live.as_read, note=note))
    originals = {one.path: history.original_of(record, one) for one in over}
    lost = [one.path for one in over if originals[one.path] is None]
    if lost:
        raise ImageError(f"its record does not say what is below {lost[0]}; merge it by hand (virsh blockcommit), then edit the record")
    tree = xml.parse(live.xml, "live domain")
    steps += [MergeDisk(name, _target(tree, one), one.path, one.over, originals[one.path].format or "raw") for one in over]
    last = history.with_record(live.xml, history.confirm(record))
    last = history.repoint(last, {one.path: (Layer(one.over, originals[one.path].format or "raw"),) for one in over})
    note = "" if over else f"{say(record)} is confirmed"
    steps.append(DefineDomain(name, last, new=False, before=live.as_read, follows=bool(steps), note=note))
    steps += _deletions(sighting, over)
    change = Change("metadata/record/state", record.state, CONFIRMED)
    return replace(idle(sighting, CONFIRMED), steps=tuple(steps), changes=(change,), after=last)


def _target(tree, one: RecordedDisk) -> str:
    for disk in tree.findall("devices/disk[target]"):
        source = disk.find("source")
        if source is not None and source.get("file") in (one.path, one.over):
            return disk.find("target").get("dev", "")
    raise ImageError(f"disk {one.id} ({one.path}) is not among its disks any more; bring it back first")


def _rolled_back(sighting: Sighting, record: Record, aim: Aim) -> Plan:
    """Plan to make the generation before the active one, and the domain as it was with it."""
    if record.state == CONFIRMED and any(one.number > record.generation for one in record.in_state(BAD)):
        return idle(sighting, ROLLED_BACK)
    if record.state not in (CONFIRMED, PENDING):
        raise ImageError(
            f"was confirmed on {say(record)}, and its user disks are being merged; bring that to its end (state: confirmed)"
        )
    live, name, former = sighting.live, sighting.name, history.former_of(record)
    if former is None:
        raise ImageError(f"is on {say(record)}, and no other is kept; there is nothing to go back to")
    if sighting.busy:
        raise ImageError("; ".join(sighting.busy))
    _refuse_lost(sighting, former)
    tree = history.former_tree(record, former, xml.parse(live.xml, "live domain"))
    text = history.with_record(xml.to_text(tree), history.restore(record, former, sighting.now, aim.reason))
    changes = definition.redefine(tree, live.xml, read_record(xml.parse(text, "domain"))).changes
    runs = live.state in RUNNING
    starts = live.state in UP or record.state == PENDING and history.is_to_run(live.state, record)
    wait, shutdown = sighting.guest.wait, sighting.guest.shutdown
    # One that was never healthy may not hear that it is to stop.
    stop = StopDomain(name, shutdown.timeout, shutdown.force or record.state == PENDING)
    steps = [
        *((stop,) if runs else ()),
        *keep_state(sighting, record),
        *((BringState(name, former.number, record.domain or "", former.domain),) if former.number in sighting.kept else ()),
        DefineDomain(name, text, new=False, before=live.as_read),
        *((plan_start(name, tree.get("type"), "shutoff", wait),) if starts else ()),
    ]
    state = "running" if starts else "shutoff" if runs else live.state
    return replace(
        idle(sighting, ROLLED_BACK),
        steps=tuple(steps),
        waits=plan_waits(name, steps, state, wait) if starts else (),
        changes=changes,
        after=text,
        state=state,
        way_back=(),
        said=sighting.said,
    )


def _refuse_lost(sighting: Sighting, former: Generation) -> None:
    gone = [disk.path for disk in former.disks if not sighting.world.file(disk.path).header]
    if gone:
        raise ImageError(
            f"cannot go back to {say(former)}: {', '.join(gone)} is gone; bring it back (is the pool's file system mounted?)"
        )


def _pruned(sighting: Sighting, record: Record, aim: Aim) -> Plan:
    """Plan to remove the generations that are not to be kept, with their volumes."""
    left, going = history.forget(record, aim.keep_generations)
    if record.state != CONFIRMED or not going:
        return idle(sighting, status_of(record))
    live, name = sighting.live, sighting.name
    text = history.with_record(live.xml, left)
    disks = history.disks_to_remove(record, going)
    claims.refuse_taken(name, [disk.path for disk in disks], sighting.taken)
    steps = (
        *_deletions(sighting, disks),
        *(DropState(name, one.number, record.domain or "", one.domain) for one in going if one.number in sighting.kept),
        # Last: while a volume is left, the record knows it.
        DefineDomain(name, text, new=False, before=live.as_read, note=f"{', '.join(map(say, going))} is gone"),
    )
    change = Change("metadata/record/generations", ", ".join(map(say, record.generations)), ", ".join(map(say, left.generations)))
    return replace(idle(sighting, CURRENT), steps=steps, changes=(change,), after=text)


def _deletions(sighting: Sighting, disks) -> tuple[DeleteVolume, ...]:
    """Return the steps that remove volumes, as far as they are there, and where their pool keeps volumes."""
    steps = []
    for disk in disks:
        found, pool = sighting.world.file(disk.path), sighting.world.pools.get(disk.pool)
        if not (found.header or found.listed):
            continue
        if pool is None or f"{pool.path}/{disk.volume}" != disk.path or "/" in disk.volume:
            raise ImageError(f"volume {disk.path} is not in pool {disk.pool} of this host, so it is not deleted; define the pool again")
        steps.append(DeleteVolume(pool, disk.volume))
    return tuple(steps)
