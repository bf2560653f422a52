# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one guest: the steps for each state, and for what has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._core.steps import DeleteVolume, StartDomain
from ansible_collections.virt.image.tests.unit.sightings import DISKS, DRIVES, files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import image, message


# What goes of web1's volumes, and is made again.
GONE = ["delete volume web1-root.qcow2 of pool default", "delete volume web1-data.raw of pool default"]
NEW = ["create overlay web1-root.qcow2 in pool default", "create empty 10 MiB volume web1-data.raw in pool default"]
ON = ["define domain web1", "start domain web1"]


def again(live=None, **options):
    """Return the plan for a guest that was made (as `live`, or with no options) and is asked for."""
    return plan_guest(sighting(live=live or made(), files=files_of("web1"), **options))


def words(plan):
    return [str(step) for step in plan.steps]


def test_a_new_guest():
    plan = plan_guest(sighting(state="started", autostart=True, wait={"agent": True}))
    assert words(plan) == [
        f"import root.raw (50 MiB) into pool default as sha256-{'a' * 64}.raw",
        "create overlay web1-root.qcow2 in pool default",
        "create empty 10 MiB volume web1-data.raw in pool default",
        "define domain web1",
        "set autostart of domain web1 on",
        "start domain web1",
    ]
    assert [str(step) for step in plan.waits] == ["wait for guest web1"]
    assert (plan.was, plan.state, plan.restart_required) == ("absent", "running", False)


def test_nothing_to_do():
    plan = again()
    assert (plan.steps, plan.changes, plan.before) == ((), (), plan.after)


@pytest.mark.parametrize(
    "was, asked, steps, after",
    [
        ("shutoff", "present", [], "shutoff"),
        ("running", "present", [], "running"),
        ("shutoff", "started", ["start domain web1"], "running"),
        ("running", "started", [], "running"),
        # Xen's name of a running guest that waits for something.
        ("blocked", "started", [], "blocked"),
        ("paused", "started", ["resume domain web1"], "running"),
        ("pmsuspended", "started", ["resume domain web1"], "running"),
        ("shutoff", "stopped", [], "shutoff"),
        ("crashed", "stopped", ["power off domain web1"], "shutoff"),
        (
            "crashed",
            "absent",
            ["power off domain web1", "delete volume web1-root.qcow2 of pool default", "undefine domain web1"],
            "absent",
        ),
        ("running", "stopped", ["stop domain web1"], "shutoff"),
        ("blocked", "stopped", ["stop domain web1"], "shutoff"),
        ("paused", "stopped", ["stop domain web1"], "shutoff"),
        ("shutoff", "absent", ["delete volume web1-root.qcow2 of pool default", "undefine domain web1"], "absent"),
        (
            "running",
            "absent",
            ["stop domain web1", "delete volume web1-root.qcow2 of pool default", "undefine domain web1"],
            "absent",
        ),
    ],
)
def test_state(was, asked, steps, after):
    plan = again(made(state=was), state=asked)
    assert (words(plan), plan.was, plan.state) == (steps, was, after)


def test_one_that_is_kept_after_its_crash_is_not_started_over():
    assert "has crashed, and is kept as it is (on_crash: preserve); power it off (virsh destroy web1)" in message(
        again, made(state="crashed"), state="started"
    )


@pytest.mark.parametrize(
    "had, asked, steps", [(False, None, 0), (True, None, 0), (False, True, 1), (True, False, 1), (True, True, 0)]
)
def test_autostart(had, asked, steps):
    plan = again(made(autostart=had), autostart=asked)
    assert len(plan.steps) == steps


@pytest.mark.parametrize("remove, gone", [("none", 0), ("disposable", 1), ("all", 2)])
def test_absent_removes_what_is_said(remove, gone):
    plan = again(state="absent", remove=remove)
    assert sum(isinstance(step, DeleteVolume) for step in plan.steps) == gone


def test_absent_of_what_is_not_there():
    assert plan_guest(sighting(state="absent")).steps == ()


def renewed(live, taken=(), **options):
    """Return the plan for a guest that was made (as `live`), and is to be made anew; `taken` are disks of domains."""
    seen = {"live": live, "files": files_of("web1"), **options}
    going = replace(sighting(state="absent", **seen), taken=dict(taken))
    return plan_guest(replace(sighting(state="started", **seen), going=going))


