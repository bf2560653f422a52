# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages and guides show is valid: YAML, descriptors, options, captions, messages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from lxml import etree

from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.tests.guides import blocks, console
from ansible_collections.virt.image.tests.unit.test_twins import SPECS

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs/docsite/rst").glob("*.rst"))
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "roles").glob("*/README.md")])
BLOCKS = [block for page in [*GUIDES, *PAGES] for block in blocks.read(page)]
# Who writes a file of this name shows mistakes.
WRONG = "wrong"
# A fragment of a message that is shorter says nothing.
LEAST = 6


def name_of(block):
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def of(*languages):
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=name_of)


def walk(value):
    """Yield every dict within a value."""
    if isinstance(value, dict):
        yield value
        # Those are molecule's, with our guests in them.
        value = [one for key, one in value.items() if key != "platforms"]
    if isinstance(value, list):
        for one in value:
            yield from walk(one)


def test_there_are_some():
    assert {block.language for block in BLOCKS} >= {"console", "text", "xml", "yaml"}


@of("yaml")
def test_yaml(block):
    for found in walk(yaml.safe_load(block.text)):
        for key, value in found.items():
            if str(key).startswith("virt.image.") and isinstance(value, dict):
                assert set(value) <= set(SPECS[key.removeprefix("virt.image.")]), f"{name_of(block)}: {key}"
        for guest in [] if is_wrong(block) else guests_of(found):
            # What a template gives is not known here.
            parse_guest({key: value for key, value in guest.items() if "{{" not in str(value)} | {"image": "image.xml"})


def guests_of(found):
    """Yield the guests in lists of them, or the one that a block is."""
    for key in ("appliance_guests", "rollout_guests", "guests"):
        if isinstance(found.get(key), list):
            yield from found[key]
    for platform in found.get("platforms", []):
        yield {"name": platform["name"], **platform.get("guest", {})}
    if {"name", "image"} <= set(found):
        yield found


def is_wrong(block):
    return block.caption is not None and WRONG in block.caption


@of("xml")
def test_xml(block):
    tree = etree.fromstring(block.text.encode())
    if tree.tag == "image" and not is_wrong(block):
        assert parse_image(block.text).warnings == ()


@of("console")
def test_console(block):
    if block.page in GUIDES:
        assert console.parse(block.text, block.line)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide(page):
    lines = page.read_text(encoding="utf-8").split("\n")
    assert f".. _ansible_collections.virt.image.docsite.{page.stem}:" in lines
    toctree = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text(encoding="utf-8"))["sections"][0]["toctree"]
    assert page.stem in toctree


@pytest.fixture(scope="module")
def said():
    """All texts in the code, each f-string as its fixed parts."""
    texts = []
    for folder in ("plugins", "roles", "playbooks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


@of("text")
def test_a_message_is_one_of_ours(block, said):
    for fragment in block.text.strip().split(console.ANY):
        if len(fragment.strip()) >= LEAST:
            assert any(fragment.strip() in text for text in said), f"{name_of(block)}: {fragment!r}"
