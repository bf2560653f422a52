# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way of one guest, and of a list: from what was read to a plan. Nothing here touches the world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Optional

from . import claims, definition, domain, xml
from .errors import ImageError, Problem, Problems
from .guest import Guest
from .host import Host
from .image import Image
from .match import Verdict, choose
from .merge import Change
from .offer import offered_to
from .record import Record, read_record
from .seed import SEED
from .seeding import plan_old_seeds
from .steps import (
    CopyVolume,
    CreateSeed,
    CreateVolume,
    DefineDomain,
    FillVolume,
    ImportBase,
    SetAutostart,
    StartDomain,
    StopDomain,
    UndefineDomain,
    WaitForGuest,
)
from .storage import assume_storage, plan_removal, plan_storage
from .units import show_size
from .volume import StoragePlan, Volume, World

UP = ("running", "blocked")
WRITING = (ImportBase, CopyVolume, FillVolume, CreateVolume, CreateSeed)
RUNNING = ("running", "blocked", "paused", "pmsuspended", "shutdown")


@dataclass(frozen=True)
class Live:
    """A domain as libvirt holds it; `xml` is its inactive configuration, `state` libvirt's name of it.

    `active` is the XML that it runs with; `saved`: it has a managed save.
    """

    name: str
    xml: str
    state: str
    autostart: bool
    persistent: bool = True
    active: Optional[str] = None
    saved: bool = False


@dataclass(frozen=True)
class Sighting:
    """All that was read of the world for one guest.

    `networks` maps the host's to whether they are active; `taken` maps a disk's path to the domains that have it.
    """

    name: str
    guest: Guest
    host: Optional[Host]
    session: bool
    live: Optional[Live]
    world: World
    image: Optional[Image] = None
    verdict: Optional[Verdict] = None
    networks: dict[str, bool] = field(default_factory=dict)
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The steps for one guest in their order, and what they change. No steps: nothing to do."""

    name: str
    steps: tuple = ()
    waits: tuple = ()
    changes: tuple = ()
    before: str = ""
    after: str = ""
    verdict: Optional[Verdict] = None
    volumes: tuple[Volume, ...] = ()
    was: str = "absent"
    state: str = "absent"
    restart_required: bool = False
    # What it is the plan of, where that is no guest.
    of: Optional[str] = None

    @property
    def subject(self) -> str:
        return self.of or f"guest {self.name}"


def plan_all(sightings: list[Sighting], problems: Optional[Problems] = None) -> list[Plan]:
    """Return a plan for each guest; raise ImageError with the mistakes of all of them, and then nothing is done."""
    problems = problems or Problems()
    plans: list[Plan] = []
    names = [sighting.name for sighting in sightings]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(Problem(f"guest {name} is there {names.count(name)} times; a name is one guest"))
    for sighting in sightings:
        try:
            plans.append(plan_guest(sighting))
        except ImageError as error:
            problems.extend(error.about(f"guest {sighting.name}"))
    _refuse_clashes(plans, problems)
    try:
        refuse_overflow(sightings, plans)
    except ImageError as error:
        problems.extend(error)
    problems.raise_any()
    return _import_once(plans)


def plan_guest(sighting: Sighting) -> Plan:
    """Return the plan for one guest; raise ImageError."""
    live = sighting.live
    tree = xml.parse(live.xml, "live domain") if live else None
    record = read_record(tree) if live else None
    if live and record is None:
        raise ImageError(
            f"a domain of that name exists (state {live.state}) and was not made by virt.image; it is left as it is: "
            "give the guest another name"
        )
    if live:
        claims.refuse_foreign_record(record, tree)
    if sighting.guest.state == "absent":
        return _plan_absent(sighting, record)
    verdict = keep_machine(sighting)
    _check_networks(sighting)
    storage = plan_volumes(sighting, record)
    desired, absent = render(sighting, verdict, storage)
    claims.refuse_taken_extras(sighting.guest, sighting.name, sighting.taken)
    new_record = _record(sighting, storage, desired, record)
    if not live:
        claims.refuse_taken(sighting.name, [one.path for one in storage.volumes if not one.shared], sighting.taken)
        return _plan_present(sighting, verdict, storage, definition.define_new(desired, new_record))
    claims.refuse_changed_disks(record, storage.volumes)
    claims.refuse_moved_disks(record, tree, desired)
    claims.refuse_lost_firmware(tree, desired)
    wanted = definition.redefine(desired, live.xml, new_record, absent)
    stale = bool(live.active) and definition.is_stale(desired, wanted.xml, live.active, absent)
    _seeds, gone = _old_seeds(sighting, record, storage)
    return _plan_present(sighting, verdict, storage, wanted, stale, gone)


def plan_volumes(sighting: Sighting, record: Optional[Record], flat: bool = False) -> StoragePlan:
    """Return the volumes of a guest and the steps to them; raise ImageError."""
    boot = sighting.image.boots[sighting.verdict.index]
    storage = plan_storage(sighting.name, sighting.image, boot, sighting.guest, sighting.world, record, flat)
    live = sighting.live
    return replace(storage, steps=tuple(claims.aim_growth(step, live, record) for step in storage.steps)) if live else storage


def render(sighting: Sighting, verdict: Verdict, storage: StoragePlan) -> tuple:
    """Return the wanted domain's tree without our record, and the places that must be empty."""
    networks = domain.networks_of(sighting.image, sighting.guest, sighting.session)
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
    )
    # Twice as many MACs as interfaces: one that the user gave to another interface is passed over.
    derived = domain.derive_identity(sighting.host, sighting.name, verdict, 2 * len(networks))
    tree = domain.render_domain(parts, _adopt(sighting.live, networks, derived))
    if sighting.guest.xml:
        definition.merge_fragment(tree, sighting.guest.xml)
    return tree, tuple(place for place in domain.absent_places(verdict) if tree.find(place) is None)