@pytest.mark.parametrize(
    "was, remove, steps",
    [
        ("running", "disposable", ["stop domain web1", *GONE[:1], "undefine domain web1", *NEW[:1], *ON]),
        ("shutoff", "disposable", [*GONE[:1], "undefine domain web1", *NEW[:1], *ON]),
        ("running", "all", ["stop domain web1", *GONE, "undefine domain web1", *NEW, *ON]),
        ("running", "none", ["stop domain web1", "undefine domain web1", *ON]),
    ],
)
def test_renewed_is_absent_and_started(was, remove, steps):
    live = made(state=was)
    plan = renewed(live, remove=remove)
    assert words(plan) == steps
    # What a failure leaves is that of a new guest: what is undefined cannot come back.
    assert (plan.was, plan.state) == ("absent", "running")
    before, after = xml.parse(plan.before, "before"), xml.parse(plan.after, "after")
    for place in ("uuid", "devices/interface/mac"):
        assert xml.to_text(before.find(place)).strip() == xml.to_text(after.find(place)).strip()


def test_renewed_takes_no_disk_of_another():
    live, path = made(), "/pool/web1-root.qcow2"
    assert len(renewed(live, taken={path: ("web1",)}).steps) == 5
    assert "web2" in message(renewed, live, taken={path: ("web1", "web2")})


@pytest.mark.parametrize(
    "options, paths",
    [
        ({"memory": "1 GiB"}, ["memory", "currentMemory"]),
        ({"vcpus": 3}, ["vcpu"]),
        ({"machine": "pc-i440fx-6.2"}, ["os/type/@machine"]),
        ({"networks": []}, ["devices/interface"]),
        ({"xml": "<title>T</title>"}, ["title"]),
        ({"virt_type": "qemu"}, ["@type", "cpu"]),
    ],
    ids=str,
)
def test_a_changed_option_is_repaired_and_nothing_else(options, paths):
    plan = again(**options)
    assert words(plan) == ["redefine domain web1"]
    assert [change.path.partition("[")[0] for change in plan.changes] == paths


def test_a_changed_guest_that_runs_needs_a_restart():
    plan = again(made(state="running"), memory="1 GiB")
    assert plan.restart_required
    assert not again(made(state="running"), memory="1 GiB", state="stopped").restart_required


def test_identity_and_machine_stay():
    live = made(machine="pc-i440fx-6.2")
    live = replace(live, xml=live.xml.replace("52:54:00:", "52:54:99:"))
    plan = again(live)
    assert plan.changes == ()


def test_a_foreign_domain_is_refused():
    live = Live("web1", "<domain><name>web1</name></domain>", "running", False)
    refused = "a domain of that name exists (state running) and was not made by virt.image; it is left as it is: "
    ways = "give the guest another name, or take the domain over with adopt: true"
    assert message(plan_guest, sighting(live=live)) == refused + ways
    assert message(plan_guest, sighting(live=live, state="absent")) == refused + "adopt it first (state: present)"


@pytest.mark.parametrize(
    "networks, state, told",
    [
        ({}, "present", "network default does not exist; this host has none"),
        ({"lan": True}, "present", "network default does not exist; this host has lan"),
        ({"default": False}, "started", "network default is not active; start it with virsh net-start default"),
        ({"default": False}, "present", ""),
    ],
)
def test_network(networks, state, told):
    assert message(plan_guest, sighting(found_networks=networks, state=state)) == told


def test_no_memory():
    bare = replace(sighting(), image=replace(image(disks=DISKS, drives=DRIVES), memory_kib=None))
    assert message(plan_guest, bare) == "image web says no memory; say it with the option memory, such as 512 MiB"


def test_the_record_tells_where_the_disks_came_from():
    record = xml.parse(made().xml, "made").find("metadata/{*}record")
    assert [
        (disk.get("id"), disk.get("volume"), disk.get("sha256"), disk.get("stamp"))
        for disk in record.findall("{*}disk")
    ] == [
        ("root", "web1-root.qcow2", "a" * 64, "stamp"),
        ("data", "web1-data.raw", None, None),
    ]


def test_a_started_guest_says_its_type():
    plan = plan_guest(sighting(state="started"))
    assert [step.virt_type for step in plan.steps if isinstance(step, StartDomain)] == ["kvm"]


