# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of guests that exist: the report from XML, and the look at libvirt, which is a stand-in."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.report import GuestReport, Look, report_guest
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.module_utils._io import addresses as telling
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io import look as looking
from ansible_collections.virt.image.plugins.module_utils._io import sight
from ansible_collections.virt.image.tests.unit.mutations import mutated_tree
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing
from ansible_collections.virt.image.tests.unit.support import examples, message, text, value_or_words

LIVE = text("live/web1.xml")
ROOT = "<source file='/var/lib/libvirt/images/web1-root.qcow2'/>"
# An external snapshot lies over the recorded disk.
SNAPSHOT = LIVE.replace(
    ROOT, f"<source file='/web1.snap'/><backingStore type='file'><format type='qcow2'/>{ROOT}", 1
).replace("<target dev='vda'", "</backingStore><target dev='vda'", 1)


def look(inactive=LIVE, **more):
    return report_guest(Look(**{"name": "web1", "inactive": inactive, "state": "shutoff", **more}))


def test_a_guest():
    guest = look(persistent=True, autostart=False)
    assert (guest.owned, guest.image, guest.version, guest.release, guest.generation) == (True, "web", "1.0", "2", 1)
    assert (guest.virt_type, guest.arch, guest.machine) == ("qemu", "x86_64", "pc-i440fx-7.2")
    assert (guest.disks_from, guest.drift, guest.restart_required) == ("inactive", (), False)
    assert [(disk.target, disk.id, disk.use, disk.pool, disk.volume, disk.sha256) for disk in guest.disks] == [
        ("vda", "root", "system", "default", "web1-root.qcow2", "ab" * 32),
        ("vdb", None, None, None, None, None),
    ]


def test_a_snapshot_lies_over_the_recorded_disk():
    guest = look(SNAPSHOT)
    top, below, *_rest = guest.disks[0].chain
    assert (top.path, below.path) == ("/web1.snap", "/var/lib/libvirt/images/web1-root.qcow2")
    assert guest.disks[0].id == "root"
    assert "devices/disk[vda]/source/@file" in [change.path for change in guest.drift]


@pytest.mark.parametrize(
    "old, new, drift",
    [
        ("<memory unit='KiB'>524288<", "<memory unit='KiB'>1048576<", [("memory", "524288", "1048576")]),
        ("<memory unit='KiB'>524288<", "<memory unit='MiB'>512<", []),
        ("<vcpu placement='static'>4<", "<vcpu placement='static'>2<", [("vcpu", "4", "2")]),
        ("dev='hd'/>", "dev='cdrom'/>", [("os/boot/@dev", "hd", "cdrom")]),
        ("</devices>", "<watchdog model='i6300esb'/></devices>", []),
        ("<acpi/>", "", [("features/acpi", None, None)]),
    ],
)
def test_drift(old, new, drift):
    assert old in LIVE
    found = look(LIVE.replace(old, new, 1)).drift
    assert [(change.path, change.before, change.after) for change in found] == [
        (path, before if before else "<acpi/>", after) for path, before, after in drift
    ]


def test_what_libvirt_derived_is_no_drift():
    # Another bus has other addresses; only the bus was anyone's choice.
    moved = LIVE.replace("<target dev='vdb' bus='virtio'/>", "<target dev='vdb' bus='sata'/>", 1)
    assert [change.path for change in look(moved).drift] == ["devices/disk[vdb]/target/@bus"]


def test_a_password_is_no_drift():
    tree = xml.parse(LIVE, "live")
    applied = tree.find("metadata/{*}record/{*}applied")
    applied.text = applied.text.replace('<graphics type="vnc"', '<graphics type="vnc" passwd=""')
    tree.find("devices/graphics").set("passwd", "*****")
    assert look(xml.etree.tostring(tree, encoding="unicode")).drift == ()


@pytest.mark.parametrize("applied", ["", "<domain", "<pool/>", "<!DOCTYPE a><domain/>"])
def test_a_broken_record_tells_no_drift(applied):
    tree = xml.parse(LIVE, "live")
    tree.find("metadata/{*}record/{*}applied").text = applied
    guest = look(xml.etree.tostring(tree, encoding="unicode"))
    assert guest.owned and guest.drift is None


