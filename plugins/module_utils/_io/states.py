# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The UEFI variables and the TPM state of guests, kept with their generations: whole, or not at all.

They stand at two places that libvirt knows, a file and a folder; the copy that goes with generation 3 stands beside
each, as PLACE.generation-3. One that is empty says that there was nothing when the generation was left, as libvirt
makes both at the first start; bringing it back then takes away what another generation made, whose copy was made before.
Where there is no copy, what is there stays: it was never kept, or someone removed it.

A run can be killed anywhere, and be run again:

- What is copied is filled as .NAME.part, and takes its name when it is on the disk. A part is nobody's.
- A folder cannot take the place of another at once. The older one becomes .NAME.old first; where that is there and
  NAME is not, it gets its name back before anything else is done. Then it becomes a part: half of it is never .NAME.old.
- A generation is left by Keep, Bring, define. Killed after Bring, the next run would keep the other generation's state
  under this one's number. So a copy stays as it is while what is in place is what another copy holds.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import stat
from contextlib import contextmanager
from typing import Optional

from .._core import moves, xml
from .._core.errors import ImageError, Problem, Problems
from .._core.plan import Live
from .belongings import nvram_files, tpm_folder
from .connection import Connection, doing
from .files import FULL, part_of, remove, sync

OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
BUFFER = 2**20
# What libvirt notes at a file that a guest has open (virSecurityManagerMetadataLock).
NOT_COPIED = "trusted.libvirt."
# Where libvirt puts both of a domain of which nothing else is known.
USUAL = "<domain><name/><uuid/><os firmware='efi'/><devices><tpm><backend type='emulator'/></tpm></devices></domain>"


def keep(step: moves.KeepState, connection: Connection) -> None:
    """Copy what is in place; what a generation that is brought back has put there is not the one's that is left."""
    with _at_rest(step, connection):
        tree = _tree(step, connection)
        for places in _places(tree, connection):
            # One of those where libvirt may have put it.
            for place in [place for place in places if _is(place) or _is(_old(place))] or places[:1]:
                copy = _copy_of(place, step.generation)
                _repair(place)
                _repair(copy)
                if os.path.isdir(os.path.dirname(place)) and not (_is(copy) and _is_brought(place, step.generation)):
                    _put(place, copy)


def bring(step: moves.BringState, connection: Connection) -> None:
    """Put what was kept in its place."""
    with _at_rest(step, connection):
        for place in _all_places(_tree(step, connection), connection):
            copy = _copy_of(place, step.generation)
            _repair(place)
            _repair(copy)
            if _says_nothing(copy):
                _remove(place)
            elif _is(copy):
                _put(copy, place)


def drop(step: moves.DropState, connection: Connection) -> None:
    """Remove what was kept, and what a killed run left of it."""
    if not connection.is_local:
        return
    is_gone = connection.find_domain(step.name) is None
    with _writing(step):
        for place in _known_places(step.name, step.uuid, step.xml or connection.configuration(step.name), connection):
            copy = _copy_of(place, step.generation)
            for path in [_old(copy), copy] + ([_old(place)] if is_gone else []):
                _remove(path)


def kept(name: str, uuid: str, domain_xml: Optional[str], connection: Connection, generations=None) -> tuple[int, ...]:
    """Return the generations with which something is kept; of those that are asked for, else of all."""
    if not connection.is_local:
        return ()
    found = set()
    for place in _known_places(name, uuid, domain_xml, connection):
        found |= {number for number, _path in _copies(place)}
    return tuple(sorted(found if generations is None else found & set(generations)))


def refuse_unreachable_state(live: Live, connection: Connection, wanted: str = "") -> None:
    """Raise ImageError for a guest whose UEFI variables or TPM state cannot be kept from here.

    `wanted` is the XML that it will be defined as. A TPM of the host (passthrough), or one that another program runs
    (external), is not the guest's.
    """
    problems = Problems()
    for text in filter(None, (live.xml, wanted)):
        tree = xml.parse(text, f"domain {live.name}")
        for why in filter(None, (_why_not(tree, connection), _why_no_file(tree))):
            problem = Problem(f"guest {live.name}: {why}")
            if problem not in problems.found:
                problems.add(problem)
    problems.raise_any()


