# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the modules at each step of their work and runs them again; prints what came out."""

from __future__ import annotations

import argparse
import functools
import http.server
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import traceback


def main() -> int:
    """Run the scenarios side by side, print a matrix, and return whether a point failed."""
    options = _options()
    sys.path += options.path
    world, scenarios = (importlib.import_module(name) for name in ("world", "scenarios"))
    chosen = [one for one in scenarios.SCENARIOS if _is_wanted(one, options)]
    names = [f"fault-{one.name}" for one in chosen]
    # Of a run that was killed itself.
    world.take_away(names)
    # The workers end so too.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    work = world.temporary_folder(options.work)
    try:
        rows = _run(work, chosen, options, world)
    finally:
        world.take_away(names)
        shutil.rmtree(work)
    for row in rows:
        for failure, points in row.failures.items():
            print(f"\n{row.name}: {failure}", *points, sep="\n    ")
    return int(any(row.failures for row in rows))


def _run(work: str, chosen: list, options, world) -> list:
    """Return what came out of the scenarios."""
    os.mkdir(f"{work}/images")
    world.make_images(f"{work}/images")
    handler = functools.partial(world.Server, directory=f"{work}/images")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        told = {"work": work, "server": f"http://127.0.0.1:{server.server_address[1]}"}
        jobs = [(one, told, options) for one in chosen]
        # Before the server has threads.
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            rows = [_printed(row, options.verbose) for row in pool.imap_unordered(_try, jobs, 1)]
            # Else they are terminated, and a signal that comes just before one waits for a job is never seen by it.
            pool.close()
            pool.join()
        server.shutdown()
    points = sum(row.points for row in rows)
    print(f"{points} points; {world.Server.parts} transfers went on in the middle")
    return rows


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", action="append", default=[], help="where ansible and the collection are")
    parser.add_argument("--work", required=True, help="the folder to work in")
    parser.add_argument("--remote", default="", help="a URI that reaches this machine's libvirtd as another machine's")
    parser.add_argument("--logical", help="a pool of type logical")
    parser.add_argument("--only", action="append", default=[], help="the scenarios to run; all without")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument(
        "--each", type=int, default=1, help="take each n-th only of the points where little can go wrong"
    )
    parser.add_argument("--every", action="store_true", help="end before and after each call, not once between two")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def _is_wanted(scenario, options) -> bool:
    there = scenario.kind != "logical" or options.logical
    return bool(there) and (not options.only or scenario.name in options.only)


def _try(job: tuple):
    """Run one scenario in a place of its own."""
    scenario, told, options = job
    world, trial = (importlib.import_module(name) for name in ("world", "trial"))
    if scenario.kind == "remote":
        told = {**told, "uri": options.remote}
    if scenario.kind == "logical":
        told = {**told, "pool": options.logical}
    place = world.Place(f"fault-{scenario.name}", scenario.kind, **told)
    trial.adopt()
    one = trial.Trial(place, scenario, options.every, options.each)
    try:
        return one.run()
    except Exception:  # pylint: disable=broad-exception-caught
        one.row.failures[traceback.format_exc()] = []
        return one.row
    finally:
        place.empty()


def _printed(row, verbose: bool):
    print(
        f"{row.name:16} {row.calls:4} calls {row.points:4} points {sum(map(len, row.failures.values())):3} failed "
        f"{row.accepted:3} accepted {len(row.refused):3} checks refused {row.seconds:6.1f} s  {dict(row.temporary) or ''}",
        flush=True,
    )
    if verbose:
        print(*(f"    {point}: {message}\n" for point, message in row.refused.items()), sep="", end="", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
