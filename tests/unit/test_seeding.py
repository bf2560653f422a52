# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds in the plan of a guest: made once for each content, deleted when the guest no longer runs with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.seed import Seed
from ansible_collections.virt.image.plugins.module_utils._core.seeding import seed_volume
from ansible_collections.virt.image.plugins.module_utils._core.steps import CreateSeed, DefineDomain, DeleteVolume
from ansible_collections.virt.image.plugins.module_utils._core.volume import BLOCK, Found, Pool
from ansible_collections.virt.image.tests.unit.sightings import files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import message

ONE = {"seed": {"user_data": "#cloud-config\npassword: first\n"}}
OTHER = {"seed": {"user_data": "#cloud-config\npassword: other\n"}}
POOL = Pool("default", "/pool", 0)


def path_of(options):
    return seed_volume("web1", Seed(**options["seed"]), POOL).path


def seen(live=None, there=(), **options):
    """Return what is seen of a host that has the guest's volumes, and these seeds."""
    found = sighting(live=live, files=files_of("web1"), **options)
    found.world.found.update({path: Found(Header("raw", 1), True) for path in there})
    return found


def steps(*arguments, **options):
    return [(type(step), getattr(step, "path", None)) for step in plan_guest(seen(*arguments, **options)).steps]


def test_a_new_guest():
    assert (CreateSeed, path_of(ONE)) in steps(**ONE)


def test_the_same_again():
    assert steps(made(**ONE), [path_of(ONE)], **ONE) == []


def test_it_is_a_cdrom_that_is_not_written_to():
    (disk,) = xml.parse(made(**ONE).xml, "domain").findall("devices/disk[@device='cdrom']")
    assert disk.find("source").get("file") == path_of(ONE)
    assert disk.find("readonly") is not None


@pytest.mark.parametrize("state, deleted", [("shutoff", True), ("running", False)])
def test_another_content(state, deleted):
    """The old one goes, but not while the guest runs with it."""
    live = made(state=state, **ONE)
    expected = [(CreateSeed, path_of(OTHER)), (DefineDomain, None)]
    assert steps(live, [path_of(ONE)], **OTHER) == expected + [(DeleteVolume, path_of(ONE))] * deleted


def test_the_old_one_goes_once_the_guest_was_started_anew():
    there = [path_of(ONE), path_of(OTHER)]
    plan = plan_guest(seen(made(state="running", **ONE), [path_of(ONE)], **OTHER))
    new = next(step.xml for step in plan.steps if isinstance(step, DefineDomain))
    assert plan.restart_required
    live = replace(made(state="running", **ONE), xml=new)
    assert steps(live, there, **OTHER) == []
    assert steps(replace(live, active=new), there, **OTHER) == [(DefineDomain, None), (DeleteVolume, path_of(ONE))]


def test_no_seed_any_more():
    live = made(**ONE)
    assert steps(live, [path_of(ONE)]) == [(DefineDomain, None), (DeleteVolume, path_of(ONE))]


def test_a_record_cannot_have_other_volumes_deleted():
    live = made(**ONE)
    name = path_of(ONE).rpartition("/")[2]
    forged = live.xml.replace(f'volume="{name}"', 'volume="other.raw"').replace(f'path="{path_of(ONE)}"', 'path="/pool/other.raw"')
    assert forged.count("other.raw") == 2
    assert steps(replace(live, xml=forged), [], **OTHER)[-1] == (DefineDomain, None)


def test_absent_takes_it_along():
    live = made(**ONE)
    found = sighting(live=live, state="absent")
    for disk in ("root.qcow2", "data.raw"):
        found.world.found[f"/pool/web1-{disk}"] = Found(Header("raw", 1), True)
    found.world.found[path_of(ONE)] = Found(Header("raw", 1), True)
    assert path_of(ONE) in [getattr(step, "path", None) for step in plan_guest(found).steps]


def test_block_devices_hold_no_seed():
    found = seen(**ONE, clone="full")
    found.world.pools["default"] = Pool("vg", "/dev/vg", 2**40, BLOCK)
    assert "seed is a file, and pool vg holds block devices" in message(plan_guest, found)


def test_the_texts_are_not_in_the_plan():
    assert "first" not in repr(plan_guest(seen(**ONE)))
