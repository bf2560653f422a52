# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the base store: copied sparsely, whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
from contextlib import contextmanager

from .._core.errors import ImageError
from .source import opened

CHUNK = 8 * 1024 * 1024
READ_ONLY, PRIVATE = 0o444, 0o600
CONVERT_SECONDS = 3600
WITH_BACKING = ("qcow", "qcow2", "vmdk")


@contextmanager
def arriving(path: str, mode: int):
    """Give a file to fill, which takes its name only when it is whole and on the disk.

    A second process that brings the same file waits, then finds it (the value is None). What a killed process left
    is overwritten. Raises ImageError for what the file system refuses.
    """
    part = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.part")
    try:
        with _locked(part):
            if os.path.exists(path):
                _remove(part)
                yield None
                return
            try:
                yield part
                os.chmod(part, mode)
                _sync(part)
                os.rename(part, path)
                _sync(os.path.dirname(path))
            except BaseException:
                _remove(part)
                raise
    except OSError as error:
        hint = "; make room there, or choose another pool" if error.errno == errno.ENOSPC else ""
        raise ImageError(f"cannot write: {error.strerror}{hint}", path) from None


@contextmanager
def _locked(part: str):
    """Hold the lock of a file that is being written, and empty it."""
    while True:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held it before may have renamed or removed it; then the name is another file's, or free.
            if _is_at(file, part):
                file.truncate(0)
                yield
                return


def _is_at(file, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def copy(source: str, target: str) -> None:
    """Copy a file's content, holes as holes; raise ImageError if it changes meanwhile."""
    with _opened(source) as reader, open(target, "r+b", buffering=0) as writer:
        before = os.fstat(reader.fileno())
        for start, end in _extents(reader.fileno(), before.st_size):
            _copy_range(reader.fileno(), writer.fileno(), start, end)
        writer.truncate(before.st_size)
        after = os.fstat(reader.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ImageError("changed while it was copied; run again when it is whole", source)


def _opened(source: str):
    try:
        return opened(source, "the file")
    except OSError as error:
        raise ImageError(f"cannot read: {error.strerror}", source) from None


def convert(path: str, source_format: str, target_format: str) -> None:
    """Convert a disk file in its place; both formats are said, so that nothing is probed."""
    converted = f"{path}.{target_format}"
    # A second wall behind our own look at the header: no file is opened but this one.
    source = {"driver": source_format, "file": {"driver": "file", "filename": path}}
    if source_format in WITH_BACKING:
        source["backing"] = None
    try:
        command = ["qemu-img", "convert", "-O", target_format, f"json:{json.dumps(source)}", converted]
        _qemu_img(command, f"convert {path} from {source_format} to {target_format}")
        os.replace(converted, path)
    finally:
        _remove(converted)


def grow(path: str, format: str, capacity: int) -> None:
    """Grow a disk file, which nobody has open, to its capacity in bytes."""
    _qemu_img(["qemu-img", "resize", "-q", "-f", format, path, str(capacity)], f"grow {path}")


def _qemu_img(command: list, what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CONVERT_SECONDS, check=False)
    except FileNotFoundError:
        raise ImageError(f"cannot {what}: qemu-img is missing on this host; install qemu-utils (qemu-img)") from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"cannot {what}: qemu-img took more than {CONVERT_SECONDS} s") from None
    if done.returncode:
        raise ImageError(f"cannot {what}: {' '.join(done.stderr.split())}")


def _extents(reader: int, size: int):
    """Yield (start, end) of the parts of a file that hold data."""
    position = 0
    while position < size:
        try:
            start = os.lseek(reader, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(reader, start, os.SEEK_HOLE)
        yield start, position


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    """Copy in the kernel where it can (which shares blocks on file systems that do), else by hand."""
    while start < end:
        try:
            count = os.copy_file_range(reader, writer, min(CHUNK, end - start), start, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            count = os.pwrite(writer, os.pread(reader, min(CHUNK, end - start), start), start)
        if not count:
            return
        start += count


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
