# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts a domain and waits for it, and what takes back a run that failed."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import steps
from ansible_collections.virt.image.plugins.module_utils._core.lifecycle import Belongings, Shutdown, Wait
from ansible_collections.virt.image.plugins.module_utils._core.live_steps import DetachDevice
from ansible_collections.virt.image.plugins.module_utils._core.living import (
    Now,
    lasting,
    plan_fallback,
    plan_start,
    plan_stop,
    plan_undo,
    plan_waits,
    split_at_start,
)
from ansible_collections.virt.image.plugins.module_utils._core.volume import Pool

POOL = Pool("default", "/pool", 2**30)
BASE = steps.ImportBase(POOL, "sha256-a.raw", None, "raw", "raw")
MADE = steps.CreateVolume(POOL, "web-data.raw", "raw", 1024, None, None, False)
SEED = steps.CreateSeed(POOL, "web-seed.iso", {})
NEW = steps.DefineDomain("web", "<new/>", new=True)
AGAIN = steps.DefineDomain("web", "<new/>", new=False)
ON, OFF = steps.SetAutostart("web", True), steps.SetAutostart("web", False)
START = steps.StartDomain("web", "qemu", settle=1)
RESUME = steps.StartDomain("web", "qemu", resume=True, settle=1)
STOP = steps.StopDomain("web", 60, False)
DETACH = DetachDevice("web", "disk[vdb]", "<disk/>", "vdb")
GONE = steps.DeleteVolume(POOL, "web-old.iso")
RESTORE, POWER_OFF = "restore the definition of domain web", "power off domain web"
DELETE = "delete volume web-data.raw of pool default"


def words(found):
    return [str(step) for step in found]


@pytest.mark.parametrize("state", ["running", "shutoff"])
@pytest.mark.parametrize(
    "taken, failed, was, undone, left",
    [
        # A new guest goes, with what was made for it.
        ([BASE, MADE], NEW, "absent", ["delete volume web-data.raw of pool default"], [BASE]),
        (
            [BASE, MADE, SEED, NEW, ON],
            START,
            "absent",
            ["undefine domain web", "delete volume web-seed.iso of pool default", "delete volume web-data.raw of pool default"],
            [BASE],
        ),
        ([], BASE, "absent", [], []),
        # One that was there is as it was; volumes that were made stay.
        ([MADE], AGAIN, "shutoff", [], [MADE]),
        ([MADE, AGAIN], START, "shutoff", ["restore the definition of domain web"], [MADE]),
        ([AGAIN, ON], START, "shutoff", ["restore the definition of domain web", "set autostart of domain web off"], []),
        ([OFF], START, "shutoff", ["set autostart of domain web on"], []),
        ([], START, "shutoff", [], []),
        # With its former definition it ran.
        ([AGAIN, STOP], START, "running", ["restore the definition of domain web", "start domain web"], [STOP]),
        ([STOP], START, "running", [], [STOP]),
        # What it runs with could not be changed: the next run tries again.
        ([AGAIN], DETACH, "running", ["restore the definition of domain web"], []),
        # It runs on with what it has; the configuration is for the next start.
        ([AGAIN], STOP, "running", [], [AGAIN]),
        ([AGAIN], MADE, "running", [], [AGAIN]),
        # It was paused, and runs now as it did before.
        ([AGAIN, RESUME], DETACH, "paused", [RESTORE], [RESUME]),
        ([AGAIN, ON, START], GONE, "shutoff", [], [AGAIN, ON, START]),
        # A new guest that has settled stays.
        ([MADE, NEW, START], GONE, "absent", [], [MADE, NEW, START]),
    ],
)
def test_what_failed_is_taken_back(taken, failed, was, undone, left, state):
    if START not in taken and failed is not DETACH:
        # A start that fails leaves it off.
        state = "shutoff"
    found = plan_undo(taken, failed, was, "" if was == "absent" else "<old/>", Now(state))
    assert words(found) == undone
    assert lasting(taken, found) == tuple(left)


@pytest.mark.parametrize(
    "taken, failed, was, now, undone",
    [
        # Nothing is deleted, and nothing written, under a QEMU that this run has begun.
        ([MADE, NEW], START, "absent", Now("paused", True), [POWER_OFF, "undefine domain web", DELETE]),
        ([AGAIN], START, "shutoff", Now("paused", True), [POWER_OFF, RESTORE]),
        ([], START, "shutoff", Now("paused", True), [POWER_OFF]),
        ([AGAIN, STOP], START, "running", Now("paused", True), [POWER_OFF, RESTORE, "start domain web"]),
        # What someone else started meanwhile runs on, with what it has.
        ([MADE, NEW], START, "absent", Now("running"), []),
        ([AGAIN], START, "shutoff", Now("running"), [RESTORE]),
        ([AGAIN, STOP], START, "running", Now("running"), [RESTORE]),
        # It lived before.
        ([AGAIN], RESUME, "paused", Now("paused", True), [RESTORE]),
    ],
)
def test_a_start_that_fails_half_way_leaves_nothing_that_runs(taken, failed, was, now, undone):
    assert words(plan_undo(taken, failed, was, "" if was == "absent" else "<old/>", now)) == undone


def test_a_new_domain_that_goes_is_known_as_undone():
    undone = plan_undo([MADE, NEW], START, "absent", "", Now("shutoff"))
    assert undone[0] == steps.UndefineDomain("web", undoing=True)


