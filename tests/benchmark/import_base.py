# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to bring a disk file to its place with its SHA-256 known, beside `cp` and a SHA-256 of the same file.

Each row is whole processes, from their start to their end, with the file in the page cache. `cp` does not sync, and the
row that is measured by it does: hence the rows with and without.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import ratio, table, take_turns
from place import BASE_MIB, MIB, ROOT

SHA256 = """
import hashlib, sys
digest, block = hashlib.sha256(), memoryview(bytearray(256 * 1024))
with open(sys.argv[1], "rb", buffering=0) as file:
    while count := file.readinto(block):
        digest.update(block[:count])
print(digest.hexdigest())
"""
POUR = """
import os, sys
from ansible_collections.virt.image.plugins.module_utils._io.pump import FileWriter, pour
source, target, sync = sys.argv[1:]
part = target + ".part"
descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
with open(source, "rb") as reader:
    poured = pour(reader, FileWriter(descriptor), ["sha256"], source, None)
os.fchmod(descriptor, 0o444)
if sync == "sync":
    os.fsync(descriptor)
os.close(descriptor)
os.rename(part, target)
print(poured.digests["sha256"])
"""


@dataclass(frozen=True)
class Copying:
    """Where it goes on: the file, what becomes of it, and the environment of the processes."""

    source: str
    target: str
    environment: dict

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()


def cp(copying: Copying) -> str:
    """What the others are measured by."""
    copying.run("cp", copying.source, copying.target)
    return copying.run(sys.executable, "-c", SHA256, copying.source)


def cp_and_sync(copying: Copying) -> str:
    copying.run("cp", copying.source, copying.target)
    copying.run("sync", copying.target)
    return copying.run(sys.executable, "-c", SHA256, copying.source)


def poured(copying: Copying) -> str:
    return copying.run(sys.executable, "-c", POUR, copying.source, copying.target, "no sync")


def poured_and_synced(copying: Copying) -> str:
    return copying.run(sys.executable, "-c", POUR, copying.source, copying.target, "sync")


# The first is the measure. A row is a name and a function that makes the target and returns the source's SHA-256.
FIRST = "cp; python3 SHA-256"
ROWS = {
    FIRST: cp,
    "cp; sync; python3 SHA-256": cp_and_sync,
    "pour, rename": poured,
    "pour, fsync, rename": poured_and_synced,
}


def bring(folder: str | None, rounds: int) -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory(prefix="virt-image-benchmark.", dir=folder) as place:
        copying = _prepare(place)
        taken = take_turns(ROWS, rounds, lambda row: _measure(copying, row))
    if len({digest for found in taken.values() for _seconds, _cpu, digest in found}) != 1:
        raise SystemExit("the rows have different digests")
    first = [seconds for seconds, _cpu, _digest in taken[FIRST]]
    lines = []
    for row, found in taken.items():
        seconds, cpu, _digests = zip(*found)
        lines.append([row, statistics.median(seconds), min(seconds), ratio(seconds, first), statistics.median(cpu)])
    return table([f"{BASE_MIB} MiB", "median s", "least s", f"/ {FIRST}", "CPU s"], lines)


def _measure(copying: Copying, row: str) -> tuple[float, float, str]:
    """Return seconds, seconds of CPU, and the digest that was found."""
    # What the row before left to write is not this one's.
    os.sync()
    cpu, start = _cpu_seconds(), time.perf_counter()
    digest = ROWS[row](copying)
    taken = time.perf_counter() - start, _cpu_seconds() - cpu
    subprocess.run(["cmp", copying.source, copying.target], check=True)
    os.unlink(copying.target)
    return (*taken, digest)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _prepare(folder: str) -> Copying:
    """Make the file, and a tree in which the collection is found."""
    source = os.path.join(folder, "disk.qcow2")
    with open(source, "wb") as file:
        file.write(b"QFI\xfb\0\0\0\3")
        for _turn in range(BASE_MIB):
            file.write(os.urandom(MIB))
    link = Path(folder, "path", "ansible_collections", "virt", "image")
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    environment = {**os.environ, "PYTHONPATH": os.path.join(folder, "path")}
    return Copying(source, os.path.join(folder, "base.qcow2"), environment)
