# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One phase: its call is killed at a point, what is there is checked, and another control node's run finishes it."""

from __future__ import annotations

import ctypes
import difflib
import importlib
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from ansible.module_utils import basic
from calls import BEFORE, KILLED, Point, Watch
from libvirt import libvirtError
from phases import BACK, OFF, POWER, Phase, other
from place import Failed, Kept, Place, Said, without_times

PLUGINS = "ansible_collections.virt.image.plugins"
SECONDS = 60
PR_SET_CHILD_SUBREAPER = 36
WRITE = os.write
MAINS: dict = {}


@dataclass
class Ran:
    """What became of a module's process: how it ended, what it told, its calls, and which of libvirt's only looked."""

    status: int
    told: dict
    calls: list
    looked: list


@dataclass
class Course:
    """A phase without a kill: its calls, what may be defined meanwhile, and how all is in the end."""

    begin: Kept
    calls: list = field(default_factory=list)
    looked: list = field(default_factory=list)
    old: tuple = ()
    new: tuple = ()
    final: Optional[End] = None
    back: Optional[End] = None


@dataclass(frozen=True)
class End:
    """How all is in the end: definition, volumes, whether the guest runs, its version; whether it has noticed nothing."""

    definition: str
    files: list
    active: bool
    version: int
    is_begin: bool


@dataclass
class Outcome:
    """What came out for one point in one column."""

    phase: str
    column: str
    point: Point
    on: str = ""
    after: str = ""
    counter: str = ""
    failure: str = ""


def load() -> None:
    """Import the modules once, for all the processes that are forked."""
    for name in ("guests", "generation"):
        with suppress(ModuleNotFoundError):
            MAINS[name] = importlib.import_module(f"{PLUGINS}.modules.{name}").main
    importlib.import_module(f"{PLUGINS}.module_utils._io.site")


