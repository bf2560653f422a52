# SPDX-License-Identifier: GPL-3.0-or-later
"""From what libvirt tells to hosts: the address that is taken, variables, groups, and whose a name is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible.inventory.manager import split_host_pattern

from ansible_collections.virt.image.plugins.module_utils._core.inventory import (
    Met,
    Preferences,
    Seen,
    Target,
    choose_address,
    groups_of,
    host_mistake,
    merged_groups,
    parse_targets,
    settle_names,
    variables_of,
)
from ansible_collections.virt.image.plugins.module_utils._core.report import Look
from ansible_collections.virt.image.plugins.module_utils._core.telling import Answer, tell_guest, usable_address
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.mutations import mutated_tree
from ansible_collections.virt.image.tests.unit.support import WORDS, examples, message, text, value_or_words

LIVE = text("live/web1.xml")
# Of the guest's interfaces: on the bridge virbr0, on the network lan, and of the user-mode stack.
BRIDGE, LAN, USER = "52:54:00:aa:bb:01", "52:54:00:aa:bb:02", "52:54:00:96:e9:15"
LEASES = [("vnet1", LAN, "192.0.2.7")]
AGENT = [
    ("lo", "00:00:00:00:00:00", "127.0.0.1"),
    ("docker0", "02:42:00:00:00:01", "172.17.0.1"),
    ("eth0", BRIDGE, "198.51.100.7"),
    ("eth0", BRIDGE, "2001:db8:1::7"),
    ("eth0", BRIDGE, "fe80::7"),
    ("eth1", LAN, "192.0.2.7"),
    ("eth1", LAN, "2001:db8::7"),
]


def guest(told=None, state="running", **changes):
    """Return what is told of the guest of live/web1.xml."""
    running = LIVE.replace("<domain type='qemu'", "<domain type='qemu' id='7'", 1) if state == "running" else None
    seen = tell_guest(Look("web1", LIVE, state, active=running), {} if told is None else told)
    return replace(seen, facts=replace(seen.facts, **changes))


def seen(hypervisor="kvm1", uri="qemu:///system", **options):
    return Seen(uri, hypervisor, guest(**options))


def test_what_is_told_of_a_guest():
    one = guest({"lease": LEASES, "agent": AGENT})
    assert (one.facts.name, one.facts.image, one.facts.version, one.facts.generation) == ("web1", "web", "1.0", 1)
    assert [(card.mac, card.type, card.source) for card in one.interfaces] == [
        (BRIDGE, "bridge", "virbr0"),
        (LAN, "network", "lan"),
        (USER, "user", None),
    ]
    # Each address once, as the first source tells it, with the name that only the agent knows.
    assert [(one.address, one.source, one.interface, one.network) for one in one.addresses] == [
        ("192.0.2.7", "lease", "eth1", "lan"),
        ("172.17.0.1", "agent", "docker0", None),
        ("198.51.100.7", "agent", "eth0", "virbr0"),
        ("2001:db8:1::7", "agent", "eth0", "virbr0"),
        ("2001:db8::7", "agent", "eth1", "lan"),
    ]


@pytest.mark.parametrize(
    "wish, address",
    [
        ({}, "192.0.2.7"),
        ({"sources": ("agent", "lease")}, "198.51.100.7"),
        ({"sources": ("arp",)}, None),
        ({"families": ("ipv6", "ipv4")}, "2001:db8:1::7"),
        ({"families": ("ipv6",), "networks": ("lan",)}, "2001:db8::7"),
        ({"networks": ("virbr*", "lan")}, "198.51.100.7"),
        ({"networks": ("nowhere", "*")}, "192.0.2.7"),
        ({"networks": ("nowhere",)}, None),
        ({"networks": ("!lan",)}, "198.51.100.7"),
        ({"networks": ("!lan", "!virbr0")}, None),
        ({"interfaces": ("eth0",)}, "198.51.100.7"),
        ({"interfaces": ("!eth1",)}, "198.51.100.7"),
        # docker0 is no hardware of the domain: only who names it gets it.
        ({"interfaces": ("!eth*",)}, None),
        ({"interfaces": ("docker*", "eth1")}, "172.17.0.1"),
        ({"interfaces": ("*",)}, "192.0.2.7"),
        # Preferred networks count more than families, and those more than sources.
        ({"networks": ("virbr0", "lan"), "families": ("ipv6", "ipv4")}, "2001:db8:1::7"),
        ({"networks": ("lan",), "families": ("ipv6", "ipv4")}, "2001:db8::7"),
    ],
    ids=repr,
)
def test_the_address(wish, address):
    sources = wish.get("sources", ("lease", "agent"))
    rows = {"lease": LEASES, "agent": AGENT}
    one = guest({source: rows.get(source, ()) for source in sources})
    found = choose_address(one, Preferences(**wish))
    assert (found and found.address) == address


def test_without_an_agent_the_names_of_interfaces_are_not_known():
    one = guest({"lease": LEASES})
    assert choose_address(one, Preferences(interfaces=("!eth0",))).address == "192.0.2.7"
    assert choose_address(one, Preferences(interfaces=("eth1",))) is None


@pytest.mark.parametrize(
    "told, usable",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("127.0.0.1", None),
        ("169.254.0.7", None),
        ("0.0.0.0", None),
        ("224.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("fe80::1", None),
        ("fe80::1%eth0", None),
        # What ssh would take for an option, and Ansible for a template: an agent may say anything.
        ("-oProxyCommand=touch /tmp/x", None),
        ("2001:db8::1%-oProxyCommand=x", None),
        ("{{ 7 * 7 }}", None),
        ("192.0.2.7 -v", None),
        ("web1", None),
        ("", None),
        ("1", None),
    ],
)
def test_what_is_an_address(told, usable):
    found = usable_address(told)
    assert (found and found.compressed) == usable


@given(WORDS)
@examples(20)
def test_nothing_but_an_address_becomes_one(word):
    one = guest({"agent": [("eth0", BRIDGE, word)], "arp": [("", None, word)]})
    assert all(set(found.address) <= set("0123456789abcdef.:") for found in one.addresses)


def test_variables():
    told = variables_of(seen(told={"lease": LEASES}), "virt_", Preferences())
    assert (told["ansible_host"], told["virt_image"], told["virt_hypervisor"]) == ("192.0.2.7", "web", "kvm1")
    assert (told["virt_type"], told["virt_state"], told["virt_uri"]) == ("qemu", "running", "qemu:///system")
    assert told["virt_addresses"] == [
        {
            "address": "192.0.2.7",
            "family": "ipv4",
            "source": "lease",
            "interface": None,
            "mac": LAN,
            "network": "lan",
        }
    ]
    other = variables_of(seen(state="shutoff"), "", Preferences())
    assert "ansible_host" not in other
    assert sorted(other) == sorted(key[5:] for key in told if key != "ansible_host")


@pytest.mark.parametrize(
    "changes, group_by, groups",
    [
        (
            {},
            ["image", "version", "state", "hypervisor"],
            {
                "v_guests": "all guests",
                "v_image_web": "image web",
                "v_state_running": "state running",
                "v_hypervisor_kvm1": "hypervisor kvm1",
                "v_version_web_1.0": "version 1.0 of image web",
            },
        ),
        ({}, ["version"], {"v_guests": "all guests", "v_version_web_1.0": "version 1.0 of image web"}),
        ({}, [], {"v_guests": "all guests"}),
        ({"image": None}, ["image", "version"], {"v_guests": "all guests"}),
        ({"version": None}, ["image", "version"], {"v_guests": "all guests", "v_image_web": "image web"}),
    ],
)
def test_groups(changes, group_by, groups):
    assert groups_of(seen(**changes), group_by, "v_") == groups


@pytest.mark.parametrize(
    "many, merged",
    [
        ([], []),
        ([{}, {}], []),
        ([{"image": "web"}, {"image": "db"}], []),
        (
            [{"image": "debian", "version": "12-1"}, {"image": "debian-12", "version": "1"}],
            ["group v_version_debian_12_1 is of version 1 of image debian-12 and of version 12-1 of image debian"],
        ),
        # The same before anything is replaced.
        (
            [{"image": "debian", "version": "12_1"}, {"image": "debian_12", "version": "1"}],
            ["group v_version_debian_12_1 is of version 1 of image debian_12 and of version 12_1 of image debian"],
        ),
        (
            [{"image": "web-a", "version": None}, {"image": "web.a", "version": None}, {"image": "web a", "version": None}],
            ["group v_image_web_a is of image web a and of image web-a and of image web.a"],
        ),
        ([{"image": "a\nb"}, {"image": "a b", "version": None}], ["group v_image_a_b is of image a b and of image a\\nb"]),
    ],
    ids=repr,
)
def test_groups_of_which_the_names_coincide(many, merged):
    told = merged_groups([seen(**one) for one in many], ["image", "version"], "v_", lambda name: re.sub(r"\W", "_", name))
    assert told == [f"{one}: their names differ in nothing that a group's name tells" for one in merged]


def test_hypervisors_of_which_the_names_coincide():
    (told,) = merged_groups([seen("kvm-1"), seen("kvm.1")], ["hypervisor"], "", lambda name: re.sub(r"\W", "_", name))
    assert told.startswith("group hypervisor_kvm_1 is of hypervisor kvm-1 and of hypervisor kvm.1: ")


def test_a_group_of_another_inventory_is_warned_of_once():
    met = Met()

    def told(*many):
        return merged_groups([seen(**one) for one in many], ["version"], "", lambda name: re.sub(r"\W", "_", name), met)

    first, other = {"image": "web", "version": "1_2"}, {"image": "web_1", "version": "2"}
    assert told(first) == told(first) == []
    assert len(told(other)) == 1
    assert told(first, other) == []


def test_names_that_two_have_are_nobody_s():
    here, there = seen("kvm1", "qemu:///system"), seen("kvm2", "qemu+ssh://kvm2/system", uuid="other")
    names = settle_names([("web1", here), ("web2", seen()), ("web1", there)])
    assert list(names.kept) == ["web2"]
    (why,) = names.left_out
    assert why.startswith("guests web1 of kvm1 (qemu:///system) and web1 of kvm2 (qemu+ssh://kvm2/system) are left out: ")
    assert "each would be called web1 in the inventory; the option hostnames" in why
    assert settle_names([("web1", here), ("web1-kvm2", there)]).left_out == []


@pytest.mark.parametrize(
    "states, kept",
    [
        (("shutoff", "running"), 1),
        (("paused", "shutoff"), 0),
        (("shutoff", "shutoff"), None),
        (("running", "running"), None),
    ],
)
def test_a_guest_that_was_migrated_is_where_it_runs(states, kept):
    both = [seen(f"kvm{index}", state=state) for index, state in enumerate(states)]
    names = settle_names([("web1", one) for one in both])
    assert names.kept == ({} if kept is None else {"web1": both[kept]})
    assert len(names.left_out) == (kept is None)


@pytest.mark.parametrize(
    "name, words",
    [
        ("web1", ""),
        ("web;1", ""),
        ("192.0.2.7", ""),
        ("2001:db8::7", ""),
        ("::ffff:192.0.2.7", ""),
        ("ünï", ""),
        ("{{x}}", ""),
        ("localhost", "is Ansible's own: localhost"),
        ("all", "is Ansible's own: all"),
        ("web*", "is a pattern of hosts: web*"),
        ("web[1]", "is a pattern of hosts: web[1]"),
        ("a,b", "is a pattern of hosts: a,b"),
        ("x all", "is a pattern of hosts: x all"),
        ("web:all", "is a pattern of hosts: web:all"),
        ("web:22", "is a pattern of hosts: web:22"),
        ("52:54:00:aa:bb:01", "is a pattern of hosts: 52:54:00:aa:bb:01"),
        ("{{ x }}", "is a pattern of hosts: {{ x }}"),
        ("fe80::7%eth0", "is a pattern of hosts: fe80::7%eth0"),
        ("!web1", "is a pattern of hosts: !web1"),
        ("-oProxyCommand=x", "begins or ends"),
        ("..", "begins or ends"),
        ("a/b", "holds '/'"),
        ("a\nb", "holds '\\n'"),
        ("", "is empty"),
    ],
)
def test_names_of_hosts(name, words):
    mistake = host_mistake(name)
    assert words in (mistake or "") and bool(mistake) == bool(words)
    names = settle_names([(name, seen())])
    assert (list(names.kept), len(names.left_out)) == (([], 1) if words else ([name], 0))


@given(WORDS | st.text(alphabet="ab :;,.[]{}@!&~*?%\\|#1", max_size=12) | st.ip_addresses().map(str))
@examples(60)
def test_a_name_is_one_host_to_ansible(name):
    if not host_mistake(name):
        assert split_host_pattern(name) == split_host_pattern([name]) == [name]


@pytest.mark.parametrize(
    "uris, targets",
    [
        (["qemu:///system"], (Target("qemu:///system"),)),
        ([{"uri": "qemu:///system", "name": "kvm1"}, "xen:///"], (Target("qemu:///system", "kvm1"), Target("xen:///"))),
    ],
)
def test_uris(uris, targets):
    assert parse_targets(uris) == targets


@pytest.mark.parametrize(
    "uris, words",
    [
        ([], "uris is empty; one is qemu:///system"),
        ([""], "uris[0]: has no uri; one is qemu:///system"),
        ([7], "uris[0]: must be a dictionary, is 7"),
        ([{"name": "a"}], "uris[0]: has no uri"),
        ([{"url": "a", "uri": "b"}], "uris[0]: has url; it can have uri and name"),
        ([{"uri": ["a"]}], "uris[0]: uri must be text, is ['a']"),
        (["a\nb"], "uris[0]: uri holds characters that cannot be printed"),
        (["a", {"uri": "a", "name": "x"}], "uris has a more than once"),
        (["", {"x": 1}], "uris[1]: has x"),
    ],
    ids=repr,
)
def test_wrong_uris(uris, words):
    assert words in message(parse_targets, uris)


@given(st.data())
@examples(20)
def test_any_live_domain_is_told_of(data):
    raw = data.draw(mutated_tree([LIVE])).decode()
    told = {"lease": [("", None, data.draw(WORDS))], "agent": [(data.draw(WORDS), data.draw(WORDS), "192.0.2.7")]}
    one = value_or_words(object, tell_guest, Look("web1", raw, "running", active=raw), told)
    if one:
        answer = Answer("kvm1", (one,), (), ())
        assert from_plain(Answer, to_plain(answer), "answer") == answer
        variables_of(Seen("u", "kvm1", one), "virt_", Preferences(networks=("a*", "!b"), interfaces=("e*",)))
        groups_of(Seen("u", "kvm1", one), ["image", "version"], "")