def _why_no_file(tree) -> Optional[str]:
    """Return why UEFI variables cannot be copied that are no file."""
    node = tree.find("os/nvram")
    kind = "file" if node is None else node.get("type", "file")
    if kind == "file":
        return None
    return f"its UEFI variables are of type {kind}; only a file of them can be kept with a generation"


def _why_not(tree, connection: Connection) -> Optional[str]:
    files, folder = nvram_files(tree, connection), tpm_folder(tree, connection)
    what = " and ".join((["UEFI variables"] if files else []) + (["TPM state"] if folder else []))
    if not what:
        return None
    if not connection.is_local:
        return (
            f"its {what} are files of another machine, which {connection.uri} does not give; they must go back with a "
            "generation. Run the task on that host, with its local uri"
        )
    for path in (*files[:1], *([folder] if folder else [])):
        why = _shut(os.path.dirname(path))
        if why:
            return f"its {what} cannot be kept with a generation: {why}; run as root (become: true)"
    return None


def _shut(folder: str) -> str:
    """Return why files of a folder cannot be copied beside themselves; a folder that is not there has none."""
    try:
        os.stat(folder)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return "" if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else f"{folder} is not this user's to write to"


@contextmanager
def _at_rest(step, connection: Connection):
    """Say what could not be done with a domain's state; raise ImageError for one that runs, which writes to it."""
    domain = connection.find_domain(step.name)
    with doing(str(step)):
        is_active = domain is not None and domain.isActive()
    if is_active:
        raise ImageError(f"cannot {step}: it was started meanwhile; run again")
    refuse_unreachable_state(Live(step.name, _text(step, connection), "shutoff", False), connection)
    with _writing(step):
        yield


@contextmanager
def _writing(step):
    """Turn what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        hint = "; make room there" if error.errno in FULL else ""
        raise ImageError(f"cannot {step}: {error.strerror}{hint}", error.filename) from None


def _text(step, connection: Connection) -> str:
    text = step.xml or connection.configuration(step.name)
    if text is None:
        raise ImageError(f"domain {step.name} is gone; another tool removed it meanwhile")
    return text


def _tree(step, connection: Connection):
    return xml.parse(_text(step, connection), f"domain {step.name}")


def _places(tree, connection: Connection) -> list[list[str]]:
    """Return for each kind of state where it can be."""
    folder = tpm_folder(tree, connection)
    return [places for places in (nvram_files(tree, connection), [folder] if folder else []) if places]


def _all_places(tree, connection: Connection) -> list[str]:
    return [place for places in _places(tree, connection) for place in places]


def _known_places(name: str, uuid: str, domain_xml: Optional[str], connection: Connection) -> list[str]:
    """Return where state can be, by a definition, and by name and UUID only."""
    usual = xml.parse(USUAL, "domain")
    usual.find("name").text, usual.find("uuid").text = name, uuid
    trees = [xml.parse(domain_xml, f"domain {name}")] if domain_xml else []
    return list(dict.fromkeys(place for tree in (*trees, usual) for place in _all_places(tree, connection)))


def _copy_of(place: str, generation: int) -> str:
    return f"{place}.generation-{generation}"


def _copies(place: str) -> list[tuple[int, str]]:
    """Return the generations and the paths of the copies of what is at a place."""
    folder, name = os.path.split(place)
    pattern = re.compile(re.escape(name) + r"\.generation-([1-9][0-9]{0,8})\Z")
    try:
        found = [pattern.match(entry) for entry in os.listdir(folder)]
    except OSError:
        # Not there, or not ours to see: then we have kept nothing in it.
        return []
    return [(int(match.group(1)), os.path.join(folder, match.group())) for match in found if match]


def _old(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.old")


def _is(path: str) -> bool:
    return os.path.lexists(path)


def _says_nothing(copy: str) -> bool:
    """Return whether a copy says that there was nothing."""
    return os.path.isfile(copy) and not os.path.getsize(copy)


def _is_brought(place: str, generation: int) -> bool:
    """Return whether what is in place is what is kept with another generation."""
    return any(_is_same(place, copy) for number, copy in _copies(place) if number != generation)


def _is_same(place: str, copy: str) -> bool:
    if not _is(place):
        return _says_nothing(copy)
    if os.path.isdir(place) and os.path.isdir(copy):
        names = _names(place)
        return names == _names(copy) and all(_is_same(f"{place}/{name}", f"{copy}/{name}") for name in names)
    return os.path.isfile(place) and os.path.isfile(copy) and filecmp.cmp(place, copy, shallow=False)


def _names(folder: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if not _is_passing(entry.path))


def _is_passing(path: str) -> bool:
    """Return whether it is a socket or a pipe: swtpm's own, while it runs."""
    mode = os.lstat(path).st_mode
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)


