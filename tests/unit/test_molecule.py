# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's platforms as guests, and what molecule is told of them."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.molecule import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.names import name_mistake
from ansible_collections.virt.image.plugins.module_utils._io.guest_options import GUEST, STORAGE
from ansible_collections.virt.image.plugins.module_utils._io.source import folder_of
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.tests.unit.web import running

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"

FILTERS = FilterModule().filters()
GUESTS, INSTANCES = FILTERS["molecule_guests"], FILTERS["molecule_instances"]
KEY = "ssh-ed25519 AAAAC3Nza me"
PLACE = {
    "node": "build-1",
    "project": "/home/me/hello",
    "scenario": "default",
    "directory": "/home/me/hello/molecule/default",
    "ephemeral": "/home/me/.ansible/tmp/molecule.6kyk.default",
}


def scenario(*platforms) -> dict:
    return {"driver": {"name": "default"}, "platforms": list(platforms)}


def guest_of(platform, place=None, **more) -> dict:
    (guest,) = GUESTS(scenario({"name": "web", "image": "image.xml", **platform}), {**PLACE, **(place or {})}, **more)
    return guest


def user_data_of(guest) -> dict:
    assert guest["seed"]["user_data"].startswith("#cloud-config\n")
    return yaml.safe_load(guest["seed"]["user_data"])


def test_a_platform_is_a_guest_that_the_module_takes():
    guest = guest_of({"groups": ["servers"], "guest": {"memory": "1 GiB", "wait": {"agent": True}}}, key=KEY)
    assert guest["image"] == "/home/me/hello/molecule/default/image.xml"
    assert guest["wait"] == {"address": True, "tcp": [22], "agent": True}
    assert guest["memory"] == "1 GiB"
    assert yaml.safe_load(guest["seed"]["meta_data"]) == {"local-hostname": "web"}
    user = {"name": "molecule", "ssh_authorized_keys": [KEY], "sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/sh"}
    assert user_data_of(guest) == {"users": ["default", user]}
    assert parse_guest(guest).seed is not None


def test_the_same_platform_is_the_same_guest():
    assert guest_of({}, key=KEY) == guest_of({}, key=KEY)


@pytest.mark.parametrize(
    "other",
    [
        {"node": "build-2"},
        {"project": "/home/you/hello"},
        {"scenario": "other"},
        {"ephemeral": "/home/me/.ansible/tmp/molecule.7f3a.default"},
    ],
    ids=str,
)
def test_another_place_is_another_guest(other):
    assert guest_of({})["name"] != guest_of({}, other)["name"]


@pytest.mark.parametrize(
    "place, begins",
    [
        ({}, "hello-default-web-"),
        ({"project": "/home/me/hello/"}, "hello-default-web-"),
        ({"scenario": "appliance_vlan/deleted"}, "hello-appliance_vlan-deleted-web-"),
        ({"project": "/srv/.ünnamed rôle."}, "nnamed-r-le-default-web-"),
        ({"project": "/"}, "default-web-"),
        ({"project": "/" + 300 * "p", "scenario": 300 * "s"}, f"{24 * 'p'}-{24 * 's'}-web-"),
    ],
    ids=repr,
)
def test_its_name_shows_where_it_is_from_and_is_one_that_libvirt_takes(place, begins):
    for platform in ("web", 63 * "w"):
        name = guest_of({"name": platform}, place)["name"]
        assert name_mistake(name) is None
    assert guest_of({}, place)["name"].startswith(begins)


@pytest.mark.parametrize(
    "image, found",
    [
        ("../../images/web/image.xml", "/home/me/hello/images/web/image.xml"),
        ("/srv/web/image.xml", "/srv/web/image.xml"),
        ("~/web/image.xml", "~/web/image.xml"),
        ("https://example.org/web/image.xml", "https://example.org/web/image.xml"),
    ],
)
def test_an_image_is_looked_for_from_the_scenario_on(image, found):
    assert guest_of({"image": image})["image"] == found


def test_root_is_let_in_where_it_is_the_user():
    data = user_data_of(guest_of({"user": "root"}, key=KEY))
    assert data == {"disable_root": False, "users": ["default", {"name": "root", "ssh_authorized_keys": [KEY]}]}


