# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a disk is: what is refused before a plan touches the volumes of a guest."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from . import xen, xml
from .chain import source_of
from .definition import applied_of
from .derived import has_uefi
from .errors import ImageError
from .record import CONFIRMED, Record
from .seed import SEED
from .steps import GrowVolume
from .volume import Volume


def refuse_foreign_record(record: Record, live) -> None:
    """Refuse a record that came with another domain's XML: its volumes are the other's."""
    uuid = (live.findtext("uuid") or "").strip()
    if record.domain and uuid and record.domain != uuid:
        raise ImageError(
            f"its record is that of domain {record.domain}, and it is {uuid}: a clone, whose volumes are not in it; "
            "remove the record from its metadata (virsh metadata --uri urn:virt-image:record:1 --remove) to keep it "
            "by hand"
        )


def refuse_unconfirmed(record: Record, state: str) -> None:
    """Refuse to change a guest that is being moved to another version of its image."""
    if record.state != CONFIRMED and state != "absent":
        version = f" (version {record.version})" if record.version else ""
        raise ImageError(
            f"is on generation {record.generation}{version} of its disks, which is {record.state}, not confirmed; the module "
            "generation brings that to its end (state: confirmed, or rolled_back), and so does a rollout that is run again"
        )


def refuse_overlays(record: Record, remove: str) -> None:
    """Refuse to remove a guest whose user disks are not whole: what was written last lies over them in other volumes."""
    over = [disk.path for disk in record.disks if disk.over]
    if over and remove != "all":
        raise ImageError(
            f"what it has written to its user disks since the switch to generation {record.generation} is in {', '.join(over)}, "
            "until that is merged or dropped; bring that to its end first (module generation, state: confirmed or "
            "rolled_back), or say remove: all"
        )


def refuse_changed_disks(record: Record, volumes: tuple[Volume, ...]) -> None:
    """Refuse what would lose a disk that the guest has, or give it another meaning."""
    now = {volume.disk: volume for volume in volumes}
    for disk in record.disks:
        volume = now.get(disk.id)
        if disk.shared:
            continue
        if volume is None and disk.use == "user":
            raise ImageError(
                f"user disk {disk.id} ({disk.path}) is no longer in the image; it is not taken from the guest: keep it "
                "in the descriptor, or remove the guest first"
            )
        if volume is not None and disk.use == "user" and volume.use != "user":
            raise ImageError(
                f"disk {disk.id} ({disk.path}) is a user's, and the image has it as a {volume.use} disk now, which goes with a "
                "guest or a generation; give the new disk another id, and keep the user's"
            )
        if volume is not None and disk.format and disk.format != volume.format:
            # Its bytes are the guest's: read as another format they could name any file of the host.
            raise ImageError(
                f"disk {disk.id} ({disk.path}) is {disk.format}, and {volume.format} is asked for; an existing volume "
                "is not converted"
            )


def aim_growth(step, live, record: Optional[Record]):
    """Return a step; one that grows a volume goes through the guest if that runs with it.

    Raises ImageError where the guest would not see the new size. `live` is the guest as libvirt holds it.
    """
    if not isinstance(step, GrowVolume):
        return step
    recorded = {disk.path for disk in record.disks} if record else set()
    if step.path in recorded and step.path not in disk_paths(live.xml):
        raise ImageError(
            f"volume {step.path} is not what the guest has as its disk any more (an external snapshot?), so that it would "
            "not see a larger size; bring it back first"
        )
    if live.saved:
        raise ImageError(
            f"has a saved state (virsh managedsave), which would go on with the old size of {step.path}; start it with "
            "virsh start, or drop the saved state with virsh managedsave-remove"
        )
    running = bool(live.active) and step.path in disk_paths(live.active)
    if running and xen.is_xen(live.active):
        raise ImageError(f"volume {step.path} cannot grow while its guest runs under Xen; stop the guest first (state: stopped)")
    return replace(step, domain=live.name if running else None)