def render_offline(image: Image, host: Host, guest: Guest, folder: str, session: bool) -> str:
    """Return the domain XML that a guest would have on a host that is known by its capabilities only."""
    verdict = choose(image, host, guest.wish)
    name = guest.name or image.name
    storage = assume_storage(name, image, image.boots[verdict.index], guest, folder)
    sighting = Sighting(name, guest, host, session, None, World({}, {}, {}), image, verdict)
    tree, _absent = render(sighting, verdict, storage)
    return xml.to_text(tree)


def keep_machine(sighting: Sighting) -> Verdict:
    """Return the verdict with the machine that the guest was made with, its ABI, unless the user names another."""
    verdict = sighting.verdict
    if sighting.live is None or sighting.guest.machine:
        return verdict
    kind = xml.parse(sighting.live.xml, "live domain").find("os/type")
    machine = None if kind is None else kind.get("machine")
    known = {
        name
        for guest in sighting.host.guests
        if guest.arch == verdict.arch
        for offered in guest.domains
        if offered.type == verdict.virt_type
        for name in offered.machines
    }
    return replace(verdict, machine=machine) if machine in known else verdict


def _check_networks(sighting: Sighting) -> None:
    """Refuse a virtual network that the host lacks, or that the guest would find down when it starts."""
    for network in domain.networks_of(sighting.image, sighting.guest, sighting.session):
        if network.type != "network":
            continue
        if network.source not in sighting.networks:
            known = ", ".join(sighting.networks) or "none"
            raise ImageError(f"network {network.source} does not exist; this host has {known}")
        if sighting.guest.state == "started" and not sighting.networks[network.source]:
            raise ImageError(f"network {network.source} is not active; start it with virsh net-start {network.source}")


def _adopt(live: Optional[Live], networks: tuple, derived: domain.Identity) -> domain.Identity:
    """Return the identity of the guest: what the user says, else what it has, else what is derived."""
    had: list[str] = []
    uuid = derived.uuid
    said = {network.mac for network in networks}
    if live:
        tree = xml.parse(live.xml, "live domain")
        uuid = tree.findtext("uuid") or uuid
        had = [node.get("address", "").lower() for node in tree.findall("devices/interface/mac")]
    macs: list[str] = []
    for index, network in enumerate(networks):
        candidates = (*had, derived.macs[index], *derived.macs[len(networks) :])
        macs.append(network.mac or next(mac for mac in candidates if mac and mac not in said and mac not in macs))
    return domain.Identity(uuid, tuple(macs))


def _record(sighting: Sighting, storage: StoragePlan, desired, before: Optional[Record]) -> Record:
    image = sighting.image
    disks = tuple(volume.recorded() for volume in storage.volumes)
    ids = {disk.id for disk in disks}
    # A scratch or system disk that left the image is the guest's still, until the guest goes.
    left = tuple(
        disk for disk in (before.disks if before else ()) if disk.id not in (*ids, SEED) and not disk.shared
    )
    seeds, _steps = _old_seeds(sighting, before, storage)
    return Record(
        image=image.name,
        version=image.version,
        release=image.release,
        generation=1,
        disks=disks + left + seeds,
        applied=definition.applied_text(desired),
        domain=desired.findtext("uuid"),
    )


def _old_seeds(sighting: Sighting, record: Optional[Record], storage: StoragePlan) -> tuple:
    live = sighting.live
    used = claims.disk_paths(live.active) if live and live.active else set()
    return plan_old_seeds(record, storage.volumes, used, sighting.world.pools)


