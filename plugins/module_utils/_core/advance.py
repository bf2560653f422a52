# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the next generation of a guest's disks: staged while the guest runs, then switched to.

What is written before the one definition that makes it active only adds to what is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from . import claims, definition, history, xml
from .aim import SKIPPED, SNAPSHOT, Aim, idle, status_of
from .chain import Layer
from .derived import has_uefi
from .errors import ImageError
from .history import Edition, say
from .lifecycle import RUNNING, UP
from .living import plan_start, plan_waits
from .machine import QEMU_TYPES
from .merge import Change
from .moves import KeepState
from .pipeline import check_networks, keep_machine, plan_volumes, record_of, render
from .plan import Plan, Sighting
from .present import want
from .record import BAD, CONFIRMED, PENDING, STAGED, Record, RecordedDisk, read_record
from .seed import SEED
from .seeding import seed_volume
from .steps import CreateVolume, DefineDomain, DeleteVolume, GrowVolume, ImportBase, StartDomain, StopDomain
from .storage import EXTENT
from .units import MIB, whole_blocks
from .volume import BLOCK, Found, Pool, Source, StoragePlan, World, base_name, own_format, pool_of


def plan_forward(sighting: Sighting, record: Record, aim: Aim) -> Plan:
    """Plan to stage another version of the image, and if that is asked for, to switch to it."""
    if record.image != sighting.image.name:
        if aim.skip_others:
            return idle(sighting, SKIPPED)
        raise ImageError(
            f"is a guest of image {record.image}, and this image is {sighting.image.name}; a guest moves between versions of "
            "one image (other_images: skip leaves such guests alone)"
        )
    edition = Edition.of(sighting.image, sighting.verdict, sighting.world.sources)
    if edition.is_that_of(record):
        return _go_on(sighting, record, aim) if record.state == PENDING and aim.state == "active" else idle(sighting, status_of(record))
    _refuse_to_begin(sighting, record, edition, aim)
    sighting, stale = _without_stale(sighting, record)
    _refuse_strangers(sighting, record)
    storage = plan_volumes(sighting, sighting.aimed)
    # Whatever would be wrong with it is told when it is staged.
    found = _definition(sighting, record, storage, aim)
    staging = _stage(sighting, record, storage, stale, aim)
    return staging if aim.state == "staged" else _switch(sighting, record, storage, staging, found, aim)


def _refuse_to_begin(sighting: Sighting, record: Record, edition: Edition, aim: Aim) -> None:
    if record.state != CONFIRMED:
        raise ImageError(
            f"is on {say(record)}, which is {record.state}; confirm it or roll it back first, then it can move to another version"
        )
    bad = next((one for one in record.in_state(BAD) if edition.is_that_of(one)), None)
    if bad and not aim.retry:
        why = f": {bad.reason}" if bad.reason else ""
        raise ImageError(f"was on that version before, as {say(bad)}, and rolled back{why}; retry: true (of the role: rollout_retry) tries it again")
    if sighting.busy:
        raise ImageError("; ".join(sighting.busy))


def _refuse_strangers(sighting: Sighting, record: Record) -> None:
    """Refuse a volume that has the name of the next generation's, and was not made for it: what is in it is not known."""
    ours = {disk.path for disk in record.staged.disks} if record.staged else set()
    mark = f"-g{sighting.aimed.generation}."
    for path, found in sighting.world.found.items():
        if mark in path.rpartition("/")[2] and (found.header or found.listed) and path not in ours:
            raise ImageError(f"volume {path} exists, and was not made for this guest; it is not overwritten: remove it")


def _without_stale(sighting: Sighting, record: Record) -> tuple[Sighting, tuple[DeleteVolume, ...]]:
    """Return the world without the volumes of a staged generation that are not as they are to be, and steps to their end.

    No guest ever had them: another version was staged, or what made them did not end.
    """
    staged, world = record.staged, sighting.world
    if staged is None:
        return sighting, ()
    found, steps = dict(world.found), []
    for disk in staged.disks:
        pool = world.pools.get(disk.pool)
        there = world.file(disk.path)
        if disk.shared or disk.use == "user" and not disk.over or pool is None or f"{pool.path}/{disk.volume}" != disk.path:
            continue
        if (there.header or there.listed) and not _fits(sighting, disk, there):
            _refuse_unmarked(sighting, disk.volume, staged.number)
            claims.refuse_needed(sighting.name, sighting.live, [disk.path], sighting.taken)
            steps.append(DeleteVolume(pool, disk.volume))
            found[disk.path] = Found(None, False)
    return replace(sighting, world=World(world.pools, world.sources, found)), tuple(steps)


