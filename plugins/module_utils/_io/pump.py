# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content from a reader through hashes, perhaps an unpacker, into a writer, in one pass.

What is written is what was hashed, byte for byte: no second look at a source that may have changed between.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import queue
import stat
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Iterable, Iterator, Optional, Union

from .._core.errors import ImageError
from .jobs import Job
from .unpack import BLOCK, packing_of, unpacked

Part = Union[bytes, int]  # a block of content, or the length of a hole

ZEROS = bytes(BLOCK)
CELL = bytes(64 * 1024)
IN_FLIGHT = 16
# A system in FIPS mode has these only for what is not security.
NOT_IN_FIPS = ("md5", "sha1")
# Measured on ext4: after 8 MiB each, the final fsync has next to nothing left to do; after 32 MiB it has some.
WRITE_BACK = 8 * 1024 * 1024
# Python 3.14 has the constant; before, Linux' number for most machines. The others do not know it, and refuse.
FICLONE = getattr(fcntl, "FICLONE", 0x40049409)


@dataclass(frozen=True)
class Poured:
    """What went through: bytes delivered, bytes of the target (holes too), digests of what was delivered, in hex."""

    read: int
    size: int
    digests: dict[str, str]
    packing: Optional[str]


class FileWriter:
    """Fills a file that is new, through its descriptor, which is open to read and write.

    Every writer has `write(offset, data)`, `zeros(offset, length)` and `finish(size)`; offsets only grow, and nothing
    is left out. With `holes = False` it gets zeros through `write`. `begin(have)` is for one that can go on where
    another stopped: it cuts off what is beyond `have` bytes, and returns the parts of those. `clone(descriptor)`,
    besides, is for one that can take a whole file without copying: it returns the size, or None.
    """

    holes = True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._told = self._end = 0

    def begin(self, have: int) -> Iterator[Part]:
        self._told = self._end = have = min(have, os.fstat(self._descriptor).st_size)
        os.ftruncate(self._descriptor, have)
        return _file_parts(self._descriptor, 0, have)

    def write(self, offset: int, data) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(self._descriptor, view, offset)
            offset, view = offset + count, view[count:]
        self._end = offset
        if offset - self._told >= WRITE_BACK:
            self._write_back()

    def zeros(self, _offset: int, _length: int) -> None:
        """Leave a hole: the file is new there."""

    def finish(self, size: int) -> None:
        self._write_back()
        os.ftruncate(self._descriptor, size)

    def clone(self, source: int) -> Optional[int]:
        """Share all blocks of a file where the file system can (Btrfs, XFS, NFS 4.2)."""
        try:
            fcntl.ioctl(self._descriptor, FICLONE, source)
        except OSError:
            return None
        return os.fstat(self._descriptor).st_size

    def _write_back(self) -> None:
        """Let the system begin to write, so that the caller's fsync has little to wait for.

        Linux does so for POSIX_FADV_DONTNEED (mm/fadvise.c), and keeps these pages, which are not written yet.
        """
        # A length of 0 would mean all the rest.
        if self._end > self._told and hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(self._descriptor, self._told, self._end - self._told, os.POSIX_FADV_DONTNEED)
        self._told = self._end


def pour(
    reader,
    writer,
    kinds: Iterable[str],
    what: str,
    most: Optional[int] = None,
    head: bytes = b"",
    have: int = 0,
    unpack: bool = True,
    job: Optional[Job] = None,
) -> Poured:
    """Bring a reader's content, unpacked if it is packed (and `unpack`), into a writer; return what it was.

    `head` was read from the reader before. With `have`, the writer has that many bytes of a content that is not packed,
    and the reader goes on after them. A `job` tells the bytes that were read so far. The target may have `most` bytes;
    `what` names the content in errors. Raises ImageError for more, and for what cannot be unpacked; errors of the reader
    and the writer go through. The target is not synced: that is for the caller, who gives it its name.
    """
    _keep_memory()
    sink = _Sink(writer, what, most)
    with Digests(kinds) as digests:
        if job:
            job.look = lambda: digests.read
        sink.take_up(have, digests)
        file, start = _plain_file(reader, head)
        parts = _delivered(reader, head) if file is None else _file_parts(file, start, os.fstat(file).st_size)
        first = next(parts, b"")
        packing = packing_of(first) if unpack and not have and isinstance(first, bytes) else None
        parts = digests.through(chain([first] if first else [], parts))
        if packing:
            sink.verb = "unpacks to"
            with closing(unpacked(packing, _filled(parts), what)) as blocks:
                sink.take_all(_even(blocks))
        elif have or start or file is None or not sink.clone(file, digests):
            sink.take_all(parts)
        writer.finish(sink.size)
        return Poured(digests.read, sink.size, digests.hex(), packing)


