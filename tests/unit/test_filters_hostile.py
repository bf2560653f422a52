# SPDX-License-Identifier: GPL-3.0-or-later
"""Each argument of each filter, given what it is not: the answer is ours, says what is wrong, and is short."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from jinja2 import StrictUndefined

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.tests.unit.support import text

FOLDER = Path(__file__).resolve().parents[2] / "plugins/filter"
PACKAGE = "ansible_collections.virt.image.plugins.filter"
FILTERS = {
    name: function
    for path in sorted(FOLDER.glob("*.py"))
    for name, function in import_module(f"{PACKAGE}.{path.stem}").FilterModule().filters().items()
}
# The options of each filter, as they are documented; its input is the first parameter.
OPTIONS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["DOCUMENTATION"]["options"] for path in FOLDER.glob("*.yml")
}

HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)
DEEP: list = []
for _level in range(2000):
    DEEP = [DEEP]
HOSTILE = {
    "None": None,
    "list": [],
    "dict": {},
    "int": 7,
    "huge int": 10**400,
    "bool": True,
    "float": float("nan"),
    "text": "nonsense",
    "undefined": StrictUndefined(name="nowhere"),
    "bytes": b"\xff\0",
    "long text": "x" * 10**6,
    "long list": ["x"] * 10**5,
    "list of wrong": [None, 7, [{}]],
    "list of dicts": [{"name": [], "guest": 7, "wait": 7, "addresses": 7, "generations": 7, "generation": "x", "platforms": 7}],
    "dict of wrong": {"name": {}, "guests": [7], "platforms": [{"name": 7, "guest": [7]}], "boots": [7], "disks": {}, 7: None},
    "holds itself": HOLDS_ITSELF,
    "deep": DEEP,
    "set": {1, 2},
    "range": range(3),
}
# What a value of a documented type is in Python.
KINDS = {"str": str, "path": str, "list": (list, tuple), "dict": dict, "bool": bool, "int": int, "float": (int, float)}

IMAGE = FILTERS["from_descriptor"](text("descriptors/manual.xml"))
HOST = FILTERS["from_capabilities"](text("capabilities/qemu.xml"))
NOW = "2026-01-31T12:00:00+00:00"
PLACE = {"node": "n", "project": "/p", "scenario": "s", "directory": "/p/s", "ephemeral": "/e"}
MOLECULE = {"platforms": [{"name": "one", "image": "image.xml"}]}
(MADE,) = FILTERS["molecule_guests"](MOLECULE, PLACE)
ROLLED = [{"name": "a", "image": "1.xml"}]
# What each filter takes without a word, in its order, with each of its options.
GOOD = {
    "disk_chains": ["<domain type='qemu'><name>a</name></domain>"],
    "domain_changes": 2 * [text("live/web1.wanted.xml")],
    "fit_rows": [{"a": HOST}, IMAGE, 0, "auto", "pc", "off"],
    "fit_table": [FILTERS["fit_rows"]({"a": HOST}, IMAGE)],
    "from_capabilities": [text("capabilities/qemu.xml"), [text("capabilities/domain-qemu.xml")]],
    "from_descriptor": [text("descriptors/manual.xml"), False, False],
    "from_domain_xml": [text("live/web1.xml")],
    "from_ovf": [text("ovf/vmware.ovf")],
    "match_boots": [IMAGE, HOST, 0, "auto", "pc", "off"],
    "molecule_guests": [MOLECULE, PLACE, {"memory": "1 GiB"}, "ssh-ed25519 AAAA"],
    "molecule_instances": [[{"name": MADE["name"], "addresses": ["192.0.2.1"]}], MOLECULE, PLACE, "/e/key", {}],
    "rollout_guests": [ROLLED, "2.xml", 60, [{"name": "a"}]],
    "rollout_page": [{"h": {}}, ["h"], "2.xml", "moved", NOW, 5.0, False, False, "page.html", []],
    "status_page": [[{"host": "h"}], NOW, "page.html"],
    "status_rows": [{"h": {"guests": []}}, NOW],
    "status_table": [[{"host": "h"}]],
    "to_descriptor": [IMAGE],
    "to_domain_xml": [IMAGE, HOST, {}, "/pool", False],
}
# Words of Python, not ours.
FOREIGN = ("' object", "attribute", "subscriptable", "argument", "iterable", "supported between", "codec", "recursion", " at 0x")


def parameters(name):
    return list(signature(FILTERS[name].__wrapped__).parameters)


def wrong_of(option):
    """Give the names of the hostile values that are of another type than the option's."""
    kind = KINDS[option.get("type", "str")]
    for name, value in HOSTILE.items():
        number = isinstance(value, bool) and kind is not bool
        absent = value is None and not option.get("required")
        if (number or not isinstance(value, kind)) and not absent:
            yield name


def options_of(name):
    """Return the documented option of each parameter."""
    first, *others = parameters(name)
    return {first: OPTIONS[name]["_input"], **{other: OPTIONS[name][other] for other in others}}


ROWS = [(name, place) for name in sorted(FILTERS) for place in range(len(parameters(name)))]


def test_all_filters_are_here():
    assert set(GOOD) == set(FILTERS) == set(OPTIONS)
    for name, good in GOOD.items():
        assert len(good) == len(parameters(name)) == len(OPTIONS[name]), name


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_right_is_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILTERS[name](*GOOD[name])


@pytest.mark.parametrize("name, place", ROWS, ids=[f"{name}-{parameters(name)[place]}" for name, place in ROWS])
def test_what_is_wrong_is_told(name, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = set(wrong_of(list(options_of(name).values())[place]))
    assert len(wrong) >= 10
    for value, hostile in HOSTILE.items():
        given = list(GOOD[name])
        given[place] = hostile
        try:
            FILTERS[name](*given)
        except AnsibleFilterError as error:
            told = str(error)
            assert told.startswith(f"virt.image.{name}: "), value
            assert isinstance(error.__cause__, ImageError), (value, told)
            assert len(told) < 1000 and not [word for word in FOREIGN if word in told], (value, told)
        else:
            assert value not in wrong, f"it took {value}"