@pytest.mark.parametrize(
    "own, users",
    [
        ("#cloud-config\npackages: [git]\n", ["default"]),
        ("#cloud-config\npackages: [git]\nusers: [{name: me}]\n", [{"name": "me"}]),
        ({"packages": ["git"], "users": []}, []),
    ],
    ids=str,
)
def test_the_user_joins_those_of_the_platform(own, users):
    data = user_data_of(guest_of({"guest": {"seed": {"user_data": own, "meta_data": "a: b"}}}, key=KEY))
    assert data["packages"] == ["git"]
    assert data["users"][:-1] == users
    assert data["users"][-1]["name"] == "molecule"


# What the guest's cloud-init is to read: the same, but for dates, which are text to it.
@pytest.mark.parametrize(
    "own, read",
    [
        ("expiredate: 2032-09-01", {"expiredate": "2032-09-01"}),
        ("at: 2001-12-14 21:59:43.10 -5", {"at": "2001-12-14 21:59:43.10 -5"}),
        ("content: !!binary aGkA/w==", {"content": b"hi\0\xff"}),
        ("on: 1\na: 2\n3: 4\n~: 5\n1.5: 6", {True: 1, "a": 2, 3: 4, None: 5, 1.5: 6}),
        ("mode: 0644\nhuge: 1.0e+20\ntiny: 1.0e-7\nno: [null, -1, [], {}]", {"mode": 420, "huge": 1e20, "tiny": 1e-7, False: [None, -1, [], {}]}),
        ('"a\\"b\\\\c": "Grüße \U0001f600 \\\\ud83d \\x7f\\x85\\t\\u2028#: x"', {'a"b\\c': "Grüße \U0001f600 \\ud83d \x7f\x85\t\u2028#: x"}),
        ("words: ['on', 'null', '1', '1:30', '2032-09-01', '']", {"words": ["on", "null", "1", "1:30", "2032-09-01", ""]}),
        ("z: 1\na: &a {b: [c]}\nd: *a", {"z": 1, "a": {"b": ["c"]}, "d": {"b": ["c"]}}),
    ],
    ids=str,
)
def test_what_yaml_says_arrives(own, read):
    data = user_data_of(guest_of({"guest": {"seed": {"user_data": f"#cloud-config\n{own}\n"}}}, key=KEY))
    assert data.pop("users")[0] == "default"
    assert data == read
    # In its author's order.
    assert list(data) == list(read)


def test_dates_of_a_mapping_are_text():
    own = {"day": datetime.date(2032, 9, 1), "at": datetime.datetime(2032, 9, 1, 12), datetime.date(2032, 9, 2): 1}
    data = user_data_of(guest_of({"guest": {"seed": {"user_data": own}}}))
    assert {**data, "users": None} == {"day": "2032-09-01", "at": "2032-09-01T12:00:00", "2032-09-02": 1, "users": None}


RING = []
RING.append(RING)


@pytest.mark.parametrize(
    "own, says",
    [
        ("#cloud-config\na:\n  - b: !!set {c, d}\n", r"platform web: guest: seed: user_data\.a\[0\]\.b: is of the type set, which cannot be written"),
        ("#cloud-config\na: .inf\n", r"user_data\.a: is no finite number"),
        ("#cloud-config\na: .nan\n", r"user_data\.a: is no finite number"),
        ({"a": 1j}, r"user_data\.a: is of the type complex"),
        ({("a", "b"): 1}, r"user_data: a key: is of the type tuple"),
        ({"a": RING}, r"platform web: guest: seed: user_data: is nested too deep"),
        ("#cloud-config\na: &a [*a]\n", "too deep"),
        ("#cloud-config\n" + 5000 * "[", "must be a mapping"),
        ("#cloud-config\na: !!int x\n", "must be a mapping"),
        ("#cloud-config\na: !!bool x\n", "must be a mapping"),
        ("#cloud-config\na: !!timestamp x\n", "must be a mapping"),
        ("#cloud-config\na: !!binary x\n", "must be a mapping"),
        ("#cloud-config\na: !!python/none x\n", "must be a mapping"),
        ("#cloud-config\n{[a]: b}\n", "must be a mapping"),
    ],
    ids=lambda value: f"{value!s:.40}",
)
def test_what_cannot_be_said_is_told(own, says):
    with pytest.raises(AnsibleFilterError, match=says) as told:
        GUESTS(scenario({"name": "web", "image": "a", "guest": {"seed": {"user_data": own}}}), PLACE)
    assert isinstance(told.value.__cause__, ImageError)