def _refuse_unmarked(sighting: Sighting, volume: str, number: int) -> None:
    """Refuse a volume whose name is not that of a generation: a record is text that others can write."""
    seed = volume.startswith(f"{sighting.name}-seed-")
    if f"-g{number}." not in volume and not seed:
        raise ImageError(f"its record has {volume} as a volume of generation {number}, and that is none; nothing is deleted")


def _fits(sighting: Sighting, disk: RecordedDisk, there: Found) -> bool:
    """Return whether a volume that was staged is what is to be staged now."""
    source, wanted = sighting.world.sources.get(disk.id), _disk_of(sighting, disk.id)
    if not there.header or not there.header.capacity or disk.over:
        return False
    if disk.id == SEED:
        return disk.path == _seed_path(sighting)
    if wanted is None:
        return False
    pool = sighting.world.pools[pool_of(sighting.guest, wanted)]
    if (disk.pool, disk.format) != (pool.name, own_format(wanted, sighting.guest.clone, pool.kind)):
        return False
    if wanted.use == "scratch":
        return _fits_scratch(disk, there, pool, scratch_size(sighting.guest, wanted), source)
    if source is None or source.digest is None:
        return False
    if there.header.backing:
        return there.header.backing.rpartition("/")[2] == base_name(source.base, wanted.format)
    # A file system that cannot write down what a copy was made from leaves the record to say so.
    return (disk.digest if there.origin is None else there.origin) == source.digest


def _fits_scratch(disk: RecordedDisk, there: Found, pool: Pool, asked: int, source: Optional[Source]) -> bool:
    """Return whether a scratch disk that was staged has the size and the first content that it is to have."""
    if source is None:
        return disk.digest is None and is_of_size(there.header.capacity, asked, pool)
    if source.digest is None or (disk.digest if there.origin is None else there.origin) != source.digest:
        return False
    # Of a compressed file only unpacking tells the size.
    known = source.header.capacity
    capacity = there.header.capacity
    return is_of_size(capacity, max(asked, known), pool) if known else capacity >= asked


def is_of_size(capacity: int, asked: int, pool: Pool) -> bool:
    """Return whether a volume was made with a size, which pools of block devices round up."""
    return asked <= capacity <= asked + (EXTENT if pool.kind == BLOCK else 0)


def _seed_path(sighting: Sighting) -> Optional[str]:
    guest = sighting.guest
    return seed_volume(sighting.name, guest.seed, sighting.world.pools[guest.pool]).path if guest.seed else None


def _disk_of(sighting: Sighting, disk_id: str):
    boot = sighting.image.boots[sighting.verdict.index]
    return next((disk for disk in sighting.image.disks_of(boot) if disk.id == disk_id), None)


def scratch_size(guest, disk) -> int:
    """Return the size in bytes that a scratch disk is to have; 0 where nobody says it."""
    option = guest.disks.get(disk.id)
    return whole_blocks((option and option.size) or (disk.size_mib or 0) * MIB)


def _stage(sighting: Sighting, record: Record, storage: StoragePlan, stale: tuple, aim: Aim) -> Plan:
    """Plan what can be done while the guest runs: bases first, which take long, then the record, then its own volumes."""
    live = sighting.live
    new = tuple(volume.recorded() for volume in storage.volumes if volume.shared or record.disk_at(volume.path) is None)
    staged = history.stage(record, sighting.image, sighting.aimed.generation, new + _overlays(sighting, record, storage))
    if aim.state == "active" and live.state in RUNNING:
        # So that the next run starts it, if this one is killed while the guest is off.
        staged = replace(staged, was=live.state)
    bringing = tuple(step for step in storage.steps if isinstance(step, ImportBase))
    making = tuple(step for step in storage.steps if not isinstance(step, (ImportBase, GrowVolume)))
    text, defining, changes = live.xml, (), ()
    if record != staged:
        text = history.with_record(live.xml, staged)
        note = f"{say(staged.staged)} is staged"
        defining = (DefineDomain(sighting.name, text, new=False, before=live.as_read, note=note),)
        changes = (Change("metadata/record/staged", record.staged and say(record.staged), say(staged.staged)),)
    return Plan(
        name=sighting.name,
        steps=(*bringing, *stale, *defining, *making),
        changes=changes,
        before=live.as_read,
        after=text,
        verdict=sighting.verdict,
        volumes=storage.volumes,
        was=live.state,
        state=live.state,
        status=STAGED,
    )


