# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at pools and their volumes: files of this machine as files, others through libvirt."""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from typing import Optional

from .._core.errors import ImageError
from .._core.guest import NO_POOL
from .._core.header import HEADER_BYTES, Header, read_header
from .._core.record import RecordedDisk
from .._core.volume import BLOCK, PLAIN, REMOTE, STREAMED, Found, Pool, base_format, base_name
from .connection import Connection
from .source import opened

# The types whose volumes are files in a folder, and those whose volumes are block devices.
FOLDER_POOLS = ("dir", "fs", "netfs")
BLOCK_POOLS = ("logical", "zfs")
# As deep as libvirt follows chains.
MAX_CHAIN = 200
QCOW2 = b"QFI\xfb"
# An attribute of a file: the SHA-256 of the image's file that it is a copy of.
ORIGIN = "user.virt-image.sha256"


class Volumes:
    """The pools that a call needs, and their volumes; each is looked at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.pool = lru_cache(maxsize=None)(self._pool)
        self._listed = lru_cache(maxsize=None)(connection.volume_names)
        self._seen: dict[tuple, Found] = {}
        # Pools in which a killed run left what libvirt does not list.
        self.unlisted: set[str] = set()

    def _pool(self, name: str) -> Pool:
        tree = self.connection.pool_tree(name)
        type, path = tree.get("type"), tree.findtext("target/path")
        if type not in (*FOLDER_POOLS, *BLOCK_POOLS):
            known = ", ".join((*FOLDER_POOLS, *BLOCK_POOLS))
            raise ImageError(f"pool {name} is of type {type}; volumes are made in pools of type {known}")
        if type in FOLDER_POOLS and self.connection.is_local:
            room = _room(path, f"pool {name}")
            self.connection.locks.use(path)
            return Pool(name, path, room)
        return Pool(name, path, int(tree.findtext("available") or 0), BLOCK if type in BLOCK_POOLS else REMOTE)

    def place(self, name: str, folder: Optional[str]) -> Pool:
        """Return the pool of that name, or the folder that stands for none."""
        if name != NO_POOL:
            return self.pool(name)
        if not self.connection.is_local:
            raise ImageError(
                f"pool: {NO_POOL} is a folder of the machine where the module runs, and {self.connection.uri} is on "
                "another machine; name a pool there"
            )
        room = _room(folder, f"pool: {NO_POOL}")
        self.connection.locks.use(folder)
        return Pool(name, os.path.normpath(folder), room, PLAIN)

    def look(self, pool: Pool, name: str, format: str, ours: bool = False, system: bool = False) -> Found:
        """Return a volume as it is; `ours`: a guest's record has it, so that it was filled to its end."""
        key = (pool, name, format, ours)
        if key not in self._seen:
            self._seen[key] = self._look(pool, name, format, ours, system)
        return self._seen[key]

    def has_base(self, pool: Pool, digest: Optional[str], format: str) -> bool:
        return bool(digest) and self.base(pool, digest, format).header is not None

    def base(self, pool: Pool, digest: str, format: str) -> Found:
        """Return the base volume that holds a file with this SHA-256, delivered in that format."""
        return self.look(pool, base_name(digest, format), base_format(format))

    def is_there(self, pool: Pool, name: str) -> bool:
        """Return whether there is a volume of that name, whatever it holds."""
        listed = pool.kind != PLAIN and name in self._listed(pool.name)
        return listed or (pool.kind not in STREAMED and os.path.lexists(f"{pool.path}/{name}"))

    def path_of(self, pool: str, name: str) -> str:
        """Return the path of a volume that is someone's; raise ImageError where pool or volume is not there."""
        path = self.connection.volume_path(pool, name) if name in self._listed(pool) else None
        if path is None:
            raise ImageError(f"pool {pool} has no volume {name}; virsh pool-refresh {pool} lets libvirt look again")
        return path

    def _look(self, pool: Pool, name: str, format: str, ours: bool, system: bool) -> Found:
        if pool.kind not in STREAMED:
            listed = pool.kind != PLAIN and name in self._listed(pool.name)
            path = f"{pool.path}/{name}"
            header = file_header(path, format)
            if header and pool.kind != PLAIN and not listed:
                self.unlisted.add(pool.name)
            return Found(header, listed, None if ours or not header else origin_of(path))
        if name not in self._listed(pool.name):
            return Found(None, False)
        # Late: the volumes of most pools are files.
        from .streams import is_begun

        if not ours and is_begun(self.connection, pool.name, name, system and pool.kind == BLOCK):
            return Found(None, True)
        return Found(self.connection.volume_header(pool.name, name, format), True)

    def left(self, disk: RecordedDisk, disks: tuple) -> tuple[Optional[Pool], Found]:
        """Return what is left of a recorded volume; `disks` are the paths that its domain has as disks."""
        if disk.pool == NO_POOL:
            # A record is text that others can write: what it names must be the guest's.
            pool = Pool(NO_POOL, os.path.dirname(disk.path), 0, PLAIN) if disk.path in disks else None
            return pool, Found(_any(disk.path), False)
        try:
            pool = self.pool(disk.pool)
            listed = disk.volume in self._listed(disk.pool)
        except ImageError:
            # A pool that is gone lists nothing; that alone is no reason to keep its guests.
            return None, Found(_any(disk.path) if self.connection.is_local else None, False)
        if pool.kind in STREAMED:
            return pool, Found(Header("raw", 0) if listed else None, listed)
        return pool, Found(_any(disk.path), listed)