def _plan_present(
    sighting: Sighting,
    verdict: Verdict,
    storage: StoragePlan,
    wanted: definition.Definition,
    stale: bool = False,
    gone: tuple = (),
) -> Plan:
    """Return the plan for a guest that is to be.

    `stale`: it runs with another configuration; `gone` are steps that delete what it no longer has.
    """
    guest, live = sighting.guest, sighting.live
    steps = list(storage.steps)
    if wanted.changes or not live.persistent:
        steps.append(DefineDomain(sighting.name, wanted.xml, new=live is None))
    steps.extend(gone)
    if guest.autostart is not None and guest.autostart != bool(live and live.autostart):
        steps.append(SetAutostart(sighting.name, guest.autostart))
    state = live.state if live else "shutoff"
    if guest.state == "started" and live and live.saved and wanted.changes:
        raise ImageError(
            "has a saved state (virsh managedsave), which would start with the old configuration; start it with virsh "
            "start, or drop the saved state with virsh managedsave-remove"
        )
    if guest.state == "started" and state not in UP:
        steps.append(StartDomain(sighting.name, verdict.virt_type, resume=state in ("paused", "pmsuspended")))
        state = "running"
    if guest.state == "stopped" and state in RUNNING:
        steps.append(StopDomain(sighting.name, guest.shutdown.timeout, guest.shutdown.force))
        state = "shutoff"
    wait = guest.wait
    waits = ()
    if state in UP and (wait.agent or wait.address):
        waits = (WaitForGuest(sighting.name, wait.agent, wait.address, wait.timeout),)
    return Plan(
        name=sighting.name,
        steps=tuple(steps),
        waits=waits,
        changes=wanted.changes,
        before=live.xml if live else "",
        after=wanted.xml if wanted.changes else (live.xml if live else ""),
        verdict=verdict,
        volumes=storage.volumes,
        was=live.state if live else "absent",
        state=state,
        restart_required=stale and state in RUNNING,
    )


def _plan_absent(sighting: Sighting, record: Optional[Record]) -> Plan:
    live, guest = sighting.live, sighting.guest
    if live is None:
        return Plan(name=sighting.name)
    steps: list = []
    if live.state in RUNNING:
        steps.append(StopDomain(sighting.name, guest.shutdown.timeout, guest.shutdown.force))
    # The record goes with the domain: while a volume is left, the next run still knows it.
    removal = plan_removal(record, guest.remove, sighting.world)
    try:
        claims.refuse_taken(sighting.name, [step.path for step in removal], sighting.taken)
    except ImageError as error:
        raise ImageError(f"{error}; it is not deleted, and remove: none leaves all volumes") from None
    steps.extend(removal)
    if live.persistent:
        steps.append(UndefineDomain(sighting.name))
    change = Change("domain", live.xml, None)
    return Plan(name=sighting.name, steps=tuple(steps), changes=(change,), before=live.xml, was=live.state)


def _refuse_clashes(plans: list[Plan], problems: Problems) -> None:
    """Refuse two guests of one call that would have the same MAC or write the same disk, naming both."""
    owners: dict = {}
    for plan in plans:
        for what, value in _claims(plan):
            other = owners.setdefault((what, value), plan)
            if other.name != plan.name:
                problems.add(Problem(f"guests {other.name} and {plan.name} both have {what} {value}"))


def _import_once(plans: list[Plan]) -> list[Plan]:
    """Return the plans with each base volume brought by the first guest that needs it."""
    seen: set = set()
    kept = []
    for plan in plans:
        repeated = [step for step in plan.steps if isinstance(step, ImportBase) and step.path in seen]
        seen.update(step.path for step in plan.steps if isinstance(step, ImportBase))
        kept.append(replace(plan, steps=tuple(step for step in plan.steps if step not in repeated)))
    return kept


def _claims(plan: Plan) -> list[tuple]:
    found = [("disk", volume.path) for volume in plan.volumes if not volume.shared]
    if plan.after:
        tree = xml.parse(plan.after, "domain")
        macs = {node.get("address", "").lower() for node in tree.findall("devices/interface/mac")}
        found += [("MAC", mac) for mac in sorted(macs)]
        found += [("disk", path) for path in sorted(claims.written_disks(tree))]
    return list(dict.fromkeys(found))


def refuse_overflow(sightings: list[Sighting], plans: list[Plan]) -> None:
    """Refuse plans whose volumes do not fit into their pools, before anything is written."""
    problems = Problems()
    pools = {pool.path: pool for sighting in sightings for pool in sighting.world.pools.values()}
    writing = [step for plan in plans for step in plan.steps if isinstance(step, WRITING)]
    # A base volume is brought once, whatever the number of guests and images that have it.
    steps = {step.path: step for step in writing}.values()
    for pool in pools.values():
        needed = sum(step.size for step in steps if step.pool.path == pool.path)
        if needed > pool.available:
            problems.add(
                Problem(
                    f"{pool} has {show_size(pool.available)} free, and the volumes need {show_size(needed)}; make room "
                    f"in {pool.path}, or choose another pool"
                )
            )
    problems.raise_any()