def _overlays(sighting: Sighting, record: Record, storage: StoragePlan) -> tuple[RecordedDisk, ...]:
    """Return the volumes that the switch makes over the user's; `sighting.overlays` has their names."""
    had = [volume for volume in storage.volumes if volume.disk in sighting.overlays and record.disk_at(volume.path)]
    virt_type = sighting.verdict.virt_type
    if had and virt_type not in QEMU_TYPES:
        raise ImageError(
            f"user_disks: snapshot is for guests of QEMU and KVM, whose driver can merge what was written since; this one is of "
            f"type {virt_type}; say user_disks: keep"
        )
    blocks = [volume for volume in had if volume.kind == BLOCK]
    if blocks:
        raise ImageError(
            f"user_disks: snapshot makes files over the user's disks, and pool {blocks[0].pool} of disk {blocks[0].disk} holds "
            "block devices; say user_disks: keep"
        )
    return tuple(
        RecordedDisk(
            id=volume.disk,
            use="user",
            pool=volume.pool,
            volume=sighting.overlays[volume.disk],
            path=f"{sighting.world.pools[volume.pool].path}/{sighting.overlays[volume.disk]}",
            shared=False,
            format="qcow2",
            digest=volume.digest,
            over=volume.path,
        )
        for volume in had
    )


def _definition(sighting: Sighting, record: Record, storage: StoragePlan, aim: Aim) -> definition.Definition:
    """Return the definition of the next generation, with its record; raise ImageError for what cannot be."""
    live, runs = sighting.live, history.is_to_run(sighting.live.state, record)
    check_networks(sighting, runs)
    desired, absent = render(sighting, keep_machine(sighting), storage)
    _refuse_disks(sighting, storage, desired)
    over = {one.over: one for one in _overlays(sighting, record, storage)}
    begun = replace(
        sighting.aimed,
        state=PENDING if runs else CONFIRMED,
        since=sighting.now,
        owner=aim.owner if runs else None,
        until=aim.now + aim.lease if runs and aim.owner else None,
        was=(live.state if live.state in RUNNING else record.was) if runs else None,
    )
    after = record_of(sighting, storage, desired, begun)
    after = replace(after, disks=tuple(over.get(disk.path, disk) for disk in after.disks))
    # What runs is not to be changed, but ended.
    off = replace(live, active=None)
    found = want(desired, off, history.activate(record, after, live.as_read), sighting.guest.course, absent).definition
    return replace(found, xml=history.repoint(found.xml, {path: _chain(storage, one) for path, one in over.items()}))


def _chain(storage: StoragePlan, overlay: RecordedDisk) -> tuple[Layer, ...]:
    below = next(volume.layers for volume in storage.volumes if volume.path == overlay.over)
    return (Layer(overlay.path, "qcow2"), *below)


def _refuse_disks(sighting: Sighting, storage: StoragePlan, desired) -> None:
    claims.refuse_taken_extras(sighting.name, desired, storage.volumes, sighting.taken, sighting.extra_paths)
    had = {disk.path for disk in sighting.aimed.disks}
    claims.refuse_taken(sighting.name, [one.path for one in storage.volumes if not one.shared and one.path not in had], sighting.taken)
    claims.refuse_changed_disks(sighting.aimed, storage.volumes)
    claims.refuse_lost_firmware(xml.parse(sighting.live.xml, "live domain"), desired)


