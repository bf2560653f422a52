# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever someone changes in a domain that we rendered, or takes out of it, is found and put back: all golden cases."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import definition, xml
from ansible_collections.virt.image.plugins.module_utils._core.record import set_record
from ansible_collections.virt.image.plugins.module_utils._core.sameness import is_size, size
from ansible_collections.virt.image.tests.unit.pairs import changes, other_value, places, put, record, value_of
from ansible_collections.virt.image.tests.unit.support import HERE

CASES = sorted(path.name for path in (HERE / "cases").iterdir())
# Of each kind of place, so many are changed, and so many elements taken out.
MUTANTS = 8
# What libvirt never holds otherwise than we want it, so that it is not compared.
SETTLED = {
    "devices/console/@type": "the first console says what the first serial port says",
    "devices/console/target/@port": "consoles are numbered in their order",
    "devices/channel/source/@mode": "a socket without a path is bound by libvirt",
}


def said(tree):
    """Return how often each place says what it says; a size in bytes."""
    sized = {path: size(node, key) for node, key, path in places(tree) if key and is_size(node, key)}
    told = [(path, sized.get(path, value_of(node, key))) for node, key, path in places(tree)]
    return Counter(one for one in told if one[0].rpartition("/")[0] + "/@size" not in sized or not one[0].endswith("/@unit"))


def mended(wanted, live):
    """Return the number of changes that a run makes, and what the domain says after it; a second run makes none."""
    found = definition.redefine(wanted, xml.etree.tostring(live, encoding="unicode"), record(wanted))
    made = xml.parse(found.xml, "made")
    assert changes(wanted, made) == []
    return len(found.changes), said(made)


@lru_cache(maxsize=None)
def goldens():
    """Return for each case the wanted tree, and the places and elements of it that are tried."""
    seen, found = Counter(), []
    for case in CASES:
        wanted = xml.parse((HERE / "cases" / case / "domain.xml").read_bytes(), case)
        values, elements = [], []
        for node, key, path in places(wanted):
            seen[path] += 1
            if seen[path] <= MUTANTS and path not in SETTLED:
                values.append((wanted.getroottree().getelementpath(node), key))
        for node in wanted.iterdescendants():
            way = wanted.getroottree().getelementpath(node)
            path = "-" + "/".join(part.partition("[")[0] for part in way.split("/"))
            seen[path] += 1
            if seen[path] <= MUTANTS:
                elements.append(way)
        found.append((case, wanted, values, elements))
    return found


def live_of(wanted):
    live = xml.etree.fromstring(xml.etree.tostring(wanted))
    set_record(live, record(wanted))
    return live


def test_there_are_enough():
    assert sum(len(values) + len(elements) for _case, _wanted, values, elements in goldens()) > 700


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_whatever_changes_is_found_and_put_back(number):
    case, wanted, values, _elements = goldens()[number]
    before = said(wanted)
    for way, key in values:
        live = live_of(wanted)
        node = live.find(way) if way != "." else live
        put(node, key, other_value(node, key))
        count, after = mended(wanted, live)
        assert (count > 0, before - after) == (True, Counter()), f"{case}: {way} {key}"


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_whatever_is_taken_out_is_found_and_put_back(number):
    case, wanted, _values, elements = goldens()[number]
    before = said(wanted)
    for way in elements:
        live = live_of(wanted)
        node = live.find(way)
        node.getparent().remove(node)
        count, after = mended(wanted, live)
        assert (count > 0, before - after) == (True, Counter()), f"{case}: {way}"