def test_a_platform_and_the_defaults_share_a_seed_and_what_is_waited_for():
    defaults = {"seed": {"user_data": "#cloud-config\na: 1", "network_config": "b: 2"}, "wait": {"timeout": 600, "tcp": [80]}}
    mine = {"seed": {"user_data": "#cloud-config\nc: 3"}, "wait": {"tcp": [22, 443]}}
    guest = guest_of({"guest": mine}, defaults=defaults)
    assert guest["wait"] == {"address": True, "tcp": [22, 443], "timeout": 600}
    assert guest["seed"]["network_config"] == "b: 2"
    assert set(user_data_of(guest)) == {"c", "users"}
    assert user_data_of(guest_of({}, defaults=defaults))["a"] == 1


def test_an_image_may_have_its_ssh_server_at_another_port():
    assert guest_of({"port": 2222})["wait"] == {"address": True, "tcp": [2222]}
    config = scenario({"name": "web", "image": "a", "port": 2222})
    told = [{"name": GUESTS(config, PLACE)[0]["name"], "addresses": ["192.0.2.7"]}]
    assert INSTANCES(told, config, PLACE, "/tmp/key")[0]["port"] == 2222


def test_a_platform_wins_over_the_defaults():
    defaults = {"memory": "1 GiB", "pool": "tests"}
    guest = guest_of({"guest": {"memory": "2 GiB"}}, defaults=defaults)
    assert (guest["memory"], guest["pool"]) == ("2 GiB", "tests")
    assert defaults == {"memory": "1 GiB", "pool": "tests"}


def test_the_input_stays_as_it_is():
    config = scenario({"name": "web", "image": "a", "guest": {"seed": {"user_data": "#cloud-config\na: b\n"}}})
    before = json.dumps(config)
    GUESTS(config, PLACE, key=KEY)
    assert json.dumps(config) == before


@pytest.mark.parametrize(
    "config, says",
    [
        (None, "molecule.yml: has no platforms"),
        ([], "molecule.yml: has no platforms"),
        (scenario(), "molecule.yml: has no platforms"),
        ({"platforms": "web"}, "molecule.yml: has no platforms"),
        (scenario("web"), r"platforms\[0\]: must be a dictionary"),
        (scenario({"image": "a"}), r"platforms\[0\]: has no name"),
        (scenario({"name": 7, "image": "a"}), r"platforms\[0\]: name must be text, is 7"),
        (scenario({"name": "a/b", "image": "a"}), "platform a/b: name: 'a/b' is none; one is web-1"),
        (scenario({"name": "web\n", "image": "a"}), "name: .* is none"),
        (scenario({"name": "web"}), "platform web: has no image; it is the path of a descriptor"),
        (scenario({"name": "web", "image": ["a"]}), "platform web: image must be text"),
        (scenario({"name": "web", "image": "a", "memory": 512}), "platform web: 'memory' means nothing here; .* guest"),
        (scenario({"name": "web", "image": "a", "user": "Me Too"}), "platform web: user: 'Me Too' is none"),
        (scenario({"name": "web", "image": "a", "hostname": "-"}), "platform web: hostname: '-' is none"),
        (scenario({"name": "web", "image": "a", "port": 0}), "platform web: port: 0 must be a whole number from 1 to 65535"),
        (scenario({"name": "web", "image": "a", "guest": "big"}), "platform web: guest: must be a dictionary"),
        (scenario({"name": "web", "image": "a", "guest": {"state": "absent"}}), "platform web: guest: state is not said here"),
        (scenario({"name": "web", "image": "a", "guest": {"wait": 5}}), "platform web: guest: wait must be a dictionary"),
        (scenario({"name": "web", "image": "a"}, {"name": "Web", "image": "b"}), "has several platforms named web"),
        (scenario({"name": "web", "image": "a", "guest": {"seed": {"user_data": "#!/bin/sh"}}}), "user_data: must be a mapping"),
        (scenario({"name": "web", "image": "a", "guest": {"seed": {"user_data": "#cloud-config\n[}"}}}), "must be a mapping"),
        (scenario({"name": "web", "image": "a", "guest": {"seed": {"user_data": {"users": "me"}}}}), "a list as users"),
    ],
    ids=str,
)
def test_mistakes_are_told(config, says):
    with pytest.raises(AnsibleFilterError, match=says):
        GUESTS(config, PLACE)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(AnsibleFilterError) as told:
        GUESTS(scenario({"name": "web"}, {"name": "db", "image": "a", "user": ""}, {"image": "b"}), PLACE, {"state": "absent"})
    assert len(str(told.value).splitlines()) == 3


