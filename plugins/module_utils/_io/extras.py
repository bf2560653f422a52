# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at what options and fragments name besides the image: that it is there, and which files the disks are."""

from __future__ import annotations

import os
import posixpath
import stat
from typing import Optional

from .._core import xml
from .._core.chain import source_of
from .._core.definition import merge_fragment
from .._core.disks import render_source
from .._core.errors import ImageError, Problem, Problems
from .._core.guest import Guest
from .._core.volume import World
from .volumes import Volumes


def has_extras(guest: Guest) -> bool:
    """Return whether a guest may have disks that are not the image's."""
    return bool(guest.extra_disks) or "<source" in (guest.xml or "")


def refuse_missing(guest: Guest) -> None:
    """Raise ImageError with every option that names what is not on this machine, or is of another kind.

    libvirt and QEMU would say so when the guest starts, which may be in the middle of a restart.
    """
    problems = Problems()
    for option, message in _mistakes(guest):
        if message:
            problems.add(Problem(f"{option}: {message}"))
    problems.raise_any()


def _mistakes(guest: Guest) -> list[tuple[str, Optional[str]]]:
    devices = guest.peripherals
    found = [
        (f"extra_disks[{index}].source", _disk_mistake(extra.path, extra.type))
        for index, extra in enumerate(guest.extra_disks)
        if extra.path
    ]
    found += [
        (f"filesystems[{index}].source", _folder_mistake(filesystem.source))
        for index, filesystem in enumerate(devices.filesystems)
    ]
    return [*found, ("serial.log", _folder_mistake(os.path.dirname(devices.serial.log)))] if devices.serial.log else found


def _disk_mistake(path: str, type: str) -> Optional[str]:
    """Return why QEMU would not take a file or block device (raw_open_common, block/file-posix.c), or None."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return _absence(path, error)
    if stat.S_ISDIR(mode):
        return f"{path} is a folder; a disk is a file or a block device"
    if stat.S_ISBLK(mode) == (type == "block"):
        return None
    return f"{path} is {'a' if type == 'file' else 'no'} block device; say type: {'block' if type == 'file' else 'file'}"


def _folder_mistake(path: str) -> Optional[str]:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        absence = _absence(path, error)
        return absence and f"the folder {absence}; make it first"
    return None if stat.S_ISDIR(mode) else f"{path} is no folder"


def _absence(path: str, error: OSError) -> Optional[str]:
    """Return that a path is not there; None where this user cannot see it, and QEMU's perhaps can."""
    return f"{path} does not exist" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else None


def find_extras(name: str, guest: Guest, volumes: Volumes, world: World) -> dict[tuple, tuple[str, ...]]:
    """Return all paths of each disk that is not the image's, by what it is (source_of).

    Two paths are the same file where links lead from one to the other. Raises ImageError for a volume that is not there.
    """
    found: dict[tuple, tuple[str, ...]] = {}
    problems = Problems()
    for index, extra in enumerate(guest.extra_disks):
        disk = xml.element("disk", None, render_source(extra))
        try:
            found[source_of(disk)] = _paths(disk, volumes, world)
        except ImageError as error:
            problems.extend(error.about(f"extra_disks[{index}]"))
    problems.raise_any()
    for disk in _disks_of_fragment(name, guest):
        try:
            found[source_of(disk)] = _paths(disk, volumes, world)
        except ImageError:
            # What a fragment names is its writer's; libvirt says so when the guest starts.
            continue
    return {source: paths for source, paths in found.items() if paths}


def _disks_of_fragment(name: str, guest: Guest) -> list:
    tree = xml.element("domain", None, xml.leaf("name", name))
    try:
        merge_fragment(tree, guest.xml or "")
    except ImageError:
        # It is refused, with its words, when the guest is rendered.
        return []
    return list(tree.iter("disk"))


def _paths(disk, volumes: Volumes, world: World) -> tuple[str, ...]:
    """Return the paths of a disk's file or device: as it is named, where it is, and as the guest's volume."""
    told = dict(source_of(disk))
    path = told.get("file") or told.get("dev")
    if "pool" in told and "volume" in told:
        path = volumes.path_of(told["pool"], told["volume"])
    if not path:
        return ()
    if not volumes.connection.is_local:
        return tuple(dict.fromkeys((path, posixpath.normpath(path))))
    real = os.path.realpath(path)
    own = (volume for volume in world.found if os.path.realpath(volume) == real)
    return tuple(dict.fromkeys((path, real, *own)))
