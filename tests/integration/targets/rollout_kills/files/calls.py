# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees each call of a process that changes the world, and ends the process at one of them as SIGKILL would.

Three nets, so that nothing slips through: all of libvirt's C module, where what is not known to only look counts; the
audit events of Python, which it raises for what it does to files and for the programs that it starts; and the calls that
write and have no such event.
"""

from __future__ import annotations

import builtins
import io
import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from typing import Optional

import libvirt

KILLED = 137
BEFORE, AFTER = "before", "after"
# What goes on by itself after the call has returned: it is ended there too, not only before the next call.
LASTING = ("subprocess.Popen", "virDomainBlockCommit", "virDomainBlockPull", "virDomainShutdown")

# What of libvirt's C module only looks, or concerns this process and its connection alone. The verb follows the name of an
# object; a capital letter, or nothing, must follow the verb (a pool's Ref is none, its Refresh counts).
OBJECTS = """Conn Connect Domain DomainSnapshot DomainCheckpoint Network NetworkPort Node NodeDevice StoragePool StorageVol
Stream Secret Interface NWFilter NWFilterBinding""".split()
VERBS = "Get Lookup List Is Has NumOf Num Free Ref Open Close Compare Baseline Current".split()
LOOKS = re.compile(
    rf"""vir({'|'.join(OBJECTS)})?({'|'.join(VERBS)})(?![a-z]).*|vir\w+_pointer|virEvent.*|virStream(New|Recv|Event).*
    |virConnect((Domain|Network|StoragePool|NodeDevice|Secret)Event|Register|Unregister).*|virConnect(SetKeepAlive|SetIdentity)
    |virConnResetLastError|virResetLastError|virRegisterErrorHandler|virInitialize|virConnectDomainXML.*|virStorageVolDownload
    |virDomain(InterfaceAddresses|InterfaceStats|BlockStats.*|MemoryStats|MemoryPeek|BlockPeek|Screenshot)""",
    re.VERBOSE,
)
# Audit events of Python (https://docs.python.org/3/library/audit_events.html) for what changes files or runs programs.
EVENTS = """os.rename os.remove os.mkdir os.rmdir os.chmod os.chown os.chflags os.truncate os.link os.symlink os.setxattr
os.removexattr os.utime os.system os.exec os.posix_spawn os.spawn os.fork os.forkpty os.kill os.killpg subprocess.Popen
os.lockf fcntl.ioctl fcntl.lockf shutil.unpack_archive shutil.make_archive""".split()
# Calls of os without an event.
SILENT = """write pwrite writev pwritev fsync fdatasync posix_fallocate copy_file_range sendfile splice mkfifo mknod sync
""".split()
DIGEST = re.compile("sha256-[0-9a-f]{64}")
FILE_CALLS = ("write", "writelines", "truncate")


@dataclass(frozen=True, order=True)
class Point:
    """Where a process ends: before one of its calls, or just after it; with a negative index, at the first that is so named."""

    index: int
    when: str
    call: str

    def __str__(self) -> str:
        return f"{'after ' if self.when == AFTER else ''}{self.call}"


class Watch:
    """Counts this process' calls from now on; `end` is where it ends. `told` writes down the calls, as they come."""

    def __init__(self, told, end: Optional[Point] = None) -> None:
        self._told, self._end = told, end
        self._count = 0
        self._inside = False
        self.looked: set = set()
        self._module = libvirt.libvirtmod
        libvirt.libvirtmod = _Module(self._module, self)
        for name in SILENT:
            if hasattr(os, name):
                setattr(os, name, self._wrapped(getattr(os, name), f"os.{name}"))
        # It has events of its own inside: those of its pipes, of the fork.
        subprocess.Popen.__init__ = self._wrapped(subprocess.Popen.__init__, "subprocess.Popen")
        builtins.open = io.open = self._opener(io.open)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if self._inside:
            return
        if event == "open":
            path, _mode, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and path != os.devnull:
                self.count("open", (path,))
        elif event in EVENTS:
            self.count(event, arguments)

    def count(self, name: str, arguments: tuple, when: str = BEFORE) -> None:
        """Note a call before it is made, and end here if this is the place; `when`: or after it was made."""
        if when == BEFORE:
            self._count += 1
            kind = self._short if name.startswith("vir") else short
            self._told(f"{name}({', '.join(filter(None, map(kind, arguments)))})")
        end = self._end
        if end and end.when == when and (end.index == self._count - 1 or end.index < 0 and end.call == name):
            os._exit(KILLED)

    def _short(self, value) -> str:
        """Return an argument of libvirt in a few letters; a number is a flag or a size."""
        if isinstance(value, int):
            return ""
        kind = re.match('<capsule object "(vir(?:Domain|StoragePool|StorageVol))Ptr"', repr(value))
        if kind:
            return getattr(self._module, f"{kind[1]}GetName")(value)
        return short(value)

    def _wrapped(self, original, name: str):
        def call(*arguments, **options):
            if self._inside or (name.startswith("os.") and not _is_of_file(arguments)):
                return original(*arguments, **options)
            self.count(name, arguments)
            self._inside = True
            try:
                return original(*arguments, **options)
            finally:
                self._inside = False
                self.count(name, arguments, AFTER)

        return call

    def called(self, name: str, original, arguments: tuple):
        """Make a call of libvirt's C module."""
        if LOOKS.fullmatch(name):
            self.looked.add(name)
            return original(*arguments)
        self.count(name, arguments)
        try:
            return original(*arguments)
        finally:
            self.count(name, arguments, AFTER)

    def _opener(self, original):
        def open(file, *arguments, **options):
            made = original(file, *arguments, **options)
            if self._inside or not made.writable() or not _is_of_file((made,)):
                return made
            return _File(made, self)

        return open


