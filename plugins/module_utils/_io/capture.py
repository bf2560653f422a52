# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module capture does: plans an image's folder from a disk file, a domain, or an OVF."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Optional

from .._core.captured import Captured, CapturedDisk, capture_domain
from .._core.chain import PATHS
from .._core.drafting import DiskFacts, draft_of_disk
from .._core.errors import ImageError, Problem, Problems
from .._core.image import Image, parse_image
from .._core.names import name_mistake
from .._core.ovf import parse_ovf
from .._core.ovf_image import draft_of_ovf, sight_of
from .._core.plan import Plan
from .._core.units import MIB, show_size
from .._core.values import to_plain
from .._core.writer import write_image
from .module import Outcome
from .piece import Piece, digests, disk_facts, facts_of, piece_of
from .requirements import require
from .source import Folder

DESCRIPTOR = "image.xml"


@dataclass(frozen=True)
class CopyFile:
    """Copy a file, or a part of an archive, as it is; `over`: what is there by then may give way.

    `hashed`: its SHA-256 is known.
    """

    target: str
    piece: Piece
    over: bool
    hashed: bool = True

    @property
    def size(self) -> int:
        return self.piece.size

    def __str__(self) -> str:
        return f"copy {self.piece.label} ({show_size(self.piece.size)}) to {self.target}"


@dataclass(frozen=True)
class CopyDisk:
    """Write a domain's disk, with all that it builds on, as one qcow2; `layers` are (path, format) from the top."""

    target: str
    disk: str
    layers: tuple
    size: int
    domain: str
    uri: str
    over: bool

    def __str__(self) -> str:
        return f"copy disk {self.disk} of domain {self.domain} to {self.target}"


@dataclass(frozen=True)
class WriteDescriptor:
    """Write the descriptor of an image; the disks that were copied get their checksums then."""

    target: str
    image: Image
    over: bool

    size = 0

    def __str__(self) -> str:
        return f"write {self.target}"


@dataclass(frozen=True)
class Draft:
    """An image and where its files come from: pieces that are copied as they are, disks of a domain that are not.

    `firmware` is what its guests need (efi, bios), where that is known; `newest` when a disk was written to last,
    None where it is no domain's.
    """

    image: Image
    firmware: Optional[str]
    folder: str
    pieces: dict[str, Piece]
    disks: dict[str, CopyDisk] = field(default_factory=dict)
    newest: Optional[float] = None


def capture(params: dict) -> Outcome:
    """Return the plan of a folder; raise ImageError."""
    mistake = params["name"] and name_mistake(params["name"])
    if mistake:
        raise ImageError(f"name {mistake}")
    draft = _draft(params)
    path = os.path.join(draft.folder, DESCRIPTOR)
    there = _there(path)
    steps, warnings = _steps(draft, path, there, params["replace"])
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
        warnings=warnings,
    )
    return Outcome(plans=[plan], report=lambda done: {**_report(done[0], path), "firmware": draft.firmware})


def _report(done, path: str) -> dict:
    image = parse_image(done.plan.after, path)
    actions = [str(step) for step in done.steps]
    return {"descriptor_file": path, "descriptor": done.plan.after, "image": to_plain(image), "actions": actions}


def _draft(params: dict) -> Draft:
    if params["domain"] is not None:
        return _from_domain(params)
    return _from_disk(params) if params["disk"] is not None else _from_ovf(params)


def _folder(params: dict, beside: Optional[str]) -> str:
    told = params["folder"] or beside
    if told is None:
        raise ImageError("folder: say where the descriptor and the disks go")
    if "\0" in told:
        raise ImageError("folder: holds a null character")
    return os.path.abspath(os.path.expanduser(told))


def _from_disk(params: dict) -> Draft:
    piece = piece_of(params["disk"])
    facts = disk_facts(piece)
    image = draft_of_disk(facts, params["name"], params["version"])
    return Draft(image, facts.sight.firmware, _folder(params, os.path.dirname(piece.path)), {piece.label: piece})


