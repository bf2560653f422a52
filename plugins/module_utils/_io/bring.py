# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings files of images into pools: read once, unpacked, verified and written in one pass, converted where needed."""

from __future__ import annotations

import os
from contextlib import contextmanager

from .._core.errors import ImageError, WrongContent
from .._core.header import HEADER_BYTES, TAIL_BYTES, read_header
from .._core.steps import FillVolume, ImportBase
from .._core.storage import check_content
from .._core.units import LARGEST, show_size
from .._core.volume import BLOCK, STREAMED, Pool, Source
from . import files, qemu_img
from .connection import Connection
from .jobs import Job, Jobs
from .pump import FileWriter, pour
from .source import compare, opened, stamp_of
from .streams import UploadWriter, is_whole
from .url import Access, is_url, shown
from .workspace import workspace


def import_base(step: ImportBase, connection: Connection, access: Access) -> None:
    """Bring a base volume, unless another play did meanwhile; raise ImageError."""
    if step.pool.kind in STREAMED:
        if not is_whole(connection, step.pool.name, step.name):
            fill_volume(
                FillVolume(step.pool, step.name, step.source, step.source_format, step.format, 0), connection, access
            )
        return
    source = step.source
    # What is unpacked cannot be taken up in the middle.
    resume = is_url(source.path) and not source.packing
    with files.arriving(step.path, files.READ_ONLY, resume) as part:
        if part is not None:
            _bring(source, step.source_format, part, access, connection.jobs)
            if step.format != step.source_format:
                _convert(step, part, part + files.CONVERTED, connection.jobs)


def _bring(source: Source, format: str, target: str, access: Access, jobs: Jobs) -> None:
    """Fill a file with what a source holds, unpacked and verified; raise ImageError."""
    left = os.path.getsize(target)
    # What a killed run left may be another file's; then all of it comes again.
    for have in (left, 0) if left else (0,):
        try:
            with jobs.job(f"{_verb(source)} {source.label}", source.size) as job:
                _pour(source, format, target, access, have, job)
            break
        except WrongContent:
            if not have:
                files.remove(target)
                raise
    _check(target, format, source.label)


def _pour(source: Source, format: str, target: str, access: Access, have: int, job: Job) -> None:
    with _reader(source, access, have) as reader, open(target, "r+b", 0) as file:
        have = getattr(reader, "offset", 0)
        writer, unpack = FileWriter(file.fileno()), format != "boot"
        most = LARGEST if source.size or not is_url(source.path) else have + files.room(target)
        found = pour(reader, writer, _kinds(source), source.label, most, have=have, unpack=unpack, job=job)
    _verify(found.digests, source)


def _verb(source: Source) -> str:
    """Return what is done to bring a source."""
    verbs = [verb for verb, is_so in (("fetch", is_url(source.path)), ("unpack", source.packing)) if is_so]
    return " and ".join(verbs) or "copy"


def _convert(step, path: str, target: str, jobs: Jobs) -> None:
    """Convert what came of a step's source from its format into the step's."""
    with jobs.share(f"convert {step.source.label} from {step.source_format} to {step.format}") as job:
        qemu_img.convert(path, step.source_format, target, step.format, job)


def _kinds(source: Source) -> set:
    return {"sha256", *dict(source.checksums)}


def _verify(digests: dict[str, str], source: Source) -> None:
    # The name of a base volume promises its content for good, to all guests that will use it.
    compare(digests, {"sha256": source.digest, **dict(source.checksums)}, source.label, shown(source.path))


@contextmanager
def _reader(source: Source, access: Access, have: int = 0):
    """Open a source; a file of this machine that changes while it is read is refused."""
    if is_url(source.path):
        # Late, as in source.folder_of.
        from .fetch import download

        with download(source.path, access, source.label, have, source.stamp) as reader:
            yield reader
        return
    try:
        file = opened(source.path, source.label)
    except OSError as error:
        raise ImageError(f"cannot read: {error.strerror}", source.path) from None
    with file:
        before = stamp_of(os.fstat(file.fileno()))
        yield file
        if stamp_of(os.fstat(file.fileno())) != before:
            raise ImageError("changed while it was copied; run again when it is whole", source.path)


def _check(path: str, format: str, label: str) -> None:
    """Refuse a file that is not of its format; a kernel or an initrd may be anything, and nothing opens it as a disk."""
    if format != "boot":
        check_content(_header_of(path), format, label)


def _header_of(path: str):
    """Return the header of a whole file, before any other tool opens it."""
    with opened(path, "the file") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(HEADER_BYTES)
        file.seek(max(0, size - TAIL_BYTES))
        return read_header(head, size, path, file.read())


def fill_volume(step: FillVolume, connection: Connection, access: Access) -> None:
    """Make a volume through libvirt and fill it; raise ImageError. One that a killed run left begun is made anew."""
    name, pool = step.name, step.pool.name
    # The plan saw none that is whole: one of zeros was made and never begun, and LVM's begin with zeros.
    if is_whole(connection, pool, name, step.pool.kind == BLOCK):
        raise ImageError(f"volume {name} appeared in {step.pool} while it was made; another play works on this guest")
    source = step.source
    plain = not source.packing and not is_url(source.path) and step.format == step.source_format
    with _whole_file(step, connection, access, plain) as path:
        check_asked(step.asked, os.path.getsize(path) if step.format == "raw" else 0, name)
        upload(path, step.pool, name, connection, step.capacity, source if plain else None)
    if step.pool.kind != BLOCK and step.capacity > connection.volume_header(pool, name, step.format).capacity:
        connection.resize_volume(pool, name, step.capacity, step.format)


def check_asked(asked: int, capacity: int, name: str) -> None:
    """Refuse a size that is less than what the disk turned out to have; that of a packed one is known only now."""
    if asked and asked < capacity:
        raise ImageError(
            f"size {show_size(asked)} of volume {name} is less than the {show_size(capacity)} of what it is made from"
        )


def upload(path: str, pool: Pool, name: str, connection: Connection, capacity: int = 0, source=None) -> None:
    """Make a volume with a file's content; with `source`, that is the file, and verified while it is read."""
    with opened(path, "the file") as reader:
        size = os.fstat(reader.fileno()).st_size
        # Of a file, all that is behind its content would be content too.
        capacity = max(capacity, size) if pool.kind == BLOCK else size
        connection.delete_volume(pool.name, name)
        connection.create_volume(pool.name, name, "raw", capacity if pool.kind == BLOCK else 0, sparse=pool.kind != BLOCK)
        with UploadWriter(connection, pool.name, name, capacity) as writer, connection.jobs.job(f"upload {name}", size) as job:
            found = pour(reader, writer, _kinds(source) if source else (), name, writer.capacity, unpack=False, job=job)
            if source:
                _verify(found.digests, source)
            writer.commit()
    connection.refresh_pool(pool.name)


@contextmanager
def _whole_file(step: FillVolume, connection: Connection, access: Access, plain: bool):
    """Give a file of this machine with the content that the volume is to have, in its format."""
    if plain:
        _check(step.source.path, step.source_format, step.source.label)
        yield step.source.path
        return
    with workspace() as folder:
        path = os.path.join(folder, "content")
        with files.writing(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, files.PRIVATE))
            _bring(step.source, step.source_format, path, access, connection.jobs)
            if step.format != step.source_format:
                converted = os.path.join(folder, "converted")
                _convert(step, path, converted, connection.jobs)
                path = converted
            yield path