def _switch(
    sighting: Sighting, record: Record, storage: StoragePlan, staging: Plan, found: definition.Definition, aim: Aim
) -> Plan:
    """Plan to make the next generation active: the guest is stopped, defined anew (as `found`) and started."""
    live, guest, name = sighting.live, sighting.guest, sighting.name
    runs = history.is_to_run(live.state, record)
    start = plan_start(name, xml.parse(found.xml, "domain").get("type"), "shutoff", guest.wait)
    steps = [
        *staging.steps,
        *((StopDomain(name, guest.shutdown.timeout, guest.shutdown.force),) if live.state in RUNNING else ()),
        # Off: the guest sees the new size when it starts.
        *(replace(step, domain=None) for step in storage.steps if isinstance(step, GrowVolume)),
        *keep_state(sighting, record),
        *_overlay_steps(sighting, record, storage),
        DefineDomain(
            name, found.xml, new=False, before=live.as_read, follows=bool(staging.changes), off=True, own_xml=bool(guest.xml)
        ),
        *((start,) if runs else ()),
    ]
    snapshot = "; its user disks stay as they are, without a snapshot" if aim.user_disks == SNAPSHOT else ""
    unproved = f"does not run, and stays so: it is switched, and nothing shows that the new version is healthy{snapshot}"
    return replace(
        staging,
        steps=tuple(steps),
        waits=plan_waits(name, steps, "running", guest.wait) if runs else (),
        changes=found.changes,
        after=found.xml,
        state="running" if runs else live.state,
        warnings=() if runs else (unproved,),
        status=PENDING if runs else CONFIRMED,
        # Until it is defined anew, the guest can run on as it was.
        way_back=_way_back(sighting, staging) if runs else (),
    )


def _way_back(sighting: Sighting, staging: Plan) -> tuple:
    """Return the steps for a guest that is not switched: it runs again, and the record does not say any more that it is to."""
    live, name = sighting.live, sighting.name
    record = replace(read_record(xml.parse(staging.after, "domain")), was=None)
    note = f"{say(record.staged)} is not switched to"
    text = history.with_record(live.xml, record)
    return (StartDomain(name, None), DefineDomain(name, text, new=False, before=live.as_read, follows=bool(staging.changes), note=note))


def keep_state(sighting: Sighting, record: Record) -> tuple:
    """Return the step that keeps UEFI variables and TPM state with the generation that is left, where there are any."""
    # Also where libvirt has not made them yet: then it is kept that there were none.
    tree = xml.parse(sighting.live.xml, "live domain")
    has_state = has_uefi(tree) or tree.find("devices/tpm/backend[@type='emulator']") is not None
    return (KeepState(sighting.name, record.generation, record.domain or ""),) if has_state else ()


def _overlay_steps(sighting: Sighting, record: Record, storage: StoragePlan):
    """Give the steps that make the volumes over the user's; what a killed run left of them has nothing in it."""
    volumes = {volume.path: volume for volume in storage.volumes}
    for one in _overlays(sighting, record, storage):
        volume, there = volumes[one.over], sighting.world.file(one.path)
        pool = sighting.world.pools[one.pool]
        if there.header or there.listed:
            raise ImageError(f"volume {one.path} exists and is not this guest's; it is not overwritten: remove it")
        yield CreateVolume(pool, one.volume, "qcow2", volume.capacity, volume.path, volume.format, stale=False)


def refuse_other_disks(sighting: Sighting, record: Record) -> None:
    """Refuse to take a guest for healthy that runs with other disks than those of the active generation."""
    live = sighting.live
    named = claims.chain_paths(live.active) if live.active else None
    other = [disk.path for disk in record.disks if disk.use == "system" and not disk.shared and named is not None and disk.path not in named]
    if other:
        raise ImageError(
            f"runs without {other[0]}, which {say(record)} has: someone has started it meanwhile as it was before; stop it, "
            "then start it with state: active"
        )


def _go_on(sighting: Sighting, record: Record, aim: Aim) -> Plan:
    """Plan to wait for a guest whose switch was made by a run that did not end; one that was to run and does not is started."""
    refuse_other_disks(sighting, record)
    live, guest = sighting.live, sighting.guest
    starts = live.state not in UP and history.is_to_run(live.state, record)
    kind = live.tree.get("type")
    taking: tuple = ()
    if aim.owner and aim.owner != record.owner:
        mine = replace(record, owner=aim.owner, until=aim.now + aim.lease)
        text = history.with_record(live.xml, mine)
        taking = (DefineDomain(sighting.name, text, new=False, before=live.as_read, note=f"{aim.owner} moves it"),)
    steps = (*taking, *((plan_start(sighting.name, kind, live.state, guest.wait),) if starts else ()))
    state = "running" if starts else live.state
    waits = plan_waits(sighting.name, steps, state, guest.wait)
    return replace(idle(sighting, PENDING), steps=steps, waits=waits, state=state, way_back=())
