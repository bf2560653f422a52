# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img, held to its files, its formats, and to so much memory, time and disk as its work can need.

Each file is opened by the driver that is said and together with no file but those that are said, so that nothing in a
stranger's file is probed or followed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import Optional

from .._core.errors import ImageError
from .._core.header import HEADER_BYTES, TAIL_BYTES, Header, read_header
from .._core.names import plain
from .._core.units import MIB, show_size
from .jobs import Job

GIB = 1024 * MIB
# What OpenStack's Nova and Cinder allow. qemu-img 7.2 needs 200 MiB of it for each format at up to 64 TiB, and 8 MiB
# more for each of its threads, of which there are at most 64.
MEMORY = GIB
STACK = 8 * MIB
# Seconds of processor and wall-clock time: to begin with, and for each GiB of the disk. A slow machine unpacks 1 GiB in
# 10 s, a slow disk takes 100 s for it.
SHORT, LONG = (30, 300), (300, 3600)
PER_GIB = (30, 120)
LONGEST = 24 * 3600
# Beyond the disk itself: the tables of the format, at most 8 bytes for each 4 KiB (qcow), and the ends of its blocks.
TABLES, ENDS = 256, 64 * MIB
MAX_LAYERS = 200
PIPE_BYTES = 65536
# A percentage with what is around it has 17 letters.
TOLD_BYTES = 50
READ_SECONDS = 1
WITH_BACKING = ("qcow", "qcow2", "vmdk")
# Says the limits, then becomes qemu-img. Its own process, as ours may have threads, between whose locks nothing but an
# exec is safe after a fork (so subprocess' preexec_fn is not); not prlimit, which is not on each system.
# It dies with us: what is killed must not leave somebody who still writes to a file that the next run fills
# (prctl(2), PR_SET_PDEATHSIG).
LAUNCHER = """
import os, resource, signal, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv.pop(1)):
    os._exit(1)
for told in sys.argv[1].split():
    name, value = told.split("=")
    kind = getattr(resource, name)
    soft, hard = resource.getrlimit(kind)
    value = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
    resource.setrlimit(kind, (value, hard if kind == resource.RLIMIT_CPU else value))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Limits:
    """What one run may use: bytes of memory and of the file that it writes, seconds of processor and wall clock."""

    memory: int
    file: int
    processor: int
    clock: int

    @classmethod
    def of(cls, capacity: int, moves_data: bool) -> Limits:
        """Return what work on a disk of a capacity may use."""
        begin, gib = LONG if moves_data else SHORT, capacity // GIB if moves_data else 0
        processor, clock = (min(LONGEST, least + each * gib) for least, each in zip(begin, PER_GIB))
        return cls(MEMORY, capacity + capacity // TABLES + ENDS, processor, clock)


def convert(
    source_path: str, source_format: str, target_path: str, target_format: str, job: Optional[Job] = None
) -> None:
    """Write the disk of one file, which builds on no other, to another file and format; raise ImageError.

    This and what else moves data has a `job`, which tells its percentage.
    """
    header = _header(source_path, source_format)
    if header.backing:
        raise ImageError("builds on another file; what is converted stands alone", source_path)
    command = ["convert", "-O", target_format, _told(_node(source_path, source_format)), os.path.abspath(target_path)]
    what = f"convert {source_path} from {source_format} to {target_format}"
    _run(command, what, Limits.of(header.capacity, True), target_path, job)


def flatten(layers: list, target_path: str, job: Optional[Job] = None) -> None:
    """Write a chain of files as one qcow2 that stands alone; `layers` are (path, format) from the top to the bottom.

    Raises ImageError where the files do not say that they have something below them, or that they have nothing.
    """
    node, capacity = None, 0
    for number, (path, format) in reversed(list(enumerate(layers, 1))):
        header = _header(path, format)
        if bool(header.backing) != (number < len(layers)):
            says = f"builds on {header.backing!r:.80}" if header.backing else "builds on no other file"
            raise ImageError(f"{says}, and is number {number} of {len(layers)} files to flatten", path)
        node, capacity = _node(path, format, node), header.capacity
    command = ["convert", "-O", "qcow2", _told(node), os.path.abspath(target_path)]
    _run(command, f"flatten {layers[0][0]}", Limits.of(capacity, True), target_path, job)


def create(path: str, format: str, capacity: int, backing: Optional[tuple] = None) -> None:
    """Make an empty disk, or an overlay on a `backing` (path, format), which is not opened for that."""
    options = ["-u", "-b", os.path.abspath(backing[0]), "-F", backing[1]] if backing else []
    command = ["create", "-q", "-f", format, *options, os.path.abspath(path), str(capacity)]
    _run(command, f"create {path}", Limits.of(capacity, False), path)


def grow(path: str, format: str, capacity: int) -> None:
    """Grow a disk file, which nobody has open, to its capacity in bytes."""
    command = ["resize", "-q", _told(_written(path, format)), str(capacity)]
    _run(command, f"grow {path}", Limits.of(capacity, True))


def commit(path: str, below: str, format: str, job: Optional[Job] = None) -> None:
    """Write what is in a qcow2 overlay into the file below it, of that format, and not deeper; the overlay stays as it is.

    Killed and run again, it comes to the same. Raises ImageError where the overlay builds on another file.
    """
    header = _header(path, "qcow2")
    found = os.path.join(os.path.dirname(os.path.abspath(path)), header.backing or "")
    if not header.backing or not _is_one(found, below) or header.backing_format != format:
        raise ImageError(
            f"builds on {header.backing or 'no other file'!r:.80} ({header.backing_format}), and {below} ({format}) was "
            "expected",
            path,
        )
    command = ["commit", "-d", _told(_node(path, "qcow2", _written(below, format)))]
    _run(command, f"merge {path} into {below}", Limits.of(header.capacity, True), job=job)


def window(path: str, format: str, place: tuple, begin: int, length: int) -> bytes:
    """Return bytes of the disk in a file, which its caller has looked at, and which builds on no other.

    `place` is where the disk's file is within `path` (first byte, number of bytes): all of it, or a part of an archive.
    """
    told = _node(path, format)
    first, size = place
    # QEMU counts sectors; an archive has zeros up to the end of one.
    told["file"] = {"driver": "raw", "offset": first, "size": -(-size // 512) * 512, "file": told["file"]} if first else told["file"]
    piece = {"driver": "raw", "offset": begin, "size": length, "file": told}
    with tempfile.TemporaryDirectory(prefix="virt-image-") as folder:
        target = os.path.join(folder, "window")
        _run(["convert", "-O", "raw", _told(piece), target], f"read {path}", Limits.of(length, False), target)
        with open(target, "rb") as file:
            return file.read()


def layers_of(path: str, format: str) -> list:
    """Return the chain of a file, from the top, as (path, format): what its header names, where that says the format."""
    layers = [(path, format)]
    while True:
        header = _header(path, format)
        if not header.backing:
            return layers
        if not header.backing_format or len(layers) == MAX_LAYERS:
            raise ImageError(
                f"builds on {header.backing!r:.80} without saying its format; qemu-img rebase -u -F writes it down", path
            )
        path, format = os.path.join(os.path.dirname(os.path.abspath(path)), header.backing), header.backing_format
        layers.append((path, format))


def capacity_of(path: str, format: str) -> int:
    """Return the virtual size of a disk file in bytes; raise ImageError."""
    return _header(path, format).capacity


def _is_one(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def _node(path: str, format: str, backing: Optional[dict] = None) -> dict:
    """Return a file as QEMU's block options, all that it may open said."""
    path = os.path.abspath(path)
    protocol = "host_device" if os.path.exists(path) and stat.S_ISBLK(os.stat(path).st_mode) else "file"
    node = {"driver": format, "file": {"driver": protocol, "filename": path}}
    return {**node, "backing": backing} if format in WITH_BACKING else node


