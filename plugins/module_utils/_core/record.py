# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we remember of a guest, in the metadata of its domain: the image, its disks, what we rendered last, its generations."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Optional

from . import xml

NAMESPACE = "urn:virt-image:record:1"
PREFIX = "image"
# Of the active generation: its user disks still have what was written since the switch in volumes of their own, until they
# are merged.
CONFIRMED, PENDING, MERGING = "confirmed", "pending", "merging"
# Of the others.
STAGED, FORMER, BAD = "staged", "former", "bad"
NUMBER = re.compile("[0-9]{1,15}")
# Of generations; what is more was written by others.
LAST_NUMBER = 999_999_999


@dataclass(frozen=True)
class RecordedDisk:
    """A volume of the guest; `digest` is the SHA-256 of the image's file it came from.

    `stamp` tells whether that file is still the same without reading it. `over` is the path of the user's volume that this
    one lies over, until its generation is confirmed.
    """

    id: str
    use: str
    pool: str
    volume: str
    path: str
    shared: bool
    format: Optional[str] = None
    digest: Optional[str] = None
    stamp: Optional[str] = None
    over: Optional[str] = None


@dataclass(frozen=True)
class Generation:
    """A generation of a guest's disks that is not the active one.

    `key` tells the content of its system disks from others. `domain` is the XML of its domain, and `applied` what of that
    was rendered; both are empty for one that was never active, or is not to be again. `reason` is why it is bad.
    """

    number: int
    state: str
    image: Optional[str]
    version: Optional[str]
    release: Optional[str]
    key: Optional[str] = None
    since: Optional[str] = None
    reason: Optional[str] = None
    disks: tuple[RecordedDisk, ...] = ()
    domain: str = ""
    applied: str = ""


@dataclass(frozen=True)
class Record:
    """The record of the guest in the domain of that UUID; `applied` is the domain XML that we rendered last.

    `generation` is the number of the active one, and `state` its; it is active `since` that time (UTC, ISO 8601). `latest` is
    the highest number that was given. While it is pending, `owner` moves the guest until `until` (seconds since 1970), and
    `was` is the state of the domain before.
    """

    image: Optional[str]
    version: Optional[str]
    release: Optional[str]
    generation: int
    disks: tuple[RecordedDisk, ...]
    applied: str
    domain: Optional[str] = None
    state: str = CONFIRMED
    since: Optional[str] = None
    latest: int = 1
    owner: Optional[str] = None
    until: Optional[int] = None
    was: Optional[str] = None
    generations: tuple[Generation, ...] = ()

    def without_stamps(self) -> Record:
        """Return what has a meaning; a stamp only saves reading a file."""
        return replace(self, disks=tuple(replace(disk, stamp=None) for disk in self.disks))

    def disk(self, disk_id: str) -> Optional[RecordedDisk]:
        """Return what is recorded of the disk, or None."""
        return next((disk for disk in self.disks if disk.id == disk_id), None)

    def disk_at(self, path: str) -> Optional[RecordedDisk]:
        """Return the disk that has this path, or None."""
        return next((disk for disk in self.disks if disk.path == path), None)

    def in_state(self, state: str) -> tuple[Generation, ...]:
        """Return the generations in a state, the latest first."""
        found = [one for one in self.generations if one.state == state]
        return tuple(sorted(found, key=lambda one: -one.number))

    @property
    def next_number(self) -> int:
        """Return the number of the generation after the latest one; where others have written the last, one that is free."""
        taken = {self.latest, self.generation, *(one.number for one in self.generations)}
        after = max(taken) + 1
        return after if after <= LAST_NUMBER else next(number for number in range(2, LAST_NUMBER) if number not in taken)

    @property
    def staged(self) -> Optional[Generation]:
        """Return the generation that waits to become active, or None."""
        return next(iter(self.in_state(STAGED)), None)

    @property
    def all_disks(self) -> tuple[RecordedDisk, ...]:
        """Return the disks of all generations, each volume once, the active generation's first."""
        disks = [*self.disks, *(disk for one in self.generations for disk in one.disks)]
        return tuple({disk.path: disk for disk in reversed(disks)}[path] for path in dict.fromkeys(disk.path for disk in disks))


def content_key(disks) -> Optional[str]:
    """Return what tells the content of a generation's system disks from others; None where a digest is not known.

    Not a digest of the image's files itself, which would keep their base volumes from being pruned.
    """
    return key_of((disk.id, disk.digest) for disk in disks if disk.use == "system")