def _keep_memory() -> None:
    """Let the C library keep the memory of the blocks in flight, instead of fetching it anew for each.

    glibc gives up to the system what is as large as they are, until something larger was freed once (mallopt(3),
    M_MMAP_THRESHOLD). Measured: 1200 page faults instead of 20000 for 318 MiB, a tenth of the time.
    """
    large = bytes(2 * IN_FLIGHT * BLOCK)
    del large


def _delivered(reader, head: bytes) -> Iterator[bytes]:
    return _even(chain([head], iter(lambda: reader.read(BLOCK), b"")))


def _plain_file(reader, head: bytes) -> tuple[Optional[int], int]:
    """Return the descriptor of a plain file, and where its head begins, or None and 0.

    Only of what reads the file as it is: a GzipFile has a descriptor too.
    """
    raw = getattr(reader, "raw", reader)
    if isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return raw.fileno(), reader.tell() - len(head)
    return None, 0


def _file_parts(descriptor: int, position: int, size: int) -> Iterator[Part]:
    while position < size:
        start, end = _extent(descriptor, position, size)
        if start > position:
            yield start - position
        position = start
        while position < end:
            block = os.pread(descriptor, min(BLOCK - position % BLOCK, end - position), position)
            if not block:
                return  # Cut off since. The size and the digests that we return are those of what we got.
            yield block
            position += len(block)


def _extent(descriptor: int, position: int, size: int) -> tuple[int, int]:
    """Return where the next data of a file begin and end."""
    try:
        start = os.lseek(descriptor, position, os.SEEK_DATA)
        return min(start, size), min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
    except OSError as error:
        # ENXIO: a hole up to the end. Others: a file system that cannot tell.
        return (size if error.errno == errno.ENXIO else position), size


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces as blocks of BLOCK bytes, so that zeros are found where they begin at an even place."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        if not length and len(piece) == BLOCK:
            yield piece
            continue
        held.append(piece)
        length += len(piece)
        if length >= BLOCK:
            joined = b"".join(held)
            length %= BLOCK
            for start in range(0, len(joined) - length, BLOCK):
                yield joined[start : start + BLOCK]
            held = [joined[len(joined) - length :]]
    if length:
        yield b"".join(held)


def _filled(parts: Iterable[Part]) -> Iterator[bytes]:
    """Yield parts with zeros for holes."""
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from _zeros(part)


def _zeros(length: int) -> Iterator[bytes]:
    while length > BLOCK:
        yield ZEROS
        length -= BLOCK
    yield ZEROS[:length]


