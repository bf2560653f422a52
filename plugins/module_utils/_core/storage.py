# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from the volumes that exist to those that a guest is to have. Sizes are in bytes."""

from __future__ import annotations

from typing import Optional

from .chain import Layer
from .errors import ImageError, Problem, Problems
from .guest import Guest
from .header import Header
from .image import Boot, Disk, Image
from .record import Record, RecordedDisk
from .seeding import plan_seed
from .steps import CopyVolume, CreateVolume, DeleteVolume, FillVolume, GrowVolume, ImportBase
from .units import MIB, show_size, whole_blocks
from .volume import (
    BLOCK,
    BOOT_FILES,
    REMOVED_USES,
    STREAMED,
    Found,
    Pool,
    Source,
    StoragePlan,
    Volume,
    World,
    base_format,
    base_name,
    boot_file_key,
    own_format,
    pool_of,
    verified_stamp,
    volume_names,
)

# LVM rounds up to extents, 4 MiB where nothing else was said; libvirt does not tell how large they are.
EXTENT = 128 * MIB


def plan_storage(
    name: str,
    image: Image,
    boot: Boot,
    guest: Guest,
    world: World,
    record: Optional[Record],
    flat: bool = False,
    adopted: frozenset = frozenset(),
) -> StoragePlan:
    """Return the volumes of a guest and the steps to them; raise ImageError with all that cannot be.

    `flat`: an overlay may have been flattened, whether or not the record tells whose it is. `adopted` are the disks of a
    domain that others made, which are taken for the image's.
    """
    problems = Problems()
    volumes, steps = [], []
    try:
        check_options(image, boot, guest)
    except ImageError as error:
        problems.extend(error)
    disks = image.disks_of(boot)
    names = volume_names(name, disks, guest, world.pools, record)
    for disk in disks:
        try:
            volume, more = _Planner(names[disk.id], disk, guest, world, record, flat, adopted).plan()
        except ImageError as error:
            problems.extend(error)
            continue
        volumes.append(volume)
        steps.extend(step for step in more if step not in steps)
    boot_files, more = _plan_boot_files(guest, world)
    steps.extend(more)
    if guest.seed:
        volume, more = plan_seed(name, guest.seed, world.pools[guest.pool], world)
        volumes.append(volume)
        steps.extend(more)
    _check_names(volumes, problems)
    problems.raise_any()
    return StoragePlan(tuple(volumes), tuple(steps), boot_files)


def _check_names(volumes: list[Volume], problems: Problems) -> None:
    """Refuse one volume for two disks, which users can ask for since they may name volumes."""
    owners: dict[str, str] = {}
    for volume in volumes:
        other = owners.setdefault(volume.path, volume.disk)
        if other != volume.disk and not volume.shared:
            problems.add(Problem(f"disks {other} and {volume.disk} both have the volume {volume.path}; each has its own"))


def check_options(image: Image, boot: Boot, guest: Guest) -> None:
    """Refuse options for disks that the guest does not have."""
    disks = [disk.id for disk in image.disks_of(boot)]
    unknown = [disk_id for disk_id in guest.disks if disk_id not in disks]
    if unknown:
        known = ", ".join(disks) or "none"
        raise ImageError(f"disks: {', '.join(unknown)} is no disk of this boot alternative; it has {known}")


def _plan_boot_files(guest: Guest, world: World) -> tuple[dict[str, str], list]:
    """Return where kernel and initrd will be in the guest's pool, and the steps that bring them."""
    paths, steps = {}, []
    pool = world.pools[guest.pool]
    for tag in BOOT_FILES:
        source = world.sources.get(boot_file_key(tag))
        if source and pool.kind == BLOCK:
            raise ImageError(f"<{tag}> is a file, and {pool} holds block devices; choose another pool for the guest")
        if source:
            name, path, step = _base(pool, source, "boot", world)
            paths[tag] = path
            steps.extend(step)
    return paths, steps


def _base(pool: Pool, source: Source, format: str, world: World) -> tuple[str, str, list]:
    """Return name and path of a base volume, and the step that brings it, if it is missing."""
    name = base_name(source.base, format)
    path = f"{pool.path}/{name}"
    if world.file(path).header:
        return name, path, []
    return name, path, [ImportBase(pool, name, source, format, base_format(format))]


def check_content(header: Header, format: str, label: str) -> None:
    """Refuse a file that is not what the descriptor says of it, or that needs another file."""
    # An ISO image is also a valid raw disk; isolinux' hybrid ones are delivered as such.
    told = "raw" if format == "raw" and header.format == "iso" else header.format
    if told != format:
        raise ImageError(f"{label} is {header.format}, and the descriptor says format={format}")
    if header.backing:
        raise ImageError(f"{label} builds on another file ({header.backing!r:.80}), which the descriptor lacks")


