# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the world once: what a plan needs of images, host, pools and domains, as plain values."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import Optional

from .._core.claims import disk_paths
from .._core.emulator import parse_domain_capabilities
from .._core.errors import ImageError, Problems
from .._core.guest import RENEWED, Guest
from .._core.host import Host, parse_capabilities
from .._core.image import Disk, Image
from .._core.match import Verdict, choose
from .._core.offer import depends_on_offer
from .._core.pipeline import keep_machine
from .._core.plan import Live, Sighting
from .._core.record import Record, RecordedDisk
from .._core.seeding import seed_volume
from .._core.volume import (
    BOOT_FILES,
    STREAMED,
    Found,
    Pool,
    Source,
    World,
    base_name,
    boot_file_key,
    own_format,
    pool_of,
    volume_names,
)
from .connection import Connection
from .extras import find_extras, has_extras, refuse_missing
from .images import Images, Wanted
from .url import Access
from .volumes import Volumes, backing_files


class Survey:
    """Looks at what a list of guests needs; each image, pool and file is looked at once."""

    def __init__(self, connection: Connection, deliveries=(), access: Access = Access()) -> None:
        self.connection = connection
        self.volumes = Volumes(connection)
        self.images = Images(self.volumes, deliveries, access)
        self.host = lru_cache(maxsize=None)(self._host)
        self._offer = lru_cache(maxsize=None)(self._domain_capabilities)
        self.networks = lru_cache(maxsize=None)(connection.networks)
        # What other records than the guest's say of its disks' files, which then need not be read again: disk -> what they say.
        self.known: dict[str, RecordedDisk] = {}
        # The paths of volumes that were staged, and that no guest has had.
        self._staged: set[str] = set()
        # The paths of recorded disks that another version of the image brought.
        self.others: frozenset = frozenset()
        # One time for all guests of a call.
        self.now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.taken = lru_cache(maxsize=None)(self._disks)

    def all(self, guests) -> tuple[list[Sighting], Problems]:
        """Return what was seen for each guest, and what was wrong on the way."""
        problems, sightings = Problems(), []
        for guest in guests:
            try:
                sightings.append(self.guest(guest))
            except ImageError as error:
                subject = guest.name or guest.image
                problems.extend(error.about(f"guest {subject}") if guest.name else error)
        return sightings, problems

    def guest(self, guest: Guest) -> Sighting:
        """Return all that a plan for this guest needs; raise ImageError."""
        if guest.state == RENEWED:
            sighting = self.guest(replace(guest, state="started"))
            going = replace(guest, name=sighting.name, state="absent")
            return replace(sighting, going=self.guest(going)) if sighting.live else sighting
        wanted = guest.image and guest.state != "absent" or not guest.name
        image = self.images.image(guest) if wanted else None
        name = guest.name or image.name
        live = self.connection.live(name)
        record = live.record if live else None
        if guest.state == "absent":
            world, verdict = self.left(record, live), None
        else:
            verdict = choose(image, self.host(), guest.wish)
            if self.connection.is_local:
                refuse_missing(guest)
            world = self.world(name, image, verdict, guest, record)
        sighting = Sighting(
            name=name,
            guest=guest,
            # Where libvirt may not open /dev/kvm it probes every emulator at each question: seconds.
            host=None if guest.state == "absent" else self.host(),
            session=guest.state != "absent" and self.connection.is_session,
            live=live,
            world=world,
            image=image,
            verdict=verdict,
            networks={} if guest.state == "absent" else self.networks(),
            # Of interest where volumes come to a guest or go; a guest that stays as it is has its own.
            taken={} if record and guest.state != "absent" and not has_extras(guest) else self.taken(),
            extra_paths={} if guest.state == "absent" else find_extras(name, guest, self.volumes, world),
            now=self.now,
        )
        return self._with_belongings(sighting, record) if guest.state == "absent" else self.with_offer(sighting)

    def _with_belongings(self, sighting: Sighting, record: Optional[Record]) -> Sighting:
        """Return the sighting with what goes with a domain that goes."""
        if sighting.live is None:
            return sighting
        # Late: most calls remove no guest.
        from .belongings import read_belongings
        from .states import kept

        name, live = sighting.name, sighting.live
        states = frozenset(kept(name, record.domain or "", live.xml, self.connection)) if record else frozenset()
        return replace(sighting, belongings=read_belongings(live, self.connection), kept=states)

    def _disks(self) -> dict[str, tuple[str, ...]]:
        """Return the files of domains' disks, also those that only the header of an overlay names."""
        found = self.connection.disks()
        for path, names in list(found.items()) if self.connection.is_local else ():
            for below in (path, *backing_files(path)):
                for same in dict.fromkeys((below, os.path.realpath(below))):
                    found[same] = tuple(dict.fromkeys((*found.get(same, ()), *names)))
        return found

    def with_offer(self, sighting: Sighting) -> Sighting:
        """Return the sighting with what the guest's emulator offers, where it asks for something that not all have."""
        verdict = keep_machine(sighting)
        if not depends_on_offer(sighting.guest, sighting.image.boots[verdict.index], verdict):
            return sighting
        offer = self._offer(verdict.emulator, verdict.arch, verdict.machine, verdict.virt_type)
        return replace(sighting, host=replace(sighting.host, domain_capabilities=offer))

    def _domain_capabilities(self, *wanted) -> tuple:
        told = self.connection.domain_capabilities(*wanted)
        return (parse_domain_capabilities(told),) if told else ()

    def _host(self) -> Host:
        host = parse_capabilities(self.connection.capabilities())
        # Xen's driver tells no UUID; what is derived from it must differ between hosts all the same.
        return host if host.uuid else replace(host, uuid=self.connection.hostname())

    def world(self, name: str, image: Image, verdict: Verdict, guest: Guest, record: Optional[Record]) -> World:
        """Return the storage that matters for a guest of that record: its own volumes, and those that it can build on."""
        boot = image.boots[verdict.index]
        disks = image.disks_of(boot)
        wanted = dict.fromkeys((guest.pool, *(pool_of(guest, disk) for disk in disks)))
        pools = {pool: self.volumes.place(pool, guest.folder) for pool in wanted}
        world = World(pools, {}, {})
        names = volume_names(name, disks, guest, pools, record)
        problems = Problems()
        for disk in disks:
            try:
                self._look_at(disk, names[disk.id], guest, world, record.disk(disk.id) if record else None)
            except ImageError as error:
                problems.extend(error)
        problems.raise_any()
        for tag in BOOT_FILES:
            file = getattr(boot, tag)
            if file:
                source = self._source(boot_file_key(tag), guest, Wanted(file, "boot", {}, pools[guest.pool]), world)
                if source is None:
                    raise ImageError(f"<{tag}> {file} is not there", self.images.folder(guest).path)
        if guest.seed:
            seed = seed_volume(name, guest.seed, pools[guest.pool])
            world.found[seed.path] = self.volumes.look(pools[guest.pool], seed.name, "raw")
        return world

    def learn(self, image: Image, generations: tuple) -> None:
        """Note what a guest's generations have of an image's files, those of the same version before others."""
        mine = [one for one in generations if one.version and (one.version, one.release) == (image.version, image.release)]
        disks = [disk for one in sorted(generations, key=mine.__contains__) for disk in one.disks]
        self.known = {disk.id: disk for disk in disks}
        self.others = frozenset(disk.path for disk in disks) - {disk.path for one in mine for disk in one.disks}

    def _look_at(self, disk: Disk, own: str, guest: Guest, world: World, recorded: Optional[RecordedDisk]) -> None:
        """Add a disk's own volume to the world, and its source where it is needed."""
        pool = world.pools[pool_of(guest, disk)]
        found = self._own(pool, own, disk, guest, recorded)
        world.found[f"{pool.path}/{own}"] = found
        # A user's or scratch disk that exists stays as it is; its first content is of no interest any more.
        is_staged = f"{pool.path}/{own}" in self._staged
        wanted = disk.use == "system" or disk.format == "iso" or not found.header or is_staged
        if disk.file and wanted:
            there = bool(found.header) and pool.kind in STREAMED
            linked = disk.format == "iso" or disk.use == "system" and guest.clone == "linked"
            # There is no copying of a base in a pool that is reached through streams (see plan_storage).
            whole = pool.kind in STREAMED and not there and not linked
            had = recorded or self.known.get(disk.id)
            another = had is not None and had.path in self.others
            self._source(disk.id, guest, Wanted(disk.file, disk.format, disk.checksums, pool, had, there, whole, another), world)

    def _own(self, pool: Pool, name: str, disk: Disk, guest: Guest, recorded: Optional[RecordedDisk]) -> Found:
        """Return the guest's own volume for a disk as it is."""
        format = own_format(disk, guest.clone, pool.kind)
        return self.volumes.look(pool, name, format, ours=bool(recorded), system=disk.use == "system")

    def _source(self, key: str, guest: Guest, wanted: Wanted, world: World) -> Optional[Source]:
        """Add a file of the image to the world, with the base volume that it is in the pool."""
        source = self.images.source(guest, wanted)
        if source:
            world.sources[key] = source
            base = self.volumes.base(wanted.pool, source.base, wanted.format)
            world.found[f"{wanted.pool.path}/{base_name(source.base, wanted.format)}"] = base
        return source

    def left(self, record: Optional[Record], live: Optional[Live]) -> World:
        """Return what there is of the volumes of a guest's generations."""
        world = World({}, {}, {})
        disks = disk_paths(live.xml) if live else ()
        for disk in record.all_disks if record else ():
            pool, world.found[disk.path] = self.volumes.left(disk, disks)
            if pool:
                world.pools[disk.pool] = pool
        return world
