# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way of one guest: from what was read to a plan. Nothing here touches the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from . import claims, definition, domain, xml
from .chain import source_of
from .errors import ImageError
from .identity import keep_identity, networks_of
from .living import plan_stop
from .match import Verdict, os_types_of
from .merge import Change
from .moves import DropState
from .offer import offered_to
from .plan import Live, Plan, Sighting
from .present import plan_present, want
from .record import CONFIRMED, Record, drop_record, read_record
from .seed import SEED
from .seeding import plan_old_seeds
from .steps import DeleteVolume, UndefineDomain
from .storage import plan_removal, plan_storage
from .volume import StoragePlan, World


WAYS = "give the guest another name, or take the domain over with adopt: true"


def plan_guest(sighting: Sighting) -> Plan:
    """Return the plan for one guest; raise ImageError."""
    if sighting.going:
        return _plan_renewed(sighting, sighting.going)
    sighting = _without_own_record(sighting) if sighting.guest.adopt else sighting
    live = sighting.live
    tree, record = (live.tree, live.record) if live else (None, None)
    if record and record.image is None:
        raise ImageError(
            "a domain of that name exists and is kept from its own XML, by the module domain; "
            + WAYS
        )
    if live and record is None and (not sighting.guest.adopt or sighting.guest.state == "absent"):
        raise ImageError(
            f"a domain of that name exists (state {live.state}) and was not made by virt.image; it is left as it is: "
            + ("adopt it first (state: present)" if sighting.guest.state == "absent" else WAYS)
        )
    if record:
        claims.refuse_foreign_record(record, tree)
        claims.refuse_unconfirmed(record, sighting.guest.state)
    if sighting.guest.state == "absent":
        return _plan_absent(sighting, record)
    verdict = keep_machine(sighting)
    check_networks(sighting, sighting.guest.state == "started")
    storage = plan_volumes(sighting, record)
    desired, absent = render(sighting, verdict, storage)
    claims.refuse_taken_extras(sighting.name, desired, storage.volumes, sighting.taken, sighting.extra_paths)
    new_record = record_of(sighting, storage, desired, record)
    _refuse_disks(sighting, tree, record, desired, storage)
    # cloud-init reads its seed when the guest starts, and may have it mounted until then.
    seeds = frozenset(volume.path for volume in storage.volumes if volume.disk == SEED)
    course = sighting.guest.course
    wanted = replace(want(desired, live, new_record, course, absent, seeds), own_xml=bool(sighting.guest.xml))
    _seeds, gone = _old_seeds(sighting, record, storage)
    plan = plan_present(sighting.name, live, wanted, course, storage.steps, gone)
    return replace(plan, verdict=verdict, volumes=storage.volumes)


def _refuse_disks(sighting: Sighting, tree, record: Optional[Record], desired, storage: StoragePlan) -> None:
    """Refuse disks that the guest would lose, or that are not its own; `tree` is the domain's, None for a new one."""
    if record:
        claims.refuse_changed_disks(record, storage.volumes)
    elif tree is not None:
        claims.refuse_other_disks(tree, desired, storage.volumes)
    if tree is not None:
        claims.refuse_lost_firmware(tree, desired)
    if not record:
        claims.refuse_taken(sighting.name, [one.path for one in storage.volumes if not one.shared], sighting.taken)


def _without_own_record(sighting: Sighting) -> Sighting:
    """Return a domain that the module domain made as one of others: what its XML had is no guest's."""
    tree = xml.parse(sighting.live.xml, "live domain") if sighting.live else None
    record = None if tree is None else read_record(tree)
    if record is None or record.image is not None:
        return sighting
    drop_record(tree)
    return replace(sighting, live=replace(sighting.live, xml=xml.to_text(tree), read=sighting.live.xml))


def plan_volumes(sighting: Sighting, record: Optional[Record], flat: bool = False) -> StoragePlan:
    """Return the volumes of a guest and the steps to them; raise ImageError."""
    boot = sighting.image.boots[sighting.verdict.index]
    live = sighting.live
    adopted = frozenset(claims.disk_paths(live.xml)) if live and not record and sighting.guest.adopt else frozenset()
    storage = plan_storage(sighting.name, sighting.image, boot, sighting.guest, sighting.world, record, flat, adopted)
    return replace(storage, steps=tuple(claims.aim_growth(step, live, record) for step in storage.steps)) if live else storage


def render(sighting: Sighting, verdict: Verdict, storage: StoragePlan) -> tuple:
    """Return the wanted domain's tree without our record, and the places that must be empty."""
    networks = networks_of(sighting)
    parts = domain.Parts(
        sighting.name,
        sighting.image,
        sighting.image.boots[verdict.index],
        verdict,
        sighting.guest,
        storage.volumes,
        storage.boot_files,
        networks,
        offered_to(sighting.host, verdict),
        _names_of_disks(sighting.live),
        sighting.extra_paths,
    )
    # Twice as many MACs as interfaces: one that the user gave to another interface is passed over.
    derived = domain.derive_identity(sighting.host, sighting.name, verdict, 2 * len(networks))
    tree = domain.render_domain(parts, keep_identity(sighting.live, networks, derived))
    if sighting.guest.xml:
        definition.merge_fragment(tree, sighting.guest.xml)
    return tree, tuple(place for place in domain.absent_places(verdict) if tree.find(place) is None)


