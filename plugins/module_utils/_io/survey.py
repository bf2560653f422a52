# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the world once: what a plan needs of images, host, pools and domains, as plain values."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from typing import Optional

from .._core import xml
from .._core.emulator import parse_domain_capabilities
from .._core.errors import ImageError, Problems
from .._core.guest import Guest
from .._core.header import HEADER_BYTES, Header, read_header
from .._core.host import Host, parse_capabilities
from .._core.image import Image, parse_image
from .._core.match import Verdict, choose
from .._core.offer import depends_on_offer
from .._core.pipeline import Sighting, keep_machine
from .._core.record import Record, RecordedDisk, read_record
from .._core.volume import (
    BOOT_FILES,
    Found,
    Pool,
    Source,
    World,
    base_format,
    base_name,
    boot_file_key,
    own_format,
    pool_of,
    volume_names,
)
from .connection import Connection
from .source import Delivery, File, Folder, opened

# The types whose volumes are files in a folder that this machine sees.
FOLDER_POOLS = ("dir", "fs", "netfs")


class Survey:
    """Looks at what a list of guests needs; each image, pool and file is looked at once."""

    def __init__(self, connection: Connection, deliveries=()) -> None:
        self.connection = connection
        self._deliveries = {(told["image"], told["outside"]): Delivery(told) for told in deliveries}
        self.host = lru_cache(maxsize=None)(self._host)
        self.image = lru_cache(maxsize=None)(self._image)
        self.pool = lru_cache(maxsize=None)(self._pool)
        self._offer = lru_cache(maxsize=None)(self._domain_capabilities)
        self._listed = lru_cache(maxsize=None)(connection.volume_names)
        self._networks = lru_cache(maxsize=None)(connection.networks)
        self._taken = lru_cache(maxsize=None)(connection.disks)
        self._sources: dict = {}

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
        wanted = guest.image and guest.state != "absent" or not guest.name
        image = self.image(guest.image, guest.allow_outside_files) if wanted else None
        name = guest.name or image.name
        live = self.connection.live(name)
        record = read_record(xml.parse(live.xml, f"domain {name}")) if live else None
        if guest.state == "absent":
            world, verdict = self._left(record), None
        else:
            verdict = choose(image, self.host(), guest.wish)
            world = self._world(name, image, verdict, guest, record)
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
            networks={} if guest.state == "absent" else self._networks(),
            # Of interest where volumes come to a guest or go; a guest that stays as it is has its own.
            taken={} if live and guest.state != "absent" else self._taken(),
        )
        return sighting if guest.state == "absent" else self._with_offer(sighting)

    def _with_offer(self, sighting: Sighting) -> Sighting:
        """Return the sighting with what the guest's emulator offers, where it asks for something that not all have."""
        verdict = keep_machine(sighting)
        if not depends_on_offer(sighting.guest, sighting.image.boots[verdict.index], verdict):
            return sighting
        offer = self._offer(verdict.emulator, verdict.arch, verdict.machine, verdict.virt_type)
        return replace(sighting, host=replace(sighting.host, domain_capabilities=offer))

    def _domain_capabilities(self, *wanted) -> tuple:
        told = self.connection.domain_capabilities(*wanted)
        return (parse_domain_capabilities(told),) if told else ()

    def folder(self, guest: Guest):
        """Return the folder of a guest's descriptor: delivered, or on this machine."""
        return self._folder(guest.image, guest.allow_outside_files)

    def _folder(self, path: str, outside: bool):
        return self._deliveries.get((path, outside)) or Folder(path, outside)

    def _image(self, path: str, outside: bool) -> Image:
        if "://" in path:
            raise ImageError(f"image {path} is a URL, and images are not fetched yet; give the path of a descriptor")
        folder = self._folder(path, outside)
        return parse_image(folder.descriptor(), folder.path, outside=outside)

    def _host(self) -> Host:
        host = parse_capabilities(self.connection.capabilities())
        # Xen's driver tells no UUID; what is derived from it must differ between hosts all the same.
        return host if host.uuid else replace(host, uuid=self.connection.hostname())

    def _pool(self, name: str) -> Pool:
        if not self.connection.is_local:
            raise ImageError(
                f"{self.connection.uri} is on another machine, and volumes are made on the machine itself; "
                "run the module there"
            )
        tree = self.connection.pool_tree(name)
        if tree.get("type") not in FOLDER_POOLS:
            raise ImageError(f"pool {name} is of type {tree.get('type')}; volumes are made in {', '.join(FOLDER_POOLS)}")
        path = tree.findtext("target/path")
        try:
            room = os.statvfs(path)
        except OSError as error:
            raise ImageError(f"cannot look at the folder {path} of pool {name}: {error.strerror}") from None
        return Pool(name, path, room.f_bavail * room.f_frsize)

    def _world(self, name: str, image: Image, verdict: Verdict, guest: Guest, record: Optional[Record]) -> World:
        boot = image.boots[verdict.index]
        pools, sources, found = {guest.pool: self.pool(guest.pool)}, {}, {}
        names = volume_names(name, image.disks_of(boot), guest.clone, record)
        for disk in image.disks_of(boot):
            pool = pools.setdefault(pool_of(guest, disk), self.pool(pool_of(guest, disk)))
            own = names[disk.id]
            self._look(found, pool, own, own_format(disk, guest.clone))
            # A user's or scratch disk that exists stays as it is; its first content is of no interest any more.
            wanted = disk.use == "system" or disk.format == "iso" or not found[f"{pool.path}/{own}"].header
            if disk.file and wanted:
                recorded = record.disk(disk.id) if record else None
                source = self._source(guest, disk.file, disk.checksums, disk.format, pool, recorded)
                if source:
                    sources[disk.id] = source
                    self._look(found, pool, base_name(source.digest, disk.format), base_format(disk.format))
        for tag in BOOT_FILES:
            file = getattr(boot, tag)
            if file:
                source = self._source(guest, file, {}, "boot", pools[guest.pool], None)
                if source is None:
                    raise ImageError(f"<{tag}> {file} is not there", self.folder(guest).path)
                sources[boot_file_key(tag)] = source
                self._look(found, pools[guest.pool], base_name(source.digest, "boot"), "boot")
        return World(pools, sources, found)

    def _source(self, guest: Guest, name: str, checksums, format: str, pool: Pool, recorded: Optional[RecordedDisk]):
        """Return a file of the image with its digest, or None where it is not there.

        It is not read where its digest is known: from the descriptor if the pool has that base, or from the record
        if the file has not changed since.
        """
        file = self.folder(guest).file(name)
        if file is None:
            return self._source_gone(guest.image, name, checksums, format, pool, recorded)
        key = (guest.image, guest.allow_outside_files, name, pool.name)
        if key not in self._sources:
            digest = self._digest(guest, file, checksums, format, pool, recorded)
            self._sources[key] = Source(file.path, name, file.size, file.stamp, digest, file.header, guest.image)
        return self._sources[key]

    def _digest(self, guest: Guest, file: File, checksums, format: str, pool: Pool, recorded) -> str:
        known = checksums.get("sha256")
        if known and self._has_base(pool, known, format):
            return known
        unchanged = recorded and file.stamp and recorded.stamp == file.stamp
        if unchanged and self._has_base(pool, recorded.digest, format):
            return recorded.digest
        return self.folder(guest).digest(file, checksums)

    def _source_gone(self, image: str, name: str, checksums, format: str, pool: Pool, recorded) -> Optional[Source]:
        """Return what the pool has of a file that is no longer beside the descriptor, or None."""
        digest = checksums.get("sha256") or (recorded.digest if recorded else None)
        if not digest or not self._has_base(pool, digest, format):
            return None
        base = _header(f"{pool.path}/{base_name(digest, format)}", base_format(format))
        return Source(None, name, 0, recorded.stamp if recorded else None, digest, Header(format, base.capacity), image)

    def _has_base(self, pool: Pool, digest: Optional[str], format: str) -> bool:
        return bool(digest) and os.path.isfile(f"{pool.path}/{base_name(digest, format)}")

    def _look(self, found: dict, pool: Pool, name: str, format: str) -> None:
        path = f"{pool.path}/{name}"
        if path not in found:
            found[path] = Found(_header(path, format), name in self._listed(pool.name))

    def _left(self, record: Optional[Record]) -> World:
        """Return what is left of a guest that is to go."""
        found, pools = {}, {}
        for disk in record.disks if record else ():
            try:
                pools[disk.pool] = self.pool(disk.pool)
                listed = disk.volume in self._listed(disk.pool)
            except ImageError:
                # A pool that is gone lists nothing; that alone is no reason to keep its guests.
                listed = False
            found[disk.path] = Found(Header("raw", 0) if os.path.lexists(disk.path) else None, listed)
        return World(pools, {}, found)


def _header(path: str, format: str) -> Optional[Header]:
    """Return the header of a volume's file that has that format, or None where there is none.

    The bytes of a raw disk are its guest's, who can write any header there: they are not read.
    """
    try:
        with opened(path, "the volume") as file:
            size = os.fstat(file.fileno()).st_size
            return read_header(file.read(HEADER_BYTES), size, path) if format == "qcow2" else Header(format, size)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ImageError(f"cannot read the volume: {error.strerror}", path) from None
