# SPDX-License-Identifier: GPL-3.0-or-later
"""What we own and what libvirt or the user owns: live/*.xml are what libvirt 9.0 made of live/*.wanted.xml."""

from __future__ import annotations

from copy import deepcopy

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import definition, xml
from ansible_collections.virt.image.plugins.module_utils._core.record import Record, read_record, set_record
from ansible_collections.virt.image.tests.unit.support import judged, table, text

WANTED, LIVE = xml.parse(text("live/web1.wanted.xml"), "wanted"), text("live/web1.xml")


def record(tree, **more):
    """Return the record that a guest with this rendered tree has."""
    return Record(
        **{"image": "web", "version": "1.0", "release": "2", "generation": 1, "disks": (), **more},
        applied=definition.applied_text(tree),
    )


def lines(changes):
    """Return changes as lines."""
    return [f"{change.path}: {change.before} -> {change.after}" for change in changes]


def edited(tree, edits):
    """Return a copy of a tree with edits: `path @key = value`, `path = text`, `- path`, `+ path <xml/>`."""
    tree = deepcopy(tree)
    for edit in edits:
        if edit.startswith("- "):
            place, _space, key = edit[2:].partition(" @")
            node = tree.find(place)
            if key:
                del node.attrib[key]
            else:
                node.getparent().remove(node)
        elif edit.startswith("+ "):
            place, _space, more = edit[2:].partition(" ")
            tree.find(place).append(xml.parse(more, "edit"))
        else:
            place, _equals, value = edit.partition(" = ")
            place, _space, key = place.partition(" @")
            node = tree.find(place)
            if key:
                node.set(key, value)
            else:
                node.text = value
    return tree


def live_of(wanted, edits=()):
    """Return the live XML of a guest that was last given `wanted`, and then edited by its user."""
    tree = edited(xml.parse(LIVE, "live"), edits)
    set_record(tree, record(wanted))
    return xml.etree.tostring(tree, encoding="unicode")


@pytest.mark.parametrize("name", ["web1", "own"])
def test_what_libvirt_adds_is_no_change(name):
    wanted, live = xml.parse(text(f"live/{name}.wanted.xml"), "wanted"), text(f"live/{name}.xml")
    assert lines(definition.redefine(wanted, live, read_record(xml.parse(live, "live"))).changes) == []


@pytest.mark.parametrize("row", table("changes.yml"))
def test_changes(row):
    before = edited(WANTED, row.get("was_wanted", row.get("was", [])))
    wanted = edited(before, row.get("wanted", []))
    live = live_of(before, row.get("was_live", row.get("was", [])) + row.get("user", []))
    found = definition.redefine(wanted, live, record(wanted), tuple(row.get("absent", [])))
    assert lines(found.changes) == row.get("changes", lines(found.changes) or "some")
    made = xml.parse(found.xml if row.get("strange") else judged(found.xml), "made")
    for place in row.get("kept", []):
        assert made.find(place) is not None, place
    for place in row.get("gone", []):
        assert made.find(place) is None, place
    told = [node.tag for node in made.find(row.get("in", ".")) if node.tag in row.get("order", [])]
    assert told == row.get("order", told)
    assert lines(definition.redefine(wanted, found.xml, record(wanted), tuple(row.get("absent", []))).changes) == []


def places(tree):
    """Return every attribute and text of a tree, as (way by tags and their numbers, key or None)."""
    found = []

    def walk(node, way):
        found.extend((way, key) for key in node.keys())
        if xml.text(node):
            found.append((way, None))
        for child in node:
            same = [other for other in node if other.tag == child.tag]
            walk(child, f"{way}/{child.tag}[{same.index(child) + 1}]")

    walk(tree, ".")
    return found


# To change what makes an element itself is to make another one; that is tested by rows of changes.yml.
IDENTITIES = ("disk[1]/target[1]", "disk[2]/target[1]", "/mac[1]", "channel[1]/target[1]", "graphics[1]")
OWNED = [
    (way, key)
    for way, key in places(WANTED)
    if not (way.endswith(IDENTITIES) and key in ("dev", "address", "type", "name"))
    # A unit goes with its number, and libvirt numbers consoles itself.
    and key != "unit" and not (key == "port" and "/console" in way)
]


