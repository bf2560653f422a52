# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of guests as values: pools, sources, what was found, and how volumes are named. Sizes are in bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Optional

from .chain import Layer
from .guest import Guest
from .header import Header
from .image import Disk
from .names import volume_stem
from .record import Record, RecordedDisk

ENDINGS = {"raw": "raw", "iso": "iso", "qcow2": "qcow2", "boot": "boot"}
# What goes with a guest: a user's data only when it is said.
REMOVED_USES = {"none": (), "disposable": ("system", "scratch"), "all": ("system", "scratch", "user")}
BOOT_FILES = ("kernel", "initrd")


# How volumes are made in a pool: as files that we write into its folder; as plain files of a folder that no pool knows;
# as files of another machine, and as block devices, both by streams through libvirt.
FOLDER, PLAIN, REMOTE, BLOCK = "folder", "plain", "remote", "block"
STREAMED = (REMOTE, BLOCK)


@dataclass(frozen=True)
class Pool:
    """A place for volumes; a volume's path is the pool's and its name. `available` in bytes."""

    name: str
    path: str
    available: int
    kind: str = FOLDER

    def __str__(self) -> str:
        return f"folder {self.path}" if self.kind == PLAIN else f"pool {self.name}"


@dataclass(frozen=True)
class Source:
    """A file of the image, a disk or a kernel, as it is delivered, perhaps compressed; `size` in bytes.

    `path` is a URL where it is to be fetched, and None while it is on the control node only. `digest` is its SHA-256
    in hex; None where only fetching it would tell. `header` is that of the content; its capacity is 0 where only
    unpacking would tell. `packing` is how it is compressed.
    """

    path: Optional[str]
    label: str
    size: int
    stamp: Optional[str]
    digest: Optional[str]
    header: Header
    image: str = ""
    checksums: tuple[tuple[str, str], ...] = ()
    packing: Optional[str] = None

    @property
    def base(self) -> str:
        """Return what names the base volume with this content; where that is not known yet, what tells it from others."""
        known = self.digest
        return known or f"unknown-{hashlib.sha256(f'{self.image}/{self.label}'.encode()).hexdigest()[:8]}"


def verified_stamp(stamp: Optional[str], told: tuple) -> Optional[str]:
    """Return a stamp that also tells by which checksums a file was verified: with others, it is read again."""
    # A SHA-256 that is told is what the file is known by.
    if not stamp or not told or "sha256" in dict(told):
        return stamp
    return f"{stamp}-{hashlib.sha256(repr(told).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Found:
    """A volume as it is; `listed`: libvirt knows it. `header` None: it is not there, or was never filled to its end.

    `origin` is the SHA-256 of the image's file that a copy was made from; empty where it does not say so, None where it
    could not.
    """

    header: Optional[Header]
    listed: bool
    origin: Optional[str] = None


@dataclass(frozen=True)
class Volume:
    """A disk of a guest in a pool; `layers` is its backing chain, the top first. `shared`: a base, read only."""

    disk: str
    use: str
    pool: str
    name: str
    path: str
    format: str
    capacity: int
    layers: tuple[Layer, ...]
    shared: bool
    digest: Optional[str] = None
    stamp: Optional[str] = None
    kind: str = FOLDER

    def recorded(self) -> RecordedDisk:
        """Return what the guest's record keeps of this volume."""
        return RecordedDisk(
            self.disk,
            self.use,
            self.pool,
            self.name,
            self.path,
            self.shared,
            self.format,
            self.digest,
            self.stamp,
        )


@dataclass(frozen=True)
class StoragePlan:
    """The volumes that a guest will have, and the steps that make those that are missing."""

    volumes: tuple[Volume, ...]
    steps: tuple
    boot_files: dict[str, str]


def base_name(digest: str, format: str) -> str:
    """Return the name of the base volume that holds a file with this SHA-256."""
    return f"sha256-{digest}.{ENDINGS[base_format(format)]}"


def base_format(format: str) -> str:
    """Return the format that a base volume of this source format has; QEMU's other formats are read-mostly."""
    return format if format in ENDINGS else "qcow2"


def volume_names(
    name: str, disks: tuple[Disk, ...], guest: Guest, pools: dict[str, Pool], record: Optional[Record] = None
) -> dict[str, str]:
    """Return the name of the guest's own volume for each disk id: the one that it has, or is told, else one from the id.

    Where two ids would give one name (root.raw, root.img), each gets a piece of its id's digest. What comes with a later
    generation of the guest than the first has its number.
    """
    generation = record.generation if record else 1
    names = {}
    for disk in disks:
        format = own_format(disk, guest.clone, pools[pool_of(guest, disk)].kind)
        mark = f"-g{generation}" if generation > 1 and disk.use != "user" else ""
        names[disk.id] = f"{volume_stem(name, disk.id)}{mark}.{ENDINGS[format]}"
    given = list(names.values())
    for disk_id, own in names.items():
        recorded = record.disk(disk_id) if record else None
        option = guest.disks.get(disk_id)
        if recorded and not recorded.shared:
            names[disk_id] = recorded.volume
        elif option and option.volume:
            names[disk_id] = option.volume
        elif given.count(own) > 1:
            head, dot, ending = own.rpartition(".")
            piece = hashlib.sha256(disk_id.encode("utf-8", "backslashreplace")).hexdigest()[:6]
            names[disk_id] = f"{head}-{piece}{dot}{ending}"
    return names


def own_format(disk: Disk, clone: str, kind: str = FOLDER) -> str:
    """Return the format of a guest's own volume."""
    if kind == BLOCK:
        return "raw"
    if disk.format != "iso" and disk.use == "system" and clone == "linked":
        return "qcow2"
    return base_format(disk.format)


def boot_file_key(tag: str) -> str:
    """Return the key of <kernel> or <initrd> among the sources, where the others are disk ids."""
    return f"<{tag}>"


def pool_of(guest: Guest, disk: Disk) -> str:
    """Return the name of the pool that a disk goes to."""
    option = guest.disks.get(disk.id)
    return (option and option.pool) or guest.pool


class World:
    """The storage that was read for a plan: pools by name, sources by disk id, files by path."""

    def __init__(self, pools: dict[str, Pool], sources: dict[str, Source], found: dict[str, Found]) -> None:
        self.pools = pools
        self.sources = sources
        self.found = found

    def file(self, path: str) -> Found:
        return self.found.get(path, Found(None, False))
