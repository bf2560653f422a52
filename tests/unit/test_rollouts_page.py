# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/rollouts.md are taken as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._io.guest_options import GENERATION

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/rollouts.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
COMMANDS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
ROLE = yaml.safe_load((ROOT / "roles/rollout/meta/argument_specs.yml").read_text(encoding="utf-8"))
OF_PLAYS = {"rollout_hosts", "rollout_serial", "rollout_become"} | {"rollout_status_format", "rollout_status_file"}


def test_the_plays():
    (play,), (back,), guests, (health,) = BLOCKS
    tasks = [task["virt.image.generation"] for task in (*play["tasks"], back)]
    assert [task["state"] for task in tasks] == ["staged", "active", "confirmed", "rolled_back"]
    assert all(set(task) <= set(GENERATION) for task in tasks)
    assert [parse_guest(guest).name for guest in (*play["vars"]["guests"], *guests["appliance_guests"])] == ["web1", "web1"]
    assert health["loop"] == "{{ rollout_batch_guests }}"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands(command):
    (playbook,) = re.findall(r"virt\.image\.(\w+)", command)
    assert (ROOT / f"playbooks/{playbook}.yml").exists()


def test_what_it_names_exists():
    known = set(ROLE["argument_specs"]["main"]["options"]) | OF_PLAYS | {"rollout_batch_guests", "rollout_seconds_left"}
    assert set(re.findall(r"\brollout_\w+\b", PAGE)) - {"rollout_status"} <= known
