# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of an image: the descriptor and the files beside it, on this machine or delivered to it."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from typing import Optional

from .._core import xml
from .._core.errors import ImageError, WrongContent
from .._core.header import HEADER_BYTES, Header, read_header
from .._core.names import plain
from .._core.trust import WEAK, Trust
from .jobs import Job
from .url import Access, is_url

CHUNK = 1024 * 1024
# Where the system has O_PATH, a folder that may be searched need not be readable.
FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


@dataclass(frozen=True)
class File:
    """A file of an image as it is delivered; sizes in bytes.

    `path` is a URL where it is to be fetched, and None while it is on the control node only; `digest` is None while it
    was not read. `header` is that of the content, also where `packing` says that it is compressed.
    """

    path: Optional[str]
    label: str
    size: int
    stamp: Optional[str]
    header: Header
    digest: Optional[str] = None
    packing: Optional[str] = None


class Folder:
    """The folder of a descriptor on this machine; `outside`: its files may lie elsewhere."""

    def __init__(self, path: str, outside: bool = False) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        self.outside = outside
        self.where = os.path.basename(self.path)

    def descriptor(self, trust: Trust = Trust()) -> bytes:
        """Return the descriptor's bytes; raise ImageError where it cannot be read, or is not what the user trusts."""
        try:
            with opened(self.path, "the descriptor") as file:
                data = file.read(xml.MAX_BYTES + 1)
        except OSError as error:
            raise ImageError(f"cannot read the descriptor: {error.strerror}", self.path) from None
        return trusted(data, trust, self)

    def beside(self, name: str, most: int) -> Optional[bytes]:
        """Return a small file at a path relative to the descriptor, or None; raise ImageError."""
        path = os.path.join(os.path.dirname(self.path), name)
        try:
            with opened(path, name) as file:
                return file.read(most)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ImageError(f"cannot read {name}: {error.strerror}", path) from None

    def file(self, name: str, unpack: bool = True) -> Optional[File]:
        """Return a file that the descriptor names, or None where it is not there.

        Raises ImageError for one that leads out of the descriptor's folder, or is no plain file.
        """
        path = self._path(name)
        try:
            with self._opened(path, name) as file:
                status = os.fstat(file.fileno())
                header, packing = look_into(file, status.st_size, path, unpack)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ImageError(f"cannot read {name}: {error.strerror}", path) from None
        return File(path, name, status.st_size, stamp_of(status), header, packing=packing)

    @property
    def _root(self) -> str:
        return os.path.realpath(os.path.dirname(self.path))

    def _path(self, name: str) -> str:
        """Return where a file is, links resolved; raise ImageError where that is out of the folder."""
        path = os.path.realpath(os.path.join(self._root, name))
        if not self.outside and os.path.commonpath([self._root, path]) != self._root:
            raise ImageError(
                f"{name} leads to {plain(path)}, out of the descriptor's folder; put the file there, or say "
                "allow_outside_files: true",
                self.path,
            )
        return path

    def _opened(self, path: str, name: str):
        """Open a file at a path whose links are resolved; one that became a link since is refused.

        The folder's owner may exchange files while we look.
        """
        if self.outside:
            return opened(path, name)
        *folders, last = os.path.relpath(path, self._root).split("/")
        place = os.open(self._root, FOLDER)
        try:
            for folder in folders:
                inner = os.open(folder, FOLDER | os.O_NOFOLLOW, dir_fd=place)
                os.close(place)
                place = inner
            return opened(last, name, place)
        finally:
            os.close(place)

    def digests(self, file: File, kinds, job: Optional[Job] = None) -> dict[str, str]:
        """Return the file's digests in hex by kind, in one reading, of which a `job` tells how far it is."""
        try:
            with self._opened(file.path, file.label) as content:
                return digests_of(content, kinds, job)
        except OSError as error:
            raise ImageError(f"cannot read {file.label}: {error.strerror}", file.path) from None

    def digest(self, file: File, checksums: dict[str, str], job: Optional[Job] = None) -> str:
        """Return the file's SHA-256 in hex; raise ImageError where the checksums are not its own."""
        found = self.digests(file, {"sha256", *checksums}, job)
        compare(found, checksums, file.label, self.path)
        return found["sha256"]


