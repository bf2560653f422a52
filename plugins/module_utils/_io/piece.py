# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk file, or one within an archive: its header, its digests, and what its disk shows."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from .._core.drafting import DiskFacts
from .._core.errors import ImageError
from .._core.header import HEADER_BYTES, TAIL_BYTES, Header, read_header
from .._core.names import file_mistake, plain
from .._core.sight import Sight, look_at
from .jobs import Jobs
from .source import compare, digests_of, look_into, opened
from .unpack import content_head

# What is looked at lies close together: tables at the beginning, the loader at the beginning of its partition.
WINDOW = 4 * 1024 * 1024
MAX_WINDOWS = 12


@dataclass(frozen=True)
class Piece:
    """A file, or the part of an archive that is one: path, name for people, first byte, number of bytes."""

    path: str
    label: str
    begin: int
    size: int

    @contextmanager
    def opened(self):
        """Give a reader of the piece alone."""
        try:
            with opened(self.path, self.label) as file:
                yield _Reader(file, self.begin, self.size)
        except OSError as error:
            raise ImageError(f"cannot read {self.label}: {error.strerror}", self.path) from None

    @property
    def where(self) -> str:
        return f"{self.path}/{self.label}" if self.begin else self.path


class _Reader:
    """Reads from a part of a file as if there was nothing else."""

    def __init__(self, file, begin: int, size: int) -> None:
        self._number = file.fileno()
        self._begin, self._size, self._at = begin, size, 0
        self.mode = os.fstat(self._number).st_mode

    def read(self, length: int) -> bytes:
        block = self.read_at(self._at, length)
        self._at += len(block)
        return block

    def read_at(self, offset: int, length: int) -> bytes:
        """Return bytes at an offset, fewer at the end, none beyond it."""
        length = min(length, self._size - offset)
        if not 0 <= offset < self._size or length <= 0:
            return b""
        return os.pread(self._number, length, self._begin + offset)


def piece_of(path: str) -> Piece:
    """Return a whole file; raise ImageError for what is no plain file."""
    path = os.path.abspath(os.path.expanduser(path))
    try:
        with opened(path, os.path.basename(path)) as file:
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        # A null character in the name is the second.
        raise ImageError(f"cannot read it: {getattr(error, 'strerror', None) or error}", plain(path)) from None
    if not size:
        raise ImageError("is empty", path)
    return Piece(path, os.path.basename(path), 0, size)


def facts_of(piece: Piece, name: str, jobs: Jobs, told: Optional[dict[str, str]] = None) -> DiskFacts:
    """Return all that is known of a disk file, which is called so in its descriptor.

    Raises ImageError for a file that is no disk, and for one whose digests (hex, by kind) are not those that were told.
    """
    with piece.opened() as reader:
        header, packing = look_into(reader, piece.size, piece.where)
        if not packing:
            head, tail = reader.read_at(0, HEADER_BYTES), reader.read_at(max(0, piece.size - TAIL_BYTES), TAIL_BYTES)
            header = read_header(head, piece.size, piece.where, tail)
    if header.format == "raw":
        _refuse_archive(piece)
    if header.backing:
        raise ImageError(
            f"builds on {header.backing!r:.80}; qemu-img convert -O qcow2 makes a file of it that stands alone", piece.where
        )
    found = digests(piece, {"sha256", *(told or {})}, jobs)
    compare(found, told or {}, piece.label, piece.where)
    sight, unseen = _sight(piece, header, packing)
    return DiskFacts(name, header, found["sha256"], sight, unseen)


def _refuse_archive(piece: Piece) -> None:
    """Raise ImageError for what cloud images are packed in too, and what would be a disk of nonsense."""
    with piece.opened() as reader:
        head, _packing = content_head(reader, 512, piece.where)
    if head[257:262] == b"ustar":
        raise ImageError("is a tar archive; unpack it, and take the disk that is in it (for an .ova: the option ovf)", piece.where)


def disk_facts(piece: Piece, jobs: Jobs) -> DiskFacts:
    """Return what is known of a disk file that is to be an image; raise ImageError."""
    mistake = file_mistake(piece.label)
    if mistake:
        raise ImageError(f"the name of the file {mistake}, so that no descriptor can name it", piece.path)
    return facts_of(piece, piece.label, jobs)


def digests(piece: Piece, kinds, jobs: Jobs) -> dict[str, str]:
    """Return the digests of a piece in hex, by kind, in one reading, which is a job."""
    with piece.opened() as reader, jobs.job(f"read {piece.label} for its SHA-256", piece.size) as job:
        return digests_of(reader, kinds, job)


def _sight(piece: Piece, header: Header, packing) -> tuple[Sight, str]:
    """Return what a disk shows, and why it was not looked at if so."""
    is_plain = header.format in ("raw", "iso")
    if packing and not is_plain:
        return Sight(), f"it is compressed ({packing}): what is on the disk was not looked at"
    try:
        if not is_plain:
            return look_at(_Windows(piece, header).read), ""
        with piece.opened() as reader:
            if not packing:
                return look_at(reader.read_at), ""
            head, _packing = content_head(reader, HEADER_BYTES, piece.where)
        return look_at(lambda offset, length: head[offset : offset + length] if offset >= 0 else b""), ""
    except ImageError as error:
        # It is no less a disk because of that.
        return Sight(), f"what is on the disk was not looked at: {error}"


class _Windows:
    """Reads a disk through qemu-img, a few windows of it, each once."""

    def __init__(self, piece: Piece, header: Header) -> None:
        self._piece, self._format = piece, header.format
        # What is behind the last whole sector holds no table.
        self._capacity = header.capacity // 512 * 512
        self._windows: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the disk, fewer at its end, and none where too many windows were read already."""
        found, end = b"", min(offset + length, self._capacity)
        while 0 <= offset < end:
            content = self._window(offset // WINDOW)
            part = content[offset % WINDOW : offset % WINDOW + end - offset]
            if not part:
                break
            found, offset = found + part, offset + len(part)
        return found

    def _window(self, number: int) -> bytes:
        if number not in self._windows:
            if len(self._windows) >= MAX_WINDOWS:
                return b""
            # Late: raw disks are read without it.
            from .qemu_img import window

            begin, piece = number * WINDOW, self._piece
            length = min(WINDOW, self._capacity - begin)
            self._windows[number] = window(piece.path, self._format, (piece.begin, piece.size), begin, length)
        return self._windows[number]
