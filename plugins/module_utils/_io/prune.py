# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning: looks at all that could need a volume of one pool, and plans to remove what nothing needs."""

from __future__ import annotations

import os
import stat
from typing import Optional

from .._core import xml
from .._core.errors import ImageError, Problem, Problems
from .._core.guest import NO_POOL
from .._core.header import HEADER_BYTES
from .._core.names import plain
from .._core.plan import Plan
from .._core.prune import (
    NAMED,
    Candidate,
    DiskFile,
    Use,
    is_base,
    kind_of,
    part_of,
    paths_of,
    plan_prune,
    read_head,
    read_named,
    recorded_paths,
)
from .._core.record import drop_generations
from .._core.surroundings import StoragePool
from .._core.volume import PLAIN, STREAMED, Pool
from .connection import Connection, doing
from .lock import locked_places, place_of
from .module import Outcome, describe
from .requirements import libvirt
from .streams import is_begun
from .surroundings import read_pools
from .volumes import FOLDER_POOLS, Volumes

# What is about one guest.
OF_A_GUEST = ("name", "image", "disks", "seed")
# What we call disks that build on nothing.
RAW_ENDINGS = (".raw", ".iso")
BLOCK_BYTES = 512
# It went while we looked, or the driver has no such thing.
NOTHING = (
    "VIR_ERR_NO_SUPPORT",
    "VIR_ERR_OPERATION_UNSUPPORTED",
    "VIR_ERR_NO_DOMAIN",
    "VIR_ERR_NO_DOMAIN_SNAPSHOT",
    "VIR_ERR_NO_DOMAIN_CHECKPOINT",
    "VIR_ERR_NO_STORAGE_VOL",
)


def pruned(params: dict, connection: Connection) -> Outcome:
    """Plan to remove what nothing needs from one pool; raise ImageError where that cannot be seen."""
    _check_options(params)
    pool = Volumes(connection).place(params["pool"], params.get("folder"))
    pools = read_pools(connection)
    warnings: tuple[str, ...] = ()
    if pool.kind in STREAMED:
        _refuse_shared(pool, pools)
        warnings = (
            f"{pool} is no folder of this machine and cannot be locked: let no play bring volumes to it meanwhile. "
            "What killed runs left in it stays",
        )
    else:
        connection.locks.prune(pool.path)
    look = Look(connection, pool, pools)
    look.at_all()
    pruning = plan_prune(pool, look.candidates, look.uses)
    plan = Plan(name=str(pool), steps=pruning.steps, was="present", state="pruned", of=str(pool))

    def report(done: list) -> dict:
        gone = [step.name for step in done[0].steps]
        return {
            "actions": describe(done[0])["actions"],
            "removed": [_told(candidate) for candidate in pruning.removed if candidate.name in gone],
            "kept": [{**_told(candidate), "used_by": list(users)} for candidate, users in pruning.kept],
        }

    return Outcome(plans=[plan], warnings=warnings, report=report)


def _told(candidate: Candidate) -> dict:
    return {"name": candidate.name, "path": candidate.path, "kind": candidate.kind, "size": candidate.size}


def _check_options(params: dict) -> None:
    given = [option for option in OF_A_GUEST if params.get(option)]
    if given:
        raise ImageError(f"state: pruned is about a whole pool, and {', '.join(given)} about a guest; leave that out")
    if params["pool"] == NO_POOL and not (params.get("folder") or "").startswith("/"):
        raise ImageError(f"pool: {NO_POOL} needs folder, the absolute path of the folder that is to be pruned")


def _refuse_shared(pool: Pool, pools: tuple[StoragePool, ...]) -> None:
    """Refuse a pool that other hosts have too; those of this machine are refused when they are locked."""
    if any(one.name == pool.name and one.type == "netfs" for one in pools):
        raise ImageError(f"{pool} is of type netfs: other hosts can have it too, whose guests cannot be seen from here")


