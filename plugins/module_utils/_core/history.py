# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generations of a guest's disks in its record: which there are, and the record after each move of theirs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from . import xml
from .chain import Layer, render_backing
from .definition import applied_of
from .errors import ImageError
from .image import Image
from .lifecycle import RUNNING
from .match import Verdict
from .record import (
    BAD,
    CONFIRMED,
    FORMER,
    MERGING,
    STAGED,
    Generation,
    Record,
    RecordedDisk,
    content_key,
    key_of,
    drop_record,
    read_record,
    set_record,
)
from .sameness import same_uuid
from .secrets import blank_secrets, bring_secrets
from .seed import SEED
from .volume import Source

# How many bad versions are remembered once their volumes are gone.
REMEMBERED = 10
LONGEST_REASON = 500


@dataclass(frozen=True)
class Edition:
    """What a generation is made from: the image's version and release, and the content of its system disks."""

    version: Optional[str]
    release: Optional[str]
    key: Optional[str]

    @classmethod
    def of(cls, image: Image, verdict: Verdict, sources: dict[str, Source]) -> Edition:
        """Return that of an image, whose files are `sources`, with the boot alternative that was chosen."""
        digests = {key: source.digest for key, source in sources.items()}
        disks = image.disks_of(image.boots[verdict.index])
        return cls(image.version, image.release, key_of((disk.id, digests.get(disk.id)) for disk in disks if disk.use == "system"))

    def is_that_of(self, one) -> bool:
        """Return whether a record, or another generation in one, is of this edition; an unknown content is another one."""
        key = content_key(one.disks) if isinstance(one, Record) else one.key
        return bool(key) and (one.version, one.release, key) == (self.version, self.release, self.key)


def say(one) -> str:
    """Return a generation's name in messages; of the active one, by the record."""
    number = one.generation if isinstance(one, Record) else one.number
    parts = [one.version and f"version {one.version}", one.release and f"release {one.release}"]
    named = ", ".join(part for part in parts if part)
    return f"generation {number}" + (f" ({named})" if named else "")


def next_record(record: Record, resets: frozenset) -> Record:
    """Return the record that the next generation is planned with: the disks that stay, and its number.

    `resets` are the scratch disks that it gets anew.
    """
    staged = record.staged
    stay = [disk for disk in record.disks if disk.use != "system" and disk.id not in resets and disk.id != SEED]
    number = staged.number if staged else record.next_number
    return replace(record, generation=number, disks=tuple(stay))


def overlay_name(volume: str, generation: int) -> str:
    """Return the name of the volume that lies over a user's; with the whole name of that one, which is its alone."""
    return f"{volume}-g{generation}.qcow2"


def stage(record: Record, image: Image, number: int, disks: tuple[RecordedDisk, ...]) -> Record:
    """Return the record with a staged generation of these disks, in the place of one that was staged before."""
    one = Generation(number, STAGED, image.name, image.version, image.release, content_key(disks), disks=disks)
    others = tuple(other for other in record.generations if other.state != STAGED)
    return replace(record, latest=max(record.latest, number), generations=(*others, one))


def activate(before: Record, after: Record, live_xml: str) -> Record:
    """Return the record `after` of the generation that becomes active, with the one before as its former one."""
    tree = xml.parse(live_xml, "live domain")
    drop_record(tree)
    blank_secrets(tree)
    former = Generation(
        number=before.generation,
        state=FORMER,
        image=before.image,
        version=before.version,
        release=before.release,
        key=content_key(before.disks),
        since=before.since,
        disks=before.disks,
        domain=xml.etree.tostring(tree, encoding="unicode"),
        applied=before.applied,
    )
    edition = Edition(after.version, after.release, content_key(after.disks))
    # What was told to be tried again is not bad while it is tried.
    others = tuple(
        one
        for one in before.generations
        if one.state != STAGED and not (one.state == BAD and edition.is_that_of(one) and not one.disks)
    )
    return replace(after, latest=max(before.latest, after.generation), generations=(*others, former))


def confirm(record: Record) -> Record:
    """Return the record of a generation that has proved healthy; its user disks are the user's volumes again.

    What was bad before, and is healthy now, is not bad for ever.
    """
    edition = Edition(record.version, record.release, content_key(record.disks))
    others = tuple(
        replace(one, key=None) if one.state == BAD and edition.is_that_of(one) else one for one in record.generations
    )
    disks = tuple(map(_merged, _with_originals(record)))
    return replace(_free(record), state=CONFIRMED, disks=disks, generations=others)


def begin_merging(record: Record) -> Record:
    """Return the record of a generation from which there is no way back while its user disks are merged."""
    return replace(_free(record), state=MERGING)


def is_to_run(state: str, record: Record) -> bool:
    """Return whether a guest runs, or ran before a switch that did not come to its end."""
    return state in RUNNING or record.was in RUNNING


def overlays(record: Record) -> tuple[RecordedDisk, ...]:
    """Return the volumes of the active generation that lie over the user's."""
    return tuple(disk for disk in record.disks if disk.over)


def former_of(record: Record) -> Optional[Generation]:
    """Return the generation to go back to, or None."""
    return next((one for one in record.in_state(FORMER) if one.domain), None)