def test_the_former_definition_is_the_one_that_was_read():
    (step,) = plan_undo([AGAIN], START, "shutoff", "<old/>", Now("shutoff"))
    assert (step.xml, step.new) == ("<old/>", False)


@pytest.mark.parametrize(
    "taken, was, now, undone",
    [
        # It may have written to its disks: a new guest keeps all it has.
        ([BASE, MADE, NEW, ON, START], "absent", Now("paused", True), [POWER_OFF]),
        ([BASE, MADE, NEW, START], "absent", Now("shutoff"), []),
        ([AGAIN, START], "shutoff", Now("running", True), [POWER_OFF, RESTORE]),
        # It crashed, and is kept: libvirt would not start it over.
        ([AGAIN, START], "shutoff", Now("crashed", True), [POWER_OFF, RESTORE]),
        ([AGAIN, ON, START], "shutoff", Now("crashed"), [RESTORE, "set autostart of domain web off"]),
        ([START], "shutoff", Now("running", True), [POWER_OFF]),
        # It was stopped for a restart: it ran before, and does so again.
        ([AGAIN, STOP, START], "running", Now("paused", True), [POWER_OFF, RESTORE, "start domain web"]),
        ([AGAIN, STOP, START], "running", Now("shutoff"), [RESTORE, "start domain web"]),
        # What someone else started is theirs.
        ([BASE, MADE, NEW, START], "absent", Now("running"), []),
        ([AGAIN, START], "shutoff", Now("running"), [RESTORE]),
        ([AGAIN, STOP, START], "running", Now("running"), [RESTORE]),
        # It has in its memory what it did before this run.
        ([RESUME], "paused", Now("paused", True), []),
        ([AGAIN, RESUME], "paused", Now("running", True), [RESTORE]),
        ([AGAIN, RESUME], "pmsuspended", Now("shutoff"), [RESTORE]),
        ([AGAIN, RESUME], "paused", Now("running"), [RESTORE]),
    ],
)
def test_a_guest_that_did_not_stay_is_off_if_this_run_began_it_and_as_it_was(taken, was, now, undone):
    assert words(plan_fallback(taken, was, "" if was == "absent" else "<old/>", now)) == undone


@pytest.mark.parametrize(
    "state, wait, resume, settle, listen",
    [
        ("shutoff", Wait(), False, 1, False),
        ("paused", Wait(settle=0), True, 0, False),
        ("pmsuspended", Wait(serial="login"), True, 1, True),
    ],
)
def test_start(state, wait, resume, settle, listen):
    assert plan_start("web", "kvm", state, wait) == steps.StartDomain("web", "kvm", resume, settle, listen)


@pytest.mark.parametrize(
    "taken, state, wait, waits",
    [
        ([START], "running", Wait(), True),
        ([START], "running", Wait(settle=0), False),
        ([START], "running", Wait(settle=0, tcp=(22,)), True),
        # It runs already: it has settled, long ago.
        ([], "running", Wait(), False),
        ([], "running", Wait(agent=True), True),
        ([], "blocked", Wait(serial="login"), True),
        ([STOP], "shutoff", Wait(agent=True), False),
        ([], "paused", Wait(agent=True), False),
    ],
)
def test_what_is_waited_for(taken, state, wait, waits):
    assert plan_waits("web", taken, state, wait) == ((steps.WaitForGuest("web", wait),) if waits else ())


def test_what_comes_after_a_start_waits_until_the_guest_stays():
    assert split_at_start((NEW, START, GONE)) == ((NEW, START), (GONE,))
    assert split_at_start((NEW, GONE)) == ((NEW, GONE), ())
    assert split_at_start(()) == ((), ())


@pytest.mark.parametrize(
    "step, said",
    [
        (steps.StopDomain("web", 60, True), "stop domain web"),
        (steps.StopDomain("web", 60, True, forced=True), "power off domain web after 60 s in which it did not stop"),
        (steps.StopDomain("web", 0, True), "power off domain web"),
        (steps.StopDomain("web", 0, True, forced=True), "power off domain web"),
        (steps.UndefineDomain("web"), "undefine domain web"),
        (steps.UndefineDomain("web", Belongings(nvram=True)), "undefine domain web, with its UEFI variables (NVRAM)"),
        (
            steps.UndefineDomain("web", Belongings(True, True, True, 2, 1)),
            "undefine domain web, with its UEFI variables (NVRAM), its TPM state, its saved state, 2 snapshots and 1 checkpoint",
        ),
        (
            steps.UndefineDomain("web", Belongings(snapshots=1, files=("/a.snap", "/b.mem"))),
            "undefine domain web, with 1 snapshot; the files of external snapshots stay: /a.snap, /b.mem",
        ),
    ],
)
def test_steps_say_what_goes(step, said):
    assert str(step) == said


@pytest.mark.parametrize(
    "state, step",
    [
        ("running", (steps.StopDomain("web", 30, False),)),
        ("paused", (steps.StopDomain("web", 30, False),)),
        ("shutoff", ()),
        # It hears nothing, and has nothing left to save.
        ("crashed", (steps.StopDomain("web", 0, True),)),
    ],
)
def test_what_stops_a_domain_in_each_state(state, step):
    assert plan_stop("web", state, Shutdown(30, False)) == step
