# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation and option specs are twins: of each module, and of the same option in two places."""

from __future__ import annotations

import ast
import importlib
import re

import pytest
import yaml

from ansible_collections.virt.image.plugins.module_utils._io import guest_options
from ansible_collections.virt.image.plugins.module_utils._io import options as specs
from ansible_collections.virt.image.tests.unit.support import PLUGINS

# module -> its option spec; a new module needs a row (see the test below).
SPECS = {
    "capabilities_facts": specs.CAPABILITIES,
    "capture": specs.CAPTURE,
    "descriptor_info": specs.DESCRIPTOR_INFO,
    "domain": guest_options.DOMAIN,
    "domain_xml_info": guest_options.DOMAIN_XML,
    "generation": guest_options.GENERATION,
    "guest_info": specs.GUEST_INFO,
    "guests": guest_options.GUESTS,
    "match_info": guest_options.MATCH_INFO,
    "storage": guest_options.STORAGE,
}
SHARED = ("_files", "_trust", "_shape", "_match", "_hardware", "_place", "_extra_disks", "_keep", "_wait", "_shutdown")


def constant(path, name):
    """Return the YAML in a constant of a Python file, without importing it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return yaml.safe_load(node.value.value)
    raise LookupError(f"{path} has no {name}")


def fragment(name):
    """Return a doc fragment, named as in virt.image._attributes or virt.image._attributes.info."""
    _virt, _image, file, *part = name.split(".")
    # Imported, because some of them are put together.
    module = importlib.import_module(f"ansible_collections.virt.image.plugins.doc_fragments.{file}")
    return yaml.safe_load(getattr(module.ModuleDocFragment, (part or ["documentation"])[0].upper()))


def documented(module):
    """Return the options that a module's documentation has, its fragments' merged in."""
    own = constant(PLUGINS / "modules" / f"{module}.py", "DOCUMENTATION")
    options = {}
    for name in own.get("extends_documentation_fragment", []):
        options.update(fragment(name).get("options", {}))
    return {**options, **own.get("options", {})}


def facts(option, nested):
    """Return what both twins say of one option; `nested` is the key of its parts."""
    parts = option.get(nested)
    default = option.get("default")
    return {
        "type": option.get("type", "str"),
        "elements": option.get("elements"),
        "required": bool(option.get("required", False)),
        "choices": option.get("choices"),
        "default": default,
        "parts": {name: facts(part, nested) for name, part in parts.items()} if parts else None,
        "order": list(parts) if parts else None,
    }


def spec_facts(spec):
    return {name: facts(option, "options") for name, option in spec.items()}


@pytest.mark.parametrize("module", sorted(SPECS))
def test_documentation_and_spec_agree(module):
    told = {name: facts(option, "suboptions") for name, option in documented(module).items()}
    # repr, because 1 == True.
    assert repr(sorted(told.items())) == repr(sorted(spec_facts(SPECS[module]).items()))


def test_every_module_has_a_row():
    assert sorted(SPECS) == sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))


@pytest.mark.parametrize("module", sorted(SPECS))
def test_main_runs_with_that_spec(module):
    source = (PLUGINS / "modules" / f"{module}.py").read_text(encoding="utf-8")
    told = re.search(r"run\((\w+)\.(\w+), (\w+)", source)
    assert getattr({"options": specs, "guest_options": guest_options}[told[1]], told[2]) is SPECS[module]
    assert told[3] == module
    # What only looks must not take along what writes.
    assert ("carry" in source) != module.endswith(("_info", "_facts"))


@pytest.mark.parametrize("module", sorted(SPECS))
def test_who_is_asked_how_far_long_work_is_can_tell(module):
    """Each such module has its action plugin, and what it carries out with writes it down."""
    source = (PLUGINS / "modules" / f"{module}.py").read_text(encoding="utf-8")
    carries = re.search(r"run\([\w.]+, \w+, (carry\w*)", source)
    plugin = PLUGINS / "action" / f"{module}.py"
    assert plugin.exists() == ("_progress" in SPECS[module])
    if plugin.exists():
        assert f'MODULE = "virt.image.{module}"' in plugin.read_text(encoding="utf-8")
        assert bool(carries) != ("telling=written" in source)
    if carries:
        carry = importlib.import_module(f"ansible_collections.virt.image.plugins.module_utils._io.{carries[1]}")
        assert callable(carry.telling)


@pytest.mark.parametrize("module", sorted(SPECS))
def test_own_options_stand_in_the_spec_s_order(module):
    own = constant(PLUGINS / "modules" / f"{module}.py", "DOCUMENTATION").get("options", {})
    assert list(own) == [name for name in SPECS[module] if name in own]


@pytest.mark.parametrize("name", SHARED)
def test_fragments_stand_in_the_spec_s_order(name):
    options = fragment(f"virt.image.{name}")["options"]
    assert list(options) == [key for key in guest_options.GUEST if key in options]


def plain_words(option):
    """Return an option's documentation with O(guests[].x) as O(x), and without `required`, which contexts decide."""
    return yaml.safe_load(re.sub(r"guests\[\]\.", "", yaml.safe_dump(option)))


@pytest.mark.parametrize("name", SHARED)
def test_guests_says_the_same_as_the_fragments(name):
    parts = documented("guests")["guests"]["suboptions"]
    for key, option in fragment(f"virt.image.{name}")["options"].items():
        mine, other = plain_words(parts[key]), plain_words(option)
        if key == "image":
            # There it is optional for a guest that is to go, and may lie on the control node.
            assert mine["type"] == other["type"]
            continue
        assert mine == other, key


def test_guests_says_the_same_as_storage_of_remove():
    mine = plain_words(documented("guests")["guests"]["suboptions"]["remove"])
    assert mine == plain_words(documented("storage")["remove"])


def test_guests_stand_in_the_spec_s_order():
    assert list(documented("guests")["guests"]["suboptions"]) == list(guest_options.GUEST)


@pytest.mark.parametrize(
    "doc, spec",
    [
        ({"a": {"type": "str"}}, {"a": {"type": "int"}}),
        ({"a": {"default": 1}}, {"a": {"default": True}}),
        ({"a": {}}, {}),
        ({"a": {"suboptions": {"b": {}, "c": {}}}}, {"a": {"options": {"c": {}, "b": {}}}}),
        ({"a": {"choices": ["x", "y"]}}, {"a": {"choices": ["y", "x"]}}),
    ],
)
def test_a_difference_is_seen(doc, spec):
    told = {name: facts(option, "suboptions") for name, option in doc.items()}
    assert repr(told) != repr(spec_facts(spec))
