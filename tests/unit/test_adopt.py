# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that others made is taken over with its disks, or refused with a word; it is not restarted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._core.record import Record, drop_record, read_record, set_record
from ansible_collections.virt.image.plugins.module_utils._core.steps import DefineDomain
from ansible_collections.virt.image.plugins.module_utils._core.volume import Found
from ansible_collections.virt.image.tests.unit.sightings import files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import message
from ansible_collections.virt.image.tests.unit.test_definition import edited

UUID = "11111111-2222-3333-4444-555555555555"
NAMED = [{"id": "root", "volume": "old.qcow2"}]


def theirs(*edits, state="shutoff", **options):
    """Return the domain of someone else that has the disks of the guest."""
    tree = xml.parse(made(**options).xml, "made")
    drop_record(tree)
    tree = edited(tree, ["- metadata", f"uuid = {UUID}", *edits])
    text = xml.to_text(tree)
    return Live("web1", text, state, False, active=text if state == "running" else None)


def seen(live, **options):
    return sighting(live=live, files=files_of("web1"), **options)


def test_it_is_taken_over():
    plan = plan_guest(seen(theirs(), adopt=True))
    assert [str(step) for step in plan.steps] == ["redefine domain web1"]
    tree = xml.parse(plan.after, "after")
    assert tree.findtext("uuid") == UUID
    assert [disk.volume for disk in read_record(tree).disks] == ["web1-root.qcow2", "web1-data.raw"]
    assert [change.path for change in plan.changes] == ["metadata/record"]
    again = plan_guest(seen(replace(theirs(), xml=plan.after), adopt=True))
    assert again.steps == ()


def test_what_its_owner_had_besides_stays():
    live = theirs('+ devices <watchdog model="i6300esb"/>', "vcpu = 7")
    plan = plan_guest(seen(live, adopt=True))
    assert xml.parse(plan.after, "after").find("devices/watchdog") is not None
    assert "vcpu" in [change.path for change in plan.changes]
    assert plan.drift == ()


def test_it_is_not_restarted():
    live = theirs("memory = 1048576", state="running")
    plan = plan_guest(seen(live, adopt=True, apply="restart", state="started"))
    assert [str(step) for step in plan.steps] == ["redefine domain web1"]
    assert plan.restart_required


def test_a_disk_of_another_name():
    live = theirs("devices/disk/source @file = /pool/old.qcow2")
    found = seen(live, adopt=True, disks=NAMED)
    # It stands alone, and nothing tells from what it was made.
    found.world.found["/pool/old.qcow2"] = Found(Header("qcow2", 2**30), True, "")
    plan = plan_guest(found)
    assert [str(step) for step in plan.steps] == ["redefine domain web1"]
    assert read_record(xml.parse(plan.after, "after")).disk("root").volume == "old.qcow2"


@pytest.mark.parametrize(
    "edits, told",
    [
        (
            ["devices/disk/source @file = /pool/old.qcow2"],
            "cannot be adopted: it would have vda /pool/web1-root.qcow2, and it has vda /pool/old.qcow2, vdb "
            "/pool/web1-data.raw. Name its volumes with disks: [{id: ..., volume: ...}], and give it a disk for each that it lacks",
        ),
        (
            ["- devices/disk[2]"],
            "cannot be adopted: it would have vdb /pool/web1-data.raw, and it has vda /pool/web1-root.qcow2. Name its volumes "
            "with disks: [{id: ..., volume: ...}], and give it a disk for each that it lacks",
        ),
        (
            ["devices/disk[2]/driver @type = qcow2"],
            "cannot be adopted: its disk /pool/web1-data.raw would be raw, and the domain has it as qcow2",
        ),
    ],
)
def test_other_disks_are_refused(edits, told):
    assert message(plan_guest, seen(theirs(*edits), adopt=True)) == told


def test_a_disk_of_its_owner_keeps_its_place():
    disk = '<disk type="file" device="disk"><source file="/srv/theirs.raw"/><target dev="vdc" bus="virtio"/></disk>'
    found = seen(theirs(f"+ devices {disk}"), adopt=True, extra_disks=[{"source": "/srv/x.raw"}])
    assert "disk vdc is /srv/theirs.raw, which someone else gave" in message(plan_guest, found)


def with_another_first():
    """Return a domain whose first disk is not the image's, which come after it."""
    return theirs(
        "devices/disk[1]/source @file = /srv/first.raw",
        "devices/disk[2]/source @file = /pool/web1-root.qcow2",
        "devices/disk[1]/driver @type = raw",
        "devices/disk[2]/driver @type = qcow2",
        '+ devices <disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="/pool/web1-data.raw"/>'
        '<target dev="vdc" bus="virtio"/></disk>',
    )


def test_a_disk_that_is_first_stays_first():
    plan = plan_guest(seen(with_another_first(), adopt=True))
    assert [disk.get("file") for disk in xml.parse(plan.after, "after").findall("devices/disk/source")] == [
        "/srv/first.raw",
        "/pool/web1-root.qcow2",
        "/pool/web1-data.raw",
    ]
    assert plan_guest(seen(replace(with_another_first(), xml=plan.after), adopt=True)).steps == ()


def test_a_disk_that_is_first_is_not_pushed_away():
    root = {"id": "root", "target": "vda"}
    told = message(plan_guest, seen(with_another_first(), adopt=True, disks=[root]))
    assert told.startswith("disk vda is /srv/first.raw, which someone else gave to the domain, and /pool/web1-root.qcow2 is to be")


def test_an_overlay_of_something_else_is_refused():
    found = seen(theirs(), adopt=True)
    found.world.found["/pool/web1-root.qcow2"] = Found(Header("qcow2", 2**30, "/other.raw"), True)
    assert "is no overlay of" in message(plan_guest, found)


def test_a_domain_of_the_module_domain_is_one_of_others():
    tree = xml.parse(theirs('+ devices <watchdog model="i6300esb"/>').xml, "theirs")
    set_record(tree, Record(None, None, None, 1, (), xml.to_text(tree)))
    live = replace(theirs(), xml=xml.to_text(tree))
    assert "kept from its own XML" in message(plan_guest, seen(live))
    (step,) = plan_guest(seen(live, adopt=True)).steps
    assert isinstance(step, DefineDomain)
    assert xml.parse(step.xml, "made").find("devices/watchdog") is not None
    # With the record that is dropped.
    assert step.before == live.xml


def test_two_disks_of_a_server():
    disks = [
        f'+ devices <disk type="network"><driver name="qemu" type="raw"/><source protocol="nbd"><host name="{host}" port="1"/>'
        f'</source><target dev="{target}" bus="virtio"/></disk>'
        for host, target in (("a", "vdx"), ("b", "vdy"))
    ]
    assert plan_guest(seen(theirs(*disks), adopt=True, memory="1 GiB", extra_disks=[{"source": "/srv/x.raw"}])).steps


def test_it_keeps_its_interfaces():
    live = theirs("devices/interface/source @network = dmz", '+ devices <interface type="user"><mac address="52:54:00:00:00:99"/></interface>')
    plan = plan_guest(seen(live, adopt=True))
    assert [change.path for change in plan.changes] == ["metadata/record"]
    assert plan_guest(seen(replace(live, xml=plan.after), adopt=True)).steps == ()


def test_what_is_to_go_is_not_adopted():
    assert "was not made by virt.image" in message(plan_guest, seen(theirs(), adopt=True, state="absent"))
