# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume grows through the guest that runs with it, else as a file; a guest that would not see it is told of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.steps import GrowVolume
from ansible_collections.virt.image.tests.unit.sightings import files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import message

DATA = "/pool/web1-data.raw"
LARGER = {"disks": [{"id": "data", "size": "20 MiB"}]}


def grown(live):
    """Return the steps that grow a volume of the guest, whose user disk of 10 MiB is to have 20."""
    plan = plan_guest(sighting(live=live, files=files_of("web1"), **LARGER))
    return [step for step in plan.steps if isinstance(step, GrowVolume)]


def without(domain_xml, path):
    assert path in domain_xml
    return domain_xml.replace(f'file="{path}"', 'file="/pool/web1.snap"')


def test_a_guest_that_is_off():
    assert [(step.path, step.domain) for step in grown(made())] == [(DATA, None)]


def test_a_guest_that_runs():
    assert [(step.path, step.domain) for step in grown(made(state="running"))] == [(DATA, "web1")]


def test_a_guest_that_runs_under_xen():
    live = made(state="running")
    active = live.active.replace('<domain type="kvm"', '<domain type="xen"')
    assert active != live.active
    told = f"volume {DATA} cannot grow while its guest runs under Xen; stop the guest first (state: stopped)"
    assert message(grown, replace(live, active=active)) == told


def test_a_guest_that_runs_without_the_disk():
    live = made(state="running")
    assert grown(replace(live, active=without(live.active, DATA)))[0].domain is None


def test_a_disk_under_a_snapshot():
    live = made()
    told = message(grown, replace(live, xml=without(live.xml, DATA)))
    assert told.startswith(f"volume {DATA} is not what the guest has as its disk any more (an external snapshot?)")


@pytest.mark.parametrize("state", ["present", "started", "stopped"])
def test_a_saved_guest(state):
    live = replace(made(), saved=True)
    told = message(plan_guest, sighting(live=live, files=files_of("web1"), **{**LARGER, "state": state}))
    assert told.startswith("has a saved state (virsh managedsave), which would go on with the old size of ")


def test_nothing_grows_where_nothing_is_asked():
    plan = plan_guest(sighting(live=made(), files=files_of("web1")))
    assert plan.steps == ()