class _Planner:
    """Plans one disk of one guest."""

    def __init__(
        self, name: str, disk: Disk, guest: Guest, world: World, record: Optional[Record], flat: bool, adopted: frozenset
    ) -> None:
        self.disk = disk
        self.clone = guest.clone
        self.world = world
        self.pool = world.pools[pool_of(guest, disk)]
        self.source = world.sources.get(disk.id)
        self.recorded = record.disk(disk.id) if record else None
        self.name = name
        self.path = f"{self.pool.path}/{self.name}"
        self.adopted = self.path in adopted
        self.flat = flat or self.adopted or bool(self.recorded and self.recorded.format == "qcow2")
        option = guest.disks.get(disk.id)
        self.asked = whole_blocks((option and option.size) or (disk.size_mib or 0) * MIB)
        self.by_option = bool(option and option.size)
        self.said = self.asked if self.by_option else 0
        self.called = option and option.volume

    def plan(self) -> tuple[Volume, list]:
        had = self.recorded
        if had and not had.shared and had.pool != self.pool.name:
            raise ImageError(
                f"disk {self.disk.id} is volume {had.volume} of pool {had.pool}, and pool {self.pool.name} is asked "
                "for; a volume is not moved"
            )
        if had and self.called and not had.shared and had.volume != self.called:
            raise ImageError(
                f"disk {self.disk.id} is volume {had.volume}, and volume {self.called} is asked for; a volume is not exchanged"
            )
        if self.source is None:
            if self.disk.use == "system":
                raise ImageError(f"system disk {self.disk.id}: the image has no file {self.disk.file}")
            return self._empty()
        check_content(self.source.header, self.disk.format, self.source.label)
        if self.disk.format == "iso":
            return self._shared()
        if self.disk.use == "system":
            self._check_generation()
            return self._linked() if self.clone == "linked" else self._copied()
        return self._copied()

    def _check_generation(self) -> None:
        """Refuse another content for a system disk that the guest has: its data would be lost, or unreadable."""
        now = self.source.digest
        if now and self.recorded and self.recorded.digest and self.recorded.digest != now:
            raise ImageError(
                f"system disk {self.disk.id} was made from sha256:{self.recorded.digest[:12]}..., and "
                f"{self.source.label} is now sha256:{now[:12]}...; a guest's system disk is not "
                "replaced here: the role rollout, or the module generation, moves it to another version"
            )

    def _shared(self) -> tuple[Volume, list]:
        if self.pool.kind == BLOCK:
            raise ImageError(
                f"disk {self.disk.id} is an ISO image, a file that guests share, and {self.pool} holds block devices; "
                "give the disk another pool"
            )
        if self.by_option:
            raise ImageError(f"disk {self.disk.id} is an ISO image, which has the size that it has; leave size out")
        if self.called:
            raise ImageError(f"disk {self.disk.id} is an ISO image, whose volume guests share; leave volume out")
        name, path, steps = _base(self.pool, self.source, self.disk.format, self.world)
        return self._volume(name, path, "raw", self.source.header.capacity, (), shared=True), steps

    def _linked(self) -> tuple[Volume, list]:
        if self.pool.kind == BLOCK:
            raise ImageError(f"{self.pool} holds block devices, which cannot be overlays; say clone: full")
        _name, base, steps = _base(self.pool, self.source, self.disk.format, self.world)
        capacity = max(self.asked, self.source.header.capacity)
        self._check_shrink(self.source.header.capacity, self.source.label)
        below = (Layer(base, base_format(self.disk.format)),)
        found = self._own_file()
        if found.header and not found.header.backing and self.flat:
            # Flattened since.
            below, (capacity, steps) = (), self._grown(found.header, "qcow2", [])
        elif found.header:
            # What is not known until it was fetched may be what it builds on.
            if self.source.base == self.source.digest and found.header.backing != base:
                raise ImageError(
                    f"volume {self.name} exists in {self.pool} and is no overlay of "
                    f"{base}; it is not overwritten: remove it, or give the guest another name"
                )
            capacity, steps = self._grown(found.header, "qcow2", steps)
        else:
            steps.append(self._create("qcow2", capacity, below[0], found))
        return self._volume(self.name, self.path, "qcow2", capacity, below), steps

    def _copied(self) -> tuple[Volume, list]:
        """Plan a volume that stands alone, with the content of the image's file."""
        format = own_format(self.disk, "full", self.pool.kind)
        capacity = max(self.asked, self.source.header.capacity)
        self._check_shrink(self.source.header.capacity, self.source.label)
        found = self._own_file()
        steps: list = []
        self._check_origin(found)
        if found.header:
            if found.header.backing:
                raise ImageError(
                    f"volume {self.name} of {self.pool} is an overlay of {found.header.backing}, and clone: "
                    "full is asked for; an existing volume is not converted"
                )
            capacity, steps = self._grown(found.header, format, steps)
        elif self.pool.kind in STREAMED:
            # There is no renaming of volumes through libvirt, so that a copy on its side could be taken for a whole one.
            steps = [FillVolume(self.pool, self.name, self.source, self.disk.format, format, capacity, self.said)]
        else:
            _name, base, steps = _base(self.pool, self.source, self.disk.format, self.world)
            size, digest = self.source.size, self.source.digest
            steps.append(CopyVolume(self.pool, self.name, base, format, capacity, size, self.said, digest))
        return self._volume(self.name, self.path, format, capacity, ()), steps

    def _check_origin(self, found: Found) -> None:
        """Refuse a system disk that is there, of which no record and no mark says that it was made from this image."""
        if self.recorded or self.adopted or not found.header or self.disk.use != "system":
            return
        if found.origin in (None, self.source.digest):
            return
        made = f"was made from sha256:{found.origin[:12]}..." if found.origin else "does not say from what it was made"
        raise ImageError(
            f"volume {self.name} exists in {self.pool} and {made}, not from {self.source.label}; it is not overwritten: "
            "remove it, or give the guest another name"
        )

    def _empty(self) -> tuple[Volume, list]:
        format = own_format(self.disk, "full", self.pool.kind)
        found = self._own_file()
        if found.header:
            capacity, steps = self._grown(found.header, format, [])
            return self._volume(self.name, self.path, format, capacity, ()), steps
        if self.disk.format == "iso":
            raise ImageError(
                f"{self.disk.use} disk {self.disk.id} is an ISO, and the image has no file {self.disk.file}; an ISO "
                "cannot be made empty"
            )
        if not self.asked:
            raise ImageError(
                f"{self.disk.use} disk {self.disk.id} has no file in the image and no size, so it cannot be made"
            )
        return self._volume(self.name, self.path, format, self.asked, ()), [
            self._create(format, self.asked, None, found)
        ]

    def _own_file(self) -> Found:
        """Return the guest's own volume as it is; refuse to put an empty one in the place of lost data."""
        found = self.world.file(self.path)
        if found.header is None and self.recorded and not self.recorded.shared and self.disk.use != "scratch":
            raise ImageError(
                f"{self.disk.use} disk {self.disk.id} of this guest was {self.recorded.path}, and that is gone; bring "
                "it back (is the pool's file system mounted?), or remove the guest and deploy it anew"
            )
        return found

    def _create(self, format: str, capacity: int, below: Optional[Layer], found: Found) -> CreateVolume:
        return CreateVolume(
            self.pool,
            self.name,
            format,
            capacity,
            below.path if below else None,
            below.format if below else None,
            stale=found.listed,
            asked=self.said if below else 0,
        )

    def _check_shrink(self, least: int, what: str) -> None:
        if self.by_option and self.asked < least:
            raise ImageError(
                f"disk {self.disk.id}: size {show_size(self.asked)} is less than the {show_size(least)} of {what}"
            )

    def _grown(self, header: Header, format: str, steps: list) -> tuple[int, list]:
        """Return the capacity that an existing volume is to have, and the steps with the one to it.

        A smaller size in the descriptor, which others may have grown their disks beyond, means nothing.
        """
        rounding = EXTENT if self.pool.kind == BLOCK else 0
        if self.by_option and self.asked + rounding < header.capacity:
            raise ImageError(
                f"disk {self.disk.id}: size is {show_size(self.asked)}, and volume {self.name} has "
                f"{show_size(header.capacity)}; a volume is not made smaller, what is stored in it would be cut off"
            )
        if self.asked <= header.capacity:
            return header.capacity, steps
        if self.pool.kind == BLOCK:
            raise ImageError(
                f"disk {self.disk.id}: size is {show_size(self.asked)}, and volume {self.name} has "
                f"{show_size(header.capacity)}; libvirt cannot make a block device larger: do it with the tool of "
                f"{self.pool} (lvextend)"
            )
        return self.asked, [*steps, GrowVolume(self.pool, self.name, format, self.asked, header.capacity)]

    def _volume(self, name, path, format, capacity, below, shared=False) -> Volume:
        # A disk that exists is not compared with the image's file any more; the record keeps where it came from.
        origin = self.source or self.recorded
        return Volume(
            self.disk.id,
            self.disk.use,
            self.pool.name,
            name,
            path,
            format,
            capacity,
            (Layer(path, format), *below),
            shared,
            origin.digest if origin else None,
            self._stamp(),
            self.pool.kind,
        )

    def _stamp(self) -> Optional[str]:
        if self.source:
            return verified_stamp(self.source.stamp, self.source.checksums)
        return self.recorded.stamp if self.recorded else None


def plan_removal(disks: tuple[RecordedDisk, ...], remove: str, world: World) -> tuple:
    """Return the steps that delete a guest's own volumes: system and scratch ones, and `all` the user's too.

    Raises ImageError for a volume that is not where its pool keeps volumes: a record is text that others can write.
    """
    steps = []
    for disk in disks:
        found = world.file(disk.path)
        if disk.use not in REMOVED_USES[remove] or disk.shared or not (found.header or found.listed):
            continue
        pool = world.pools.get(disk.pool)
        if pool is None or f"{pool.path}/{disk.volume}" != disk.path or "/" in disk.volume:
            raise ImageError(
                f"volume {disk.path} is not in pool {disk.pool} of this host, so it is not deleted; define the pool "
                "again, or leave the volumes with remove: none"
            )
        steps.append(DeleteVolume(pool, disk.volume))
    return tuple(steps)