def original_of(record: Record, overlay: RecordedDisk) -> Optional[RecordedDisk]:
    """Return the user's volume below an overlay as the generation before had it."""
    disks = [disk for one in record.in_state(FORMER) for disk in one.disks]
    return next((disk for disk in disks if disk.path == overlay.over), None)


def restore(record: Record, former: Generation, since: Optional[str], reason: Optional[str], was: Optional[str]) -> Record:
    """Return the record after a former generation became active again; the one that was left is bad.

    `was` is the state that the domain had, if it is to run again.
    """
    kept = {disk.path for disk in former.disks}
    left = Generation(
        number=record.generation,
        state=BAD,
        image=record.image,
        version=record.version,
        release=record.release,
        key=content_key(record.disks),
        since=record.since,
        # The rest are the ends of logs.
        reason=" ".join(reason.strip().splitlines()[0].split())[:LONGEST_REASON] if reason and reason.strip() else None,
        disks=tuple(disk for disk in record.disks if disk.path not in kept),
    )
    return replace(
        _free(record),
        image=former.image,
        version=former.version,
        release=former.release,
        generation=former.number,
        state=CONFIRMED,
        since=since,
        disks=former.disks,
        applied=former.applied,
        was=was,
        generations=(*(one for one in record.generations if one.number != former.number), left),
    )


def forget(record: Record, keep: int) -> tuple[Record, tuple[Generation, ...]]:
    """Return the record without the generations that are to go, and these as they were; `keep` former ones stay.

    Of a bad one it is remembered that it is bad. User disks that only such a one has stay in the record with it.
    """
    going = (*record.in_state(FORMER)[keep:], *(one for one in record.in_state(BAD) if _removable(one.disks)))
    kept = [one for one in record.generations if one not in going]
    kept += [replace(one, disks=_user_disks(one), domain="", applied="") for one in going if one.state == BAD]
    marks = sorted((one for one in kept if one.state == BAD and not one.disks), key=lambda one: -one.number)
    kept = [one for one in kept if one not in marks[REMEMBERED:]]
    return replace(record, generations=tuple(sorted(kept, key=lambda one: one.number))), going


def disks_to_remove(record: Record, going: tuple[Generation, ...]) -> tuple[RecordedDisk, ...]:
    """Return the volumes of generations that no other needs, each once; a user's volume is none of them."""
    stay = [one for one in record.generations if one not in going]
    needed = {disk.path for disk in record.disks} | {disk.path for one in stay for disk in one.disks}
    found = {disk.path: disk for one in going for disk in _removable(one.disks)}
    return tuple(disk for path, disk in found.items() if path not in needed)


def former_tree(record: Record, former: Generation, live):
    """Return the tree of a former generation's domain, with the secrets that the domain has now; raise ImageError."""
    tree = xml.parse(former.domain, "record")
    name, uuid = tree.find("name"), tree.findtext("uuid") or ""
    # A record is text that others can write.
    if name is None or not same_uuid(uuid, live.findtext("uuid") or ""):
        told = f"{tree.findtext('name')} ({uuid})"
        raise ImageError(f"its record has the domain {told} as {say(former)}, and it is another one; nothing is done")
    # It may have been renamed since (virsh domrename).
    name.text = live.findtext("name")
    bring_secrets(tree, live)
    drop_record(tree)
    return tree


def with_record(domain_xml: str, record: Record) -> str:
    """Return a domain's XML with this record."""
    tree = xml.parse(domain_xml, "live domain")
    set_record(tree, record)
    return xml.to_text(tree)


def repoint(domain_xml: str, disks: dict[str, tuple[Layer, ...]]) -> str:
    """Return a domain's XML with another chain for some disks, by the path that they have; what was applied says the same."""
    tree = xml.parse(domain_xml, "domain")
    record = read_record(tree)
    _repoint(tree, disks)
    applied = applied_of(record)
    if record and applied is not None:
        _repoint(applied, disks)
        set_record(tree, replace(record, applied=xml.etree.tostring(applied, encoding="unicode")))
    return xml.to_text(tree)


def _repoint(tree, disks: dict[str, tuple[Layer, ...]]) -> None:
    for disk in tree.findall("devices/disk"):
        source, driver = disk.find("source"), disk.find("driver")
        layers = disks.get("" if source is None else source.get("file", ""))
        if not layers:
            continue
        source.set("file", layers[0].path)
        for below in disk.findall("backingStore"):
            disk.remove(below)
        if len(layers) > 1:
            source.addnext(render_backing(layers[1:]))
        if driver is None:
            driver = xml.element("driver", {"name": "qemu"})
            disk.insert(0, driver)
        driver.set("type", layers[0].format)


def _free(record: Record) -> Record:
    return replace(record, owner=None, until=None, was=None)


def _with_originals(record: Record) -> list:
    return [(disk, original_of(record, disk)) for disk in record.disks]


def _merged(pair: tuple[RecordedDisk, Optional[RecordedDisk]]) -> RecordedDisk:
    disk, original = pair
    return original or disk


def _removable(disks: tuple[RecordedDisk, ...]) -> tuple[RecordedDisk, ...]:
    return tuple(disk for disk in disks if not disk.shared and (disk.use != "user" or disk.over))


def _user_disks(one: Generation) -> tuple[RecordedDisk, ...]:
    return tuple(disk for disk in one.disks if disk.use == "user" and not disk.over)
