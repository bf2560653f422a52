# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at images: their descriptors and files, delivered, on this machine, or on a server; each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .._core.guest import Guest
from .._core.header import Header
from .._core.image import Image, parse_image
from .._core.record import RecordedDisk
from .._core.trust import refuse_unknown_files, warning_of
from .._core.volume import Pool, Source, verified_stamp
from .source import Delivery, File, folder_of
from .url import Access, is_url
from .volumes import Volumes


@dataclass(frozen=True)
class Wanted:
    """A file of an image that a guest needs in a pool; `there`: the guest's own volume has its content already.

    `whole`: a volume is to be filled from the file itself, also where the pool has a base of it. `another`: what is
    recorded is of another version of the image.
    """

    name: str
    format: str
    checksums: dict[str, str]
    pool: Pool
    recorded: Optional[RecordedDisk] = None
    there: bool = False
    whole: bool = False
    another: bool = False


class Images:
    """The images of a call."""

    def __init__(self, volumes: Volumes, deliveries, access: Access) -> None:
        self.warnings: dict[str, None] = {}
        self.spooled: dict[str, None] = {}
        self._volumes = volumes
        self._access = access
        self._deliveries = {(told["image"], told["outside"]): Delivery(told) for told in deliveries}
        self._folders: dict = {}
        self._images: dict = {}
        self._files: dict = {}
        self._digests: dict = {}

    def folder(self, guest: Guest):
        """Return the folder of a guest's descriptor."""
        key = (guest.image, guest.allow_outside_files)
        if key not in self._folders:
            self._folders[key] = self._deliveries.get(key) or folder_of(*key, self._access)
        return self._folders[key]

    def image(self, guest: Guest) -> Image:
        """Return the image that a guest is made from; raise ImageError."""
        key, folder = (guest.image, guest.allow_outside_files), self.folder(guest)
        for trust, image in self._images.setdefault(key, []):
            if trust == guest.trust:
                return image
        image = parse_image(folder.descriptor(guest.trust), folder.path, outside=guest.allow_outside_files)
        refuse_unknown_files(guest.trust, image, folder.where)
        self._images[key].append((guest.trust, image))
        return image

    def source(self, guest: Guest, wanted: Wanted) -> Optional[Source]:
        """Return a file of the image with its digest, or None where it is not there.

        It is not read where its digest is known: from the checksums, or from the record if the file has not changed
        since. What is told of it is verified when it is brought.
        """
        checksums = guest.trust.checksums_of(wanted.name, wanted.checksums)
        warning = warning_of(wanted.name, checksums)
        if warning:
            self.warnings[warning] = None
        known = checksums.get("sha256")
        if not wanted.whole and self._volumes.has_base(wanted.pool, known, wanted.format):
            return self._from_base(guest, wanted, known)
        file = self._file(guest, wanted)
        if file is None:
            known = known or (wanted.recorded.digest if wanted.recorded and not wanted.another else None)
            there = not wanted.whole and self._volumes.has_base(wanted.pool, known, wanted.format)
            return self._from_base(guest, wanted, known) if there else None
        told = tuple(sorted(checksums.items()))
        digest = known or self._recorded(file, wanted, told)
        if not digest and is_url(file.path or ""):
            # Late, as in source.folder_of.
            from .spool import find_spooled

            spooled = find_spooled(wanted.pool, file.path, file.stamp)
            path, digest = spooled or (file.path, None)
            if spooled:
                self.spooled[path] = None
            return self._made(guest, file, path, digest, told)
        return self._made(guest, file, file.path, digest or self._digest(guest, file, told), told)

    def _made(self, guest: Guest, file: File, path, digest, told) -> Source:
        return Source(path, file.label, file.size, file.stamp, digest, file.header, guest.image, told, file.packing)

    def _file(self, guest: Guest, wanted: Wanted) -> Optional[File]:
        key = (guest.image, guest.allow_outside_files, wanted.name)
        if key not in self._files:
            # A kernel unpacks its initrd itself.
            self._files[key] = self.folder(guest).file(wanted.name, wanted.format != "boot")
        return self._files[key]

    def _recorded(self, file: File, wanted: Wanted, told: tuple) -> Optional[str]:
        """Return the digest that the guest's record has of a file, if that has not changed since, nor what is told of it."""
        recorded = wanted.recorded
        if not recorded or not recorded.digest:
            return None
        # A server that does not tell what version of a file it has leaves only this, or fetching it each time.
        stamp = verified_stamp(file.stamp, told)
        same = recorded.stamp == stamp if stamp else is_url(file.path or "") and not wanted.another
        there = wanted.there or self._volumes.has_base(wanted.pool, recorded.digest, wanted.format)
        return recorded.digest if same and there else None

    def _digest(self, guest: Guest, file: File, told: tuple) -> str:
        key = (guest.image, guest.allow_outside_files, file.label, told)
        if key not in self._digests:
            with self._volumes.connection.jobs.job(f"read {file.label} for its SHA-256", file.size) as job:
                self._digests[key] = self.folder(guest).digest(file, dict(told), job)
        return self._digests[key]

    def _from_base(self, guest: Guest, wanted: Wanted, digest: str) -> Source:
        """Return what the pool has of a file, whether or not that is still beside the descriptor."""
        base = self._volumes.base(wanted.pool, digest, wanted.format).header
        stamp = wanted.recorded.stamp if wanted.recorded and wanted.recorded.digest == digest else None
        # Converted it is; what was delivered had the descriptor's format when it was brought.
        header = Header(wanted.format, base.capacity)
        return Source(None, wanted.name, 0, stamp, digest, header, guest.image)
