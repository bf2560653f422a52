# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the module generation at each of its calls that change something, and prints what became of the guest."""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext

OWN: dict = {}
# So many points are one worker's at a time.
SLICE = 2
# Of each column: on which generation the guest is after the kill, and whether it runs; then on which version it is after the
# next run, and whether it runs; then the boots of which the user disk must still tell, and those of which it tells in the end.
HEADS = {
    "kill": "killed; the next run finishes",
    "power": "and loses its power; the next run finishes",
    "off": "and stays off; the next run finishes",
    "back": "killed; the next run goes back",
}


def main() -> int:
    """Walk all phases, print the matrix, and return whether a point failed."""
    options, begun = _options(), time.monotonic()
    sys.path += options.path
    daemons = importlib.import_module("daemons")
    with daemons.own_daemons() if options.own else nullcontext():
        return _work(options, begun)


def _work(options, begun: float) -> int:
    """Walk the phases that are chosen, and print what came out."""
    place, phases, trial = (importlib.import_module(name) for name in ("place", "phases", "trial"))
    place.take_away(f"{options.name}-")
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    os.makedirs(options.work, exist_ok=True)
    # Not a name that could be taken for that of a guest: what is kept of one is brought to others by its name.
    work = tempfile.mkdtemp(prefix="matrix-", dir=options.work)
    os.chmod(work, 0o711)
    chosen = [one for one in (phases.TRIALS if options.trial else phases.PHASES) if options.only in one.name]
    try:
        os.mkdir(f"{work}/images")
        place.make_images(f"{work}/images")
        trial.load()
        courses, outcomes = _run(work, chosen, options)
    finally:
        place.take_away(f"{options.name}-")
        shutil.rmtree(work)
    return _show(courses, outcomes, begun)


def _run(work: str, chosen: list, options) -> tuple:
    """Return what each phase does without a kill (a text where that fails), and what came out of all kills."""
    context = multiprocessing.get_context("fork")
    with context.Pool(options.jobs, _begin, (context.Value("i", 0), work, options)) as pool:
        ordered = sorted(chosen, key=lambda phase: -phase.weight)
        courses = dict(zip([phase.name for phase in ordered], pool.map(_course, ordered, 1)))
        jobs = [job for phase in ordered for job in _jobs(phase, courses[phase.name], options.point)]
        outcomes = [one for row in pool.imap_unordered(_walk, jobs, 1) for one in row]
        pool.close()
        pool.join()
    return {phase.name: courses[phase.name] for phase in chosen}, outcomes


def _jobs(phase, course, numbers: list):
    """Give what workers do: some points of a phase, in one column."""
    if isinstance(course, str):
        return
    calls = importlib.import_module("calls")
    points = [one for one in calls.points_of(course.calls)[0] if not numbers or one.index + 1 in numbers]
    for column in phase.calls:
        if column == "kill":
            taken = points
        else:
            # What the module does to files beside the guest's changes neither its definition nor its disks.
            taken = [one for one in points if one == points[0] or one.call.startswith("vir")]
        # A guest that is left alone runs on from point to point.
        size = len(taken) if course.final.is_begin else SLICE
        for start in range(0, len(taken), size):
            yield phase, course, column, taken[start : start + size]


def _begin(counter, work: str, options) -> None:
    """Make a worker's own guest."""
    # The first process takes away what is left, also where this one ends at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    place, trial = (importlib.import_module(name) for name in ("place", "trial"))
    with counter.get_lock():
        counter.value += 1
        number = counter.value
    trial.adopt()
    OWN["trial"] = trial.Trial(place.Place(f"{options.name}-{number}", work))


def _course(phase):
    place = importlib.import_module("place")
    try:
        return OWN["trial"].course(phase)
    except place.Failed as failed:
        return str(failed)


def _walk(job: tuple):
    return OWN["trial"].walk(*job)


def _show(courses: dict, outcomes: list, begun: float) -> int:
    """Print the matrix, and return whether a point failed."""
    points_of = importlib.import_module("calls").points_of
    changed, looked, left, failures = Counter(), set(), 0, []
    for name, course in courses.items():
        if isinstance(course, str):
            failures.append((name, "without a kill", course))
            continue
        points, more = points_of(course.calls)
        left += more
        changed.update(call.partition("(")[0] for call in course.calls)
        looked.update(course.looked)
        failures += _show_phase(name, points, [one for one in outcomes if one.phase == name])
    print("\ncalls that change something:", ", ".join(f"{name} {count}" for name, count in sorted(changed.items())))
    print("calls of libvirt that only look:", ", ".join(sorted(looked)))
    print("pieces of files between the first, the middle and the last, at which nothing was killed:", left)
    good = Counter(one.column for one in outcomes if not one.failure)
    rows = ", ".join(f"{good[column]} ({head})" for column, head in HEADS.items())
    print(f"\n{len(outcomes)} kills in {time.monotonic() - begun:.0f} s; as it must be: {rows}; failed: {len(failures)}")
    for where, point, failure in failures:
        print(f"\nFAILED {where}, {point}:\n    " + failure.replace("\n", "\n    "))
    return int(bool(failures) or not outcomes)


def _show_phase(name: str, points: list, outcomes: list) -> list:
    columns = [column for column in HEADS if any(one.column == column for one in outcomes)]
    print(f"\n{name}: {len(points)} points")
    print(f"  {'':3} {'killed before':58} " + " ".join(f"{HEADS[column]:42}" for column in columns))
    failures = []
    for point in points:
        found = {one.column: one for one in outcomes if one.point == point}
        where = f"#{point.index + 1} {point}"
        failures += [(f"{name}, {HEADS[one.column]}", where, one.failure) for one in found.values() if one.failure]
        cells = [f"{one.on} | {one.after} | {one.counter}" if one else '"' for one in map(found.get, columns)]
        print(f"  {point.index + 1:3} {str(point)[:58]:58} " + " ".join(f"{cell:42}" for cell in cells).rstrip())
    return failures


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", action="append", default=[], help="where ansible and the collection are")
    parser.add_argument("--work", required=True, help="the folder to work in")
    parser.add_argument("--name", default="virt-image-kill", help="what the names of guests and pools begin with")
    parser.add_argument("--only", default="", help="a part of the names of the phases to walk; all without")
    parser.add_argument("--point", type=int, default=[], action="append", help="the number of a point; all without")
    parser.add_argument("--own", action="store_true", help="with a libvirtd of its own, beside the machine's")
    parser.add_argument("--trial", action="store_true", help="walk a call of the module guests, to try this program")
    parser.add_argument("--jobs", type=int, default=min(9, 3 * (os.cpu_count() or 1)), help="up to 9 guests at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