def _any(path: str) -> Optional[Header]:
    return Header("raw", 0) if os.path.lexists(path) else None


def _room(path: str, what: str) -> int:
    try:
        room = os.statvfs(path)
    except FileNotFoundError:
        raise ImageError(f"the folder {path} of {what} does not exist; make it first") from None
    except OSError as error:
        raise ImageError(f"cannot look at the folder {path} of {what}: {error.strerror}") from None
    return room.f_bavail * room.f_frsize


def file_header(path: str, format: str) -> Optional[Header]:
    """Return the header of a volume's file that has that format, or None where there is none.

    The bytes of a raw disk are its guest's, who can write any header there: they are not read.
    """
    try:
        with opened(path, "the volume") as file:
            size = os.fstat(file.fileno()).st_size
            if format != "qcow2":
                return Header(format, size)
            header = read_header(file.read(HEADER_BYTES), size, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ImageError(f"cannot read the volume: {error.strerror}", path) from None
    if header.format != format:
        seen = "raw, or damaged" if header.format == "raw" else header.format
        # Without where, so that the guest's name comes before it.
        raise ImageError(
            f"volume {path} is no {format} image: it is {seen}, and was put there by someone else, or written to; it is left as "
            f"it is. qemu-img convert -f {header.format} -O {format} makes one of a sound {header.format} disk; a system disk "
            'that is format="raw" in the descriptor, with clone: full, is raw in the pool too'
        )
    return header


def mark_origin(path: str, digest: Optional[str]) -> None:
    """Write down what a copy was made from, where the file system can."""
    try:
        os.setxattr(path, ORIGIN, (digest or "").encode())
    except OSError:
        # Then nobody asks for it either.
        pass


def origin_of(path: str) -> Optional[str]:
    """Return what a copy was made from; an empty text where nothing is written down, None where nothing can be."""
    try:
        return os.getxattr(path, ORIGIN).decode("ascii", "replace")
    except OSError as error:
        return "" if error.errno == errno.ENODATA else None


def backing_files(path: str) -> list[str]:
    """Return the files below an overlay on this machine, as far as headers tell; none for what cannot be read."""
    found: list[str] = []
    while len(found) < MAX_CHAIN:
        try:
            with opened(path, "the volume") as file:
                head = file.read(HEADER_BYTES)
            header = read_header(head, os.path.getsize(path), path) if head.startswith(QCOW2) else None
        except (OSError, ImageError):
            return found
        if not header or not header.backing or "://" in header.backing or header.backing.startswith("json:"):
            return found
        path = os.path.normpath(os.path.join(os.path.dirname(path), header.backing))
        if path in found:
            return found
        found.append(path)
    return found