def _names_of_disks(live: Optional[Live]) -> dict[tuple, str]:
    """Return the names of a domain's disks, by what they are."""
    disks = live.tree.findall("devices/disk[target]") if live else ()
    return {source_of(disk): disk.find("target").get("dev", "") for disk in disks if source_of(disk)}


def keep_machine(sighting: Sighting) -> Verdict:
    """Return the verdict with the machine that the guest was made with, its ABI, unless the user names another."""
    verdict = sighting.verdict
    if sighting.live is None or sighting.guest.machine:
        return verdict
    kind = sighting.live.tree.find("os/type")
    machine = None if kind is None else kind.get("machine")
    known = {
        name
        for guest in sighting.host.guests
        if guest.arch == verdict.arch and guest.os_type in os_types_of(verdict.type, machine)
        for offered in guest.domains
        if offered.type == verdict.virt_type
        for name in offered.machines
    }
    return replace(verdict, machine=machine) if machine in known else verdict


def check_networks(sighting: Sighting, starts: bool) -> None:
    """Refuse a virtual network that the host lacks, or that the guest would find down when it starts."""
    for network in networks_of(sighting):
        if network.type != "network":
            continue
        if network.source not in sighting.networks:
            known = ", ".join(sighting.networks) or "none"
            raise ImageError(f"network {network.source} does not exist; this host has {known}")
        if starts and not sighting.networks[network.source]:
            raise ImageError(f"network {network.source} is not active; start it with virsh net-start {network.source}")


def record_of(sighting: Sighting, storage: StoragePlan, desired, before: Optional[Record]) -> Record:
    """Return what is to be remembered of a guest that is as desired; its generations stay as they are."""
    image = sighting.image
    disks = tuple(volume.recorded() for volume in storage.volumes)
    ids = {disk.id for disk in disks}
    # A scratch or system disk that left the image is the guest's still, until the guest goes.
    left = tuple(
        disk for disk in (before.disks if before else ()) if disk.id not in (*ids, SEED) and not disk.shared
    )
    seeds, _steps = _old_seeds(sighting, before, storage)
    return replace(
        before or Record(None, None, None, 1, (), "", since=sighting.now),
        image=image.name,
        version=image.version,
        release=image.release,
        disks=disks + left + seeds,
        applied=definition.applied_text(desired),
        domain=desired.findtext("uuid"),
        # Of a switch that was begun, and not made.
        was=before.was if before and before.state != CONFIRMED else None,
    )


def _old_seeds(sighting: Sighting, record: Optional[Record], storage: StoragePlan) -> tuple:
    live = sighting.live
    used = claims.disk_paths(live.active) if live and live.active else set()
    return plan_old_seeds(record, storage.volumes, used, sighting.world.pools)


def _plan_renewed(sighting: Sighting, going: Sighting) -> Plan:
    """Return the plan for a guest that goes, and is made anew in the world without it."""
    removal = plan_guest(going)
    deleted = {step.path for step in removal.steps if isinstance(step, DeleteVolume)}
    world = sighting.world
    left = World(world.pools, world.sources, {path: found for path, found in world.found.items() if path not in deleted})
    taken = {path: tuple(name for name in names if name != sighting.name) for path, names in going.taken.items()}
    others = {path: names for path, names in taken.items() if names}
    made = plan_guest(replace(sighting, going=None, live=None, world=left, taken=others))
    return replace(
        made, steps=(*removal.steps, *made.steps), changes=(*removal.changes, *made.changes), before=removal.before
    )


def _plan_absent(sighting: Sighting, record: Optional[Record]) -> Plan:
    live, guest = sighting.live, sighting.guest
    if live is None:
        return Plan(name=sighting.name)
    claims.refuse_overlays(record, guest.remove)
    steps: list = [*plan_stop(sighting.name, live.state, guest.shutdown)]
    # The record goes with the domain: while a volume is left, the next run still knows it.
    removal = plan_removal(record.all_disks, guest.remove, sighting.world)
    try:
        claims.refuse_taken(sighting.name, [step.path for step in removal], sighting.taken)
    except ImageError as error:
        raise ImageError(f"{error}; it is not deleted, and remove: none leaves all volumes") from None
    steps.extend(removal)
    kept = {record.generation: "", **{one.number: one.domain for one in record.generations}}
    steps += [DropState(sighting.name, number, record.domain or "", kept.get(number, "")) for number in sorted(sighting.kept)]
    if live.persistent:
        steps.append(UndefineDomain(sighting.name, sighting.belongings))
    change = Change("domain", live.xml, None)
    return Plan(name=sighting.name, steps=tuple(steps), changes=(change,), before=live.xml, was=live.state)