@pytest.mark.parametrize("seed", ["hunter2", {"user_data": {"password": {"hunter2"}}}, {"user_data": "#cloud-config\n[hunter2}"}])
def test_a_secret_is_not_shown(seed):
    with pytest.raises(AnsibleFilterError) as told:
        GUESTS(scenario({"name": "web", "image": "a", "guest": {"seed": seed}}), PLACE)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("place", [None, {}, {**PLACE, "ephemeral": ""}, {**PLACE, "node": 7}], ids=str)
def test_a_place_is_needed(place):
    with pytest.raises(AnsibleFilterError, match="place needs node, project"):
        GUESTS(scenario({"name": "web", "image": "a"}), place)
    with pytest.raises(AnsibleFilterError, match="place needs node, project"):
        INSTANCES([], scenario({"name": "web", "image": "a"}), place, "/tmp/key")


@pytest.mark.parametrize("told", [None, 7, "web", ["web"], {"name": "web"}], ids=repr)
def test_instances_need_guests(told):
    with pytest.raises(AnsibleFilterError, match="needs the guests as a list"):
        INSTANCES(told, scenario({"name": "web", "image": "a"}), PLACE, "/tmp/key")


def test_molecule_is_told_how_to_reach_them():
    config = scenario({"name": "web", "image": "a"}, {"name": "db", "image": "a", "user": "root"})
    web, db = (guest["name"] for guest in GUESTS(config, PLACE))
    told = [{"name": db, "addresses": ["fd00::7", "192.0.2.7"]}, {"name": web, "addresses": ["fd00::8"]}]
    assert INSTANCES(told, config, PLACE, "/tmp/key") == [
        {"instance": "web", "address": "fd00::8", "user": "molecule", "port": 22, "identity_file": "/tmp/key"},
        {"instance": "db", "address": "192.0.2.7", "user": "root", "port": 22, "identity_file": "/tmp/key"},
    ]
    with pytest.raises(AnsibleFilterError, match="platform db: guest hello-default-db-.* has no address"):
        INSTANCES(told[1:], config, PLACE, "/tmp/key")


def removal() -> dict:
    """Return the task of molecule_destroy that removes volumes without a domain."""
    plays = yaml.safe_load((PLAYBOOKS / "molecule_destroy.yml").read_text(encoding="utf-8"))
    (task,) = [task for task in plays[1]["tasks"] if "guest" in task.get("vars", {})]
    return task


def test_destroy_tells_storage_all_that_create_told_of_volumes():
    options = removal()["virt.image.storage"]
    shared = set(STORAGE) & set(GUEST)
    assert set(options) == {"uri", "state", *shared}
    assert (options["state"], options["remove"]) == ("absent", "all")
    always = ("name", "image", "seed")
    for name in shared - {"state", "remove"}:
        assert options[name] == f"{{{{ guest.{name}{'' if name in always else ' | default(omit)'} }}}}"


def test_destroy_passes_over_an_image_that_is_not_there_and_nothing_else(tmp_path):
    pattern = yaml.safe_load((PLAYBOOKS / "vars/molecule.yml").read_text(encoding="utf-8"))["__molecule_unreadable"]
    with running() as server:
        for image in (str(tmp_path / "image.xml"), f"{server.url}/image.xml", "http://127.0.0.1:1/image.xml"):
            with pytest.raises(ImageError) as told:
                folder_of(image, False, Access(retries=0)).descriptor()
            assert re.search(pattern, str(told.value)), told.value
    for other in ("cannot read the volume: Input/output error", "cannot fetch root.qcow2: http://a/b: 404", "image.xml:3: <disk> has no file"):
        assert not re.search(pattern, other)