def adopt() -> None:
    """Become the parent of what a killed process leaves running."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def perform(place: Place, call: tuple, end: Optional[Point] = None, check: bool = False) -> Ran:
    """Run a module in a process of its own, as Ansible does, but for the copying; `end` is where it is killed."""
    main, params = MAINS[call[0]], place.fill_in(call[1])
    with tempfile.TemporaryFile("w+", dir=place.own) as output, tempfile.TemporaryFile("w+", dir=place.own) as seen:
        child = os.fork()
        if not child:
            _be_module(place, main, params, end, check, output, seen.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for file in (output, seen):
            file.seek(0)
        lines, rows = output.read().splitlines(), seen.read().splitlines()
    with suppress(ChildProcessError):
        # What a killed process left running.
        while True:
            os.wait()
    told = json.loads(lines[-1]) if lines and status != KILLED else {}
    calls, looked = ([row[1:] for row in rows if row[0] == kind] for kind in "+-")
    return Ran(status, told, calls, looked)


def _be_module(place: Place, main, params: dict, end, check: bool, output, seen: int) -> None:
    """Be the process of a module; never return."""
    status = 70
    try:
        # A call that hangs ends with this signal.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        os.environ.update(HOME=place.home, TMPDIR=place.temp)
        tempfile.tempdir = place.temp
        sys.stdout = output
        options = {"_ansible_check_mode": check, "_ansible_diff": False, **params}
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        watch = Watch(lambda said: WRITE(seen, f"+{said.replace(place.name, 'guest')}\n".encode()), end)
        try:
            main()
        except SystemExit as exit:
            status = exit.code or 0
        output.flush()
        WRITE(seen, "".join(f"-{name}\n" for name in sorted(watch.looked)).encode())
    finally:
        os._exit(status)


class Trial:
    """Walks phases with one worker's guest."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def must(self, call: tuple) -> Ran:
        ran = perform(self.place, call)
        if ran.status:
            told = ran.told.get("exception") or ran.told.get("msg") or "no word"
            raise Failed(f"{call[0]} {call[1].get('state', '')} failed ({ran.status}): {told}")
        return ran

    def course(self, phase: Phase) -> Course:
        """Go through a phase without a kill; raise Failed."""
        course = Course(self._begin(phase))
        self.place.restore(course.begin)
        ran = self.must(phase.call)
        course.calls, course.looked = ran.calls, ran.looked
        course.old, course.new = course.begin.sources, self.place.sources()
        for call in phase.again:
            self.must(call)
        course.final = self._end()
        if phase.back:
            self.place.restore(course.begin)
            for call in (phase.call, *phase.back):
                self.must(call)
            course.back = self._end()
        self.place.empty()
        return course

    def _begin(self, phase: Phase) -> Kept:
        """Return what a phase begins with."""
        self.place.empty()
        for call in phase.given:
            self.must(call)
        self.place.ready()
        if phase.cut:
            perform(self.place, phase.call, Point(-1, BEFORE, phase.cut))
        self.place.stop()
        return self.place.keep(not phase.cut)

    def _end(self) -> End:
        place = self.place
        active = place.state() == "running"
        same = active and bool(place.ready()) and place.is_same_life(place.life.history if place.life else "")
        place.stop()
        return End(place.definition(), place.files(), active, place.system().version, same)

    def walk(self, phase: Phase, course: Course, column: str, points: list) -> list[Outcome]:
        """Kill a phase's call at each of the points, and return what came out."""
        found = [self._try(phase, course, Outcome(phase.name, column, point)) for point in points]
        try:
            self.place.stop()
        except Failed as failed:
            found[-1].failure = found[-1].failure or str(failed)
        return found

    def _try(self, phase: Phase, course: Course, one: Outcome) -> Outcome:
        try:
            self._kill(phase, course, one)
        except (Failed, libvirtError) as failed:
            one.failure = str(failed)
            one.after = one.after or "FAILED"
            # Whatever it is now, it is not gone on with.
            self.place.life = None
        return one

    def _kill(self, phase: Phase, course: Course, one: Outcome) -> None:
        place = self.place
        history = place.restore(course.begin)
        # Before the switch, if that was with a snapshot.
        base = course.begin.below or history
        killed = perform(place, phase.call, one.point)
        if killed.status != KILLED or killed.calls[-1] != one.point.call:
            raise Failed(f"was not killed there: {killed.status} {killed.calls[-1:]} {killed.told.get('msg', '')}")
        state, on = place.state(), self._generation(course)
        one.on = f"{on} {state}"
        left = base if on == "new" and phase.goes_back(one.column) and one.column != BACK else history
        if one.column in (POWER, OFF):
            left = self._lose_power(history, base, one.column == POWER)
        elif state == "running":
            left = _continued(place.ready(), history, base)
        drops = place.has_overlay() and place.record().get("state") == "pending"
        for call in phase.calls[one.column]:
            self.must(other(call) if call[0] == "generation" else call)
        wanted = course.back if one.column == BACK else course.final
        if one.column == BACK and on == "old":
            # There is nothing to go back from: the version was never active, and is not bad.
            begin = course.begin
            wanted = End(without_times(begin.xml), os.listdir(begin.folder), True, int(base[-1]), False)
        self._check_end(wanted, course.begin, base if drops and phase.goes_back(one.column) else left, one)

    def _generation(self, course: Course) -> str:
        """Return which generation the guest is on; raise Failed where it is on none."""
        sources = self.place.sources()
        known = {"old": course.old, "new": course.new}
        names = [name for name, wanted in known.items() if sources == self.place.sources_of(course.begin, wanted)]
        if not names:
            raise Failed(f"is on the disks of no generation: {sources}")
        gone = [path for _target, path, _format in sources if not os.path.exists(path)]
        if gone:
            raise Failed(f"is defined with disks that are not there: {gone}")
        return names[0]

    def _lose_power(self, history: str, base: str, start: bool) -> str:
        """Take the guest's power, check what it left, and start it by hand; return the history of its user disk then."""
        place = self.place
        place.stop(0)
        place.check_volumes()
        left, system = place.history(), place.system()
        if not any(left[: len(known)] == known and len(left) <= len(known) + 1 for known in (history, base)):
            raise Failed(f"after the loss of power its user disk has {left}; it had {history}, and before the switch {base}")
        if not start:
            return left
        said = place.start()
        if (said.version, said.system, said.counter) != (system.version, system.system + 1, len(left) + 1):
            raise Failed(f"after the loss of power it says {said}; its disks had {system} and {left}")
        return f"{left}{said.version}"

    def _check_end(self, wanted: End, begin: Kept, kept: str, one: Outcome) -> None:
        """Check how all is in the end; `kept` are the boots of which the user disk must tell still."""
        place = self.place
        state = place.state()
        said = place.ready() if state == "running" else None
        if said and place.is_same_life(kept):
            # It has noticed nothing, and is used for the next point; its disks are looked at when it ends.
            history, system = kept, said
        else:
            place.stop()
            history, system = place.history(), place.system()
        place.check_volumes()
        one.counter = f"{kept} > {history}"
        wrong = _wrong_boots(said or system, system, history, kept, wanted, one.column)
        # Of one that the power took before the run noted that it ran, nobody knows that.
        if state != ("running" if wanted.active or one.column == POWER else "off") and one.column != OFF:
            wrong.append(f"is {state}")
        files = sorted(place.named(name, begin) for name in wanted.files)
        if place.files() != files:
            wrong.append(f"volumes {place.files()}, not {files}")
        listed = [name for name in place.files() if not name.startswith(".")]
        if listed != place.listed():
            wrong.append(f"libvirt lists {place.listed()}, and there are {listed}")
        lines = [text.splitlines() for text in (place.named(wanted.definition, begin), place.definition())]
        wrong += list(difflib.unified_diff(*lines, "definition wanted", "found", "", "", 0, ""))
        if wrong:
            raise Failed("\n".join(wrong))
        one.after = f"{system.version} {state}"


def _continued(said: Said, history: str, base: str) -> str:
    """Return the history of the user disk of a guest that runs after the kill: it went on, or has booted once more."""
    for known in (history, f"{history}{said.version}", f"{base}{said.version}"):
        if said.counter == len(known) and known.endswith(str(said.version)):
            return known
    raise Failed(f"runs after the kill and says {said}; its user disk had {history}, and before the switch {base}")


def _wrong_boots(said: Said, system: Said, history: str, kept: str, wanted: End, column: str) -> list:
    """Return what is wrong with the counters: no boot is lost, none is on another version than the last one."""
    wrong, version = [], str(wanted.version)
    if system.version != wanted.version:
        wrong.append(f"is version {system.version}, not {version}")
    if said.version != system.version or said.counter not in (0, len(history)):
        wrong.append(f"says {said}, and its disks are of {system} and {history}")
    if not history.startswith(kept) or history[len(kept) :].strip(version):
        wrong.append(f"its user disk has {history}, not {kept} and then {version}")
    # Of a boot that the power took in the middle, the system disk may know alone.
    if system.system - history.count(version) not in ((0, 1) if column in (POWER, OFF) else (0,)):
        wrong.append(f"its system disk saw {system.system} boots, and its user disk {history}")
    return wrong
