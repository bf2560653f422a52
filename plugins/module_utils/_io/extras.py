# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at what options and fragments name besides the image: which files the disks are."""

from __future__ import annotations

import os
import posixpath

from .._core import xml
from .._core.chain import source_of
from .._core.definition import merge_fragment
from .._core.disks import render_source
from .._core.errors import ImageError, Problems
from .._core.guest import Guest
from .._core.volume import World
from .volumes import Volumes


def has_extras(guest: Guest) -> bool:
    """Return whether a guest may have disks that are not the image's."""
    return bool(guest.extra_disks) or "<source" in (guest.xml or "")


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
