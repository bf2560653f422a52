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


@dataclass(frozen=True)
class Pool:
    """A storage pool that we can write files to; `available` in bytes."""

    name: str
    path: str
    available: int


@dataclass(frozen=True)
class Source:
    """A file of the image, a disk or a kernel; `digest` is its SHA-256 in hex.

    `path` is None while it is not on the host.
    """

    path: Optional[str]
    label: str
    size: int
    stamp: Optional[str]
    digest: str
    header: Header
    image: str = ""


@dataclass(frozen=True)
class Found:
    """A volume's file as it is; `listed`: libvirt knows it. `header` None: the file is not there."""

    header: Optional[Header]
    listed: bool


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


def volume_names(guest: str, disks: tuple[Disk, ...], clone: str, record: Optional[Record] = None) -> dict[str, str]:
    """Return the name of the guest's own volume for each disk id: the one that it has, else one from the id.

    Where two ids would give one name (root.raw, root.img), each gets a piece of its id's digest.
    """
    names = {disk.id: f"{volume_stem(guest, disk.id)}.{ENDINGS[own_format(disk, clone)]}" for disk in disks}
    given = list(names.values())
    for disk_id, name in names.items():
        recorded = record.disk(disk_id) if record else None
        if recorded and not recorded.shared:
            names[disk_id] = recorded.volume
        elif given.count(name) > 1:
            head, dot, ending = name.rpartition(".")
            piece = hashlib.sha256(disk_id.encode("utf-8", "backslashreplace")).hexdigest()[:6]
            names[disk_id] = f"{head}-{piece}{dot}{ending}"
    return names


def own_format(disk: Disk, clone: str) -> str:
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
