# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a generation of a guest's disks, as moves: staged, active, confirmed or rolled back, pruned."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from . import claims, definition, history, xml
from .advance import keep_state, plan_forward, refuse_other_disks
from .aim import CURRENT, FORWARD, ROLLED_BACK, Aim, idle, status_of
from .chain import Layer
from .errors import ImageError
from .history import say
from .lifecycle import RUNNING, UP
from .living import plan_start, plan_stop, plan_waits
from .merge import Change
from .moves import BringState, DropState, MergeDisk
from .plan import Plan, Sighting
from .record import BAD, CONFIRMED, PENDING, STAGED, Generation, Record, RecordedDisk, read_record
from .steps import DefineDomain, DeleteVolume, StartDomain


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
    record = live.record
    if record is None or record.image is None:
        raise ImageError("was not made from an image; the module guests takes it over with adopt: true")
    claims.refuse_foreign_record(record, live.tree)
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
            "over with takeover: true (of the role: rollout_takeover) if that run is no more"
        )


def _confirmed(sighting: Sighting, record: Record, _aim: Aim) -> Plan:
    """Plan to make a pending generation the one that stays."""
    live, name = sighting.live, sighting.name
    if record.state == CONFIRMED:
        return idle(sighting, STAGED if record.staged else CONFIRMED)
    if record.state == PENDING and live.state not in UP:
        raise ImageError(
            f"is {live.state}, so that nothing shows that {say(record)} is healthy; start it (state: active), or roll it back"
        )
    refuse_other_disks(sighting, record)
    over, steps, text = history.overlays(record), [], live.xml
    if over and record.state == PENDING:
        text = history.with_record(text, history.begin_merging(record))
        note = f"{say(record)} is confirmed, its user disks are being merged"
        steps.append(DefineDomain(name, text, new=False, before=live.as_read, note=note))
    chains = _refuse_to_merge(sighting, record, over)
    steps += [MergeDisk(name, _target(live.tree, one), one.path, one.over, chains[one.path][0].format) for one in over]
    # Before the record forgets them.
    steps += _deletions(sighting, over)
    last = history.repoint(history.with_record(live.xml, history.confirm(record)), chains)
    note = f"{say(record)} is confirmed" + (", its user disks are merged" if over else "")
    steps.append(DefineDomain(name, last, new=False, before=live.as_read, follows=bool(over), note=note))
    change = Change("metadata/record/state", record.state, CONFIRMED)
    return replace(idle(sighting, CONFIRMED), steps=tuple(steps), changes=(change,), after=last)


def _refuse_to_merge(sighting: Sighting, record: Record, over: tuple[RecordedDisk, ...]) -> dict[str, tuple[Layer, ...]]:
    """Return the chain that each overlay's disk has once it is merged; raise ImageError for what must not be merged."""
    if over and sighting.busy:
        raise ImageError("; ".join(sighting.busy))
    chains = {}
    for one in over:
        original = history.original_of(record, one)
        if original is None or one.volume != history.overlay_name(original.volume, record.generation):
            raise ImageError(
                f"its record does not say what is below {one.path}; merge it by hand (virsh blockcommit), then edit the record"
            )
        claims.refuse_taken(sighting.name, [one.path, one.over], sighting.taken)
        chains[one.path] = (Layer(one.over, original.format or "raw"),)
    return chains


def _target(tree, one: RecordedDisk) -> str:
    for disk in tree.findall("devices/disk[target]"):
        source = disk.find("source")
        if source is not None and source.get("file") in (one.path, one.over):
            return disk.find("target").get("dev", "")
    raise ImageError(f"disk {one.id} ({one.path}) is not among its disks any more; bring it back first")


def _rolled_back(sighting: Sighting, record: Record, aim: Aim) -> Plan:
    """Plan to make the generation before the active one, and the domain as it was with it."""
    if record.state not in (CONFIRMED, PENDING):
        raise ImageError(
            f"was confirmed on {say(record)}, and its user disks are being merged; bring that to its end (state: confirmed)"
        )
    left = aim.version is None and record.state == PENDING or aim.version is not None and aim.version == record.version
    if not left:
        return _back_already(sighting, record)
    former = history.former_of(record)
    if former is None:
        raise ImageError(f"is on {say(record)}, and no other is kept; there is nothing to go back to")
    live, name, wait = sighting.live, sighting.name, sighting.guest.wait
    starts = history.is_to_run(live.state, record)
    tree = history.former_tree(record, former, xml.parse(live.xml, "live domain"))
    _refuse_to_return(sighting, former, tree, starts)
    was = (live.state if live.state in RUNNING else record.was) if starts else None
    after = history.restore(record, former, sighting.now, aim.reason, was)
    text = history.with_record(xml.to_text(tree), after)
    changes = definition.redefine(tree, live.xml, read_record(xml.parse(text, "domain"))).changes
    steps = (*_leave(sighting, record, former, was), *_restart(sighting, text, after, starts))
    state = "running" if starts else live.state
    return replace(
        idle(sighting, ROLLED_BACK),
        steps=steps,
        waits=plan_waits(name, steps, state, wait) if starts else (),
        changes=changes,
        after=text,
        state=state,
        warnings=_lost_disks(live, tree, record),
        # One that was well runs on.
        way_back=(StartDomain(name, None),) if record.state == CONFIRMED and live.state in UP else (),
        said=sighting.said,
    )


