# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module capture does: plans an image's folder from a disk file, a domain, or an OVF."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import Optional

from .._core.captured import Captured, CapturedDisk, capture_domain
from .._core.chain import PATHS
from .._core.drafting import DiskFacts, draft_of_disk
from .._core.errors import ImageError, Problem, Problems
from .._core.image import Image, parse_image
from .._core.names import file_mistake, name_mistake
from .._core.ovf import parse_ovf
from .._core.ovf_image import draft_of_ovf, sight_of
from .._core.plan import Plan
from .._core.units import MIB
from .._core.values import to_plain
from .._core.writer import write_image
from .capture_steps import CopyDisk, Draft, WriteDescriptor, descriptor_there, refuse_places, steps_to
from .jobs import Jobs
from .module import Outcome
from .piece import disk_facts, facts_of, piece_of
from .requirements import require


def capture(params: dict, jobs: Optional[Jobs] = None) -> Outcome:
    """Return the plan of a folder, which tells of its long work in `jobs`; raise ImageError."""
    jobs = jobs or Jobs()
    mistake = params["name"] and name_mistake(params["name"])
    if mistake:
        raise ImageError(f"name {mistake}")
    file = params["descriptor"]
    if "/" in file or file.startswith(".") or file != file.strip() or file_mistake(file):
        raise ImageError(f"descriptor: {file!r:.80} is no name of a file in the folder, such as image.xml")
    draft = _draft(params, jobs)
    path = os.path.join(draft.folder, file)
    refuse_places(draft, path)
    there = descriptor_there(path, params["replace"])
    steps, warnings = steps_to(draft, path, there, params["replace"], jobs)
    writes = any(isinstance(step, WriteDescriptor) for step in steps)
    text = write_image(draft.image) if writes or there is None else there
    plan = Plan(
        name=draft.image.name,
        steps=tuple(steps),
        before=there or "",
        after=text,
        was="absent" if there is None else "present",
        state="present",
        of=f"image {draft.image.name} in {draft.folder}",
        warnings=(*draft.warnings, *warnings),
    )
    return Outcome(plans=[plan], jobs=jobs, report=lambda done: {**_report(done[0], path), "firmware": draft.firmware})


def _report(done, path: str) -> dict:
    image = parse_image(done.plan.after, path, outside=True)
    actions = [str(step) for step in done.steps]
    return {"descriptor_file": path, "descriptor": done.plan.after, "image": to_plain(image), "actions": actions}


def _draft(params: dict, jobs: Jobs) -> Draft:
    if params["domain"] is not None:
        return _from_domain(params)
    return _from_disk(params, jobs) if params["disk"] is not None else _from_ovf(params, jobs)


def _folder(params: dict, beside: Optional[str]) -> str:
    told = params["folder"] or beside
    if told is None:
        raise ImageError("folder: say where the descriptor and the disks go")
    if "\0" in told:
        raise ImageError("folder: holds a null character")
    return os.path.abspath(os.path.expanduser(told))


def _from_disk(params: dict, jobs: Jobs) -> Draft:
    piece = piece_of(params["disk"])
    facts = disk_facts(piece, jobs)
    image = draft_of_disk(facts, params["name"], params["version"])
    return Draft(image, facts.sight.firmware, _folder(params, os.path.dirname(piece.path)), {piece.label: piece})


def _from_ovf(params: dict, jobs: Jobs) -> Draft:
    # Late: most calls are of disks.
    from .package import Package

    package = Package(params["ovf"], jobs)
    machine = parse_ovf(package.descriptor(), package.where)
    files = [disk.file for disk in machine.disks if not disk.empty]
    if not files:
        raise ImageError("has no disk with a file, of which an image consists", package.where)
    pieces = {name: package.file(name) for name in files}
    facts: dict[str, DiskFacts] = {}
    for name, piece in pieces.items():
        facts[name] = facts_of(piece, name, jobs, package.manifest.get(name))
    remarks = [f"{name}: {one.unseen}" for name, one in facts.items() if one.unseen]
    unlisted = package.unlisted(pieces)
    untold = [f"not in the manifest: {', '.join(unlisted)}; nothing tells if they are as they were packed"] if unlisted else []
    image = draft_of_ovf(machine, facts, params["name"], params["version"], (*remarks, *untold))
    beside = None if package.is_archive else os.path.dirname(package.path)
    return Draft(image, sight_of(machine, facts).firmware, _folder(params, beside), pieces, warnings=tuple(untold))


