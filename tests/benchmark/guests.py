# SPDX-License-Identifier: GPL-3.0-or-later
"""The same guests, made by this collection, by others, and by libvirt's bindings alone; then all of it once more."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from measure import ratio, seconds_of, table, take_turns
from place import HERE, HOST_PYTHON, NAME, PREFIX, URI, Place, make_place

GUESTS = 50
SIZES = (50, 100, 200)
# Runs Python, and notes how much memory in KiB that took at most.
NOTING_PYTHON = f"""#!{HOST_PYTHON}
import os, resource, subprocess, sys
code = subprocess.call(["{HOST_PYTHON}", *sys.argv[1:]])
with open(os.environ["BENCHMARK_PEAK"], "a", encoding="ascii") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(code)
"""
# What others are measured by.
FLOOR = "ansible-floor"


def floor(place: Place, number: int) -> None:
    told = {"uri": URI, "pool": NAME, "base": place.base, "prefix": PREFIX, "guests": number}
    place.run(HOST_PYTHON, HERE / "module_utils/libvirt_floor.py", json.dumps(told))


def ansible_floor(place: Place, number: int) -> None:
    place.play("floor", number)


def guests(place: Place, number: int) -> None:
    place.play("guests", number)


def appliance(place: Place, number: int) -> None:
    place.play("appliance", number)


def community(place: Place, number: int) -> None:
    place.play("community", number)


def virt_install(place: Place, number: int) -> None:
    """A loop in a shell: volumes and domains that are there are left alone."""
    place.run("bash", HERE / "virt_install.sh", URI, NAME, place.base, PREFIX, str(number))


ROWS = {
    "floor": floor,
    FLOOR: ansible_floor,
    "guests": guests,
    "appliance": appliance,
    "community.libvirt": community,
    "virt-install": virt_install,
}


def twice(place: Place, row: str, number: int) -> tuple[float, float]:
    """Return the seconds of the first run and of the re-run."""
    place.clear()
    first = seconds_of(lambda: ROWS[row](place, number))
    place.check(number)
    again = seconds_of(lambda: ROWS[row](place, number))
    place.check(number)
    return first, again


def compare(folder: str | None, rounds: int) -> str:
    """Return the table of all rows with GUESTS guests."""
    with make_place(folder) as place:
        taken = take_turns(ROWS, rounds, lambda row: twice(place, row, GUESTS))
    runs = {row: tuple(zip(*found)) for row, found in taken.items()}
    lines = []
    for row, (first, again) in runs.items():
        medians = [statistics.median(first), ratio(first, runs[FLOOR][0]), statistics.median(again), ratio(again, runs[FLOOR][1])]
        lines.append([row, *medians])
    return table([f"{GUESTS} guests", "first run s", f"/ {FLOOR}", "re-run s", f"/ {FLOOR}"], lines)


def grow(folder: str | None, rounds: int) -> str:
    """Return the table of what each further guest costs."""
    rows = ("floor", FLOOR, "guests")
    with make_place(folder) as place:
        keys = [f"{row} {number}" for row in rows for number in SIZES]
        found = take_turns(keys, rounds, lambda key: twice(place, key.split()[0], int(key.split()[1])))
    lines = []
    for row in rows:
        for run, told in enumerate(("first run", "re-run")):
            seconds = [statistics.median(one[run] for one in found[f"{row} {number}"]) for number in SIZES]
            further = [1000 * (seconds[end] - seconds[end - 1]) / (SIZES[end] - SIZES[end - 1]) for end in (1, 2)]
            whole = 1000 * (seconds[-1] - seconds[0]) / (SIZES[-1] - SIZES[0])
            lines.append([f"{row}, {told}", *seconds, *further, whole])
    heads = [f"{number} s" for number in SIZES]
    steps = [f"ms a guest, {SIZES[end - 1]} to {SIZES[end]}" for end in (1, 2)]
    return table(["guests", *heads, *steps, f"{SIZES[0]} to {SIZES[-1]}"], lines)


def remember(folder: str | None, rounds: int) -> str:
    """Return the table of the largest memory that a module's process had on the host."""
    number = SIZES[-1]

    def peak(place: Place, row: str) -> tuple[float, ...]:
        place.clear()
        return tuple(_peak_mib(place, row, number) for _run in range(2))

    with make_place(folder) as place:
        taken = take_turns(("floor", "guests"), rounds, lambda row: peak(place, row), warm=False)
    rows = [[row, *(statistics.median(run) for run in zip(*found))] for row, found in taken.items()]
    return table([f"{number} guests", "first run MiB", "re-run MiB"], [[{"floor": FLOOR}.get(row, row), *rest] for row, *rest in rows])


def _peak_mib(place: Place, row: str, number: int) -> float:
    told, python = place.folder / "peak", place.folder / "python"
    python.write_text(NOTING_PYTHON)
    python.chmod(0o755)
    told.unlink(missing_ok=True)
    place.play(row, number, {"ansible_python_interpreter": str(python)}, BENCHMARK_PEAK=str(told))
    return max(map(int, Path(told).read_text().split())) / 1024