class _Sink:
    """Puts parts into a writer one after the other, zeros as holes, and no more than `most` bytes."""

    def __init__(self, writer, what: str, most: Optional[int]) -> None:
        self._writer, self.what, self._most = writer, what, most
        self._holes = getattr(writer, "holes", True)
        self.size, self.verb = 0, "has"

    def take_up(self, have: int, digests: Digests) -> None:
        """Begin after `have` bytes that the writer has, and hash those."""
        if have or hasattr(self._writer, "begin"):
            self.reserve(have)
            digests.take_all(self._writer.begin(have))
        if digests.read != have:
            raise ImageError(f"has {digests.read} bytes here, and not the {have} that were to be taken up", self.what)

    def clone(self, file: int, digests: Digests) -> bool:
        """Share a whole file, if the writer can; the clone is what is hashed, as the file may change meanwhile."""
        size = self._writer.clone(file) if hasattr(self._writer, "clone") else None
        if size is None:
            return False
        if digests.kinds:
            self.take_up(size, digests)
        else:
            # Nobody has to read it.
            self.reserve(size)
            digests.read = size
        return True

    def take_all(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if isinstance(part, bytes):
                start = self.reserve(len(part))
                for empty, first, last in self._runs(part):
                    if empty:
                        self._writer.zeros(start + first, last - first)
                    else:
                        self._writer.write(start + first, memoryview(part)[first:last])
            elif self._holes:
                self._writer.zeros(self.reserve(part), part)
            else:
                for block in _zeros(part):
                    self._writer.write(self.reserve(len(block)), block)

    def reserve(self, length: int) -> int:
        """Return the place of the next `length` bytes; raise ImageError where they are too many."""
        start, self.size = self.size, self.size + length
        if self._most is not None and self.size > self._most:
            raise ImageError(
                f"{self.verb} more than {self._most} bytes (at least {self.size}), and may not be larger than that",
                self.what,
            )
        return start

    def _runs(self, block: bytes) -> Iterator[tuple[bool, int, int]]:
        """Yield (zeros, start, end) of a block's runs of cells."""
        starts = range(0, len(block), len(CELL))
        if not self._holes or not any(block.startswith(CELL, start) for start in starts):
            yield False, 0, len(block)
            return
        for empty, run in groupby(starts, lambda start: block.startswith(CELL, start)):
            run = list(run)
            yield empty, run[0], min(run[-1] + len(CELL), len(block))


class Digests:
    """Hashes of what goes through, each kind in a thread of its own beside reading and writing."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.read = 0
        self._hashers = {kind: _Hasher(kind) for kind in kinds}

    def __enter__(self) -> Digests:
        try:
            for hasher in self._hashers.values():
                hasher.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_error) -> None:
        self._end()

    def _end(self) -> None:
        for hasher in self._hashers.values():
            hasher.abandon()

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._hashers)

    def take_all(self, parts: Iterable[Part]) -> None:
        for _part in self.through(parts):
            pass

    def through(self, parts: Iterable[Part]) -> Iterator[Part]:
        """Yield the parts again, hashed."""
        for part in parts:
            if isinstance(part, bytes):
                self._take(part)
                yield part
            else:
                # Who takes it may find it too large; to hash it first could take hours.
                yield part
                for block in _zeros(part):
                    self._take(block)

    def _take(self, block: bytes) -> None:
        self.read += len(block)
        for hasher in self._hashers.values():
            hasher.take(block)

    def hex(self) -> dict[str, str]:
        """Return the digests of all that went through; nothing can follow."""
        return {kind: hasher.end() for kind, hasher in self._hashers.items()}


class _Hasher(threading.Thread):
    """One hash, which takes blocks through a short queue; hashlib lets the other threads run meanwhile."""

    def __init__(self, kind: str) -> None:
        super().__init__(name=f"hash {kind}", daemon=True)
        self._queue: queue.Queue = queue.Queue(IN_FLIGHT)
        self._error: Optional[Exception] = None
        self._idle = False
        try:
            self._hash = hashlib.new(kind, usedforsecurity=kind not in NOT_IN_FIPS)
        except ValueError:
            raise ImageError(f"the Python of this host has no hash {kind}; use sha256") from None

    def run(self) -> None:
        # To the end in any case: whoever fills the queue must not wait for ever.
        while (block := self._queue.get()) is not None:
            if self._idle:
                continue
            try:
                self._hash.update(block)
            except Exception as error:  # pylint: disable=broad-exception-caught
                self._error, self._idle = error, True

    def take(self, block: bytes) -> None:
        if self._error:
            raise self._error
        self._queue.put(block)

    def end(self) -> str:
        self._queue.put(None)
        self.join()
        if self._error:
            raise self._error
        return self._hash.hexdigest()

    def abandon(self) -> None:
        """End, whatever is still to hash."""
        if self.is_alive():
            self._idle = True
            self._queue.put(None)
            self.join()