def chain_paths(domain_xml: str) -> set:
    """Return all files and devices of a domain's disks, whole chains as far as they are written down."""
    tree = xml.parse(domain_xml, "live domain")
    sources = [source for disk in tree.findall("devices/disk") for source in disk.iter("source")]
    return {source.get("file") or source.get("dev") for source in sources} - {None}


def volumes_named(domain_xml: str) -> set[tuple[str, str]]:
    """Return the volumes that a domain has as disks by the names of pool and volume."""
    sources = xml.parse(domain_xml, "live domain").findall("devices/disk[@type='volume']/source")
    return {(source.get("pool", ""), source.get("volume", "")) for source in sources}


def disk_paths(domain_xml: str) -> set:
    """Return the files and devices that a domain has as its disks, the top of each chain."""
    return {_path(disk) for disk in xml.parse(domain_xml, "live domain").findall("devices/disk")} - {None}


def refuse_lost_disks(live, merged, record: Optional[Record]) -> None:
    """Refuse a definition in which a disk that we did not put there loses its place, or a disk has two.

    What was written to it is out of sight then. With an external snapshot that is all since the snapshot.
    """
    applied = applied_of(record)
    olds = [] if applied is None else applied.findall("devices/disk")
    ours = {source_of(disk) for disk in olds} | {_path(disk) for disk in olds}
    ours |= {disk.path for disk in record.disks} if record else set()
    for disk in live.findall("devices/disk"):
        source = source_of(disk)
        if not source or disk.get("device") in ("cdrom", "floppy") or source in ours or _path(disk) in ours:
            continue
        there = {_path(other) for other in merged.findall("devices/disk")} - {None}
        below = [_path(layer) for layer in disk.iter("backingStore")]
        below += [_path(old) for old in olds if _target(old) == _target(disk)]
        was = next((path for path in below if path in there), None)
        if was:
            raise _covered(live, disk, was)
        if source not in [source_of(other) for other in merged.findall("devices/disk")]:
            raise _replaced(disk, merged)
    kept = [source_of(disk) for disk in merged.findall("devices/disk") if disk.find("readonly") is None]
    # Of a server the source alone does not tell which disk it is.
    twice = [source for source in kept if source and source[0][0] != "protocol" and kept.count(source) > 1]
    if twice:
        raise ImageError(f"{twice[0][-1][1]} would be two disks of the domain; both would be written")


def _covered(live, disk, was: str) -> ImageError:
    target = _target(disk)
    return ImageError(
        f"disk {target} is now {_name(disk)}, not {was} (an external snapshot?); bring it back first: while it "
        # Without --base all would be written into the deepest layer, which the guests of an image share.
        f"runs, virsh blockcommit {live.findtext('name')} {target} --base {was} --active --pivot --wait"
    )


def _replaced(disk, merged) -> ImageError:
    others = [_name(other) for other in merged.findall("devices/disk") if _target(other) == _target(disk)]
    return ImageError(
        f"disk {_target(disk)} is {_name(disk)}, which someone else gave to the domain, and {others[0] if others else 'nothing'} "
        "is to be there; give that another target, or take the disk out yourself"
    )


def refuse_other_disks(live, desired, volumes: tuple[Volume, ...]) -> None:
    """Refuse to adopt a domain that has not the disks of the guest: what is in its own would be out of its sight."""
    own = {volume.path for volume in volumes if not volume.shared and volume.use != "scratch" and volume.disk != SEED}
    found = {_path(disk): disk for disk in live.findall("devices/disk")}
    had = ", ".join(f"{_target(disk)} {_path(disk) or 'without file'}" for disk in live.findall("devices/disk")) or "none"
    wanted = [disk for disk in desired.findall("devices/disk") if _path(disk) in own]
    missing = ", ".join(f"{_target(disk)} {_path(disk)}" for disk in wanted if _path(disk) not in found)
    if missing:
        raise ImageError(
            f"cannot be adopted: it would have {missing}, and it has {had}. Name its volumes with disks: [{{id: ..., volume: "
            "...}], and give it a disk for each that it lacks"
        )
    for disk in wanted:
        path, format = _path(disk), _format(disk)
        if _format(found[path]) != format:
            raise ImageError(
                f"cannot be adopted: its disk {path} would be {format}, and the domain has it as {_format(found[path])}"
            )


