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

OWN: dict = {}
# Of each column: on which generation, and how, the guest is after the kill; then how the next run ends; then the boots of
# which the user disk tells before that run and after it.
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
    place, phases, trial = (importlib.import_module(name) for name in ("place", "phases", "trial"))
    place.take_away(f"{options.name}-")
    # The workers end so too.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    os.makedirs(options.work, exist_ok=True)
    work = tempfile.mkdtemp(prefix=f"{options.name}-", dir=options.work)
    os.chmod(work, 0o711)
    chosen = [one for one in (phases.TRIALS if options.trial else phases.PHASES) if options.only in one.name]
    try:
        os.mkdir(f"{work}/images")
        place.make_images(f"{work}/images")
        trial.load()
        found = _run(work, chosen, options)
    finally:
        place.take_away(f"{options.name}-")
        shutil.rmtree(work)
    return _show(found, begun)


def _run(work: str, chosen: list, options) -> list:
    """Return what came out of each phase in each column."""
    context = multiprocessing.get_context("fork")
    jobs = sorted(((phase, column) for phase in chosen for column in phase.calls), key=lambda job: -job[0].weight)
    with context.Pool(options.jobs, _begin, (context.Value("i", 0), work, options)) as pool:
        found = []
        for row in pool.imap_unordered(_walk, jobs, 1):
            found.append(row)
            print(f"{row.phase} ({row.column}): {len(row.outcomes)} points, {row.seconds:.1f} s", flush=True)
        pool.close()
        pool.join()
    return found


def _begin(counter, work: str, options) -> None:
    """Make a worker's own guest."""
    place, trial = (importlib.import_module(name) for name in ("place", "trial"))
    with counter.get_lock():
        counter.value += 1
        number = counter.value
    trial.adopt()
    OWN.update(trial=trial.Trial(place.Place(f"{options.name}-{number}", work)), points=options.point)


def _walk(job: tuple):
    return OWN["trial"].column(*job, OWN["points"])


def _show(found: list, begun: float) -> int:
    """Print the matrix, and return whether a point failed."""
    failures = []
    for name in dict.fromkeys(row.phase for row in found):
        rows = {column: row for column in HEADS for row in found if (row.phase, row.column) == (name, column)}
        failures += _show_phase(name, rows)
    outcomes = [one for row in found for one in row.outcomes]
    failures += [(f"{row.phase} ({row.column})", "without a kill", row.failure) for row in found if row.failure]
    changed = Counter(call.partition("(")[0] for row in found if row.column == "kill" for call in row.calls)
    print("\ncalls that count:", ", ".join(f"{name} {count}" for name, count in sorted(changed.items())))
    print("calls of libvirt that only look:", ", ".join(sorted({name for row in found for name in row.looked})))
    print("left out, as the same call stands before and after it:", sum(row.left for row in found if row.column == "kill"))
    kept = Counter(one.column for one in outcomes if not one.failure)
    print(f"\n{len(outcomes)} kills in {time.monotonic() - begun:.0f} s: {dict(kept)} as they must be, {len(failures)} not")
    for where, point, failure in failures:
        print(f"\nFAILED {where}, {point}:\n    " + failure.replace("\n", "\n    "))
    return int(bool(failures) or not outcomes)


def _show_phase(name: str, rows: dict) -> list:
    points = list(dict.fromkeys(one.point for row in rows.values() for one in row.outcomes))
    print(f"\n{name}: {len(points)} points")
    print(f"  {'':4} {'killed before':62} " + " ".join(f"{HEADS[column]:40}" for column in rows))
    failures = []
    for point in sorted(points):
        cells = []
        for column, row in rows.items():
            one = next((one for one in row.outcomes if one.point == point), None)
            cells.append(f"{one.on} | {one.after} | {one.counter}" if one else "")
            if one and one.failure:
                failures.append((f"{name} ({column})", f"#{point.index} {point}", one.failure))
        print(f"  {point.index + 1:4} {str(point)[:62]:62} " + " ".join(f"{cell:40}" for cell in cells))
    return failures


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", action="append", default=[], help="where ansible and the collection are")
    parser.add_argument("--work", required=True, help="the folder to work in")
    parser.add_argument("--name", default="virt-image-kill", help="what the names of guests and pools begin with")
    parser.add_argument("--only", default="", help="a part of the names of the phases to walk; all without")
    parser.add_argument("--point", type=int, default=[], action="append", help="the number of a point; all without")
    parser.add_argument("--trial", action="store_true", help="walk a call of the module guests, to try this program")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
