# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the calls of a process that change the world, and ends it at one of them as SIGKILL would."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import groupby
from typing import Optional

import libvirt

KILLED = 9
BEFORE, AFTER = "before", "after"
RUNS = "Popen"
# After these something is there that has not all that belongs to it.
CRITICAL = (RUNS, "createXML", "defineXML", "rename")


def _creates(_path, flags, *_rest, **_more) -> bool:
    return bool(flags & os.O_CREAT)


def _to_file(descriptor, *_rest) -> bool:
    # A pipe to an unpacker takes what it takes.
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


OF_FILES = """ftruncate truncate chmod fchmod chown rename replace unlink remove rmdir link symlink mkdir fsync utime
setxattr""".split()
# What is wrapped, whether a call counts, and the kind, where calls that follow each other are of one.
CALLS = (
    (os, "open", _creates, None),
    (os, "pwrite", None, "write"),
    (os, "write", _to_file, "write"),
    *((os, name, None, None) for name in OF_FILES),
    (fcntl, "ioctl", None, None),
    # After the call the command runs, and outlives the process.
    (subprocess.Popen, "__init__", None, None),
    (libvirt.virStoragePool, "createXML", None, None),
    (libvirt.virStoragePool, "refresh", None, None),
    *((libvirt.virStorageVol, name, None, None) for name in ("delete", "upload", "resize")),
    *((libvirt.virStream, name, None, "send") for name in ("send", "sendHole")),
    *((libvirt.virStream, name, None, None) for name in ("finish", "abort")),
    (libvirt.virConnect, "defineXMLFlags", None, None),
    *((libvirt.virDomain, name, None, None) for name in ("create", "setAutostart", "undefineFlags", "shutdownFlags")),
    *((libvirt.virDomain, name, None, None) for name in ("createWithFlags", "resume", "shutdown")),
    *((libvirt.virDomain, name, None, None) for name in ("destroy", "blockPull", "blockResize")),
)


@dataclass(frozen=True, order=True)
class Point:
    """Where a process ends: before or after the effect of one of its calls."""

    index: int
    when: str
    call: str

    def __str__(self) -> str:
        return f"{self.when} #{self.index} {self.call}"


class Watch:
    """Wraps the calls of this process for good; `end` is where it ends."""

    def __init__(self, end: Optional[Point] = None) -> None:
        self.seen: list[tuple[str, str]] = []
        self._end = end
        self._inside = False
        for owner, name, counts, kind in CALLS:
            setattr(owner, name, self._wrapped(getattr(owner, name), owner, name, counts, kind))

    def _wrapped(self, original, owner, name, counts, kind):
        def call(*arguments, **options):
            # What a call does within itself is part of it.
            if self._inside or (counts and not counts(*arguments, **options)):
                return original(*arguments, **options)
            index = len(self.seen)
            rows = kind or ("temporary" if self._is_temporary(arguments, options) else None)
            said = f"{owner.__name__}.{name}({', '.join(filter(None, map(_short, arguments)))})"
            self.seen.append((rows or said, said))
            self._inside = True
            try:
                self._end_at(index, BEFORE)
                return original(*arguments, **options)
            finally:
                self._end_at(index, AFTER)
                self._inside = False

        return call

    def _is_temporary(self, arguments, options) -> bool:
        """Return whether this is work in a temporary folder: of such calls many follow each other."""
        first = arguments[0] if arguments else None
        # shutil.rmtree has the folder open.
        return options.get("dir_fd") is not None or (isinstance(first, str) and first.startswith(tempfile.gettempdir()))

    def _end_at(self, index: int, when: str) -> None:
        if self._end and (self._end.index, self._end.when) == (index, when):
            os._exit(KILLED)


def points_of(seen, every: bool = False, each: int = 1) -> list[Point]:
    """Return where to end a process that made these calls: of many of a kind in a row at the first, middle, last.

    After one call is before the next, but for a command that then still runs; with `every`, both are taken. Of the
    points that are not CRITICAL, each n-th is taken.
    """
    found, index = [], 0
    for _kind, row in groupby(seen, key=lambda one: one[0]):
        calls = [said for _kind, said in row]
        for place in sorted({0, len(calls) // 2, len(calls) - 1}):
            whens = (BEFORE, AFTER) if every or not index + place or RUNS in calls[place] else (AFTER,)
            found += [Point(index + place, when, calls[place]) for when in whens]
            if RUNS in calls[place] and index + place + 1 < len(seen):
                found.append(Point(index + place + 1, BEFORE, seen[index + place + 1][1]))
        index += len(calls)
    found = list(dict.fromkeys(found))
    critical = [one for one in found if one.when == AFTER and any(name in one.call for name in CRITICAL)]
    others = [one for one in found if one not in critical]
    return sorted([*critical, *others[::each]])


def _short(value) -> str:
    """Return an argument in a few letters."""
    if isinstance(value, str):
        return " ".join(value.split())[:40] if value.startswith("<") else os.path.basename(value)[-40:]
    if isinstance(value, (list, tuple)):
        # Of a command the end says more, and a program may be in the middle.
        return " ".join(_short(one) for one in value if "\n" not in str(one))[-60:]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, (libvirt.virStorageVol, libvirt.virStoragePool, libvirt.virDomain)):
        return value.name()
    return str(value) if isinstance(value, int) else ""