class Look:
    """Finds the candidates of a pool, and whatever on the connection could need one of them."""

    def __init__(self, connection: Connection, pool: Pool, pools: tuple[StoragePool, ...]) -> None:
        self.candidates: list[Candidate] = []
        self.uses: list[Use] = []
        self._problems = Problems()
        self._connection = connection
        self._pool = pool
        self._pools = pools
        same = [one.name for one in pools if one.path and self._is_same(one.path, pool.path)]
        self._names = frozenset(same if pool.kind == PLAIN else (pool.name, *same))
        self._by_identity: dict[Optional[tuple], str] = {}
        self._listed: dict[str, list[tuple]] = {}
        self._raw: set[Optional[tuple]] = set()
        self._heads: dict[tuple, tuple] = {}
        self._seen: set[tuple] = set()
        # Files to look into: path, who has it, and the candidate on whose behalf.
        self._todo: list[tuple[str, str, Optional[str]]] = []

    def at_all(self) -> None:
        """Look at everything; raise ImageError with all that cannot be seen."""
        if self._pool.kind in STREAMED:
            self._list_candidates()
        else:
            self._scan_candidates()
        self._by_identity = {self._identity(one.path): one.path for one in self.candidates}
        self._by_identity.pop(None, None)
        levels = list(self._domains())
        # Of a raw disk the bytes are its guest's, who can write any header there.
        kinds = [(self._identity(level.path), level.format) for _owner, level, _must in levels if level.path]
        self._raw = {one for one, kind in kinds if kind == "raw"} - {one for one, kind in kinds if kind != "raw"}
        if self._pool.kind == PLAIN:
            self._scan(self._pool.path, str(self._pool))
        for pool in self._pools:
            levels += self._look_at_pool(pool)
        listed = {path for volumes in self._listed.values() for _name, path, _tree in volumes}
        for owner, level, must in levels:
            self._follow(owner, level, must, listed)
        while self._todo:
            self._look_into(*self._todo.pop())
        self._problems.raise_any()

    def _is_same(self, one: str, other: str) -> bool:
        identity = self._identity(one)
        return one == other or (identity is not None and identity == self._identity(other))

    def _identity(self, path: str) -> Optional[tuple]:
        """Return what is the same for all paths of one file, through links and mounts; None for what is not here."""
        if not self._connection.is_local:
            return None
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        return ("block", status.st_rdev) if stat.S_ISBLK(status.st_mode) else (status.st_dev, status.st_ino)

    def _scan_candidates(self) -> None:
        locked = locked_places()
        for name, status in _entries(self._pool.path):
            kind = kind_of(name, stat.S_IMODE(status.st_mode)) if stat.S_ISREG(status.st_mode) else None
            if kind is None:
                continue
            path = f"{self._pool.path}/{name}"
            self.candidates.append(Candidate(name, path, kind, status.st_blocks * BLOCK_BYTES))
            if place_of(status) in locked:
                # A guest of another connection's, or nobody's.
                self.uses.append(Use("a process that has it open", frozenset([path])))
            if kind == "leftover" and not self._connection.locks.keep(f"{self._pool.path}/{part_of(name)}"):
                self.uses.append(Use("the process that writes it", frozenset([path])))

    def _list_candidates(self) -> None:
        for name, path, tree in self._list(self._pool.name):
            kind = kind_of(name)
            if kind is None:
                continue
            self.candidates.append(Candidate(name, path, kind, int(tree.findtext("allocation") or 0)))
            if kind == "base" and is_begun(self._connection, self._pool.name, name):
                self.uses.append(Use("a play that fills it, or one that did not end", frozenset([path])))

    def _domains(self):
        """Note what domains name, and give the levels of their disks: owner, level, and whether that must be there."""
        with doing("list the domains"):
            domains = self._connection.link.listAllDomains()
        for domain in domains:
            for owner, text, needed in _documents(domain):
                tree = xml.parse(text, owner)
                named, recorded = read_named(tree, self._names, self._pool.path), recorded_paths(tree)
                self._note(owner, named.paths, named.texts)
                for level in named.disks:
                    yield owner, level, needed and level.format is not None and level.path not in recorded

    def _look_at_pool(self, pool: StoragePool):
        """Note what the volumes of a pool name, and give the levels below them that only libvirt tells."""
        scanned = self._connection.is_local and pool.type in FOLDER_POOLS and os.path.isdir(pool.path or "")
        # Of an inactive pool of another type the folder is where it would be mounted.
        if scanned and (pool.active or pool.type == "dir"):
            self._scan(pool.path, f"pool {pool.name}")
        elif not pool.active:
            self._add(
                f"pool {pool.name} is not active, so that what its volumes build on cannot be seen; start it with "
                f"virsh pool-start {pool.name}, or remove it with virsh pool-undefine {pool.name}"
            )
        else:
            yield from self._levels_below(pool.name)

    def _levels_below(self, pool: str):
        for name, path, tree in self._list(pool):
            owner, by = f"volume {name} of pool {pool}", self._candidate(path)
            self._todo.append((path, owner, by))
            backing, format = tree.findtext("backingStore/path"), tree.find("backingStore/format")
            if not backing:
                continue
            below = paths_of(backing, os.path.dirname(path))
            self._note(owner, below, () if below else (backing,), by)
            kind = None if format is None else format.get("type")
            for one in below:
                yield owner, DiskFile(os.path.normpath(one), kind), by is None

    def _scan(self, folder: str, place: str) -> None:
        """Note the links in a folder, and its files, which are to be looked into."""
        for name, status in _entries(folder):
            path, owner = f"{folder}/{name}", f"volume {plain(name)} of {place}"
            if stat.S_ISLNK(status.st_mode):
                self._note(owner, (path,), ())
            self._todo.append((path, owner, self._candidate(path)))

    def _candidate(self, path: str) -> Optional[str]:
        """Return the candidate that a path is, or None."""
        if self._connection.is_local:
            return self._by_identity.get(self._identity(path))
        return next((one.path for one in self.candidates if one.path == path), None)

    def _follow(self, owner: str, level: DiskFile, must: bool, listed: set) -> None:
        """Look below a level of a disk; one that must be seen and cannot could build on a candidate."""
        if level.format == "raw" or not (level.path or level.pool):
            return
        if self._connection.is_local and level.path and self._identity(level.path):
            self._todo.append((level.path, owner, None))
        elif not must or level.path and is_base(level.path):
            return
        elif level.pool:
            if level.pool not in [pool.name for pool in self._pools]:
                self._add_unseen(owner, f"a volume of pool {level.pool}", "does not exist")
        elif self._connection.is_local:
            self._add_unseen(owner, level.path, "is not there")
        elif level.path not in listed:
            self._add_unseen(owner, level.path, "is in no pool")

    def _look_into(self, path: str, owner: str, by: Optional[str]) -> None:
        """Note what a file's first bytes name, and go on with the files that it builds on."""
        identity = self._identity(path)
        if identity is None or identity in self._raw or (identity, owner, by) in self._seen:
            return
        self._seen.add((identity, owner, by))
        # A disk that has lost its domain: a header in it is its guest's.
        must = by is None and not path.endswith(RAW_ENDINGS)
        try:
            if identity not in self._heads:
                self._heads[identity] = read_head(_head(path))
            backing, texts = self._heads[identity]
        except OSError as error:
            if must:
                self._add_unseen(owner, path, f"cannot be read ({error.strerror})")
            return
        folders = dict.fromkeys((os.path.dirname(path), os.path.dirname(os.path.realpath(path)))) if backing else ()
        below = tuple(dict.fromkeys(one for folder in folders for one in paths_of(backing, folder)))
        self._note(owner, below, texts, by)
        there = [one for one in below if self._identity(one)]
        self._todo += [(one, owner, by) for one in there]
        if must and below and not there and not any(map(is_base, below)):
            self._add_unseen(owner, below[0], "is not there")

    def _note(self, owner: str, paths, texts, by: Optional[str] = None) -> None:
        """Note what an owner names: a path means that file, and where it is not here, what any other text means."""
        known = {path: self._identity(path) for path in paths}
        meant = frozenset(self._by_identity[one] for one in known.values() if one in self._by_identity)
        loose = (*(path for path, one in known.items() if one is None), *texts)
        named = tuple(text for text in loose if NAMED.search(text))
        if meant or named:
            self.uses.append(Use(owner, meant, named, by))

    def _add_unseen(self, owner: str, what: str, why: str) -> None:
        self._add(
            f"{owner} needs {plain(what)}, which {why}, so that what that builds on cannot be seen; bring it back (is "
            "a file system not mounted?), or remove what needs it"
        )

    def _add(self, message: str) -> None:
        problem = Problem(f"{message}. Nothing is removed from {self._pool}")
        if problem not in self._problems.found:
            self._problems.add(problem)

    def _list(self, pool: str) -> list[tuple]:
        """Return name, path and tree of each volume of an active pool as it is now."""
        if pool in self._listed:
            return self._listed[pool]
        self._connection.refresh_pool(pool)
        found = self._listed.setdefault(pool, [])
        with doing(f"list the volumes of pool {pool}"):
            for volume in self._connection.pool(pool).listAllVolumes():
                text = _told_by(volume.XMLDesc)
                if text:
                    tree = xml.parse(text, f"volume {volume.name()}")
                    found.append((volume.name(), tree.findtext("target/path") or "", tree))
        return found


