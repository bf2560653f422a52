# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps to an image's folder, from a draft of the image and what is in the folder already."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Optional

from .._core import xml
from .._core.errors import ImageError, Problem, Problems
from .._core.image import Image, parse_image
from .._core.names import normal_file
from .._core.units import show_size
from .._core.writer import write_image
from .files import part_of
from .jobs import Jobs
from .piece import Piece, digests, piece_of
from .source import Folder


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

    `firmware` is what its guests need (efi, bios), where that is known; `newest` when a file that is copied was written
    to last, None where it is no domain's; `live` are the files of that domain, by device and inode.
    """

    image: Image
    firmware: Optional[str]
    folder: str
    pieces: dict[str, Piece]
    disks: dict[str, CopyDisk] = field(default_factory=dict)
    newest: Optional[float] = None
    live: frozenset = frozenset()
    warnings: tuple[str, ...] = ()


def descriptor_there(path: str, anew: bool) -> Optional[str]:
    """Return the text of the descriptor that is there, or None; raise ImageError for what is no text, but for `anew`."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImageError(f"cannot look there: {error.strerror}", path) from None
    data = Folder(path).descriptor()
    return data.decode("utf-8", "replace") if anew else xml.decode(data, path)


def refuse_places(draft: Draft, path: str) -> None:
    """Raise ImageError where two files would go to one place, or one to that of what is read."""
    targets = {name: os.path.join(draft.folder, name) for name in (*draft.disks, *draft.pieces)}
    problems, places = Problems(), {_place(path): os.path.basename(path)}
    for name, target in targets.items():
        if any(part.startswith(".") for part in name.split("/")):
            words = f"{name!r:.80} begins with a dot, as files do that are not whole yet; rename it"
            problems.add(Problem(words, draft.folder))
        place = _place(target)
        if place in places:
            words = f"is where {name} would go, and {places[place]} would go there too; rename one of them"
            problems.add(Problem(words, target))
        places.setdefault(place, name)
    for target in (path, *targets.values()):
        if os.path.isdir(target) and not os.path.islink(target):
            problems.add(Problem("is a folder, and a file would go there; choose another folder", target))
    folders = {folder for place in places for folder in _folders(place)}
    for place in sorted(folders & set(places)):
        words = f"is where {places[place]} would go among other files, and is a folder to one of them; rename one"
        problems.add(Problem(words, place))
    problems.raise_any()
    _refuse_sources(draft, [path, *targets.values()])


def _place(target: str) -> str:
    """Return where a file would go, which links can name in two ways."""
    folder, name = os.path.split(target)
    return os.path.join(os.path.realpath(folder), name)


def _folders(place: str):
    while place != os.path.dirname(place):
        place = os.path.dirname(place)
        yield place


def _refuse_sources(draft: Draft, targets) -> None:
    """Raise ImageError for what would take the place of a domain's disk, or of what is read while it is written."""
    problems = Problems()
    pieces = {_identity(piece.path): piece for piece in draft.pieces.values()}
    for target in targets:
        for place in (target, part_of(target)):
            found = _identity(place)
            piece = pieces.get(found) if found else None
            if found in draft.live:
                problems.add(Problem("is a disk of the domain, which no copy may replace; choose another folder", place))
            elif piece and (piece.begin or place != target):
                problems.add(Problem("is itself what is copied; choose another folder", place))
    problems.raise_any()


def _identity(path: str) -> Optional[tuple]:
    """Return what is the same for all names of one file, or None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def steps_to(draft: Draft, path: str, there: Optional[str], anew: bool, jobs: Jobs) -> tuple[list, tuple[str, ...]]:
    """Return what is to be done, and warnings; raise ImageError for what stands in the way."""
    if draft.newest is not None:
        return _steps_of_domain(draft, path, there, anew)
    problems, steps = Problems(), []
    digest_of = {disk.file: disk.checksums.get("sha256") for disk in draft.image.disks}
    for name, piece in draft.pieces.items():
        target = os.path.join(draft.folder, name)
        state = _compare(target, piece, digest_of.get(name), jobs)
        if state == "another" and not anew:
            problems.add(Problem("is there, and is another file; replace: true puts the new one in its place", target))
        if state != "same":
            steps.append(CopyFile(target, piece, anew))
    if there is not None and not anew:
        _check_described(draft, path, there, problems)
    problems.raise_any()
    if there is None or (anew and there != write_image(draft.image)):
        steps.append(WriteDescriptor(path, draft.image, anew))
    return steps, ()


def _check_described(draft: Draft, path: str, there: str, problems: Problems) -> None:
    """Note which files a descriptor does not have, or has with other content; all else is its owner's."""
    disks = parse_image(there, path, outside=True).disks
    described = {normal_file(disk.file): disk.checksums.get("sha256") for disk in disks if disk.file}
    ours = {disk.file: disk.checksums.get("sha256") for disk in draft.image.disks}
    files = [name for name in ours if name in draft.pieces or name in draft.disks]
    missing = [name for name in files if name not in described]
    if missing:
        words = f"is there, and describes other disks than {', '.join(missing[:8])}"
        problems.add(Problem(f"{words}; choose another folder or descriptor, or have it written anew with replace: true", path))
    for name in files:
        told, digest = described.get(name), ours[name]
        if told and digest and told != digest:
            words = f"is there, and has another SHA-256 for {name} than {digest}, which it has now"
            problems.add(Problem(f"{words}; write that there, or have all of it written anew with replace: true", path))


def _compare(target: str, piece: Piece, digest: Optional[str], jobs: Jobs) -> str:
    """Return whether a file is there: absent, same (as the one that is to come), or another."""
    if not os.path.lexists(target):
        return "absent"
    if not piece.begin and os.path.exists(target) and os.path.samefile(target, piece.path):
        return "same"
    if os.path.islink(target) or not os.path.isfile(target) or os.path.getsize(target) != piece.size:
        return "another"
    wanted = digest or digests(piece, {"sha256"}, jobs)["sha256"]
    return "same" if digests(piece_of(target), {"sha256"}, jobs)["sha256"] == wanted else "another"


def _steps_of_domain(draft: Draft, path: str, there: Optional[str], anew: bool) -> tuple[list, tuple[str, ...]]:
    """Return the steps for a domain, whose copies nobody can compare with what they are copies of."""
    targets = {name: os.path.join(draft.folder, name) for name in (*draft.disks, *draft.pieces)}
    found = [target for target in targets.values() if os.path.lexists(target)]
    if there is not None and not anew:
        problems = Problems()
        _check_described(draft, path, there, problems)
        problems.raise_any()
        gone = [name for name, target in targets.items() if target not in found]
        if gone:
            words = f"is there, and {', '.join(gone[:8])} is not there; replace: true captures the domain anew"
            raise ImageError(words, path)
        old = any(os.lstat(target).st_mtime < draft.newest for target in found)
        words = "is of a domain that was written to since it was captured; replace: true captures it anew"
        return [], (words,) if old else ()
    if found and not anew:
        raise ImageError.of(Problem("is there; replace: true puts the new one in its place", one) for one in found)
    files = [CopyFile(targets[name], one, anew, False) for name, one in draft.pieces.items()]
    return [*draft.disks.values(), *files, WriteDescriptor(path, draft.image, anew)], ()