def _written(path: str, format: str, left: int = MAX_LAYERS) -> dict:
    """Return a file with what its header says that it builds on, down to the end.

    An overlay is only grown together with that: where it is the shorter one, what is new in it is to read as zeros.
    """
    header = _header(path, format)
    if not header.backing:
        return _node(path, format)
    if not header.backing_format or not left:
        raise ImageError(
            f"builds on {header.backing!r:.80} without saying its format; qemu-img rebase -u -F writes it down", path
        )
    below = os.path.join(os.path.dirname(os.path.abspath(path)), header.backing)
    return _node(path, format, _written(below, header.backing_format, left - 1))


def _told(node: Optional[dict]) -> str:
    return f"json:{json.dumps(node)}"


def _header(path: str, format: str) -> Header:
    """Return what a file says of itself; a raw one says nothing, and whoever has its disk can write what it likes."""
    try:
        # A FIFO would hold us up until its writer comes.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
                raise ImageError("is no plain file", path)
            size = file.seek(0, os.SEEK_END)
            if format == "raw":
                return Header("raw", size)
            file.seek(max(0, size - TAIL_BYTES))
            tail = file.read(TAIL_BYTES)
            file.seek(0)
            header = read_header(file.read(HEADER_BYTES), size, path, tail)
    except (OSError, ValueError) as error:
        # A null character in the name is the second.
        raise ImageError(f"cannot read: {getattr(error, 'strerror', None) or error}", plain(path)) from None
    if header.format != format:
        raise ImageError(f"is {header.format}; {format} was expected", path)
    return header


