# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that are not files of this machine, filled through libvirt's streams.

There is no renaming of volumes through libvirt. So a volume begins with a mark while it is being filled, and its own
first bytes come last: one with the mark was never filled to its end. A file is made empty, with no byte at all, and gets
the mark before anything else. A block device is as large as it will be at once, and begins with zeros then.

Source: https://libvirt.org/html/libvirt-libvirt-storage.html#virStorageVolUpload
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager

from .._core.errors import ImageError
from .connection import Connection, doing
from .requirements import libvirt

# As long as what a disk writes at once, so that nothing is between the mark and what comes in its place.
MARK = b"virt.image: this volume is being filled; what it holds is not whole".ljust(4096, b"\n")
PIECE = 256 * 1024
# libvirt 9 loses the error of an upload's last writes (a full file system); of 4 MiB it lost none.
TAIL = 8 * 1024 * 1024
STILL_SECONDS, POLL_SECONDS = 5, 0.5


def is_begun(connection: Connection, pool: str, name: str, system: bool = False) -> bool:
    """Return whether a volume was begun and never filled to its end.

    `system`: it is a disk that is booted from, so that it is known to begin with something.
    """
    head = read_head(connection, pool, name, len(MARK))
    return head in (MARK, b"") or (system and not head.strip(b"\0"))


def is_whole(connection: Connection, pool: str, name: str, system: bool = False) -> bool:
    """Return whether a volume is there and was filled to its end; one that another play fills is waited for."""
    known, since = None, time.monotonic()
    while name in connection.volume_names(pool):
        if not is_begun(connection, pool, name, system):
            return True
        with doing(f"look at volume {name} of pool {pool}"):
            allocation = connection.volume(pool, name).info()[2]
        now = time.monotonic()
        if allocation != known:
            known, since = allocation, now
        elif now - since > STILL_SECONDS:
            # Whoever began it is gone.
            return False
        time.sleep(POLL_SECONDS)
    return False


def read_head(connection: Connection, pool: str, name: str, length: int) -> bytes:
    """Return the first bytes of a volume, perhaps fewer."""
    return _download(connection, connection.volume(pool, name), 0, length, f"read volume {name} of pool {pool}")


def _download(connection: Connection, volume, offset: int, length: int, what: str) -> bytes:
    data = b""
    with doing(what):
        length = min(length, volume.info()[1] - offset)
    if length <= 0:
        return data
    with doing(what), _stream(connection) as stream:
        volume.download(stream, offset, length, 0)
        while len(data) < length and (more := stream.recv(min(PIECE, length - len(data)))):
            data += more
    return data


class UploadWriter:
    """Fills a volume from its beginning to its end; without `commit`, what was written does not count.

    What is not written is zeros, to the end of the volume, or of the `capacity` in bytes that a file is to get.
    """

    holes = True

    def __init__(self, connection: Connection, pool: str, name: str, capacity: int = 0) -> None:
        self.what = f"fill volume {name} of pool {pool}"
        self._connection = connection
        self._volume = connection.volume(pool, name)
        with doing(self.what):
            # Of a block device it may be more than was asked for.
            self.capacity = capacity = max(capacity, self._volume.info()[1])
        self._head = bytearray(min(len(MARK), capacity))
        self._position = len(self._head)
        self._tail: deque = deque()
        self._stream = None
        self._write_head(MARK[: len(self._head)])
        if capacity > self._position:
            with doing(self.what):
                self._stream = connection.link.newStream(0)
                flags = libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM
                self._volume.upload(self._stream, self._position, capacity - self._position, flags)

    def __enter__(self) -> UploadWriter:
        return self

    def __exit__(self, *_exception) -> None:
        if self._stream is not None:
            try:
                self._stream.abort()
            except libvirt.libvirtError:
                # The daemon has ended it already.
                pass
            self._stream = None

    def write(self, offset: int, data) -> None:
        """Write data at the place that comes next, or after a gap of zeros."""
        view = memoryview(data)
        if offset < len(self._head):
            own = view[: len(self._head) - offset]
            self._head[offset : offset + len(own)] = own
            view, offset = view[len(own) :], offset + len(own)
        if view:
            self.zeros(self._position, offset - self._position)
            with doing(self.what):
                _send(self._stream, view)
            self._position = offset + len(view)
            self._remember(offset, bytes(view))

    def zeros(self, offset: int, length: int) -> None:
        """Leave a gap, which becomes zeros: a hole of a file, and written ones of a block device."""
        gap = offset + length - self._position
        if gap > 0:
            with doing(self.what):
                self._stream.sendHole(gap, 0)
            self._position += gap

    def finish(self, _size: int) -> None:
        """End the content; the rest of the volume becomes zeros. Raises ImageError where it did not arrive."""
        if self._stream is None:
            return
        self.zeros(self._position, self.capacity - self._position)
        with doing(self.what):
            self._stream.finish()
        self._stream = None
        for offset, data in self._tail:
            if _download(self._connection, self._volume, offset, len(data), self.what) != data:
                raise ImageError(f"cannot {self.what}: the end of it did not arrive; is there room in the pool?")

    def commit(self) -> None:
        """Write the first bytes, which make the volume whole."""
        self._write_head(bytes(self._head))

    def _remember(self, offset: int, data: bytes) -> None:
        self._tail.append((offset, data))
        while sum(len(data) for _offset, data in self._tail) - len(self._tail[0][1]) >= TAIL:
            self._tail.popleft()

    def _write_head(self, data: bytes) -> None:
        if data:
            with doing(self.what), _stream(self._connection) as stream:
                self._volume.upload(stream, 0, len(data), 0)
                _send(stream, memoryview(data))


@contextmanager
def _stream(connection: Connection):
    stream = connection.link.newStream(0)
    try:
        yield stream
        stream.finish()
    except libvirt.libvirtError:
        try:
            stream.abort()
        except libvirt.libvirtError:
            # The daemon has ended it already.
            pass
        raise


def _send(stream, view: memoryview) -> None:
    while view:
        # The binding copies what it is given.
        sent = stream.send(bytes(view[:PIECE]))
        view = view[sent:]
