# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift is told apart from what the playbook changes, and repaired, reported or left."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.guest import Course
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._core.present import plan_present, want
from ansible_collections.virt.image.tests.unit.support import message, table
from ansible_collections.virt.image.tests.unit.test_definition import WANTED, edited, lines, live_of, record


def wish(row, on_drift):
    """Return what is wanted of the row's domain."""
    wanted = edited(WANTED, row.get("wanted", []))
    live = Live("web1", live_of(WANTED, row.get("user", [])), "shutoff", False)
    return live, want(wanted, live, record(wanted), Course("present", on_drift=on_drift), tuple(row.get("absent", [])))


def changes(found):
    return [line for line in lines(found.definition.changes) if not line.startswith("metadata/record/applied")]


@pytest.mark.parametrize("row", table("drift.yml"))
def test_drift(row):
    found = {on_drift: wish(row, on_drift)[1] for on_drift in ("repair", "report", "ignore")}
    assert changes(found["repair"]) == row.get("changes", [])
    assert changes(found["report"]) == changes(found["ignore"]) == row.get("kept", [])
    assert lines(found["report"].drift) == lines(found["repair"].drift) == row.get("drift", [])
    assert found["ignore"].drift == ()


@pytest.mark.parametrize("row", table("drift.yml"))
@pytest.mark.parametrize("on_drift", ["repair", "report", "ignore"])
def test_a_repeat_changes_nothing(row, on_drift):
    live, found = wish(row, on_drift)
    again = Live("web1", found.definition.xml if found.definition.changes else live.xml, "shutoff", False)
    wanted = edited(WANTED, row.get("wanted", []))
    course = Course("present", on_drift=on_drift)
    assert lines(want(wanted, again, record(wanted), course, tuple(row.get("absent", []))).definition.changes) == []


def test_what_is_left_is_said():
    live, found = wish({"user": ["vcpu = 3"]}, "report")
    plan = plan_present("web1", live, found, Course("present", on_drift="report"))
    assert plan.warnings == ("was changed by someone else, and is left so (on_drift: report): vcpu",)
    assert plan.steps == ()


COVERED = {"user": ["devices/disk/source @file = /snap.qcow2"]}


def test_a_disk_under_a_snapshot_is_not_repaired():
    told = message(wish, COVERED, "repair")
    assert told.startswith("disk vda is now /snap.qcow2, not /var/lib/libvirt/images/web1-root.qcow2 (an external snapshot?)")


@pytest.mark.parametrize("on_drift", ["report", "ignore"])
def test_a_disk_under_a_snapshot_stays_where_drift_does(on_drift):
    _live, found = wish(COVERED, on_drift)
    assert changes(found) == []


def wish_running(user, on_drift):
    """Return what is wanted of a domain that runs, where someone changed what runs alone."""
    wanted, active = edited(WANTED, []), edited(xml.parse(live_of(WANTED, []), "live"), user)
    live = Live("web1", live_of(WANTED, []), "running", False, active=xml.to_text(active))
    return want(wanted, live, record(wanted), Course("present", on_drift=on_drift))


UNPLUGGED = ["devices/interface/source @bridge = br9"]


def test_drift_of_what_runs_is_repaired_and_told():
    found = wish_running(UNPLUGGED, "repair")
    assert [str(step) for step in found.running.steps] == ["update interface[52:54:00:aa:bb:01] of running domain web1"]
    assert lines(found.drift) == ["devices/interface[52:54:00:aa:bb:01]/source/@bridge: virbr0 -> br9"]


@pytest.mark.parametrize("on_drift, told", [("report", 1), ("ignore", 0)])
def test_drift_of_what_runs_stays(on_drift, told):
    found = wish_running(UNPLUGGED, on_drift)
    assert (found.running.differences, len(found.drift)) == ((), told)
