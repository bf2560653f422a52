# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays are merged into the volume right below, while their guest runs or not, whoever comes between."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.moves import MergeDisk, is_merged, merged_xml
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._io import busy, merge_disk
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing
from ansible_collections.virt.image.tests.unit.support import message

STEP = MergeDisk("web", "vdb", "/p/data-g2.qcow2", "/p/data.raw", "raw")
LIBVIRT = SimpleNamespace(
    libvirtError=Failure,
    VIR_DOMAIN_BLOCK_COMMIT_ACTIVE=4,
    VIR_DOMAIN_BLOCK_COMMIT_SHALLOW=1,
    VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT=2,
    VIR_DOMAIN_BLOCK_JOB_TYPE_PULL=1,
    VIR_DOMAIN_BLOCK_JOB_TYPE_COPY=2,
    VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT=3,
    VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT=4,
    VIR_ERR_NO_SUPPORT=3,
    VIR_ERR_OPERATION_UNSUPPORTED=84,
    VIR_ERR_OPERATION_INVALID=55,
    VIR_ERR_NO_DOMAIN=42,
)
END = "<backingStore/>"
RAW = f"<driver name='qemu' type='raw'/><source file='/p/data.raw'/>{END}"
BELOW = f"<backingStore type='file'><format type='raw'/><source file='/p/data.raw'/>{END}</backingStore>"
OVER = f"<driver name='qemu' type='qcow2' cache='none'/><source file='/p/data-g2.qcow2' startupPolicy='optional'/>{BELOW}"
MIRROR = "<mirror type='file' job='active-commit'{}><format type='raw'/><source file='{}'/></mirror>"


def domain_xml(disk):
    return (
        "<domain><name>web</name><devices><disk type='file' device='disk'><source file='/p/root'/><target dev='vda'/></disk>"
        f"<disk type='file' device='disk'>{disk}<target dev='vdb' bus='virtio'/></disk></devices></domain>"
    )


class Guest:
    """Stands in for a connection and its one domain; `events` happen one at each look at the job."""

    is_local = True

    def __init__(self, disk=OVER, active=True, job=None, ready_after=2, persistent=True):
        self.live, self.defined, self.active, self.job = disk, disk, active, job
        self.ready_after, self.persistent, self.calls, self.events = ready_after, persistent, [], []
        self.jobs = Jobs()
        self.brings_along, self.place, self.gone = True, "/p/data.raw", False

    def domain(self, _name):
        return self

    def configuration(self, _name):
        return None if self.gone else domain_xml(self.defined)

    def define(self, _name, text):
        self.calls.append("define")
        self.defined = text.partition("/p/root")[2].partition("<disk")[2].partition(">")[2].partition("<target")[0]

    def isActive(self):
        return self.active

    def isPersistent(self):
        return self.persistent

    def XMLDesc(self, _flags=0):
        if not self.active:
            raise Failure(55, "domain is not running")
        ready = " ready='yes'" if self.job == "ready" else ""
        return domain_xml(self.live + (MIRROR.format(ready, self.place) if self.job in ("moves", "ready") else ""))

    def blockJobInfo(self, _target):
        if not self.active:
            raise Failure(55, "domain is not running")
        if self.events:
            self.events.pop(0)(self)
        if self.job == "moves":
            self.ready_after -= 1
            self.job = "ready" if self.ready_after < 0 else "moves"
        kinds = {"pull": 1, "moves": 4, "ready": 4}
        return {"type": kinds[self.job], "cur": -self.ready_after, "end": 9} if self.job else {}

    def blockCommit(self, target, base, top, bandwidth, flags):
        assert (target, base, top, bandwidth, flags) == ("vdb", None, None, 0, 5)
        self.calls.append("commit")
        self.job = "moves"

    def blockJobAbort(self, target, flags):
        assert (target, flags, self.job) == ("vdb", 2, "ready")
        self.calls.append("pivot")
        self.job, self.live = None, RAW
        if self.brings_along:
            self.defined = RAW

    def destroy(self):
        self.active, self.job = False, None


@pytest.fixture(autouse=True)
def _libvirt(monkeypatch):
    for module in (door, merge_disk, busy):
        monkeypatch.setattr(module, "libvirt", LIBVIRT)
    monkeypatch.setattr(merge_disk.time, "sleep", lambda _seconds: None)


@pytest.fixture(name="written")
def _written(monkeypatch):
    """What qemu-img was told."""
    calls = []
    monkeypatch.setattr(merge_disk.qemu_img, "commit", lambda *arguments: calls.append(arguments[:3]))
    return calls


def merge(guest):
    return message(merge_disk.merge_disk, STEP, guest)


def is_done(guest):
    return is_merged(domain_xml(guest.defined), STEP)


@pytest.mark.parametrize(
    "guest, calls",
    [
        (Guest(), ["commit", "pivot"]),
        # A killed run left the job, or only the end of it.
        (Guest(job="moves"), ["pivot"]),
        (Guest(job="ready"), ["pivot"]),
        (Guest(disk=RAW), []),
        (Guest(persistent=False), ["commit", "pivot"]),
    ],
)
def test_a_running_guest_is_merged_by_qemu(guest, calls, written):
    assert merge(guest) == ""
    assert guest.calls == calls and guest.live == RAW and is_done(guest) and not written
    # Once more there is nothing to do.
    assert merge(guest) == "" and guest.calls == calls