@pytest.mark.parametrize(
    "inactive",
    [
        "<domain type='xen'><name>a</name></domain>",
        LIVE.replace('record xmlns:image="urn:virt-image:record:1"', 'record xmlns:image="urn:virt-image:record:2"'),
        LIVE.replace(' image="web"', ' image="web" domain="0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"'),
    ],
    ids=["bare", "another's record", "a clone"],
)
def test_a_guest_that_is_not_ours(inactive):
    guest = look(inactive)
    facts = (guest.image, guest.version, guest.release, guest.generation, guest.drift)
    assert (guest.owned, facts) == (False, (None,) * 5)
    assert [disk.id for disk in guest.disks if disk.id] == []


def test_a_running_guest_s_chain_is_that_of_its_active_xml():
    active = SNAPSHOT.replace("<domain type='qemu'", "<domain type='qemu' id='7'", 1)
    guest = look(active=active, state="running", persistent=True)
    assert (guest.disks_from, guest.disks[0].chain[0].path, guest.restart_required) == ("active", "/web1.snap", True)
    assert guest.drift == ()
    assert not look(active=active, state="running", persistent=False).restart_required
    same = LIVE.replace("<domain type='qemu'", "<domain type='qemu' id='7'", 1)
    assert not look(active=same, state="running", persistent=True).restart_required


@pytest.mark.parametrize(
    "before, after",
    [
        # The first is what the user defined, the second what libvirt made of it at the start.
        (
            "<cpu mode='custom' match='exact' check='partial'><model fallback='allow'>Nehalem</model></cpu>",
            "<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>Nehalem</model>"
            "<feature policy='disable' name='vme'/></cpu>",
        ),
        (
            "<cpu mode='custom' match='minimum'><model>qemu64</model></cpu>",
            "<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>Nehalem</model></cpu>",
        ),
    ],
    ids=["fallback", "minimum"],
)
def test_what_a_start_makes_of_a_cpu_takes_no_restart(before, after):
    inactive = f"<domain type='qemu'><name>a</name>{before}</domain>"
    active = f"<domain type='qemu' id='1'><name>a</name>{after}</domain>"
    assert not look(inactive, active=active, persistent=True).restart_required
    other = active.replace("</domain>", "<vcpu>2</vcpu></domain>")
    assert look(inactive.replace("</domain>", "<vcpu>3</vcpu></domain>"), active=other, persistent=True).restart_required


@given(st.data())
@examples(50)
def test_any_live_domain_is_told_of(data):
    raw = data.draw(mutated_tree([LIVE, SNAPSHOT])).decode()
    guest = value_or_words(GuestReport, look, raw)
    if guest:
        assert from_plain(GuestReport, to_plain(guest), "guest") == guest


@given(st.data())
@examples(50)
def test_any_applied_xml_has_drift_or_none(data):
    tree = xml.parse(LIVE, "live")
    applied = tree.find("metadata/{*}record/{*}applied")
    applied.text = data.draw(mutated_tree([applied.text])).decode()
    value_or_words(GuestReport, look, xml.etree.tostring(tree, encoding="unicode"))


# libvirt's numbers; only that they differ matters here.
NO_DOMAIN, NO_SUPPORT, DENIED, LEASE, ARP = range(5)


@pytest.fixture(autouse=True)
def _libvirt(monkeypatch):
    """Let a stand-in be libvirt."""
    stand_in = SimpleNamespace(
        libvirtError=Failure,
        VIR_ERR_NO_DOMAIN=NO_DOMAIN,
        VIR_DOMAIN_XML_INACTIVE=2,
        VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE=LEASE,
        VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP=ARP,
        **{constant: number for number, constant in enumerate(door.STATES)},
    )
    for module in (door, sight, telling):
        monkeypatch.setattr(module, "libvirt", stand_in)


def domain(name, inactive=LIVE, now="VIR_DOMAIN_SHUTOFF", **calls):
    """Return a domain of libvirt's; XMLDesc must not be asked for secrets."""
    usual = {
        "name": lambda: name,
        "ID": lambda: 7,
        "connect": lambda: SimpleNamespace(getURI=lambda: "qemu:///system"),
        "state": lambda: [list(door.STATES).index(now), 0],
        "XMLDesc": lambda flags=0: {0: inactive, 2: inactive}[flags],
        "isPersistent": lambda: 1,
        "autostart": lambda: 0,
        "interfaceAddresses": failing(NO_SUPPORT),
    }
    return SimpleNamespace(**{**usual, **calls})


def info(*domains, listing=None, **params):
    """Return what the module returns, and its warnings."""
    link = SimpleNamespace(listAllDomains=listing or (lambda: list(domains)))
    asked = {"names": None, "all": False, **params}
    outcome = looking.guest_info(asked, SimpleNamespace(link=link))
    return outcome.report([])["guests"], list(outcome.warnings)


