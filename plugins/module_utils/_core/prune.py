# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go from a pool: volumes of ours that nothing names any more.

A base volume's name holds its SHA-256, so that a text which is no path, but has that name in it, is taken to mean it:
what we do not understand keeps a volume, and never loses it.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import Optional

from . import xml
from .chain import FORMATS
from .errors import ImageError
from .names import text_mistake
from .record import NAMESPACE
from .steps import DeleteVolume
from .volume import ENDINGS, Pool

# Every name that is ours to remove is of one of these forms; see volume.base_name, seed.seed_name, _io.spool, and
# _io.files.arriving: the last leaves `.NAME.part`, and converting that leaves `.NAME.part.FORMAT`.
_ENDING = f"({'|'.join(ENDINGS.values())})"
_BASE = rf"sha256-[0-9a-f]{{64}}\.{_ENDING}"
BASE = re.compile(_BASE)
SEED = re.compile(r"[^.].*-seed-[0-9a-f]{16}\.iso")
FETCHED = re.compile(r"\.{1,2}fetch-[0-9a-f]{32}(-[0-9a-f]{64})?\.part")
ARRIVING_BASE = re.compile(rf"\.{_BASE}\.part(\.[a-z0-9]+)?")
ARRIVING_OWN = re.compile(rf"\.[^.].*-.+\.{_ENDING}\.part")
# A guest's volume is made so. Other tools' hidden files could have such a name; few have this mode too.
OWN_MODE = 0o600
# Where a text could have one of these names in it.
NAMED = re.compile(r"sha256-[0-9a-f]{64}|-seed-[0-9a-f]{16}\.iso|\.part")
NAMED_BASE = re.compile(b"sha256-[0-9a-f]{64}")
DIGEST = re.compile("[0-9a-f]{64}")
APPLIED, DOMAIN = f"{{{NAMESPACE}}}applied", f"{{{NAMESPACE}}}domain"
# The elements that are a level of a disk, and which child of theirs says the format.
LEVELS = {"disk": "driver", "backingStore": "format", "mirror": "format", "dataStore": "format"}
PROTOCOL = re.compile("[^:/]+:")


@dataclass(frozen=True)
class Candidate:
    """A volume that goes if nothing names it; `kind` is base, seed or leftover, `size` the bytes that it takes."""

    name: str
    path: str
    kind: str
    size: int

    @property
    def key(self) -> str:
        """Return what a text must hold to mean it."""
        return self.name.partition(".")[0] if self.kind == "base" else self.name


@dataclass(frozen=True)
class DiskFile:
    """A level of a disk: a file or device, or a volume of a pool.

    What a document says to be below it is not asked for: of a mirror, libvirt 9 says nothing is.
    """

    path: Optional[str]
    format: Optional[str]
    pool: Optional[str] = None


@dataclass(frozen=True)
class Named:
    """What a document names: absolute paths, texts that have a name of ours in them, and levels of disks."""

    paths: tuple[str, ...]
    texts: tuple[str, ...]
    disks: tuple[DiskFile, ...]


@dataclass(frozen=True)
class Use:
    """What something names: candidates by their paths, and texts that mean whatever candidate they name.

    `by` is the path of the candidate that names them; what goes needs nothing.
    """

    owner: str
    paths: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    by: Optional[str] = None

    def means(self, candidate: Candidate) -> bool:
        return candidate.path in self.paths or any(candidate.key in text for text in self.texts)


@dataclass(frozen=True)
class Pruning:
    """What goes, with the steps to it, and what stays, each with those that use it."""

    steps: tuple[DeleteVolume, ...]
    removed: tuple[Candidate, ...]
    kept: tuple[tuple[Candidate, tuple[str, ...]], ...]


def kind_of(name: str, mode: Optional[int] = None) -> Optional[str]:
    """Return what a volume of this name is to us, or None: not ours.

    `mode` is that of the file. Without it the pool is not a folder of this machine, and has no leftovers.
    """
    if text_mistake(name):
        return None
    if BASE.fullmatch(name):
        return "base"
    if SEED.fullmatch(name):
        return "seed"
    if mode is None:
        return None
    if FETCHED.fullmatch(name) or ARRIVING_BASE.fullmatch(name):
        return "leftover"
    return "leftover" if ARRIVING_OWN.fullmatch(name) and mode == OWN_MODE else None


def part_of(name: str) -> str:
    """Return the name of the file that whoever writes a leftover has locked."""
    return name[: name.rindex(".part") + len(".part")]


def is_base(path: str) -> bool:
    """Return whether a path is that of a base volume, which builds on nothing."""
    return bool(BASE.fullmatch(path.rpartition("/")[2]))


