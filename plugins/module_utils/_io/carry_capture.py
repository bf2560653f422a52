# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills an image's folder: all files under other names first, then their own names, the descriptor last."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace

from .._core.errors import ImageError
from .._core.image import Image
from .._core.units import show_size
from .._core.writer import write_image
from .capture_steps import CopyDisk, CopyFile, WriteDescriptor
from .files import held, part_of, remove, room, settle, writing
from .jobs import Job, Jobs
from .module import Done, Outcome
from .piece import digests, piece_of
from .source import CHUNK

# Disks of a domain may hold secrets.
PUBLIC, PRIVATE = 0o644, 0o600


def telling(jobs: Jobs, path: str):
    """Return a context in which a file tells how far long work is."""
    from .progress import written

    return written(jobs, path)


def carry_out(outcome: Outcome, _connection) -> list[Done]:
    """Carry out the plan; a failure leaves what was there, and nothing else."""
    plan = outcome.plans[0]
    if not plan.steps:
        return [Done(plan, (), plan.state)]
    try:
        return [Done(replace(plan, after=_fill(plan, outcome.jobs)), plan.steps, plan.state)]
    except ImageError as error:
        return [Done(plan, (), plan.was, error=str(error))]


def _fill(plan, jobs: Jobs) -> str:
    """Return the descriptor's text once all files are in place."""
    targets = [step.target for step in plan.steps]
    text, modes, done = plan.after, {}, []
    for target in targets:
        _make_folder(os.path.dirname(target))
    _refuse_without_room(plan.steps)
    with ExitStack() as locks:
        # In one order: two of us would wait for each other.
        for target in sorted(targets):
            locks.enter_context(writing(target))
            locks.enter_context(held(part_of(target)))
        try:
            # Whoever had the locks before may have made them.
            _refuse_new_files(plan.steps)
            checksums: dict[str, str] = {}
            for step in plan.steps:
                part = part_of(step.target)
                if isinstance(step, WriteDescriptor):
                    text = write_image(_with_checksums(step.image, checksums))
                    _write(part, text)
                    modes[step.target] = PUBLIC
                else:
                    modes[step.target] = _copy(step, part, checksums, jobs)
            for step in plan.steps:
                settle(part_of(step.target), step.target, modes[step.target])
                done.append(step.target)
        finally:
            for target in targets:
                if target not in done:
                    remove(part_of(target))
    return text


def _make_folder(path: str) -> None:
    with writing(path):
        os.makedirs(path, mode=0o755, exist_ok=True)


def _refuse_without_room(steps) -> None:
    need, free = sum(step.size for step in steps), room(steps[0].target)
    if need > free:
        raise ImageError(
            f"the disks need up to {show_size(need)}, and {show_size(free)} are free; make room, or choose another folder",
            os.path.dirname(steps[0].target),
        )


def _refuse_new_files(steps) -> None:
    for step in steps:
        if not step.over and os.path.lexists(step.target):
            raise ImageError("came there meanwhile; run it again to see what it is", step.target)


def _copy(step, part: str, checksums: dict[str, str], jobs: Jobs) -> int:
    """Fill a part, note its SHA-256 where that was not known, and return the mode that it gets."""
    if isinstance(step, CopyFile):
        with jobs.job(f"copy {step.piece.label}", step.piece.size) as job:
            mode = _copy_bytes(step, part, job)
        if not step.hashed:
            _note_digest(step, part, checksums, jobs)
        return PUBLIC & mode
    # Late: only what is converted needs it.
    from .qemu_img import flatten

    _refuse_started(step)
    with jobs.share(f"copy disk {step.disk} of domain {step.domain}") as job:
        flatten(list(step.layers), part, job)
    _refuse_started(step)
    _note_digest(step, part, checksums, jobs)
    return PRIVATE


def _note_digest(step, part: str, checksums: dict[str, str], jobs: Jobs) -> None:
    name = os.path.basename(step.target)
    # It has another name still.
    piece = replace(piece_of(part), label=name)
    checksums[name] = digests(piece, {"sha256"}, jobs)["sha256"]


def _refuse_started(step: CopyDisk) -> None:
    """Raise ImageError where the domain was started meanwhile; QEMU's locks keep most of them from it."""
    from .connection import Connection

    with Connection(step.uri) as connection:
        live = connection.live(step.domain)
    if live is None or live.state != "shutoff":
        raise ImageError(f"domain {step.domain} is {live.state if live else 'gone'} now; its disks were not to change")


def _copy_bytes(step: CopyFile, part: str, job: Job) -> int:
    """Copy a piece, with holes where it has zeros; return the mode of the file that it came from."""
    with step.piece.opened() as reader, open(part, "r+b") as file:
        while block := reader.read(CHUNK):
            if block.strip(b"\0"):
                file.write(block)
            else:
                file.seek(len(block), os.SEEK_CUR)
            job.done = file.tell()
        file.truncate()
        written, mode = file.tell(), reader.mode
    if written != step.piece.size:
        raise ImageError(f"became shorter while it was copied ({written} bytes)", step.piece.where)
    return mode


def _write(part: str, text: str) -> None:
    with open(part, "r+b") as file:
        file.write(text.encode("utf-8"))
        file.truncate()


def _with_checksums(image: Image, checksums: dict[str, str]) -> Image:
    return replace(
        image,
        disks=tuple(
            replace(disk, checksums={"sha256": checksums[disk.file]}) if disk.file in checksums else disk
            for disk in image.disks
        ),
    )
