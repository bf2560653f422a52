# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of an image: the descriptor and the files beside it, on this machine or delivered to it."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.header import HEADER_BYTES, Header, read_header
from .._core.names import plain

CHUNK = 1024 * 1024
WEAK = ("md5", "sha1")
# Where the system has O_PATH, a folder that may be searched need not be readable.
FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


@dataclass(frozen=True)
class File:
    """A file of an image; `path` is None while it is on the control node only, `digest` while it was not read."""

    path: Optional[str]
    label: str
    size: int
    stamp: Optional[str]
    header: Header
    digest: Optional[str] = None


class Folder:
    """The folder of a descriptor on this machine; `outside`: its files may lie elsewhere."""

    def __init__(self, path: str, outside: bool = False) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        self.outside = outside
        self.where = os.path.basename(self.path)

    def descriptor(self) -> bytes:
        """Return the descriptor's bytes; raise ImageError where it cannot be read."""
        try:
            with opened(self.path, "the descriptor") as file:
                return file.read(xml.MAX_BYTES + 1)
        except OSError as error:
            raise ImageError(f"cannot read the descriptor: {error.strerror}", self.path) from None

    def file(self, name: str) -> Optional[File]:
        """Return a file that the descriptor names, or None where it is not there.

        Raises ImageError for one that leads out of the descriptor's folder, or is no plain file.
        """
        path = self._path(name)
        try:
            with self._opened(path, name) as file:
                status = os.fstat(file.fileno())
                header = read_header(file.read(HEADER_BYTES), status.st_size, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ImageError(f"cannot read {name}: {error.strerror}", path) from None
        return File(path, name, status.st_size, stamp_of(status), header)

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

    def digest(self, file: File, checksums: dict[str, str]) -> str:
        """Return the file's SHA-256 in hex; raise ImageError where the descriptor's checksums are not its own."""
        kinds = {"sha256", *checksums}
        try:
            with self._opened(file.path, file.label) as content:
                digests = _digests(content, kinds)
        except OSError as error:
            raise ImageError(f"cannot read {file.label}: {error.strerror}", file.path) from None
        for kind, told in checksums.items():
            found = digests[kind]
            if found != told:
                raise ImageError(
                    f"{file.label} has the {kind} checksum {found}, and the descriptor says {told}; it is not the file "
                    "that the descriptor was written for",
                    self.path,
                )
        return digests["sha256"]


class Delivery:
    """A folder on the control node: what the action plugin told of it, and the files that it brought so far."""

    def __init__(self, told: dict) -> None:
        self.path = told["path"]
        self.where = os.path.basename(self.path)
        self._descriptor = told["descriptor"]
        self._files = told["files"]

    def descriptor(self) -> str:
        return self._descriptor

    def file(self, name: str) -> Optional[File]:
        told = self._files.get(name)
        if told is None:
            return None
        # No stamp: it would be the control node's, and each of them has its own.
        return File(told.get("brought"), name, told["size"], None, Header(**told["header"]), told["digest"])

    def digest(self, file: File, _checksums: dict[str, str]) -> str:
        # Verified where it was read, on the control node.
        return file.digest


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


def digests_of(path: str, kinds) -> dict[str, str]:
    """Return the digests of a file's content in hex, in one reading."""
    with open(path, "rb", buffering=0) as file:
        return _digests(file, kinds)


def _digests(file, kinds) -> dict[str, str]:
    hashes = {kind: hashlib.new(kind, usedforsecurity=kind not in WEAK) for kind in kinds}
    while block := file.read(CHUNK):
        for one in hashes.values():
            one.update(block)
    return {kind: one.hexdigest() for kind, one in hashes.items()}


def stamp_of(status: os.stat_result) -> str:
    """Return what tells that a file is still the same without reading it (as make and rsync do)."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
