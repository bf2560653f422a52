# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as ansible-inventory runs it; a stand-in for the Python that asks libvirt tells of the guests."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import pytest
import yaml

from ansible_collections.virt.image.plugins.inventory import guests as plugin
from ansible_collections.virt.image.plugins.module_utils._core import inventory, report, telling
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.plugins.module_utils._io.connection import STATES
from ansible_collections.virt.image.plugins.plugin_utils.untemplated import PLAIN, untemplated
from ansible_collections.virt.image.tests.unit.support import PLUGINS, text

DOCUMENTATION = yaml.safe_load(plugin.DOCUMENTATION)
SOURCE = (PLUGINS / "inventory" / "guests.py").read_text(encoding="utf-8")
LEASE = [("vnet0", "52:54:00:aa:bb:02", "192.0.2.7")]
TRAP = "{{ lookup('pipe', 'touch trap') }}"


def guest(name, state="running", **facts):
    """Return what a libvirt tells of a guest, as the program writes it."""
    look = report.Look(name, text("live/web1.xml"), state)
    told = telling.tell_guest(look, {"lease": LEASE} if state == "running" else {})
    return replace(told, facts=replace(told.facts, **{"name": name, "uuid": name, **facts}))


def answer(*guests, left_out=()):
    return {"answer": to_plain(telling.Answer("kvm1", guests, left_out, ()))}


@pytest.fixture
def fleet(tmp_path, ansible):
    """Return what libvirts reply, by URI, and the way to the inventory of them."""

    class Fleet:
        def __init__(self):
            self.replies = {
                "qemu:///system": answer(guest("web1"), guest("db-1", "shutoff", image=TRAP)),
                "qemu+ssh://down/system": {"error": "cannot connect to qemu+ssh://down/system: no route"},
            }
            self.config = {"uris": ["qemu:///system"]}

        def run(self, *options, name="virt_image.yml", **config):
            """Return what ansible-inventory says to stdout and stderr, and its code."""
            replies, asked = tmp_path / "replies.json", tmp_path / "asked"
            replies.write_text(json.dumps(self.replies))
            python = tmp_path / "python"
            python.write_text(
                f"#!{sys.executable}\nimport json, sys\nuri = json.load(sys.stdin)['uri']\n"
                f"open({str(asked)!r}, 'a').write(uri + '\\n')\nprint(json.dumps(json.load(open({str(replies)!r}))[uri]))\n"
            )
            python.chmod(0o755)
            usual = {"plugin": "virt.image.guests", "python_interpreter": str(python)}
            (tmp_path / name).write_text(yaml.safe_dump({**usual, **self.config, **config}))
            out, err, code = ansible.run(tmp_path, "inventory", "-i", tmp_path / name, *(options or ["--list"]))
            assert "Traceback" not in err
            return out, " ".join(err.split()), code

        def list(self, **config):
            """Return ansible-inventory's list, and its warnings."""
            out, err, code = self.run(**config)
            assert code == 0, err
            return json.loads(out), err

        def asked(self):
            path = tmp_path / "asked"
            return path.read_text().split() if path.exists() else []

    made = Fleet()
    yield made
    assert not (tmp_path / "trap").exists()


def test_hosts_variables_and_groups(fleet):
    told, warnings = fleet.list(
        keyed_groups=[{"key": "virt_arch", "prefix": "arch"}],
        groups={"web": "virt_image == 'web'"},
        compose={"ansible_user": "'admin'", "where": "virt_name ~ '@' ~ virt_hypervisor"},
    )
    assert warnings == ""
    hosts = told["_meta"]["hostvars"]
    assert sorted(hosts) == ["db-1", "web1"]
    web, other = hosts["web1"], hosts["db-1"]
    assert web["ansible_host"] == "192.0.2.7"
    # Ansible calls what it composed unsafe.
    assert [web[key]["__ansible_unsafe"] for key in ("ansible_user", "where")] == ["admin", "web1@kvm1"]
    assert "ansible_host" not in other and "ansible_connection" not in web
    # What others wrote is no template.
    assert other["virt_image"] == {"__ansible_unsafe": TRAP}
    assert told["virt_image_web"] == told["virt_version_web_1_0"] == {"hosts": ["web1"]}
    assert sorted(told["virt_guests"]["hosts"]) == sorted(told["arch_x86_64"]["hosts"]) == ["db-1", "web1"]
    assert told["virt_state_shutoff"]["hosts"] == ["db-1"]
    assert told["web"]["hosts"] == told["virt_state_running"]["hosts"] == ["web1"]
    assert sorted(told["virt_hypervisor_kvm1"]["hosts"]) == ["db-1", "web1"]