def _from_domain(params: dict) -> Draft:
    # Late: what has no domain needs no libvirt.
    from .connection import Connection

    name, folder = params["domain"], _folder(params, None)
    require("libvirt")
    with Connection(params["uri"]) as connection:
        live = connection.live(name)
        if live is None:
            raise ImageError(f"domain {name} does not exist on {params['uri']}")
        if not connection.is_local:
            raise ImageError(f"{params['uri']} is another host, whose disks cannot be read from here; run the task there")
        # The disks of one that is shut off are as its system left them, and nobody writes to them.
        captured = not params["replace"] and os.path.lexists(os.path.join(folder, params["descriptor"]))
        if not captured and (live.state != "shutoff" or live.saved):
            why = f"is {live.state}" if live.state != "shutoff" else "is saved (virsh managedsave)"
            raise ImageError(f"domain {name} {why}, so that its disks are not whole; shut it down, then capture it")
        found = capture_domain(live.xml, f"domain {name}", params["name"], params["version"])
        return _of_domain(found, connection, params, folder)


def _of_domain(found: Captured, connection, params: dict, folder: str) -> Draft:
    problems, disks, pieces, newest, sizes, live = Problems(), {}, {}, 0.0, {}, set()
    for one in found.disks:
        try:
            layers = _layers(one, connection)
            status = [os.stat(path) for path, _format in layers]
            sizes[one.disk.id] = _capacity(layers[0])
        except (ImageError, OSError) as error:
            words = str(error) if isinstance(error, ImageError) else f"cannot read {error.filename}: {error.strerror}"
            problems.add(Problem(f"disk {one.source.target}: {words}"))
            continue
        live.update((told.st_dev, told.st_ino) for told in status)
        if not one.copied:
            continue
        # The time of a block device is not that of its content.
        newest = max([newest, *(told.st_mtime for told in status if stat.S_ISREG(told.st_mode))])
        if one.disk.format == "iso":
            pieces[one.disk.file] = piece_of(layers[0][0])
            continue
        # Holes are not copied; what a block device has does not tell.
        used = sum(told.st_blocks * 512 or sizes[one.disk.id] for told in status)
        target = os.path.join(folder, one.disk.file)
        size = min(used, sizes[one.disk.id])
        name, origin = one.source.target or one.disk.id, (params["domain"], params["uri"])
        disks[one.disk.file] = CopyDisk(target, name, layers, size, *origin, params["replace"])
    problems.raise_any()
    pieces.update({name: piece_of(path) for name, path in found.files.items()})
    image = _with_sizes(found.image, sizes)
    return Draft(image, found.firmware, folder, pieces, disks, newest, frozenset(live))


def _with_sizes(image: Image, sizes: dict[str, int]) -> Image:
    # A delivered disk has at least its size; one that is made empty is to be no smaller than it was.
    return replace(
        image,
        disks=tuple(
            replace(disk, size_mib=(-(-sizes[disk.id] // MIB) if disk.use == "scratch" else sizes[disk.id] // MIB) or None)
            for disk in image.disks
        ),
    )


def _layers(one: CapturedDisk, connection) -> tuple:
    """Return the files of a domain's disk from the top; raise ImageError for what is no file of this host."""
    from .qemu_img import layers_of

    layers = []
    for level in one.source.chain:
        path = level.path if level.type in ("file", "block") and level.type in PATHS else None
        if level.type == "volume" and level.pool and level.volume:
            path = connection.volume_path(level.pool, level.volume)
        if not path:
            where = f" ({level.protocol})" if level.protocol else ""
            raise ImageError(f"is of type {level.type}{where}, and files and block devices of this host are copied")
        # To libvirt a disk without a format is raw.
        layers.append((path, level.format or "raw"))
    if not one.source.complete and one.disk.format != "iso":
        layers += layers_of(*layers[-1])[1:]
    return tuple(layers)


def _capacity(layer: tuple) -> int:
    from .qemu_img import capacity_of

    return capacity_of(*layer)
