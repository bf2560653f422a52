# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what it costs to bring a disk file to its place, beside `cp` and a SHA-256 of the same file.

    python3 tests/benchmark/import_base.py [--folder FOLDER] [--rounds N] [--mib N]

Each row is whole processes, from their start to their end. The rows take turns, so that a machine that is busy for a
while is so for all of them.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
LEAST_ROUNDS = 5
GOAL = 1.25

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
class Place:
    """Where the measuring goes on: the file, what becomes of it, and the environment of the processes."""

    source: str
    target: str
    environment: dict

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()


def cp(place: Place) -> str:
    """What the others are measured by."""
    place.run("cp", place.source, place.target)
    return place.run(sys.executable, "-c", SHA256, place.source)


def cp_and_sync(place: Place) -> str:
    place.run("cp", place.source, place.target)
    place.run("sync", place.target)
    return place.run(sys.executable, "-c", SHA256, place.source)


def poured(place: Place) -> str:
    return place.run(sys.executable, "-c", POUR, place.source, place.target, "no sync")


def poured_and_synced(place: Place) -> str:
    return place.run(sys.executable, "-c", POUR, place.source, place.target, "sync")


# The first is the measure. A row is a name and a function that makes the target and returns the source's SHA-256.
ROWS = {
    "cp; python3 SHA-256": cp,
    "cp; sync; python3 SHA-256": cp_and_sync,
    "pour, rename": poured,
    "pour, fsync, rename": poured_and_synced,
}


def measure(place: Place, rounds: int) -> dict:
    """Return (seconds, seconds of CPU) of each row in each round, after one round that only warms up."""
    taken: dict = {name: [] for name in ROWS}
    for turn in range(rounds + 1):
        digests = set()
        # In another order each time, as what one leaves behind may slow down the next.
        for name in random.Random(turn).sample(list(ROWS), len(ROWS)):
            # What the row before left to write is not this one's.
            os.sync()
            cpu, start = cpu_seconds(), time.perf_counter()
            digests.add(ROWS[name](place))
            seconds = time.perf_counter() - start, cpu_seconds() - cpu
            subprocess.run(["cmp", place.source, place.target], check=True)
            os.unlink(place.target)
            if turn:
                taken[name].append(seconds)
        if len(digests) != 1:
            raise SystemExit(f"the rows have different digests: {digests}")
    return taken


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(taken: dict) -> str:
    """Render what rows took as a table; a ratio is the median of the rounds' ratios to the first row."""
    lines = [f"{'':28}{'median s':>10}{'least s':>10}{'ratio':>8}{'CPU s':>10}"]
    first = [seconds for seconds, _cpu in next(iter(taken.values()))]
    for name, both in taken.items():
        seconds, cpu = zip(*both)
        ratio = statistics.median(one / other for one, other in zip(seconds, first))
        median = statistics.median(seconds)
        lines.append(f"{name:28}{median:10.3f}{min(seconds):10.3f}{ratio:8.2f}{statistics.median(cpu):10.3f}")
    return "\n".join(lines)


def prepare(folder: str, mib: int) -> Place:
    """Make the file, and a tree in which the collection is found."""
    source = os.path.join(folder, "disk.qcow2")
    with open(source, "wb") as file:
        file.write(b"QFI\xfb\0\0\0\3")
        for _turn in range(mib):
            file.write(os.urandom(MIB))
    link = Path(folder, "path", "ansible_collections", "virt", "image")
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    environment = {**os.environ, "PYTHONPATH": os.path.join(folder, "path")}
    return Place(source, os.path.join(folder, "base.qcow2"), environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="on the file system to measure (default: TMPDIR)")
    parser.add_argument("--rounds", type=int, default=9, help=f"at least {LEAST_ROUNDS} (default: 9)")
    parser.add_argument("--mib", type=int, default=318, help="size of the file (default: 318)")
    arguments = parser.parse_args()
    if arguments.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds must be at least {LEAST_ROUNDS}")
    with tempfile.TemporaryDirectory(prefix="import_base.", dir=arguments.folder) as folder:
        print(table(measure(prepare(folder, arguments.mib), arguments.rounds)))
    print(f"goal: {GOAL} or less for the last row")


if __name__ == "__main__":
    main()