def _from_ovf(params: dict) -> Draft:
    # Late: most calls are of disks.
    from .package import Package

    package = Package(params["ovf"])
    machine = parse_ovf(package.descriptor(), package.where)
    if not machine.disks:
        raise ImageError("has no disk with a file, of which an image consists", package.where)
    pieces = {disk.file: package.file(disk.file) for disk in machine.disks}
    facts: dict[str, DiskFacts] = {}
    for name, piece in pieces.items():
        facts[name] = facts_of(piece, name, package.manifest.get(name))
    unseen = tuple(f"{name}: {one.unseen}" for name, one in facts.items() if one.unseen)
    image = draft_of_ovf(machine, facts, params["name"], params["version"], unseen)
    beside = None if package.is_archive else os.path.dirname(package.path)
    return Draft(image, sight_of(machine, facts).firmware, _folder(params, beside), pieces)


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
        captured = not params["replace"] and _there(os.path.join(folder, DESCRIPTOR)) is not None
        if not captured and (live.state != "shutoff" or live.saved):
            why = f"is {live.state}" if live.state != "shutoff" else "is saved (virsh managedsave)"
            raise ImageError(f"domain {name} {why}, so that its disks are not whole; shut it down, then capture it")
        found = capture_domain(live.xml, f"domain {name}", params["name"], params["version"])
        return _of_domain(found, connection, params, folder)


def _of_domain(found: Captured, connection, params: dict, folder: str) -> Draft:
    problems, disks, pieces, newest, sizes = Problems(), {}, {}, 0.0, {}
    for one in found.disks:
        try:
            layers = _layers(one, connection)
            status = [os.stat(path) for path, _format in layers]
            sizes[one.disk.id] = _capacity(layers[0])
        except (ImageError, OSError) as error:
            words = str(error) if isinstance(error, ImageError) else f"cannot read {error.filename}: {error.strerror}"
            problems.add(Problem(f"disk {one.source.target}: {words}"))
            continue
        newest = max([newest, *(told.st_mtime for told in status)])
        if not one.copied:
            continue
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
    return Draft(image, found.firmware, folder, pieces, disks, newest)


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


def _there(path: str) -> Optional[str]:
    """Return the descriptor that is there, or None."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImageError(f"cannot look there: {error.strerror}", path) from None
    return Folder(path).descriptor().decode("utf-8", "replace")


def _steps(draft: Draft, path: str, there: Optional[str], anew: bool) -> tuple[list, tuple[str, ...]]:
    """Return what is to be done, and warnings; raise ImageError for what stands in the way."""
    if draft.newest is not None:
        return _steps_of_domain(draft, path, there, anew)
    problems, steps = Problems(), []
    digest_of = {disk.file: disk.checksums.get("sha256") for disk in draft.image.disks}
    for name, piece in draft.pieces.items():
        target = os.path.join(draft.folder, name)
        state = _compare(target, piece, digest_of.get(name))
        if state == "another" and not anew:
            problems.add(Problem("is there, and is another file; replace: true puts the new one in its place", target))
        if state != "same":
            steps.append(CopyFile(target, piece, anew))
    described = {disk.file: disk.checksums.get("sha256") for disk in parse_image(there, path).disks} if there else None
    if there is not None and described != digest_of and not anew:
        problems.add(Problem("is there, and describes other disks; replace: true writes it anew", path))
    problems.raise_any()
    if described is None or (anew and there != write_image(draft.image)):
        steps.append(WriteDescriptor(path, draft.image, anew))
    return steps, ()


def _compare(target: str, piece: Piece, digest: Optional[str]) -> str:
    """Return whether a file is there: absent, same (as the one that is to come), or another."""
    if not os.path.lexists(target):
        return "absent"
    if not piece.begin and os.path.exists(target) and os.path.samefile(target, piece.path):
        return "same"
    if os.path.islink(target) or not os.path.isfile(target) or os.path.getsize(target) != piece.size:
        return "another"
    wanted = digest or digests(piece, {"sha256"})["sha256"]
    return "same" if digests(piece_of(target), {"sha256"})["sha256"] == wanted else "another"


def _steps_of_domain(draft: Draft, path: str, there: Optional[str], anew: bool) -> tuple[list, tuple[str, ...]]:
    """Return the steps for a domain, whose copies nobody can compare with what they are copies of."""
    names = [*draft.disks, *draft.pieces]
    targets = [os.path.join(draft.folder, name) for name in names]
    found = [target for target in targets if os.path.lexists(target)]
    if there is not None and not anew:
        described = {disk.file for disk in parse_image(there, path).disks}
        if described != {disk.file for disk in draft.image.disks} or len(found) != len(targets):
            raise ImageError("is there, and describes other disks; replace: true captures the domain anew", path)
        old = os.stat(path).st_mtime < draft.newest
        words = "is of a domain that was written to since it was captured; replace: true captures it anew"
        return [], (words,) if old else ()
    if found and not anew:
        raise ImageError.of(Problem("is there; replace: true puts the new one in its place", one) for one in found)
    files = [CopyFile(os.path.join(draft.folder, name), one, anew, False) for name, one in draft.pieces.items()]
    return [*draft.disks.values(), *files, WriteDescriptor(path, draft.image, anew)], ()
