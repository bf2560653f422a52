# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/playbooks.md has each playbook, and each variable that it takes, with its default."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/playbooks.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part.partition("\n")[2] for part in PAGE.split("\n## ")[1:]}
PLAYBOOKS = {path.stem: path for path in (ROOT / "playbooks").glob("*.yml")}
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", re.MULTILINE)
TYPES = {"str", "path", "bool", "int", "float", "list", "dict", "raw"}
VARIABLE = re.compile(r"\b(?:demo|deploy|describe|fit|molecule|rollout)_\w+")
# Molecule's own, which it puts into the inventory that it writes.
MOLECULES = {"molecule_yml", "molecule_instance_config"}
# What has another name is no variable: plugins and playbooks, paths.
NAMES = re.compile(r"virt\.image\.\w+|[\w/]+\.yml")
# The variable of the host, for all playbooks.
SHARED = re.compile(r"(\w+) \| default\(virt_image_uri \|")
DEFAULT = re.compile(r"(\w+) \| default\((\[.*?\]|'[^']*'|true|false|[0-9.]+)\)")


def plays_of(path):
    """Give the plays of a playbook, with those that it imports, and the variables of the files that they read."""
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        imported = play.get("ansible.builtin.import_playbook")
        if imported:
            yield from plays_of(path.parent / imported)
            continue
        yield play
        for file in play.get("vars_files", []):
            yield {"shared": yaml.safe_load((path.parent / file).read_text(encoding="utf-8"))}


def texts_of(value):
    """Give all texts within a value, and the keys of its dictionaries."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, str):
        yield NAMES.sub("", value)


def own_of(value):
    """Give the names that a play makes itself: registered, set, or put together from others."""
    if isinstance(value, list):
        for one in value:
            yield from own_of(one)
    if isinstance(value, dict):
        yield from [value["register"]] if "register" in value else []
        yield from value.get("ansible.builtin.set_fact", {})
        yield from (name for name, told in (value.get("vars") or {}).items() if not is_option(told))
        for one in value.values():
            yield from own_of(one)


def is_option(told):
    """Return whether what a play sets is a default that users may change, and not made of their variables."""
    return not isinstance(told, (list, dict)) and "{{" not in str(told)


def taken_by(name):
    """Return the variables that a playbook takes, and their defaults as the page writes them, where they stand there."""
    plays = list(plays_of(PLAYBOOKS[name]))
    texts = list(texts_of(plays))
    # What a role is given begins with its name.
    variables = {one for text in texts for one in VARIABLE.findall(text)} - set(own_of(plays)) - MOLECULES
    defaults = {found[0]: written(yaml.safe_load(found[1])) for text in texts for found in DEFAULT.findall(text)}
    for play in plays:
        defaults.update({key: written(told) for key, told in (play.get("vars") or {}).items() if is_option(told)})
    return variables, {key: told for key, told in defaults.items() if key in variables and told}


def written(told):
    return told if isinstance(told, str) else json.dumps(told)


def test_each_playbook_has_its_section():
    assert set(SECTIONS) == set(PLAYBOOKS)


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_a_section(name):
    rows = {row[0]: row[1:] for row in ROW.findall(SECTIONS[name])}
    assert len(rows) == SECTIONS[name].count("\n| `") and all(kind in TYPES for kind, _default, _meaning in rows.values())
    variables, defaults = taken_by(name)
    assert set(rows) == variables
    shared = set(SHARED.findall(" ".join(texts_of(list(plays_of(PLAYBOOKS[name]))))))
    assert {key for key, row in rows.items() if row[1] == "`virt_image_uri`, else `qemu:///system`"} == shared
    assert {key: rows[key][1].strip("`") for key in defaults} == defaults
    assert SECTIONS[name].lstrip()[0].isupper()


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_the_command(name):
    (command,) = re.findall(r"```console\n(.*?)\n```", SECTIONS[name], re.DOTALL)
    assert f" virt.image.{name}" in command if not name.startswith("molecule") else command.startswith("molecule ")
    assert set(re.findall(r"-e (\w+)=", command)) <= taken_by(name)[0]
    # What is needed is there.
    needed = [row[0] for row in ROW.findall(SECTIONS[name]) if row[2] == "needed"]
    assert all(f"-e {one}=" in command for one in needed)


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_the_playbook_s_own_words_have_them_too(name):
    """Its first lines are what a reader of the file has."""
    told = re.findall(r"^# ?(.*)", PLAYBOOKS[name].read_text(encoding="utf-8"), re.MULTILINE)
    variables, _defaults = taken_by(name)
    missing = {one for one in variables if one not in " ".join(told)}
    assert missing == set()


def test_the_site_has_the_page():
    assert "   docs/playbooks\n" in (ROOT / "docs/site/index.rst").read_text(encoding="utf-8")
