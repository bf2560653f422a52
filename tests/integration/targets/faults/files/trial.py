# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scenario: the call is killed at each of its points, made again, and compared with one that was not killed."""

from __future__ import annotations

import ctypes
import difflib
import importlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from ansible.module_utils import basic
from calls import AFTER, KILLED, RUNS, Point, Watch, points_of
from scenarios import PRUNE, Scenario, absent, volumes
from world import HERE, Place, Seen

PLUGINS = "ansible_collections.virt.image.plugins"
# Loaded once, for all the processes that are forked: with what the modules load only where they need it.
MAINS = {name: importlib.import_module(f"{PLUGINS}.modules.{name}").main for name in ("guests", "storage")}
for module in ("perform", "signature", "site", "spool", "states", "unpack"):
    importlib.import_module(f"{PLUGINS}.module_utils._io.{module}")
# So long a volume must not have grown, and a folder must be old, to be taken for one that was left.
for module, name in (("streams", "STILL_SECONDS"), ("streams", "POLL_SECONDS"), ("workspace", "NEW_SECONDS")):
    setattr(importlib.import_module(f"{PLUGINS}.module_utils._io.{module}"), name, 0.1)
SECONDS = 60
SLOW = ("remote", "logical")
PR_SET_CHILD_SUBREAPER = 36
DEFECT = "this is a defect in virt.image"
# What may stay until the pool is pruned: a fetched file, a part, a seed that no guest has any more.
LEFT = re.compile(r"\.fetch-.*\.part|\..*\.part|.*-seed-[0-9a-f]{16}\.iso")
# A block device holds what was there before it, from its making to the first byte that is written. Nobody can tell such a
# disk from one that a user left without a partition table, so it is taken as it is.
MADE, STALE = "virStoragePool.createXML", ("-data.raw", "-scratch.raw")
PATTERN = b"what a user stored " * 5000


class Failed(Exception):
    """What is not as it must be."""


@dataclass
class Ran:
    """What became of a module's process: how it ended, what it told, and its calls that changed something."""

    status: int
    told: dict
    seen: list


@dataclass
class Row:
    """What came out for one scenario."""

    name: str
    calls: int = 0
    points: int = 0
    # Points after which something is left or other that may be.
    accepted: int = 0
    refused: dict = field(default_factory=dict)
    temporary: Counter = field(default_factory=Counter)
    failures: dict = field(default_factory=dict)
    seconds: float = 0


def perform(place: Place, call: tuple, check: bool = False, end: Optional[Point] = None, uri: str = "") -> Ran:
    """Run a module in a process of its own, as Ansible does, but for the copying; `end` is where it is killed."""
    main, params = MAINS[call[0]], place.fill_in({**call[1], "uri": uri or place.uri})
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as seen:
        child = os.fork()
        if not child:
            _be_module(place, main, params, check, end, output, seen)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for file in (output, seen):
            file.seek(0)
        lines, calls = output.read().splitlines(), seen.read()
    told = json.loads(lines[-1]) if lines and status != KILLED else {}
    return Ran(status, told, json.loads(calls) if calls else [])


