# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays that are to stand alone: the domain first, then the volume; refused where the guest would not stand it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.flatten import plan_flattening
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.plan import Plan
from ansible_collections.virt.image.plugins.module_utils._core.steps import DefineDomain, FlattenVolume
from ansible_collections.virt.image.plugins.module_utils._core.volume import REMOTE, Found, Pool, World
from ansible_collections.virt.image.tests.unit.sightings import BASE, files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import message

ROOT = "/pool/web1-root.qcow2"
POOLS = {"default": Pool("default", "/pool", 2**40)}


def volumes():
    return plan_guest(sighting(live=made(), files=files_of("web1"))).volumes


def flattened(live, pools=None, header=None, snapshots=False):
    found = {ROOT: Found(header or Header("qcow2", 1, BASE), True)}
    return plan_flattening(Plan("web1", volumes=volumes()), World(pools or POOLS, {}, found), live, snapshots)


def chains(text):
    return xml.parse(text, "domain").findall("devices/disk/backingStore")


@pytest.mark.parametrize("state, running", [("shutoff", False), ("running", True), ("paused", True)])
def test_the_domain_comes_first(state, running):
    live = made(state=state)
    assert chains(live.xml)
    define, flatten = flattened(live).steps
    assert isinstance(define, DefineDomain) and not chains(define.xml)
    assert define.before == live.xml
    assert (flatten.path, flatten.guest, flatten.running) == (ROOT, "web1", running)
    assert [layer.path for layer in flatten.layers] == [ROOT, BASE]


def test_without_a_domain():
    assert [type(step) for step in flattened(None).steps] == [FlattenVolume]


def test_a_domain_that_has_no_chain_any_more():
    live = made()
    define = flattened(live).steps[0]
    assert [type(step) for step in flattened(replace(live, xml=define.xml)).steps] == [FlattenVolume]


def test_nothing_to_flatten():
    plan = Plan("web1", volumes=tuple(volume for volume in volumes() if len(volume.layers) == 1))
    assert plan_flattening(plan, World(POOLS, {}, {}), made()) == plan


def test_a_flattened_guest_is_as_it_should_be():
    """What `guests` finds afterwards is what it wants."""
    live = made()
    live = replace(live, xml=flattened(live).steps[0].xml)
    found = sighting(live=live, files=files_of("web1"))
    found.world.found[ROOT] = Found(Header("qcow2", 100 * 2**20), True)
    assert plan_guest(found).steps == ()


@pytest.mark.parametrize(
    "live, pools, words",
    [
        (replace(made(), saved=True), POOLS, "has a saved state (virsh managedsave), which needs /pool/web1-root.qcow2"),
        (
            replace(made(), xml=made().xml.replace(f'<source file="{ROOT}"', '<source file="/pool/web1.snap"')),
            POOLS,
            "volume /pool/web1-root.qcow2 is not what the guest has as its disk any more",
        ),
        (
            made(),
            {"default": Pool("default", "/pool", 0, REMOTE)},
            "volume /pool/web1-root.qcow2 is on another machine; start the guest, or flatten it there",
        ),
        (
            replace(made(), state="running", active=made().xml.replace('type="kvm"', 'type="xen"', 1)),
            POOLS,
            "volume /pool/web1-root.qcow2 cannot be flattened while its guest runs under Xen; stop the guest first",
        ),
    ],
)
def test_what_is_refused(live, pools, words):
    assert message(flattened, live, pools).startswith(words)


@pytest.mark.parametrize("options", [{"snapshots": True}, {"header": Header("qcow2", 1, BASE, "raw", 2)}])
def test_snapshots_are_not_lost(options):
    assert message(flattened, made(), **options) == (
        f"volume {ROOT} has snapshots or checkpoints, which flattening would lose; delete them first"
    )