def refuse_lost_firmware(live, desired) -> None:
    """Refuse to take UEFI from a guest: its variables would stay behind for the next guest of that name."""
    if has_uefi(live) and not has_uefi(desired):
        raise ImageError("has UEFI firmware with variables of its own, and BIOS is asked for; remove the guest first")


def refuse_taken(name: str, paths, taken: dict[str, tuple[str, ...]]) -> None:
    """Refuse volumes that are disks of other domains; `taken` maps a path to the domains that have it."""
    for path in paths:
        others = [other for other in taken.get(path, ()) if other != name]
        if others:
            raise ImageError(f"{path} is a disk of domain {others[0]} too, or below one; two guests do not share what they write")


def refuse_needed(name: str, live, paths, taken: dict[str, tuple[str, ...]]) -> None:
    """Refuse to delete volumes that are disks of other domains, or of the guest itself, or below one; `live` is the guest."""
    refuse_taken(name, paths, taken)
    named = chain_paths(live.xml) | (chain_paths(live.active) if live.active else set())
    needed = [path for path in paths if path in named]
    if needed:
        raise ImageError(f"{needed[0]} is a disk of this guest, or below one; it is not deleted: take it out of the guest first")


def refuse_taken_extras(
    name: str,
    desired,
    volumes: tuple[Volume, ...],
    taken: dict[str, tuple[str, ...]],
    extra_paths: dict[tuple, tuple[str, ...]],
) -> None:
    """Refuse what options and fragments give a domain to write, if others have it, or the domain itself once more.

    `volumes` are the guest's own; `extra_paths` maps what a disk is to the paths of the same file.
    """
    own = {volume.path for volume in volumes if not volume.shared}
    below = {layer.path: volume.disk for volume in volumes for layer in volume.layers[1:]}
    seen: dict[str, Optional[str]] = {}
    for disk in _alone(desired):
        paths = _paths(disk, extra_paths)
        for path in paths:
            if path in seen:
                raise ImageError(f"{path} would be two disks of the guest, {seen[path]} and {_target(disk)}; both would be written")
            if path in below:
                raise ImageError(f"{path} would be disk {_target(disk)}, and disk {below[path]} of this guest builds on it")
        seen.update(dict.fromkeys(paths, _target(disk)))
        if not own.intersection(paths):
            refuse_taken(name, paths, taken)


def written_disks(domain, extra_paths: dict[tuple, tuple[str, ...]]) -> set:
    """Return the paths of all files and devices that a domain has for itself; `extra_paths` are those of the same file."""
    return {path for disk in _alone(domain) for path in _paths(disk, extra_paths)}


def _paths(disk, extra_paths: dict[tuple, tuple[str, ...]]) -> tuple[str, ...]:
    path = _path(disk)
    return extra_paths.get(source_of(disk)) or ((path,) if path else ())


def _alone(domain) -> list:
    """Return the disks that a domain has for itself: not what is only read, or made to be shared."""
    disks = [disk for disk in domain.findall("devices/disk") if disk.get("device") != "cdrom"]
    return [disk for disk in disks if disk.find("readonly") is None and disk.find("shareable") is None]


def _target(disk) -> Optional[str]:
    target = disk.find("target")
    return None if target is None else target.get("dev")


def _name(disk) -> str:
    """Return what a disk is called in a message."""
    return _path(disk) or "/".join(value for _key, value in source_of(disk)) or "without a medium"


def _format(disk) -> str:
    driver = disk.find("driver")
    return "raw" if driver is None else driver.get("type", "raw")


def _path(disk) -> Optional[str]:
    source = disk.find("source")
    return None if source is None else source.get("file") or source.get("dev")