def adopt() -> None:
    """Become the parent of what a killed process leaves running."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def adopted() -> None:
    """Wait for the end of what a killed process left running."""
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _be_module(place, main, params, check, end, output, seen) -> None:
    """Be the process of a module; never return."""
    status = 70
    try:
        # A call that hangs ends with this signal.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        os.environ.update(HOME=place.home, TMPDIR=place.temp)
        if end and end.when == AFTER and RUNS in end.call:
            os.environ["PATH"] = f"{place.slow}:{os.environ['PATH']}"
        # Else it tries whether it can write there.
        tempfile.tempdir = place.temp
        sys.stdout = output
        options = {"_ansible_check_mode": check, "_ansible_diff": True, **params}
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        watch = Watch(end)
        try:
            main()
        except SystemExit as exit:
            status = exit.code or 0
        output.flush()
        json.dump(watch.seen, seen)
        seen.flush()
    finally:
        os._exit(status)


class Trial:
    """Kills a scenario's call at all of its points."""

    def __init__(self, place: Place, scenario: Scenario, every: bool = False, each: int = 1) -> None:
        self.place, self.scenario, self._every, self._each = place, scenario, every, each
        self.row = Row(scenario.name)
        self._before: Optional[Seen] = None
        self._wanted: Optional[Seen] = None
        self._held: dict = {}
        self._calls: list = []

    def run(self) -> Row:
        """Return what came out of all points."""
        begun = time.monotonic()
        try:
            self._before = self.place.look()
            for point in self._points():
                self.row.points += 1
                try:
                    self._kill_at(point)
                    self._clean()
                except Failed as failed:
                    adopted()
                    self.row.failures.setdefault(str(failed), []).append(str(point))
                    self.place.empty()
        except Failed as failed:
            self.row.failures[str(failed)] = ["without a kill"]
        self.row.seconds = time.monotonic() - begun
        return self.row

    def _points(self) -> list:
        self._give()
        ran = self._must(self.scenario.call)
        self.row.calls = len(ran.seen)
        for call in self.scenario.again:
            self._must(call)
        self._wanted = self.place.look(keep=True)
        try:
            self._clean()
        except Failed as failed:
            self.row.failures[str(failed)] = ["without a kill"]
            self.place.empty()
        seen = [tuple(one) for one in ran.seen]
        self._calls = [said for _kind, said in seen]
        points = points_of(seen, self._every, self._each)
        # Where each takes long, those that other scenarios have are left out.
        return [point for point in points if self.place.kind not in SLOW or point.call.startswith("vir")]

    def _give(self) -> None:
        """Make what the scenario begins with, and write into the disks of users."""
        for call in self.scenario.given:
            self._must(call)
        self._held = {}
        for name, path in self.place.files().items():
            if name.endswith("-data.raw"):
                with open(path, "r+b") as file:
                    for start in (512, os.path.getsize(path) - len(PATTERN)):
                        file.seek(start)
                        file.write(PATTERN)
                self._held[name] = self._read(path)

    def _read(self, path: str, length: int = -1) -> bytes:
        with open(path, "rb") as file:
            return file.read(length)

    def _kill_at(self, point: Point) -> None:
        self._give()
        killed = perform(self.place, self.scenario.call, end=point)
        if killed.status != KILLED:
            raise Failed(f"was not killed: {killed.status} {killed.told.get('msg', '')}")
        self._check_users("after the kill")
        again = self.scenario.again or (self.scenario.call,)
        checked = perform(self.place, again[0], check=True)
        if checked.status:
            self._refused(point, checked)
        for call in again:
            self._must(call)
        # A command that it had started may still run.
        adopted()
        repeated = perform(self.place, again[-1], check=True)
        if repeated.status or repeated.told["changed"]:
            raise Failed(f"a third run is not idle: {repeated.told.get('msg') or repeated.told.get('diff')}")
        self._check_users("after the next run")
        self._compare(fresh=self.place.kind == "logical" and self._is_fresh(point))

    def _is_fresh(self, point: Point) -> bool:
        """Return whether a volume was made, and the mark that it is being filled had not come."""
        calls = self._calls[: point.index + (point.when == AFTER)]
        # What follows its making is the upload of the mark, which comes when it is sent.
        return any(call.startswith(MADE) for call in calls[-2:])

    def _refused(self, point: Point, checked: Ran) -> None:
        message = checked.told.get("msg", "")
        if not message or message.startswith(DEFECT):
            raise Failed(f"check mode: {checked.status} {message} {checked.told.get('exception', '')}")
        self.row.refused[str(point)] = message

    def _check_users(self, when: str) -> None:
        for name, content in self._held.items():
            path = self.place.files().get(name)
            if self.scenario.name == "absent_all" and path is None:
                continue
            if path is None or self._read(path, len(content)) != content:
                raise Failed(f"{when}: user disk {name} is {'another' if path else 'gone'}")

    def _compare(self, fresh: bool = False) -> None:
        """Refuse anything that is not as it was without a kill; `fresh`: a block device may hold what was there before."""
        found, wanted, wrong = self.place.look(), self._wanted, []
        for what in ("files", "domains", "listed"):
            names, others = (set(getattr(one, what)) for one in (found, wanted))
            left = {name for name in names - others if LEFT.fullmatch(name)}
            self.row.accepted += bool(left)
            names -= left
            names, others = sorted(names), sorted(others)
            if names != others:
                wrong.append(f"{what}: {names}, not {others}")
        for name in set(found.files) & set(wanted.files):
            one, other = found.files[name], wanted.files[name]
            if fresh and one != other and name.endswith(STALE):
                self.row.accepted += 1
            elif one[0] != other[0] or (one != other and not self.place.is_same(name)):
                wrong.append(f"{name}: {one}, not {other}")
        for name in set(found.domains) & set(wanted.domains):
            lines = [told.domains[name].splitlines() for told in (wanted, found)]
            wrong += list(difflib.unified_diff(*lines, f"domain {name}", "found", "", "", 0, ""))
        if wrong:
            raise Failed("\n".join(wrong))

    def _must(self, call: tuple, uri: str = "") -> Ran:
        ran = perform(self.place, call, uri=uri)
        if ran.status:
            raise Failed(f"{call[0]} failed ({ran.status}): {ran.told.get('msg')} {ran.told.get('exception', '')}")
        return ran

    def _clean(self) -> None:
        """Remove the guests and what they leave, by the modules' own means; then all must be as it was."""
        for domain in self.place.domains():
            self._must(absent(own=domain.name().rpartition("-")[2]), HERE)
        if any("-data." in name for name in self.place.files()):
            self._must(volumes("absent", remove="all"), HERE)
        prune = PRUNE
        if self.place.kind == "plain":
            prune = ("storage", {**PRUNE[1], "pool": "none", "folder": "@folder"})
        self._must(prune, HERE)
        left = self.place.look()
        if left != self._before:
            raise Failed(f"is left: {sorted(left.files)} {sorted(left.domains)} {sorted(left.listed)}")
        self.row.temporary.update(name.partition("-")[0] for name in self.place.sweep())