def _documents(domain):
    """Give all XML that libvirt has of a domain: whose it is, the text, and whether all that it names must be there.

    Saved states and snapshots may outlive the files that they name, and are of no use then.
    """
    owner = f"domain {domain.name()}"
    with doing(f"read {owner}"):
        found = [(owner, _told_by(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE), True)]
        if _told_by(domain.isActive):
            found.append((owner, _running(domain), True))
        if _told_by(domain.hasManagedSaveImage):
            found.append((f"saved state of {owner}", _saved(domain), False))
        for kind, listing in (("snapshot", domain.listAllSnapshots), ("checkpoint", domain.listAllCheckpoints)):
            for one in _told_by(listing) or ():
                found.append((f"{kind} {one.getName()} of {owner}", _told_by(one.getXMLDesc), False))
    return [document for document in found if document[1]]


def _running(domain) -> Optional[str]:
    text = _told_by(domain.XMLDesc)
    if not text:
        return None
    tree = xml.parse(text, f"domain {domain.name()}")
    # They are those of its start; what became of them since is in its definition.
    drop_generations(tree)
    return xml.to_text(tree)


def _told_by(call, *arguments):
    """Return what libvirt tells, or None where there is nothing of the kind."""
    try:
        return call(*arguments)
    except libvirt.libvirtError as error:
        if error.get_error_code() in [getattr(libvirt, name) for name in NOTHING]:
            return None
        raise


def _saved(domain) -> Optional[str]:
    try:
        return domain.managedSaveGetXMLDesc()
    except libvirt.libvirtError:
        # One that cannot be read cannot be started from.
        return None


def _entries(folder: str) -> list[tuple]:
    """Return name and status of all in a folder, by name; links are not followed."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    # It went while we looked.
                    pass
    except OSError as error:
        raise ImageError(f"cannot list the folder: {error.strerror}", folder) from None
    return sorted(found, key=lambda one: one[0])


def _head(path: str) -> bytes:
    """Return the first bytes of a file or block device; none of anything else: opening it may have consequences."""
    kind = os.stat(path).st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISBLK(kind):
        return b""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, HEADER_BYTES, 0)
    finally:
        os.close(descriptor)
