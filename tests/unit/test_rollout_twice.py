# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts one after the other in one run of ansible-playbook: what one noted of a host that is lost by then is not the next one's."""

from __future__ import annotations

import json
import re
import sys

import pytest
import yaml

# The Python of a host: it tells what the module generation would, of a guest that is called as its host, and notes the call.
HOST = """#!{python}
import json, re, sys
payload = open(sys.argv[1]).read() if sys.argv[1:] else sys.stdin.read()
state = re.search(r"state\\W+(staged|active|confirmed|pruned)", payload)[1]
name = re.search(r"name\\W+(host[12])", payload)[1]
open({asked!r}, "a").write(name + " " + state + "\\n")
status = dict(staged="staged", active="pending", confirmed="confirmed", pruned="current")[state]
version = "1" if state == "staged" else "2"
guest = dict(name=name, image="web", version=version, release=None, generation=2, status=status, actions=[], downtime=1.0)
print(json.dumps(dict(changed=True, guests=[guest])))
"""
ROLLOUT = {"ansible.builtin.import_playbook": "virt.image.rollout"}
LOSE = {
    "hosts": "host1,host2",
    "gather_facts": False,
    "vars": {
        # Of the two, only the second has no such place.
        "ansible_connection": "{{ 'ssh' if inventory_hostname == 'host2' else 'local' }}",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
    },
    "tasks": [{"ansible.builtin.raw": "true"}],
}


@pytest.fixture
def rolled(ansible, tmp_path):
    """Return the way to run plays on two hosts, and what was asked of them."""
    python, asked = tmp_path / "python", tmp_path / "asked"
    python.write_text(HOST.format(python=sys.executable, asked=str(asked)))
    python.chmod(0o755)
    usual = {
        "ansible_connection": "local",
        "ansible_python_interpreter": str(python),
        "rollout_become": False,
        "rollout_image_source": "host",
        "rollout_serial": "100%",
        "rollout_guests": [{"name": "{{ inventory_hostname }}"}],
    }
    inventory = {"all": {"hosts": {"host1": {}, "host2": {}}, "vars": usual}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def run(*plays):
        (tmp_path / "play.yml").write_text(yaml.safe_dump(list(plays)))
        told = {"rollout_become": False, "rollout_serial": "100%"}
        out, err, code = ansible.run(tmp_path, "playbook", "-i", "hosts.yml", "play.yml", "-e", json.dumps(told))
        return out + err, code, asked.read_text().splitlines()

    return run


def rollout(version, hosts="host1,host2", **variables):
    told = {"rollout_hosts": hosts, "rollout_image": f"/images/web-{version}/image.xml", "rollout_page": f"{version}.html"}
    return {**ROLLOUT, "vars": {**told, **variables}}


BOTH = ["host1 active", "host1 confirmed", "host1 staged", "host2 active", "host2 confirmed", "host2 staged"]


def test_a_rollout_whose_hosts_are_lost_moves_no_hosts_of_the_one_before(rolled):
    said, _code, asked = rolled(rollout(2), LOSE, rollout(3, "host2"))
    assert sorted(asked) == BOTH, said


def test_the_page_has_nothing_of_an_earlier_rollout_of_a_host_that_is_lost(rolled, tmp_path):
    said, code, asked = rolled(rollout(2), LOSE, rollout(3, rollout_max_fail_percentage=60))
    assert (code, sorted(asked)) == (4, sorted([*BOTH, *BOTH[:3]])), said
    first, second = ((tmp_path / f"{version}.html").read_text() for version in (2, 3))
    assert "host2 2 confirmed" in words_of(first)
    assert "host1 2 confirmed" in words_of(second) and "host2 2 confirmed" not in words_of(second)
    assert "host2 was out of the run before this rollout began" in words_of(second)


def words_of(page):
    """Return a page's text after its style, on one line."""
    return " ".join(re.sub("<[^>]*>", " ", page.rpartition("</style>")[2]).split())