def test_the_definition_is_brought_along(written):
    guest = Guest()
    guest.brings_along = False
    assert merge(guest) == ""
    assert guest.calls == ["commit", "pivot", "define"] and is_done(guest) and not written


def test_a_guest_that_is_off_is_merged_by_qemu_img(written):
    guest = Guest(active=False)
    assert merge(guest) == ""
    assert guest.calls == ["define"] and written == [("/p/data-g2.qcow2", "/p/data.raw", "raw")]
    assert merge(guest) == "" and len(written) == 1
    far = Guest(active=False)
    far.is_local = False
    assert "is merged by qemu-img, on its own machine. Start it" in merge(far)


def test_a_guest_that_stops_meanwhile_is_merged_when_it_is_off(written):
    guest = Guest(ready_after=9)
    guest.events = [lambda _guest: None, lambda _guest: None, Guest.destroy]
    assert merge(guest) == ""
    assert guest.calls == ["commit", "define"] and len(written) == 1


def test_a_guest_that_starts_meanwhile_is_merged_once_more(monkeypatch):
    guest = Guest(active=False)

    def wake(*_arguments):
        guest.active = True

    monkeypatch.setattr(merge_disk.qemu_img, "commit", wake)
    assert merge(guest) == ""
    assert guest.calls == ["define", "commit", "pivot"] and guest.live == RAW


def test_what_goes_wrong_is_said(written, monkeypatch):
    assert "disk vdb is /p/data.qcow2" in merge(Guest(disk=OVER.replace("/p/data-g2.qcow2", "/p/data.qcow2")))
    deeper = OVER.replace("/p/data.raw", "/p/more.raw")
    told = "cannot merge /p/data-g2.qcow2 of domain web into /p/data.raw: disk vdb is /p/data-g2.qcow2 on /p/more.raw"
    assert merge(Guest(disk=deeper)) == merge(Guest(disk=deeper, active=False)) == told
    assert "another block job is at disk vdb" in merge(Guest(job="pull"))
    elsewhere = Guest(job="moves")
    elsewhere.place = "/p/copy.raw"
    assert "another block job is at disk vdb" in merge(elsewhere)
    failed = Guest(ready_after=9)
    failed.events = [lambda _guest: None, lambda guest: setattr(guest, "job", None)]
    assert "QEMU ended the job before it was done" in merge(failed)
    stuck = Guest(ready_after=9)
    stuck.events = [lambda guest: setattr(guest, "ready_after", 9)] * 99
    monkeypatch.setattr(merge_disk, "STALLED_SECONDS", -1)
    assert "QEMU's job has not moved for" in merge(stuck)
    assert not written and is_merged(domain_xml(RAW), STEP)
    missing = MergeDisk("web", "vdz", "/p/a", "/p/b", "raw")
    assert message(merge_disk.merge_disk, missing, Guest()).endswith("the domain has no disk vdz")


def test_the_xml_keeps_all_but_the_overlay():
    tree = xml.parse(merged_xml(domain_xml(OVER), STEP), "domain")
    disk = tree.findall("devices/disk")[1]
    assert dict(disk.find("driver").items()) == {"name": "qemu", "type": "raw", "cache": "none"}
    assert dict(disk.find("source").items()) == {"file": "/p/data.raw"}
    assert not disk.find("backingStore").items() and [node.tag for node in disk][-1] == "target"
    device = BELOW.replace("type='file'", "type='block'").replace("file='/p/data.raw'", "dev='/p/data.raw'")
    tree = xml.parse(merged_xml(domain_xml(OVER.replace(BELOW, device)), STEP), "domain")
    assert tree.findall("devices/disk")[1].get("type") == "block"


class Busy(Guest):
    """Stands in for a connection to a guest with much to do."""

    snapshots = False

    def find_domain(self, _name):
        return self

    def has_snapshots(self, _name):
        return self.snapshots


def found(guest, state="running", saved=False):
    live = Live("web", domain_xml(OVER), state, False, active=domain_xml(OVER) if guest.active else None, saved=saved)
    return busy.busy_with(live, guest)


def test_what_a_guest_is_busy_with_is_told_with_the_way_out():
    assert found(Busy()) == found(Busy(active=False), "shutoff") == ()
    guest = Busy(job="pull")
    guest.snapshots = True
    told = found(guest, "paused", saved=True)
    assert [one.split(";")[0].partition(",")[0] for one in told] == [
        "is paused",
        "has a block job (pull) at disk vda",
        "has a block job (pull) at disk vdb",
        "has snapshots or checkpoints",
        "has a saved state (virsh managedsave)",
    ]
    assert "virsh blockjob web vdb --abort" in told[2]
    assert "sleeps" in found(Busy(), "pmsuspended")[0]


def test_drivers_without_block_jobs_have_none(monkeypatch):
    guest = Busy()
    monkeypatch.setattr(Guest, "blockJobInfo", failing(3))
    assert found(guest) == ()
    monkeypatch.setattr(Guest, "blockJobInfo", failing(1, "broken"))
    assert "cannot read the block job of disk vda of domain web: broken" in message(found, guest)
