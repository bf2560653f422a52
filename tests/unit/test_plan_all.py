# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of a list of guests: what is refused together, what is brought once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import Problem, Problems
from ansible_collections.virt.image.plugins.module_utils._core.batch import plan_all
from ansible_collections.virt.image.plugins.module_utils._core.steps import ImportBase
from ansible_collections.virt.image.plugins.module_utils._core.units import MIB
from ansible_collections.virt.image.tests.unit.sightings import BASE, files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import message

MAC = "52:54:00:00:00:01"


def mac(address):
    return {"networks": [{"type": "user", "mac": address}]}


def extra(**options):
    return {"extra_disks": [{"source": "/srv/x.raw", **options}]}


def taken(seen, *names):
    """Return what is seen where domains of these names have the extra disk."""
    return replace(seen, taken={"/srv/x.raw": names})


@pytest.mark.parametrize(
    "sightings, told",
    [
        ([sighting("a"), sighting("a"), sighting("b")], ["guest a is there 2 times; a name is one guest"]),
        ([sighting("a", **mac(MAC)), sighting("b", **mac(MAC.upper()))], [f"guests a and b both have MAC {MAC}"]),
        ([sighting("a-b"), sighting("a", root="b-root")], ["guests a-b and a both have disk /pool/a-b-root.qcow2"]),
        ([sighting("a", **extra()), sighting("b", **extra())], ["guests a and b both have disk /srv/x.raw"]),
        ([sighting("a", **extra(shareable=True)), sighting("b", **extra(shareable=True))], []),
        ([sighting("a", **extra(readonly=True)), sighting("b", **extra(device="cdrom"))], []),
        ([taken(sighting("a", **extra()), "a")], []),
        ([taken(sighting("a", **extra(shareable=True)), "old")], []),
        ([taken(sighting("a", **extra(readonly=True)), "old")], []),
        (
            [taken(sighting("a", **extra()), "old")],
            ["guest a: /srv/x.raw is a disk of domain old too, or below one; two guests do not share what they write"],
        ),
        (
            [taken(sighting("a", live=made("a"), files=files_of("a"), **extra()), "old")],
            ["guest a: /srv/x.raw is a disk of domain old too, or below one; two guests do not share what they write"],
        ),
        (
            [sighting("a", found_networks={}), sighting("b", disks=[{"id": "x"}])],
            [
                "guest a: network default does not exist; this host has none",
                "guest b: disks: x is no disk of this boot alternative; it has root, data",
            ],
        ),
        (
            [sighting("a", free=49 * MIB)],
            ["pool default has 49 MiB free, and the volumes need 50 MiB; make room in /pool, or choose another pool"],
        ),
        ([sighting("a", free=50 * MIB), sighting("b", free=50 * MIB)], []),
        ([sighting("a", free=50 * MIB), sighting("b", free=50 * MIB, origin="other.xml")], []),
        ([sighting("a", free=0, files=files_of("a"), live=made("a"))], []),
        (
            [sighting("a", free=99 * MIB, clone="full")],
            ["pool default has 99 MiB free, and the volumes need 100 MiB; make room in /pool, or choose another pool"],
        ),
    ],
    ids=[
        "names",
        "MACs",
        "disks",
        "extra disk of two",
        "extra disk made to be shared",
        "extra disk that is read",
        "own extra disk",
        "another's extra disk that is made to be shared",
        "another's extra disk that is read",
        "another's extra disk",
        "another's extra disk for a guest that exists",
        "two mistakes",
        "overflow",
        "shared base",
        "same base of two images",
        "nothing new",
        "full",
    ],
)
def test_what_is_refused_together(sightings, told):
    assert message(plan_all, sightings).splitlines() == told


def test_a_guest_that_cannot_be_read_does_not_hide_the_others():
    problems = Problems()
    problems.add(Problem("guest c: has no image"))
    told = message(plan_all, [sighting("a", found_networks={}), sighting("b"), sighting("b")], problems).splitlines()
    assert told[0] == "guest c: has no image"
    assert "guest a: network default does not exist; this host has none" in told


@pytest.mark.parametrize("origins", [("i", "i", "i"), ("i", "j", "k")])
def test_a_base_is_brought_once(origins):
    plans = plan_all([sighting(name, origin=origin) for name, origin in zip("abc", origins)])
    assert [sum(isinstance(step, ImportBase) for step in plan.steps) for plan in plans] == [1, 0, 0]


def test_plans_are_in_the_order_of_the_call():
    assert [plan.name for plan in plan_all([sighting(name) for name in "cab"])] == ["c", "a", "b"]


def test_what_another_guest_brings_is_remembered():
    plans = plan_all([sighting(name) for name in "ab"])
    assert [plan.shared for plan in plans] == [(), (BASE,)]