FOREIGN = "<domain type='lxc'><name>c</name><os><type>exe</type></os></domain>"


@pytest.mark.parametrize(
    "params, told",
    [
        ({}, ["a", "b"]),
        ({"all": True}, ["a", "b", "c"]),
        ({"names": ["b", "gone", "b"]}, ["b"]),
        ({"names": ["c"]}, []),
        ({"names": ["c"], "all": True}, ["c"]),
        ({"names": []}, []),
    ],
    ids=repr,
)
def test_who_is_told_of(params, told):
    guests, warnings = info(domain("b"), domain("c", FOREIGN), domain("a"), **params)
    assert ([guest["name"] for guest in guests], warnings) == (told, [])


def test_the_host_of_xen_is_no_guest():
    # libxl's driver lists it as domain 0; what has that number elsewhere is a guest as any other.
    told = {}
    for uri in ("xen:///system", "test:///default"):
        link = SimpleNamespace(getURI=lambda uri=uri: uri)
        guests, _warnings = info(domain("Domain-0", ID=lambda: 0, connect=lambda link=link: link), domain("a"), all=True)
        told[uri] = [guest["name"] for guest in guests]
    assert told == {"xen:///system": ["a"], "test:///default": ["Domain-0", "a"]}


def test_one_that_went_meanwhile_is_not_there():
    gone = failing(NO_DOMAIN)
    asked = ("XMLDesc", "state", "isPersistent", "autostart")
    assert info(*(domain(call, **{call: gone}) for call in asked)) == ([], [])


def test_a_driver_that_knows_little():
    no = failing(NO_SUPPORT)
    running = domain("c", FOREIGN, "VIR_DOMAIN_RUNNING", isPersistent=no, autostart=no)
    ((guest,), warnings) = info(running, all=True)
    assert warnings == []
    assert (guest["persistent"], guest["autostart"], guest["addresses"]) == (None, None, [])
    assert (guest["virt_type"], guest["arch"], guest["machine"], guest["disks"]) == ("lxc", None, None, [])


@pytest.mark.parametrize(
    "odd, said",
    [
        (domain("odd", "<domain"), "domain odd is left out: domain odd:1: is not well-formed XML"),
        (domain("odd", XMLDesc=failing(DENIED, "not allowed")), "domain odd is left out: cannot read it: not allowed"),
    ],
    ids=["broken", "denied"],
)
def test_an_odd_domain_does_not_hide_the_others(odd, said):
    guests, (warning,) = info(odd, domain("web"))
    assert [guest["name"] for guest in guests] == ["web"]
    assert warning.startswith(said)


def test_a_driver_that_cannot_list():
    assert message(info, listing=failing(NO_SUPPORT, "not here")) == "cannot list the domains: not here"


def test_addresses():
    known = {
        LEASE: {"vnet0": {"addrs": [{"addr": "192.0.2.7"}, {"addr": "fe80::1"}, {"addr": None}]}, "vnet1": {"addrs": None}},
        ARP: {"vnet0": {"addrs": [{"addr": "192.0.2.7"}, {"addr": "192.0.2.8"}]}},
    }
    running = domain("a", now="VIR_DOMAIN_RUNNING", interfaceAddresses=known.get)
    assert info(running)[0][0]["addresses"] == ["192.0.2.7", "192.0.2.8"]
    odd = domain("a", now="VIR_DOMAIN_RUNNING", interfaceAddresses=lambda _source: b"\xff".decode())
    assert info(odd)[0][0]["addresses"] == []
    # One that does not run is not asked.
    assert info(domain("a", interfaceAddresses=failing(DENIED)))[0][0]["addresses"] == []


def test_passwords_are_not_told():
    # An odd driver may show them, and a broken record have them.
    tree = xml.parse(LIVE.replace("<vcpu placement='static'>4<", "<vcpu>2<"), "live")
    applied = tree.find("metadata/{*}record/{*}applied")
    applied.text = applied.text.replace("<graphics ", '<sound passwd="s3cret"/><graphics passwd="s3cret" keymap="de" ')
    tree.find("devices/graphics").set("passwd", "s3cret")
    (guest,) = info(domain("a", xml.etree.tostring(tree, encoding="unicode")))[0]
    paths = sorted(change["path"] for change in guest["drift"])
    assert paths == ["devices/graphics[vnc]/@keymap", "devices/sound", "vcpu"]
    assert "s3cret" not in repr(guest)