MOVED = {"disks": [{"id": "data", "target": "vdc"}], "extra_disks": [{"source": "/srv/x.raw"}]}


def sources(domain_xml):
    """Return which file is behind each of a domain's disks."""
    disks = xml.parse(domain_xml, "domain").findall("devices/disk")
    return {disk.find("target").get("dev"): disk.find("source").get("file") for disk in disks}


def test_options_move_disks_and_back():
    was, data = made(**MOVED), "/pool/web1-data.raw"
    assert sources(was.xml) == {"vda": "/pool/web1-root.qcow2", "vdb": "/srv/x.raw", "vdc": data}
    assert again(was, **MOVED).steps == ()
    # What nobody names keeps the name that it has.
    assert sources(again(was).after) == {"vda": "/pool/web1-root.qcow2", "vdc": data}


def test_a_disk_under_a_snapshot_is_not_turned_back_under_another_name():
    was = made()
    covered = replace(was, xml=was.xml.replace('<source file="/pool/web1-root.qcow2"', '<source file="/pool/snap"', 1))
    told = message(again, covered, disks=[{"id": "root", "target": "vdf"}])
    assert told.startswith("disk vda is now /pool/snap, not /pool/web1-root.qcow2 (an external snapshot?)")


def macs(domain_xml):
    """Return the MAC of each interface with the network that it is on."""
    nodes = xml.parse(domain_xml, "domain").findall("devices/interface")
    return {node.find("mac").get("address"): node.find("source").get("network") for node in nodes}


def test_interfaces_keep_their_macs():
    one, other = {"source": "one"}, {"source": "other"}
    known = {"one": True, "other": True, "default": True}
    was = made(networks=[one, other], found_networks=known)
    first, second = macs(was.xml)
    assert macs(again(was, networks=[other], found_networks=known).after) == {second: "other"}
    assert macs(again(was, networks=[other, one], found_networks=known).after) == {second: "other", first: "one"}
    assert macs(again(was, networks=[{"source": "default"}], found_networks=known).after) == {first: "default"}


def test_an_interface_that_someone_put_in_the_place_of_ours():
    was = made()
    (own,) = macs(was.xml)
    # The first is in the record.
    before, _mac, after = was.xml.rpartition(own)
    theirs = replace(was, xml=f"{before}52:54:00:00:00:99{after}")
    assert macs(again(theirs).after) == {"52:54:00:00:00:99": "default", own: "default"}
    kept = again(theirs, on_drift="report")
    assert (kept.steps, [change.path for change in kept.drift]) == ((), [f"devices/interface[{own}]"])


def test_extra_disks_keep_their_names():
    one, other = {"source": "/srv/one.raw"}, {"source": "/srv/other.raw"}
    was = made(extra_disks=[one, other])
    assert sources(again(was, extra_disks=[other]).after)["vdd"] == "/srv/other.raw"
    third = sources(again(was, extra_disks=[{"source": "/srv/third.raw"}, other]).after)
    assert (third["vdc"], third["vdd"]) == ("/srv/third.raw", "/srv/other.raw")


def test_a_disk_of_someone_else_keeps_its_place():
    theirs = '<disk type="file" device="disk"><source file="/srv/theirs.raw"/><target dev="vdc" bus="virtio"/></disk>'
    live = made()
    live = replace(live, xml=live.xml.replace("</devices>", f"{theirs}</devices>"))
    extra = {"source": "/srv/x.raw"}
    assert message(again, live, extra_disks=[extra]) == (
        "disk vdc is /srv/theirs.raw, which someone else gave to the domain, and /srv/x.raw is to be there; give that another "
        "target, or take the disk out yourself"
    )
    plan = again(live, extra_disks=[{**extra, "target": "vdd"}])
    assert sources(plan.after)["vdc"] == "/srv/theirs.raw"


@pytest.mark.parametrize("path", ["/srv/x.raw", "/pool/web1-data.raw"])
def test_a_disk_under_an_external_snapshot_is_not_turned_back(path):
    was = made(**MOVED)
    covered = replace(was, xml=was.xml.replace(f'<source file="{path}"', '<source file="/srv/over.qcow2"', 1))
    told = message(again, covered, **MOVED)
    assert f"is now /srv/over.qcow2, not {path} (an external snapshot?)" in told