def read_named(tree, pools: frozenset[str], folder: str) -> Named:
    """Return what a domain's, snapshot's or volume's tree names.

    `pools` are the names that the pool in question has, and `folder` is its path: a volume of that name in another pool
    is another one.
    """
    paths: dict[str, None] = {}
    texts: dict[str, None] = {}
    for node in tree.iter():
        if node.tag == APPLIED:
            # What we once rendered; the domain itself says what became of it.
            continue
        if node.tag == DOMAIN and (node.text or "").strip().startswith("<"):
            # A former generation's; its pools are told from others as the domain's own are.
            inner = read_named(_inner(node), pools, folder)
            paths.update(dict.fromkeys(inner.paths))
            texts.update(dict.fromkeys(inner.texts))
            continue
        elsewhere = _is_elsewhere(node, pools, folder)
        for key, value in (*node.attrib.items(), (None, (node.text or "").strip())):
            if value.startswith("/"):
                paths[value] = None
            elif elsewhere and key in ("volume", "sha256"):
                continue
            elif key == "sha256" and DIGEST.fullmatch(value):
                texts[f"sha256-{value}"] = None
            elif NAMED.search(value):
                texts[value] = None
    return Named(tuple(paths), tuple(texts), tuple(_disks(tree)))


def _inner(node):
    """Return the tree that is the text of an element; where that is broken, the element, which then means all it names."""
    try:
        return xml.parse(node.text.strip(), "record")
    except ImageError:
        return xml.element("text", None, node.text)


def _is_elsewhere(node, pools: frozenset[str], folder: str) -> bool:
    """Return whether a <source> or a record's <disk> is a volume of another pool."""
    pool, path = node.get("pool"), node.get("path")
    return pool is not None and pool not in pools and not (path or "").startswith(f"{folder}/")


def _disks(tree):
    for source in tree.iter("source"):
        level = source.getparent()
        if level is None or level.tag not in LEVELS:
            continue
        format = level.find(LEVELS[level.tag])
        kind = None if format is None else format.get("type")
        yield DiskFile(source.get("file") or source.get("dev"), FORMATS.get(kind, kind), source.get("pool"))


def recorded_paths(tree) -> frozenset[str]:
    """Return the disks that records in a domain's tree have: of them the base is known even when they are gone."""
    return frozenset(disk.get("path", "") for disk in tree.iter(f"{{{NAMESPACE}}}disk"))


def read_head(head: bytes) -> tuple[Optional[str], tuple[str, ...]]:
    """Return the name of the file that another one builds on, or None, and what else in its first bytes names a base.

    Only qcow2 and its forerunner say where the name is; in other formats it is found as a text.
    Source: QEMU's docs/interop/qcow2.txt.
    """
    backing = None
    if head[:4] == b"QFI\xfb" and len(head) >= 20:
        offset, length = struct.unpack_from(">QI", head, 8)
        # As a text in C.
        backing = head[offset : offset + length].decode("utf-8", "surrogateescape").split("\0")[0] or None
        head = head[:offset] + head[offset + length :]
    texts = {match[0].decode("ascii") for match in NAMED_BASE.finditer(head)}
    if backing and PROTOCOL.match(backing):
        texts.add(backing)
    return backing, tuple(sorted(texts))


def paths_of(backing: str, folder: str) -> tuple[str, ...]:
    """Return the paths that a backing file's name means to QEMU, for a file in that folder; none for a server's.

    Source: QEMU's path_combine and the pseudo-protocol json: of its block drivers.
    """
    if backing.startswith("json:"):
        names = _filenames(backing[len("json:") :])
    elif backing.startswith("file:"):
        names = [backing[len("file:") :]]
    else:
        names = [] if PROTOCOL.match(backing) else [backing]
    return tuple(name if name.startswith("/") else f"{folder}/{name}" for name in names if name)


def _filenames(text: str) -> list[str]:
    try:
        todo, names = [json.loads(text)], []
    except (ValueError, RecursionError):
        return []
    while todo:
        plain = todo.pop()
        if isinstance(plain, list):
            todo += plain
        elif isinstance(plain, dict):
            todo += [value for value in plain.values() if isinstance(value, (dict, list))]
            names += [value for key, value in plain.items() if key.endswith("filename") and isinstance(value, str)]
    return names


def plan_prune(pool: Pool, candidates, uses) -> Pruning:
    """Return what goes from a pool; a candidate that only such as go name goes too."""
    users: dict[Candidate, set[str]] = {candidate: set() for candidate in candidates}
    todo = [use for use in uses if use.by is None]
    waiting: dict[str, list[Use]] = {}
    for use in uses:
        if use.by is not None:
            waiting.setdefault(use.by, []).append(use)
    while todo:
        use = todo.pop()
        for candidate, owners in users.items():
            if use.means(candidate):
                owners.add(use.owner)
                # Now that it stays, what it names stays too.
                todo += waiting.pop(candidate.path, [])
    ordered = sorted(users, key=lambda candidate: candidate.name)
    removed = tuple(candidate for candidate in ordered if not users[candidate])
    return Pruning(
        steps=tuple(DeleteVolume(pool, candidate.name) for candidate in removed),
        removed=removed,
        kept=tuple((candidate, tuple(sorted(users[candidate]))) for candidate in ordered if users[candidate]),
    )