def key_of(digests) -> Optional[str]:
    """Return the key of pairs of a system disk's id and its digest."""
    system = sorted(digests)
    if not all(digest for _id, digest in system):
        return None
    return hashlib.sha256(repr(system).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def find_record(domain):
    """Return the record's element in a domain's tree, or None."""
    return domain.find(f"metadata/{{{NAMESPACE}}}record")


def read_record(domain) -> Optional[Record]:
    """Return the record in a domain's tree, or None where we did not make the domain."""
    node = find_record(domain)
    if node is None:
        return None
    number = _count(node, "generation") or 1
    return Record(
        image=node.get("image"),
        version=node.get("version"),
        release=node.get("release"),
        generation=number,
        disks=_read_disks(node),
        applied=node.findtext(f"{{{NAMESPACE}}}applied") or "",
        domain=node.get("domain"),
        state=node.get("state", CONFIRMED),
        since=node.get("since"),
        latest=_count(node, "latest") or number,
        owner=node.get("owner"),
        until=_number(node, "until"),
        was=node.get("was"),
        generations=tuple(_read_generation(one) for one in node.findall(f"{{{NAMESPACE}}}generation")),
    )


def _number(node, key: str) -> Optional[int]:
    """Return a number, or None: others can write to the record."""
    text = node.get(key, "")
    return int(text) if NUMBER.fullmatch(text) else None


def _count(node, key: str) -> Optional[int]:
    number = _number(node, key)
    return number if number is not None and number <= LAST_NUMBER else None


def _read_generation(node) -> Generation:
    return Generation(
        number=_count(node, "number") or 0,
        state=node.get("state", ""),
        image=node.get("image"),
        version=node.get("version"),
        release=node.get("release"),
        key=node.get("key"),
        since=node.get("since"),
        reason=node.get("reason"),
        disks=_read_disks(node),
        domain=node.findtext(f"{{{NAMESPACE}}}domain") or "",
        applied=node.findtext(f"{{{NAMESPACE}}}applied") or "",
    )


def _read_disks(node) -> tuple[RecordedDisk, ...]:
    return tuple(_read_disk(disk) for disk in node.findall(f"{{{NAMESPACE}}}disk"))


def _read_disk(node) -> RecordedDisk:
    return RecordedDisk(
        id=node.get("id", ""),
        use=node.get("use", "system"),
        pool=node.get("pool", ""),
        volume=node.get("volume", ""),
        path=node.get("path", ""),
        shared=node.get("shared") == "yes",
        format=node.get("format"),
        digest=node.get("sha256"),
        stamp=node.get("stamp"),
        over=node.get("over"),
    )


def render_record(record: Record):
    """Return the record's element, which libvirt keeps as it is."""
    xml.etree.register_namespace(PREFIX, NAMESPACE)
    return _element(
        "record",
        {
            "image": record.image,
            "version": record.version,
            "release": record.release,
            "generation": record.generation,
            "domain": record.domain,
            # What is so where nothing is said.
            "state": record.state if record.state != CONFIRMED else None,
            "since": record.since,
            "latest": record.latest if record.latest != record.generation else None,
            "owner": record.owner,
            "until": record.until,
            "was": record.was,
        },
        *_disks(record.disks),
        # As text: elements would be found by every tool that looks for //disk in a domain.
        _element("applied", None, record.applied),
        *(_generation(one) for one in record.generations),
    )


def _element(tag: str, attributes, *children):
    return xml.element(f"{{{NAMESPACE}}}{tag}", attributes, *children)


def _generation(one: Generation):
    names = ("number", "state", "image", "version", "release", "key", "since", "reason")
    return _element(
        "generation",
        {name: getattr(one, name) for name in names},
        *_disks(one.disks),
        _element("domain", None, one.domain) if one.domain else None,
        _element("applied", None, one.applied) if one.applied else None,
    )


def _disks(disks: tuple[RecordedDisk, ...]) -> list:
    return [
        _element(
            "disk",
            {
                "id": disk.id,
                "use": disk.use,
                "pool": disk.pool,
                "volume": disk.volume,
                "path": disk.path,
                "shared": "yes" if disk.shared else None,
                "format": disk.format,
                "sha256": disk.digest,
                "stamp": disk.stamp,
                "over": disk.over,
            },
        )
        for disk in disks
    ]


def drop_record(domain) -> None:
    """Take the record out of a domain's tree, and others of its kind if someone has put them there."""
    for old in domain.findall(f"metadata/{{{NAMESPACE}}}record"):
        old.getparent().remove(old)


def drop_generations(domain) -> None:
    """Take the generations that are not active out of the record in a domain's tree."""
    for one in list(domain.iter(f"{{{NAMESPACE}}}generation")):
        one.getparent().remove(one)


def set_record(domain, record: Record) -> None:
    """Put a record into a domain's tree, in the place of the one that is there."""
    drop_record(domain)
    metadata = domain.find("metadata")
    if metadata is None:
        metadata = xml.element("metadata")
        domain.insert(0, metadata)
    metadata.append(render_record(record))