class _Module:
    """libvirt's C module, whose calls are seen."""

    def __init__(self, module, watch: Watch) -> None:
        self._module, self._watch = module, watch

    def __getattr__(self, name: str):
        original = getattr(self._module, name)
        if not callable(original):
            return original
        return lambda *arguments: self._watch.called(name, original, arguments)


class _File:
    """A file that is open for writing, of which each write is seen."""

    def __init__(self, file, watch: Watch) -> None:
        self.__dict__.update(_file=file, _watch=watch)

    def __getattr__(self, name: str):
        original = getattr(self._file, name)
        if name not in FILE_CALLS:
            return original

        def call(*arguments):
            self._watch.count(f"file.{name}", (self._file.name, *arguments))
            return original(*arguments)

        return call

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *exception):
        return self._file.__exit__(*exception)

    def __iter__(self):
        return iter(self._file)


def _is_of_file(arguments: tuple) -> bool:
    """Return whether a call is about a file on a disk: pipes and sockets hold nothing that stays."""
    first = arguments[0] if arguments else None
    if isinstance(first, str):
        return True
    try:
        mode = os.fstat(first if isinstance(first, int) else first.fileno()).st_mode
    except (OSError, AttributeError, ValueError, TypeError):
        return True
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISDIR(mode)


def points_of(calls: list[str]) -> tuple[list[Point], int]:
    """Return where to end a process that makes these calls, and how many are left out.

    Of the same call many times in a row (a file that is written piece by piece): the first, one in the middle, the last.
    """
    found, index, left = [], 0, 0
    for _call, row in groupby(calls, lambda call: re.sub(r"\d+ bytes", "", call)):
        length = len(list(row))
        places = sorted({0, length // 2, length - 1})
        found += [Point(index + place, BEFORE, calls[index + place]) for place in places]
        if calls[index].partition("(")[0].startswith(LASTING):
            found.append(Point(index + length - 1, AFTER, calls[index]))
        left += length - len(places)
        index += length
    return found, left


def short(value) -> str:
    """Return an argument in a few letters; a number may be that of an open file."""
    if isinstance(value, str):
        name = re.search("<name>(.*?)</name>", value) if value.startswith("<") else None
        return name[1] if name else DIGEST.sub("sha256-...", os.path.basename(value))[-50:]
    if isinstance(value, (list, tuple)):
        # Of a command the end says more, and a program may be in the middle.
        return " ".join(short(one) for one in value if "\n" not in str(one))[-50:]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, int) and not isinstance(value, bool) and value > 2:
        try:
            return short(os.readlink(f"/proc/self/fd/{value}"))
        except OSError:
            # A size.
            return ""
    return ""