def _run(command: list, what: str, limits: Limits, made: Optional[str] = None, job: Optional[Job] = None) -> None:
    """Run qemu-img; where it fails, what it `made` is removed, and an ImageError says why."""
    what = f"cannot {plain(what)}"
    tool = shutil.which("qemu-img")
    if not tool:
        raise ImageError(f"{what}: qemu-img is missing on this host; install qemu-utils (qemu-img)")
    if any("\0" in word for word in command):
        raise ImageError(f"{what}: a name holds a null character")
    why = "interrupted, as nothing else is said"
    try:
        with _Percentage(job) as told:
            why = _failure(_launched([tool, command[0], *told.options, *command[1:]], limits, told.output), limits)
    except OSError as error:
        why = f"qemu-img does not start ({error.strerror})"
    finally:
        if why and made:
            _remove(made)
    if why:
        raise ImageError(f"{what}: {why}")


class _Percentage:
    """What qemu-img tells of how far it is, while it runs: the options for that, its output, and the last number.

    It may write without end (commit does at each turn of its loop while it is at 0 %), and waits where nobody reads. So a
    thread reads, whether anybody looks or not; where nobody ever will, nothing is written and nothing read.
    """

    def __init__(self, job: Optional[Job]) -> None:
        self._job = job if job and job.watched else None
        self.options, self.output = (["-p"], 0) if self._job else ([], subprocess.DEVNULL)
        self._told, self._last = b"", None
        self._reader: Optional[threading.Thread] = None

    def __enter__(self) -> _Percentage:
        if self._job:
            pipe, self.output = os.pipe()
            self._reader = threading.Thread(target=self._read, args=(pipe,), name="percentage", daemon=True)
            self._reader.start()
            self._job.look = self._look
        return self

    def __exit__(self, *_exception) -> None:
        if self._reader:
            os.close(self.output)
            # It ends with the last one who could write. That was qemu-img, unless that is a script which left somebody.
            self._reader.join(READ_SECONDS)

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb", buffering=0) as file:
            while piece := file.read(PIPE_BYTES):
                self._told = (self._told + piece)[-TOLD_BYTES:]

    def _look(self) -> Optional[float]:
        found = re.findall(rb"\(([0-9.]+)/100%\)", self._told)
        self._last = float(found[-1]) if found else self._last
        return self._last


def _launched(command: list, limits: Limits, output: int) -> Optional[subprocess.CompletedProcess]:
    """Return a process that has ended, or None where its time was over; it is killed and gone then."""
    told = {
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_CPU": limits.processor,
        "RLIMIT_STACK": STACK,
        "RLIMIT_CORE": 0,
    }
    rows = " ".join(f"{name}={value}" for name, value in told.items())
    launcher = [sys.executable or "python3", "-I", "-S", "-c", LAUNCHER, str(os.getpid()), rows]
    # With a heap for each thread, the C library would reserve 64 MiB of address space for each.
    own = {**os.environ, "LC_ALL": "C", "MALLOC_ARENA_MAX": "1"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.PIPE}
    try:
        # AnsibleModule.run_command has no limit of time.
        return subprocess.run(  # pylint: disable=ansible-bad-function
            [*launcher, *command], timeout=limits.clock, check=False, env=own, **quiet
        )
    except subprocess.TimeoutExpired:
        return None


def _failure(done: Optional[subprocess.CompletedProcess], limits: Limits) -> str:
    """Return why qemu-img failed, with the limit if it was one, or an empty text where it did not."""
    if done is None:
        return f"qemu-img took more than {limits.clock} s"
    if not done.returncode:
        return ""
    words = " ".join(done.stderr.decode("utf-8", "replace").split())[-500:]
    if done.returncode == -signal.SIGXCPU:
        return f"qemu-img took more than {limits.processor} s of processor time"
    if done.returncode == -signal.SIGXFSZ or re.search("file too large|size is too large", words, re.IGNORECASE):
        return f"qemu-img wrote more than {show_size(limits.file)}, which no disk of that size needs"
    if re.search("allocate|qemu_thread_create", words):
        return f"qemu-img needs more than {show_size(limits.memory)} of memory ({words})"
    return words or f"qemu-img ended with {done.returncode}"


def _remove(path: str) -> None:
    """Remove a plain file, if it is there; a device or a link stays."""
    try:
        if stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
    except OSError:
        pass
