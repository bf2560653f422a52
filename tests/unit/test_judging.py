# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's schema judges: what a user wrote a part of, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.steps import DefineDomain
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.tests.unit import test_define, test_generation
from ansible_collections.virt.image.tests.unit.sightings import files_of, made, plan_guest, sighting
from ansible_collections.virt.image.tests.unit.support import untouched

TITLE = "<title>Web</title>"
JUDGED, NOT = [True], [False]


def defined(plan):
    """Return whether each definition of a plan is to be judged."""
    return [step.own_xml for step in plan.steps if isinstance(step, DefineDomain) and not step.note]


@pytest.mark.parametrize("options, judged", [({}, NOT), ({"xml": TITLE}, JUDGED)])
def test_a_guest(options, judged):
    assert defined(plan_guest(sighting("web1", **options))) == judged


@pytest.mark.parametrize("options, judged", [({"memory": "2 GiB"}, NOT), ({"xml": TITLE}, JUDGED)])
def test_a_guest_that_is_there(options, judged):
    live = made()
    assert defined(plan_guest(sighting("web1", live=live, files=files_of("web1"), **options))) == judged
    assert untouched(live)


@pytest.mark.parametrize("options, judged", [({}, NOT), ({"xml": TITLE}, JUDGED)])
def test_a_guest_that_is_switched(options, judged):
    host = test_generation.Host()
    host.perform(host.plan("staged", version=2, **options))
    assert defined(host.plan("active", version=2, **options)) == judged


def test_a_domain_of_one_s_own():
    assert defined(test_define.plan_of(test_define.WANTED.replace("<vcpu>4", "<vcpu>2"))) == JUDGED


@pytest.mark.parametrize("judge, flags", [(True, 4), (False, 0)])
def test_libvirt_is_told(monkeypatch, judge, flags):
    asked = []
    domain = SimpleNamespace(XMLDesc=lambda flags: "<domain/>")
    link = SimpleNamespace(defineXMLFlags=lambda *one: asked.append(one) or domain)
    numbers = {"VIR_DOMAIN_DEFINE_VALIDATE": 4, "VIR_DOMAIN_XML_SECURE": 1, "VIR_DOMAIN_XML_INACTIVE": 2}
    calls = {"libvirtError": Exception, "registerErrorHandler": lambda *_arguments: None, "open": lambda _uri: link}
    monkeypatch.setattr(door, "libvirt", SimpleNamespace(**numbers, **calls))
    assert door.Connection("qemu:///system").define("web", "<new/>", judge) == "<domain/>"
    assert asked == [("<new/>", flags)]
