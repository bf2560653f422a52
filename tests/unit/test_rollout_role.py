# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role rollout says of its options: in its specification, its defaults and its page."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.virt.image.plugins.filter.rollout import FACTS
from ansible_collections.virt.image.plugins.module_utils._core.aim import SCRATCH, USER_DISKS

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/rollout"
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
OPTIONS = SPECS["main"]["options"]
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
ROWS = re.findall(r"^\| `(rollout_\w+)` \| (.*?) ?\| ", (ROLE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_each_part_has_the_same_options():
    assert set(SPECS) == {"main", "stage", "wave", "prune"}
    assert all(spec["options"] == OPTIONS for spec in SPECS.values())
    assert all((ROLE / f"tasks/{part}.yml").exists() for part in SPECS)


def test_the_defaults_are_what_is_told():
    told = {name: option["default"] for name, option in OPTIONS.items() if "default" in option}
    spoken = {"rollout_guests": "{{ appliance_guests }}", "rollout_uri": "{{ virt_image_uri | default('qemu:///system') }}"}
    assert {**told, **spoken} == DEFAULTS
    assert set(OPTIONS) == {*DEFAULTS, "rollout_image"}


def test_the_page_has_all_of_them():
    assert [name for name, _default in ROWS] == list(OPTIONS)
    told = {name: default.replace("`", "") for name, default in ROWS}
    spoken = {"rollout_image": "needed", "rollout_guests": "appliance_guests", "rollout_uri": "virt_image_uri, else qemu:///system"}
    for name, option in OPTIONS.items():
        default = option.get("default")
        empty = default in ({}, "", None)
        assert told[name] == spoken.get(name, "" if empty else str(default).lower() if isinstance(default, bool) else str(default))


def test_choices_are_the_modules():
    assert tuple(OPTIONS["rollout_user_disks"]["choices"]) == USER_DISKS
    assert tuple(OPTIONS["rollout_scratch"]["choices"]) == SCRATCH


def test_nothing_of_an_earlier_rollout_of_the_run_is_in_the_page():
    begin = yaml.safe_load((ROLE / "tasks/stage.yml").read_text(encoding="utf-8"))[0]
    facts = begin["ansible.builtin.set_fact"]
    # That sets them on each host.
    assert begin["run_once"] is True and "when" not in begin
    assert {f"__rollout_{name}" for name in FACTS} <= set(facts)
    assert all(not value or name in ("__rollout_owner", "__rollout_hosts", "__rollout_out", "__rollout_began") for name, value in facts.items())


def test_a_new_page_is_its_users_alone():
    """What guests wrote to their consoles stands in it."""
    tasks = yaml.safe_load((ROLE / "tasks/page.yml").read_text(encoding="utf-8"))
    tasks += yaml.safe_load((ROOT / "playbooks/rollout_status.yml").read_text(encoding="utf-8"))[0]["tasks"]
    modes = [task["ansible.builtin.copy"]["mode"] for task in tasks if task["name"] == "Write the page"]
    assert modes == 2 * ["{{ omit if rollout_page | expanduser | realpath is file else '0600' }}"]