@pytest.mark.parametrize("way, key", OWNED, ids=[f"{way}@{key}" if key else way for way, key in OWNED])
def test_every_owned_place_is_found_and_repaired(way, key):
    live = xml.parse(LIVE, "live")
    node = live.find(way)
    if key:
        node.set(key, "4711")
    else:
        node.text = "4711"
    found = definition.redefine(WANTED, xml.etree.tostring(live, encoding="unicode"), read_record(live))
    # Of another kind, or on another bus or machine, what libvirt derived is of no use.
    ours = [change for change in found.changes if change.after is not None and "/controller" not in change.path]
    assert [change.before for change in ours] == ["4711"]
    repaired = xml.parse(found.xml, "repaired").find(way)
    mended, right = (repaired.get(key), WANTED.find(way).get(key)) if key else (repaired.text, WANTED.find(way).text)
    assert mended == right
    assert lines(definition.redefine(WANTED, found.xml, read_record(live)).changes) == []


@pytest.mark.parametrize("way", sorted({way for way, _key in places(WANTED)} - {"."}))
def test_every_owned_element_is_put_back(way):
    live = xml.parse(LIVE, "live")
    node = live.find(way)
    if node is None:
        return
    node.getparent().remove(node)
    found = definition.redefine(WANTED, xml.etree.tostring(live, encoding="unicode"), read_record(live))
    assert found.changes
    assert lines(definition.redefine(WANTED, found.xml, read_record(live)).changes) == []


@pytest.mark.parametrize(
    "unit, number", [("b", 536870912), ("KiB", 524288), ("MiB", 512), ("k", 524288), ("KB", 536871)]
)
def test_memory_in_any_unit_is_the_same(unit, number):
    same = unit != "KB"
    wanted = edited(WANTED, [f"memory @unit = {unit}", f"memory = {number}"])
    changes = definition.redefine(wanted, live_of(wanted), record(wanted)).changes
    assert lines(changes) == ([] if same else ["memory: 524288 -> 524289"])


def test_a_new_domain_is_whole():
    made = definition.define_new(WANTED, record(WANTED))
    assert [change.path for change in made.changes] == ["domain"]
    assert read_record(xml.parse(made.xml, "made")) == record(WANTED)
    assert WANTED.find("metadata") is None


def test_no_password_in_the_record():
    wanted = edited(WANTED, ["devices/graphics @passwd = s3cret"])
    told = record(wanted).applied
    assert "passwd" in told and "s3cret" not in told
    made = definition.redefine(wanted, LIVE, record(wanted))
    assert made.xml.count("s3cret") == 1


def test_no_cookie_in_the_record():
    """As with passwords: it is known that there is one, so that it can go."""
    cookies = "<cookies><cookie name='a'>s3cret</cookie><cookie name='b'>t0psecret</cookie></cookies>"
    wanted = edited(WANTED, [f"+ devices/disk/source {cookies}"])
    told = record(wanted).applied
    assert 'name="a"' in told and "s3cret" not in told
    made = definition.redefine(wanted, LIVE, record(wanted))
    assert made.xml.count("s3cret") == 1
    assert lines(definition.redefine(wanted, made.xml, record(wanted)).changes) == []
    gone = definition.redefine(WANTED, made.xml, record(WANTED))
    assert "cookie" not in gone.xml


def test_a_record_in_what_is_wanted_is_none():
    """As where someone defines what virsh dumpxml showed."""
    shown = xml.parse(LIVE, "shown")
    applied = definition.applied_text(shown)
    assert "record" not in applied
    assert lines(definition.find_changes(shown, xml.parse(LIVE, "live"))) == []


@pytest.mark.parametrize(
    "broken",
    ["<applied>", "", "<!DOCTYPE a><a/>", "<domain><devices>" * 3, "\ud800"],
    ids=["open", "empty", "dtd", "cut", "odd"],
)
def test_a_broken_record_is_none(broken):
    tree = xml.parse(LIVE, "live")
    node = tree.find("metadata/{*}record/{*}applied")
    node.text = broken.encode("utf-8", "replace").decode()
    found = definition.redefine(WANTED, xml.etree.tostring(tree, encoding="unicode"), record(WANTED))
    assert [change.path for change in found.changes] == ["metadata/record"]


@pytest.mark.parametrize(
    "generation", ["", "x", "-1", "²", "9" * 5000], ids=["empty", "word", "minus", "script", "long"]
)
def test_an_odd_generation_is_the_first(generation):
    tree = xml.parse(LIVE, "live")
    tree.find("metadata/{*}record").set("generation", generation)
    assert read_record(tree).generation == 1


def test_a_new_version_is_worth_a_word():
    changes = definition.redefine(WANTED, LIVE, record(WANTED, version="2.0")).changes
    assert lines(changes)[-1].endswith("-> web 2.0 2, generation 1: ")
