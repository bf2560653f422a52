# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's platforms as guests, and what molecule is told of them."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.molecule import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.names import name_mistake

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


def test_a_secret_is_not_shown():
    with pytest.raises(AnsibleFilterError) as told:
        GUESTS(scenario({"name": "web", "image": "a", "guest": {"seed": "hunter2"}}), PLACE)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("place", [None, {}, {**PLACE, "ephemeral": ""}, {**PLACE, "node": 7}], ids=str)
def test_a_place_is_needed(place):
    with pytest.raises(AnsibleFilterError, match="place needs node, project"):
        GUESTS(scenario({"name": "web", "image": "a"}), place)


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
