# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a running domain can change at once, and what waits for a start: live/hot.xml is what runs."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import definition, running, xml
from ansible_collections.virt.image.plugins.module_utils._core.merge import Change
from ansible_collections.virt.image.plugins.module_utils._core.record import Record, set_record
from ansible_collections.virt.image.plugins.module_utils._io import running as changing
from ansible_collections.virt.image.tests.unit.support import table, text
from ansible_collections.virt.image.tests.unit.test_definition import edited

# What a start adds to what is rendered.
STARTED = [
    "- . @id",
    "- vcpus",
    *(f"- devices/{tag}/{part}" for tag in ("disk[1]", "disk[2]", "interface") for part in ("alias", "address")),
    "- devices/disk[1]/source @index",
    "- devices/disk[2]/source @index",
    "- devices/disk[2]/backingStore",
    "- devices/interface/source @portid",
    "- devices/interface/source @bridge",
    "- devices/interface/target",
    "- devices/graphics @port",
    "- devices/graphics/listen",
]
ACTIVE = xml.parse(text("live/hot.xml"), "active")
RENDERED = edited(ACTIVE, STARTED)


def applied_as(tree):
    """Return the XML of a domain that was given this tree last."""
    whole = edited(tree, [])
    set_record(whole, Record("web", None, None, 1, (), definition.applied_text(tree)))
    return xml.to_text(whole)


@pytest.mark.parametrize("row", table("running.yml"))
def test_running(row):
    was, active = edited(RENDERED, row.get("was", [])), edited(ACTIVE, row.get("user", []))
    wanted = edited(was if row.get("from") == "was" else RENDERED, row.get("wanted", []))
    changes = tuple(Change(path, "a", "b") for path in row.get("changes", []))
    found = running.compare_running(
        "hot", wanted, xml.to_text(wanted), xml.to_text(active), (), changes, applied_as(was), frozenset(["/seed.iso"])
    )
    assert [str(step) for step in found.steps] == row.get("steps", [])
    assert [change.path for change in found.pending] == row.get("pending", [])
    assert [change.path for change in found.foreign] == row.get("foreign", [])


def test_a_device_comes_without_its_place_in_the_configuration():
    disk = '<disk type="file"><target dev="vdb" bus="virtio"/><address type="pci"/><alias name="ua-x"/></disk>'
    wanted = edited(RENDERED, [f"+ devices {disk}"])
    (step,) = running.compare_running("hot", wanted, xml.to_text(wanted), xml.to_text(ACTIVE)).steps
    assert step.xml == '<disk type="file"><target dev="vdb" bus="virtio"/></disk>'


def test_a_disk_goes_as_it_runs_and_by_its_name():
    wanted = edited(RENDERED, ["- devices/disk[1]"])
    (step,) = running.compare_running(
        "hot", wanted, xml.to_text(wanted), xml.to_text(ACTIVE), before_xml=applied_as(RENDERED)
    ).steps
    assert step.target == "vda" and "virtio-disk0" in step.xml


def test_a_balloon_that_was_to_be_set_at_the_next_start():
    active, wanted = edited(ACTIVE, []), edited(RENDERED, ["currentMemory = 393216"])
    set_record(active, Record("web", None, None, 1, (), definition.applied_text(RENDERED)))
    found = running.compare_running("hot", wanted, xml.to_text(wanted), xml.to_text(active))
    assert [(change.path, change.before, change.after) for change in found.pending] == [("currentMemory", "524288", "393216")]


def test_what_went_before_and_still_runs():
    """A run that was killed, or waited for the next start: the running domain knows what it was started with."""
    active, wanted = edited(ACTIVE, []), edited(RENDERED, ["- devices/disk[1]"])
    set_record(active, Record("web", None, None, 1, (), definition.applied_text(RENDERED)))
    found = running.compare_running("hot", wanted, xml.to_text(wanted), xml.to_text(active), before_xml=applied_as(wanted))
    assert [str(step) for step in found.steps] == ["detach disk[vda] from running domain hot"]


@pytest.mark.parametrize(
    "systems, told",
    [
        ([], None),
        ([("/", "vda1", "ext4", ["vda"])], None),
        ([("/", "vda1", "ext4", ["vda"]), ("/data", "vdb", "xfs", ["vdb"])], "the guest has it mounted at /data"),
        ([("/lv", "dm-0", "xfs", ["vda", "vdb"])], "the guest has it mounted at /lv"),
        ([("/", "sda1", "ext4", [])], "the guest agent does not tell which disk is mounted at /"),
    ],
)
def test_a_disk_in_use(systems, told):
    assert changing._use_of(systems, "vdb") == told
