# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own test suite: what libvirt made of a domain is no change, and whatever else is wanted is one.

`script/test pairs` fetches the sources of libvirt 9.0 and runs this; without them it is skipped.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import pytest
import yaml

from ansible_collections.virt.image.plugins.module_utils._core import definition, xml
from ansible_collections.virt.image.tests.unit.pairs import (
    SOURCES,
    changes,
    find_pairs,
    live_of,
    other_value,
    places,
    put,
    record,
    value_of,
)
from ansible_collections.virt.image.tests.unit.support import text

if not SOURCES:
    pytest.skip("libvirt's sources are not there; script/test pairs fetches them", allow_module_level=True)

PAIRS = find_pairs()
TABLE = yaml.safe_load(text("pairs.yml"))
# Of each kind of place, so many are changed: in what is wanted, and in what libvirt holds.
MUTANTS = 8


def test_all_are_there():
    assert len(PAIRS) > 690
    assert sum(pair.given == pair.held for pair in PAIRS) > 40
    assert len(TABLE["exceptions"]) <= len(PAIRS) * 0.02
    assert set(TABLE["exceptions"]) <= {pair.name for pair in PAIRS}


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_what_libvirt_made_of_it_is_no_change(pair):
    wanted = pair.wanted()
    live = xml.etree.tostring(live_of(wanted, pair.held), encoding="unicode")
    found = definition.redefine(wanted, live, record(wanted)).changes
    # An exception that is none any more is to go from the table.
    assert bool(found) == (pair.name in TABLE["exceptions"]), found


@lru_cache(maxsize=None)
def mutants():
    """Return how many mutants were tried, and the places where one was not found, with an example of each."""
    tried, seen, blind = 0, Counter(), {}
    for pair in PAIRS:
        if pair.name in TABLE["exceptions"]:
            continue
        wanted = pair.wanted()
        live = live_of(wanted, pair.held)
        for node, key, path in places(wanted):
            seen[path] += 1
            if seen[path] > MUTANTS:
                continue
            value, other = value_of(node, key), other_value(node, key)
            tried += 1
            put(node, key, other)
            if not changes(wanted, live):
                blind[path] = f"{pair.name}: {value} -> {other}"
            put(node, key, value)
    return tried, blind


def test_whatever_else_is_wanted_is_found():
    tried, blind = mutants()
    assert tried > 3500
    rules = [re.compile(place) for place in TABLE["unread"]]
    assert {path: example for path, example in blind.items() if not any(rule.fullmatch(path) for rule in rules)} == {}


def test_no_place_is_said_to_be_unread_that_is_read():
    _tried, blind = mutants()
    assert [place for place in TABLE["unread"] if not any(re.fullmatch(place, path) for path in blind)] == []


def same_place(wanted, node, live):
    """Return the element of the live tree at the same place, whose elements above say what the wanted ones say."""
    found = live.getroottree().find(wanted.getroottree().getelementpath(node))
    own, other = node, found
    while own is not None and other is not None:
        if any(other.get(key) != value for key, value in own.items()):
            return None
        own, other = own.getparent(), other.getparent()
    return found


def test_drift_is_found_and_mended():
    """What is wanted is changed in what libvirt holds, where it stands at the same place in both."""
    tried, seen, lost = 0, Counter(), {}
    for pair in PAIRS:
        wanted = pair.wanted()
        live = live_of(wanted, pair.held)
        for node, key, path in places(wanted):
            found, value = same_place(wanted, node, live), value_of(node, key)
            if seen[path] >= MUTANTS or found is None or value_of(found, key) != value:
                continue
            seen[path] += 1
            tried += 1
            other = other_value(found, key)
            put(found, key, other)
            mended = definition.redefine(wanted, xml.etree.tostring(live, encoding="unicode"), record(wanted))
            if not mended.changes or changes(wanted, xml.parse(mended.xml, "mended")):
                lost[path] = f"{pair.name}: {value} -> {other}"
            put(found, key, value)
    assert tried > 3500
    rules = [re.compile(place) for place in (*TABLE["unread"], *TABLE["derived"])]
    assert {path: example for path, example in lost.items() if not any(rule.fullmatch(path) for rule in rules)} == {}