class Delivery:
    """A folder on the control node: what the action plugin told of it, and the files that it brought so far."""

    def __init__(self, told: dict) -> None:
        self.path = told["path"]
        self.where = os.path.basename(self.path)
        self._descriptor = told["descriptor"]
        self._files = told["files"]

    def descriptor(self, _trust: Trust = Trust()) -> str:
        # Verified where its bytes and the user's keys are, on the control node.
        return self._descriptor

    def file(self, name: str, _unpack: bool = True) -> Optional[File]:
        told = self._files.get(name)
        if told is None:
            return None
        # No stamp: it would be the control node's, and each of them has its own.
        header = Header(**told["header"])
        return File(told.get("brought"), name, told["size"], None, header, packing=told["packing"])

    def digest(self, file: File, checksums: dict[str, str], _job: Optional[Job] = None) -> str:
        """Return the file's SHA-256 in hex; raise ImageError where the checksums are not its own."""
        found = self._files[file.label]["digests"]
        compare(found, checksums, file.label, self.path)
        return found["sha256"]


def folder_of(image: str, outside: bool, access: Access):
    """Return the folder of a descriptor that is not delivered: on a server, or on this machine."""
    if not is_url(image):
        return Folder(image, outside)
    # Late: what fetches takes Ansible's URL code along, which most calls do without.
    from .site import Site

    return Site(image, outside, access)


def trusted(data: bytes, trust: Trust, folder) -> bytes:
    """Return a descriptor's bytes; raise ImageError where a checksum or a signature says that they are not the ones."""
    checksums = trust.checksum.get(folder.where)
    if checksums:
        compare({kind: new_hash(kind, data).hexdigest() for kind in checksums}, checksums, "the descriptor", folder.path)
    signature = trust.signature
    if not signature.has_keys:
        return data
    # Late: most images are trusted by their checksums, or not at all.
    from .signature import MAX_SIGNATURE, SUFFIXES, Keys, verify

    names = [signature.file] if signature.file else [folder.where + suffix for suffix in SUFFIXES]
    for name in names:
        found = folder.beside(name, MAX_SIGNATURE + 1)
        if found is not None:
            keys = Keys(signature.keyring, signature.allowed_signers, signature.signer, signature.namespace)
            verify(data, found, keys, folder.path)
            return data
    if trust.require_signature or signature.file:
        raise ImageError(f"has no signature ({', '.join(names)} beside it)", folder.path)
    return data


def look_into(reader, size: int, where: str, unpack: bool = True) -> tuple[Header, Optional[str]]:
    """Return the header of a file's content, and how the file is compressed; `size` is the file's own."""
    # Late: a guest that is there has what it needs in its pool.
    from .unpack import content_head

    head, packing = content_head(reader, HEADER_BYTES, where) if unpack else (reader.read(HEADER_BYTES), None)
    header = read_header(head, size, where)
    if not packing:
        return header, None
    # Of what has no header of its own, only unpacking all of it tells the size.
    return (replace(header, capacity=0) if header.format in ("raw", "iso") else header), packing


def compare(found: dict[str, str], checksums: dict[str, str], label: str, where: Optional[str]) -> None:
    """Raise ImageError where digests are not the checksums that were told."""
    for kind, told in checksums.items():
        if found[kind] != told:
            raise WrongContent(
                f"{label} has the {kind} checksum {found[kind]}, and {told} was told; it is not the file that was meant, "
                "or it is damaged",
                where,
            )


def opened(path: str, what: str, folder: Optional[int] = None):
    """Open a plain file; anything else is refused (a FIFO would hold us up until its writer comes).

    In a `folder` that is open, it must be no link either.
    """
    follow = 0 if folder is None else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | follow, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ImageError(f"{what} is no plain file", path)
    return os.fdopen(descriptor, "rb")


def new_hash(kind: str, data: bytes = b""):
    return hashlib.new(kind, data, usedforsecurity=kind not in WEAK)


def digests_of(file, kinds, job: Optional[Job]) -> dict[str, str]:
    """Return the digests in hex, by kind, of what a reader gives, in one reading, of which a `job` tells how far it is."""
    hashes = {kind: new_hash(kind) for kind in kinds}
    read = 0
    while block := file.read(CHUNK):
        for one in hashes.values():
            one.update(block)
        read += len(block)
        if job:
            job.done = read
    return {kind: one.hexdigest() for kind, one in hashes.items()}


def stamp_of(status: os.stat_result) -> str:
    """Return what tells that a file is still the same without reading it (as make and rsync do)."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
