# SPDX-License-Identifier: GPL-3.0-or-later
"""An element that someone, or the playbook, made another kind of thing: what is written is of one kind."""

from __future__ import annotations

import itertools

import pytest
import yaml
from lxml import etree

from ansible_collections.virt.image.plugins.module_utils._core import definition, xml
from ansible_collections.virt.image.plugins.module_utils._core.record import set_record
from ansible_collections.virt.image.tests.unit.pairs import record
from ansible_collections.virt.image.tests.unit.support import schema, text

KINDS = yaml.safe_load(text("kinds.yml"))
DOMAIN = (
    "<domain type='kvm'><name>a</name><memory unit='KiB'>1024</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os>{domain}<devices>{devices}</devices></domain>"
)
PAIRS = [
    (place, element, was, becomes)
    for place, elements in KINDS.items()
    for element, kinds in elements.items()
    for was, becomes in itertools.permutations(kinds, 2)
]


def domain(place, element, kind):
    return xml.parse(DOMAIN.format(**{"domain": "", "devices": "", place: KINDS[place][element][kind]}), kind)


def is_read(tree):
    return schema() is None or schema().validate(tree)


def test_there_are_enough():
    assert len(PAIRS) > 900
    assert all(is_read(domain(place, element, kind)) for place, element, kind, _other in PAIRS)


@pytest.mark.parametrize("cause", ["drift", "intent"])
@pytest.mark.parametrize(("place", "element", "was", "becomes"), PAIRS, ids=map("-".join, PAIRS))
def test_one_becomes_another(place, element, was, becomes, cause):
    live, wanted = domain(place, element, was), domain(place, element, becomes)
    set_record(live, record(wanted if cause == "drift" else live))
    found = definition.redefine(wanted, etree.tostring(live, encoding="unicode"), record(wanted))
    assert found.changes
    assert is_read(xml.parse(found.xml, "made")), f"{found.xml}\n{schema().error_log.last_error}"
    assert definition.redefine(wanted, found.xml, record(wanted)).changes == ()