def _repair(path: str) -> None:
    """Undo what a killed run began."""
    old = _old(path)
    if _is(old) and not _is(path):
        os.rename(old, path)
    else:
        _remove(old)
    _discard(part_of(path))


def _put(source: str, target: str) -> None:
    """Copy a file or folder to another name, in the place of what has it; what is not there becomes an empty file."""
    part = part_of(target)
    _discard(part)
    try:
        if _is(source):
            _copy(source, part)
        else:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN, 0o600))
    except BaseException:
        _discard(part)
        raise
    # Only a file can take the place of a file at once.
    if _is(target) and (os.path.isdir(part) or os.path.isdir(target)):
        os.rename(target, _old(target))
    os.rename(part, target)
    sync(os.path.dirname(target))
    _remove(_old(target))


def _remove(path: str) -> None:
    """Remove a file or folder, whole at once."""
    if _is(path):
        part = part_of(path)
        _discard(part)
        os.rename(path, part)
        sync(os.path.dirname(path))
        _discard(part)


def _discard(part: str) -> None:
    if os.path.isdir(part) and not os.path.islink(part):
        shutil.rmtree(part)
    else:
        remove(part)


def _copy(source: str, target: str) -> None:
    """Copy a file, or a folder with all files in it, to the disk, with owner, mode and labels.

    No link is followed: QEMU and swtpm may write to these folders, and we may read everything.
    """
    mode = os.lstat(source).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ImageError("is neither a plain file nor a folder, as UEFI variables and TPM state are", source)
    if stat.S_ISDIR(mode):
        os.mkdir(target, 0o700)
    from_there = os.open(source, os.O_RDONLY | os.O_NONBLOCK | OPEN)
    try:
        how = os.O_RDONLY | os.O_DIRECTORY if stat.S_ISDIR(mode) else os.O_WRONLY | os.O_CREAT | os.O_EXCL
        to_there = os.open(target, how | OPEN, 0o600)
        try:
            if stat.S_ISDIR(mode):
                for name in _names(source):
                    _copy(f"{source}/{name}", f"{target}/{name}")
            else:
                with open(from_there, "rb", closefd=False) as reader, open(to_there, "wb", closefd=False) as writer:
                    shutil.copyfileobj(reader, writer, BUFFER)
            _dress(from_there, to_there)
            os.fsync(to_there)
        finally:
            os.close(to_there)
    finally:
        os.close(from_there)


def _dress(source: int, target: int) -> None:
    """Give an open file the owner, the mode and the labels of another; labels where the file system has them."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    try:
        names = os.listxattr(source)
    except (OSError, AttributeError):
        return
    for name in names:
        try:
            if not name.startswith(NOT_COPIED):
                os.setxattr(target, name, os.getxattr(source, name))
        except OSError:
            continue


STATE = {moves.KeepState: keep, moves.BringState: bring, moves.DropState: drop}