def test_what_is_asked_for(fleet):
    told, _warnings = fleet.list(
        uris=[{"uri": "qemu:///system", "name": "one"}],
        states=["running"],
        hostnames=["nothing.at.all", "''", "guest_name ~ '.' ~ guest_hypervisor"],
        hostvars_prefix="guest_",
        group_prefix="",
        group_by=["hypervisor"],
        address_families=["ipv6"],
    )
    (variables,) = told["_meta"]["hostvars"].values()
    assert (list(told["_meta"]["hostvars"]), variables["guest_hypervisor"]) == (["web1.one"], "one")
    assert "ansible_host" not in variables
    assert set(told) == {"_meta", "all", "guests", "hypervisor_one"}


def test_one_that_is_down_is_a_warning_or_the_end(fleet):
    uris = ["qemu+ssh://down/system", "qemu:///system"]
    fleet.replies["qemu:///system"] = answer(guest("web1"), guest("all"), left_out=["domain odd is left out: why"])
    told, warnings = fleet.list(uris=uris)
    assert list(told["_meta"]["hostvars"]) == ["web1"]
    troubles = (
        "cannot connect to qemu+ssh://down/system: no route",
        "kvm1: domain odd is left out: why",
        "guest all of kvm1 (qemu:///system) is left out: its name in the inventory is Ansible's own: all; ",
    )
    assert all(f"virt.image.guests: {trouble}" in warnings for trouble in troubles)
    _out, said, code = fleet.run(uris=uris, fail_on_errors=True)
    assert code != 0 and all(trouble in said for trouble in troubles)


def test_a_play_on_an_image_reaches_no_other_image(fleet, tmp_path):
    fleet.replies["qemu:///system"] = answer(
        guest("old", image="debian", version="12-1"), guest("new", image="debian-12", version="1"), guest("x all")
    )
    # Of the variables of an image and its version, those of the version win.
    (tmp_path / "group_vars").mkdir()
    for group in ("image_debian", "version_debian_12_1"):
        (tmp_path / "group_vars" / f"virt_{group}.yml").write_text(f"of: {group}")
    told, warnings = fleet.list()
    assert {group: told[group] for group in told if "debian" in group} == {
        "virt_image_debian": {"hosts": ["old"]},
        "virt_image_debian_12": {"hosts": ["new"]},
        "virt_version_debian_12_1": {"hosts": ["new", "old"]},
    }
    assert told["_meta"]["hostvars"]["old"]["of"] == "version_debian_12_1"
    said = "group virt_version_debian_12_1 is of version 1 of image debian-12 and of version 12-1 of image debian: "
    assert f"virt.image.guests: {said}" in warnings
    assert "guest x all of kvm1 (qemu:///system) is left out: its name in the inventory is a pattern of hosts: x all; " in warnings
    told, _warnings = fleet.list(hostnames=["virt_name | replace(' ', '-')"])
    assert sorted(told["_meta"]["hostvars"]) == ["new", "old", "x-all"]


def test_two_inventories_of_one_run(fleet, tmp_path):
    other = {"plugin": "virt.image.guests", "python_interpreter": str(tmp_path / "python"), "uris": ["test:///other"]}
    (tmp_path / "other.virt_image.yml").write_text(yaml.safe_dump(other))
    both = ("-i", tmp_path / "other.virt_image.yml", "--list")
    # The same version of an image on other hypervisors is one group.
    fleet.replies["qemu:///system"] = answer(guest("a", image="web", version="1_2"))
    fleet.replies["test:///other"] = answer(guest("b", image="web", version="1_2"))
    out, said, code = fleet.run(*both)
    assert (json.loads(out)["virt_version_web_1_2"]["hosts"], said, code) == (["a", "b"], "", 0)
    # Another thing, or another guest of that name, is told.
    fleet.replies["test:///other"] = answer(guest("b", image="web_1", version="2"), guest("a", uuid="other"))
    _out, said, code = fleet.run(*both)
    group = "group virt_version_web_1_2 is of version 1_2 of image web and of version 2 of image web_1: "
    host = "guest a of kvm1 (test:///other) and guest a of kvm1 (qemu:///system) are one host of the inventory: "
    assert code == 0 and group in said and host in said