def _leave(sighting: Sighting, record: Record, former: Generation, was: Optional[str]):
    """Give the steps that end what runs, and bring what goes with the former generation besides its disks."""
    live, name, shutdown = sighting.live, sighting.name, sighting.guest.shutdown
    if was and record.was is None:
        noted = history.with_record(live.xml, replace(record, was=was))
        yield DefineDomain(name, noted, new=False, before=live.as_read, note=f"it goes back to {say(former)}")
    # One that was never healthy may not hear that it is to stop.
    yield from plan_stop(name, live.state, replace(shutdown, force=shutdown.force or record.state == PENDING))
    yield from keep_state(sighting, record)
    if former.number in sighting.kept:
        yield BringState(name, former.number, record.domain or "", former.domain)


def _restart(sighting: Sighting, text: str, after: Record, starts: bool):
    """Give the definition of the former generation, and the steps that let it run."""
    live, name = sighting.live, sighting.name
    noted = live.state in RUNNING and live.record.was is None
    yield DefineDomain(name, text, new=False, before=live.as_read, follows=noted and starts, off=True)
    if starts:
        yield plan_start(name, xml.parse(text, "domain").get("type"), "shutoff", sighting.guest.wait)
        yield _note_running(sighting, text, after, follows=True)


def _note_running(sighting: Sighting, text: str, record: Record, follows: bool) -> DefineDomain:
    """Return the step that says that a guest runs again: what its user does to it from now on is the user's will."""
    settled = history.with_record(text, replace(record, was=None))
    note = f"it runs on {say(record)} again"
    return DefineDomain(sighting.name, settled, new=False, before=sighting.live.as_read, follows=follows, note=note)


def _back_already(sighting: Sighting, record: Record) -> Plan:
    """Plan nothing for a guest that is not on the version that is left; one that a killed run has left off is started.

    That run was on its way back, or was going to switch the guest and did not come to it.
    """
    is_back = any(one.number > record.generation for one in record.in_state(BAD))
    plan = idle(sighting, ROLLED_BACK if is_back else status_of(record))
    live, wait = sighting.live, sighting.guest.wait
    if record.state != CONFIRMED or record.was is None:
        return plan
    kind = live.tree.get("type")
    start = () if live.state in UP else (plan_start(sighting.name, kind, live.state, wait),)
    # They lie over user disks, and no guest ever had them.
    over = [disk for disk in record.staged.disks if disk.over and disk.volume.endswith(f"-g{record.staged.number}.qcow2")] if record.staged else []
    claims.refuse_needed(sighting.name, live, [disk.path for disk in over], sighting.taken)
    steps = (*_deletions(sighting, over), *start, _note_running(sighting, live.xml, record, follows=False))
    return replace(plan, steps=steps, waits=plan_waits(sighting.name, steps, "running", wait), state="running", way_back=())


def _refuse_to_return(sighting: Sighting, former: Generation, tree, starts: bool) -> None:
    """Refuse a way back that would end with a guest that cannot run, before anything is stopped."""
    if sighting.busy:
        raise ImageError("; ".join(sighting.busy))
    _refuse_lost(sighting, former)
    claims.refuse_taken(sighting.name, [disk.path for disk in former.disks if not disk.shared], sighting.taken)
    for source in tree.findall("devices/interface[@type='network']/source") if starts else ():
        network = source.get("network", "")
        if not sighting.networks.get(network):
            raise ImageError(f"cannot go back to {say(former)}: network {network} is not active; start it with virsh net-start {network}")


def _lost_disks(live, tree, record: Record) -> tuple[str, ...]:
    """Return a warning about disks that others gave to the domain since, and that it had not before."""
    ours = {disk.path for disk in record.all_disks}
    lost = sorted(claims.disk_paths(live.xml) - ours - claims.disk_paths(xml.to_text(tree)))
    return (f"had no {', '.join(lost)} before, and has it no more; attach it again",) if lost else ()


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
    claims.refuse_needed(name, live, [disk.path for disk in disks], sighting.taken)
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
