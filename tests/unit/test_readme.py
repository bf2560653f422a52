# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's examples are taken as they stand, and its table knows every option."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.virt.image.plugins.module_utils._core.guest import OPTIONS, parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the first code block of that language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[0]


def test_the_descriptor_is_one():
    image = parse_image(block("xml"))
    assert image.warnings == ()
    assert [disk.use for disk in image.disks] == ["system", "user"]


def test_the_playbook_has_guests():
    (play,) = yaml.safe_load(block("yaml"))
    guests = [parse_guest(guest) for guest in play["roles"][1]["vars"]["appliance_guests"]]
    assert [guest.name for guest in guests] == ["web1", "web2"]
    assert guests[1].memory_kib == 1024 * 1024


def test_the_table_has_all_options():
    table = README.split("## Guest options")[1].split("\n## ")[0]
    named = [name for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(OPTIONS)