def test_the_cache(fleet, tmp_path):
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    uris = ["qemu:///system", "qemu+ssh://down/system"]
    first, _warnings = fleet.list(uris=uris, **cache)
    fleet.replies["qemu:///system"] = answer(guest("new"))
    # libvirt is not asked; one that was down is, and other options are other questions.
    assert fleet.list(uris=uris, **cache)[0] == first
    assert sorted(fleet.asked()) == sorted(["qemu:///system", *(["qemu+ssh://down/system"] * 2)])
    assert list(fleet.list(**cache, all=True)[0]["_meta"]["hostvars"]) == ["new"]
    # What is broken is asked for, with a warning.
    (tmp_path / "asked").unlink()
    for index, path in enumerate(sorted((tmp_path / "cache").iterdir())):
        path.write_text("{" if index else '{"hostname": 7}')
    told, warnings = fleet.list(**cache)
    assert "libvirt is asked, for the cache cannot be read: " in warnings
    assert list(told["_meta"]["hostvars"]) == ["new"]
    assert fleet.asked() == ["qemu:///system"]
    assert fleet.list(**cache) == (told, "")
    assert fleet.asked() == ["qemu:///system"]


@pytest.mark.parametrize(
    "config, words",
    [
        ({"uri": "qemu:///system"}, "virt.image.guests: there is no option uri; there are address_families, address_sources, "),
        ({"timeout": 0}, "timeout is 0; it is at least 1"),
        ({"hostvars_prefix": "a-"}, "hostvars_prefix is 'a-'; variables are made of letters, digits and _"),
        ({"python_interpreter": "/nowhere"}, "cannot run /nowhere, which is to ask libvirt"),
        ({"hostnames": ["1 +"], "strict": True}, "hostnames: 1 + of guest web1 of kvm1 (qemu:///system): "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_mistakes(fleet, config, words):
    _out, said, code = fleet.run(**config)
    assert code != 0 and words in said


def test_other_files_are_not_read(fleet):
    # A file of variables is often called so.
    _out, said, code = fleet.run(name="guests.yml")
    assert code != 0 and "could not be verified by inventory plugin" in said
    assert fleet.asked() == []


def test_every_option_is_documented_and_used():
    used = set(re.findall(r'get_option\("(\w+)"\)', SOURCE))
    fragments = {"cache", "strict", "compose", "groups", "keyed_groups"}
    assert used - fragments == set(DOCUMENTATION["options"]) - {"plugin"}


def test_documentation_has_the_values_and_keys_of_the_code():
    options = DOCUMENTATION["options"]
    assert sorted(options["states"]["choices"]) == sorted(["nostate", *STATES.values()])
    for name, values in (
        ("address_sources", telling.SOURCES),
        ("address_families", telling.FAMILIES),
        ("group_by", inventory.GROUPINGS),
    ):
        assert tuple(options[name]["choices"]) == tuple(options[name]["default"]) == values
    seen = inventory.Seen("u", "h", guest("web1"))
    variables = inventory.variables_of(seen, "", inventory.Preferences())
    told = " ".join(options["hostvars_prefix"]["description"])
    assert {key for key in variables if f"C({key})" not in told} == {"ansible_host"}
    keys = {*variables["addresses"][0], *variables["interfaces"][0]}
    assert {key for key in keys if f"C({key})" not in told} == set()


def test_examples_are_configurations():
    for config in yaml.safe_load_all(plugin.EXAMPLES):
        assert config["plugin"] == "virt.image.guests"
        inventory.parse_targets(config.get("uris", ["qemu:///system"]))
    names = re.findall(r"^# (\S+):", plugin.EXAMPLES, re.MULTILINE)
    assert len(names) == 3 and all(name.endswith(plugin.ENDINGS) for name in names)


@pytest.mark.parametrize("text_", ["{{ a }}", "{% a %}", "{# a", "#jinja2: variable_start_string:'[['", "a\n# b", "50%"])
def test_what_may_be_a_template_is_not_plain(text_):
    assert not PLAIN.fullmatch(text_)
    assert untemplated({"a": [text_, None, 1, True]}) == {"a": [text_, None, 1, True]}
