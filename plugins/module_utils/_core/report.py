# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a guest that exists: where it came from, its disks, and what became other than it was applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import claims, xml
from .chain import DomainDisk, read_disks
from .drift import find_drift
from .errors import ImageError
from .merge import Change
from .record import Generation, Record, RecordedDisk, read_record
from .running import compare_running


@dataclass(frozen=True)
class Look:
    """A domain as libvirt tells it without its secrets; `active` is the XML that it runs with.

    `persistent` and `autostart` are None where the driver does not tell them.
    """

    name: str
    inactive: str
    state: str
    active: Optional[str] = None
    persistent: Optional[bool] = None
    autostart: Optional[bool] = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuestDisk(DomainDisk):
    """A disk with what the record has of it; `sha256` is that of the image's file it was made from."""

    id: Optional[str]
    use: Optional[str]
    pool: Optional[str]
    volume: Optional[str]
    sha256: Optional[str]


@dataclass(frozen=True)
class OtherGeneration:
    """A generation of a guest's disks that is not the active one; `reason` is why it is bad."""

    number: int
    state: str
    version: Optional[str]
    release: Optional[str]
    since: Optional[str]
    reason: Optional[str]
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class GuestFacts:
    """What one guest is; what the record knows is None where we did not make the guest."""

    name: str
    uuid: Optional[str]
    state: str
    persistent: Optional[bool]
    autostart: Optional[bool]
    virt_type: Optional[str]
    arch: Optional[str]
    machine: Optional[str]
    owned: bool
    image: Optional[str]
    version: Optional[str]
    release: Optional[str]
    generation: Optional[int]
    generation_state: Optional[str]
    since: Optional[str]
    owner: Optional[str]


@dataclass(frozen=True)
class GuestReport(GuestFacts):
    """All that is told of one guest.

    `disks_from` is the XML that the disks were read from, active or inactive. In `drift`, `before` is what was applied; in
    `pending`, what runs.
    """

    generations: tuple[OtherGeneration, ...]
    disks_from: str
    disks: tuple[GuestDisk, ...]
    addresses: tuple[str, ...]
    drift: Optional[tuple[Change, ...]]
    restart_required: bool
    pending: tuple[Change, ...]


def own_record(tree) -> Optional[Record]:
    """Return the record of a domain that we made or took over; None for others, clones of ours among them."""
    record = read_record(tree)
    try:
        if record:
            claims.refuse_foreign_record(record, tree)
    except ImageError:
        return None
    return record


def report_guest(look: Look) -> GuestReport:
    """Return what is told of a domain; raise ImageError for XML that cannot be read."""
    where = f"domain {look.name}"
    tree = xml.parse(look.inactive, where)
    record = own_record(tree)
    # Only there libvirt has looked into the files, and numbered the levels.
    current = xml.parse(look.active, where) if look.active else tree
    pending = _pending(tree, look)
    return GuestReport(
        **vars(guest_facts(look, tree)),
        generations=tuple(map(_other, record.generations)) if record else (),
        disks_from="active" if look.active else "inactive",
        disks=tuple(_with_record(disk, record) for disk in read_disks(current, where)),
        addresses=look.addresses,
        drift=find_drift(look.inactive, record),
        restart_required=bool(pending),
        pending=pending,
    )


def guest_facts(look: Look, tree) -> GuestFacts:
    """Return what a domain is, whose inactive XML is that tree."""
    record, system = own_record(tree), tree.find("os/type")
    return GuestFacts(
        name=look.name,
        uuid=tree.findtext("uuid"),
        state=look.state,
        persistent=look.persistent,
        autostart=look.autostart,
        virt_type=tree.get("type"),
        arch=None if system is None else system.get("arch"),
        machine=None if system is None else system.get("machine"),
        owned=record is not None,
        image=record and record.image,
        version=record and record.version,
        release=record and record.release,
        generation=record and record.generation,
        generation_state=record and record.state,
        since=record and record.since,
        owner=record and record.owner,
    )


def _other(one: Generation) -> OtherGeneration:
    volumes = tuple(disk.volume for disk in one.disks if not disk.shared)
    return OtherGeneration(one.number, one.state, one.version, one.release, one.since, one.reason, volumes)


def _with_record(disk: DomainDisk, record: Optional[Record]) -> GuestDisk:
    recorded = {known.path: known for known in record.disks} if record else {}
    # From the top: an external snapshot lies over what the record knows.
    found: Optional[RecordedDisk] = next((recorded[level.path] for level in disk.chain if level.path in recorded), None)
    return GuestDisk(
        **vars(disk),
        id=found and found.id,
        use=found and found.use,
        pool=found and found.pool,
        volume=found and found.volume,
        sha256=found and found.digest,
    )


def _pending(tree, look: Look) -> tuple[Change, ...]:
    """Return where a guest runs with another configuration than the one that is defined, whoever made it."""
    if not (look.active and look.persistent):
        return ()
    return compare_running(look.name, tree, look.inactive, look.active).differences
