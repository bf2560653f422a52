# SPDX-License-Identifier: GPL-3.0-or-later
"""What libxl's driver does otherwise than QEMU's; libvirt and time are stand-ins."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import definition, steps, xml
from ansible_collections.virt.image.plugins.module_utils._core.aim import Aim
from ansible_collections.virt.image.plugins.module_utils._core.generation import plan_generation
from ansible_collections.virt.image.plugins.module_utils._core.record import read_record
from ansible_collections.virt.image.plugins.module_utils._core.running import Running, compare_running
from ansible_collections.virt.image.plugins.module_utils._io import addresses as telling
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io import console, dom0, life, sight
from ansible_collections.virt.image.tests.unit.lives import LIBVIRT, NO_DOMAIN, Clock, Domain, connection
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing
from ansible_collections.virt.image.tests.unit.support import message, text
from ansible_collections.virt.image.tests.unit.test_generation import Host

# libvirt's VIR_ERR_ARGUMENT_UNSUPPORTED: libxl knows leases alone.
ARGUMENT = 74
ARP = """IP address       HW type     Flags       HW address            Mask     Device
10.77.0.9        0x1         0x2         00:16:3e:00:00:01     *        xenbr0
10.77.0.8        0x1         0x0         00:16:3e:00:00:01     *        xenbr0
10.77.0.7        0x1         0x2         00:16:3e:00:00:02     *        xenbr0
cut
"""
GUEST = """<domain><devices><interface><mac address='00:16:3E:00:00:01'/><target dev='vif1.0'/></interface>
<interface><mac address='00:16:3e:00:00:03'/></interface><interface/></devices></domain>"""


@pytest.fixture(name="clock", autouse=True)
def _clock(monkeypatch):
    clock = Clock()
    numbers = {**vars(LIBVIRT), "VIR_DOMAIN_SHUTOFF_CRASHED": 3, "VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP": 2}
    for module in (door, life, dom0, telling):
        monkeypatch.setattr(module, "libvirt", SimpleNamespace(**numbers))
    monkeypatch.setattr(life, "time", clock)
    return clock


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    """Return a function that lets this machine be a host with these files."""

    def be(capabilities="control_d\n", arp=ARP):
        for name, content in (("CAPABILITIES", capabilities), ("NEIGHBOURS", arp)):
            path = tmp_path / name
            monkeypatch.setattr(dom0, name, str(path))
            if content is not None:
                path.write_text(content)

    return be


def test_what_libxl_has_against_a_guest_is_told(clock, monkeypatch, tmp_path):
    log, domain = tmp_path / "libxl-driver.log", Domain("shutoff")
    log.write_text("2026-11-22 07:00:01.000+0000: libxl: old\n")
    monkeypatch.setattr(console, "LIBXL_LOG", str(log))

    def create():
        with log.open("a") as file:
            file.write("2026-11-22 07:00:39.464+0000: libxl: libxl_create.c:1921:domcreate: Domain 2:unable to add vif devices\n")
        raise Failure(1, "libxenlight failed to create new domain 'web'")

    domain.create = create
    link = connection(domain, clock, is_xen=True, is_local=True, is_session=False)
    assert message(life.start, steps.StartDomain("web", "xen"), link) == (
        "cannot start domain web: libxenlight failed to create new domain 'web'\n"
        "libxl's log ends:\n  libxl: libxl_create.c:1921:domcreate: Domain 2:unable to add vif devices"
    )


def stop(domain, clock, timeout=20, force=False):
    return life.stop(steps.StopDomain("web", timeout, force), connection(domain, clock, is_xen=True))


def test_a_guest_is_asked_through_the_store_and_not_by_a_button(clock):
    domain = Domain(hears=("plain",), agent="connected")
    assert stop(domain, clock) is None
    assert domain.calls == ["plain"]


def test_one_that_is_called_off_is_waited_for_until_it_is_gone(clock):
    domain = Domain("shutoff")
    domain.isActive = lambda: clock.now < 7
    assert stop(domain, clock) is None
    assert clock.now >= 7


def test_one_that_stays_after_its_crash_is_told_of(clock):
    domain = Domain("shutoff")
    domain.isActive = lambda: True
    assert message(stop, domain, clock).startswith("domain web did not stop within 20 s; ")


@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_one_that_is_called_off_and_stays_is_powered_off(clock, state):
    """libxl refuses the flag that asks QEMU to end (virCheckFlags)."""
    domain = Domain(state, refuses=("off",))
    domain.isActive = lambda: "destroy" not in domain.calls
    assert stop(domain, clock, timeout=0, force=True).forced
    assert domain.calls == [("off", 1), "destroy"]


def test_one_that_is_kept_after_its_crash_is_powered_off_under_any_driver(clock):
    domain = Domain("crashed")
    domain.isActive = lambda: ("off", 1) not in domain.calls
    life.stop(steps.StopDomain("web", 0, True), connection(domain, clock, is_xen=False))
    assert domain.calls == [("off", 1)]
    domain = Domain("crashed", refuses=("off", "destroy"))
    domain.isActive = lambda: True
    assert message(life.stop, steps.StopDomain("web", 0, True), connection(domain, clock)).startswith("cannot stop domain web: ")


def test_one_that_cannot_be_powered_off_is_told_of(clock):
    domain = Domain("shutoff", refuses=("off", "destroy"))
    domain.isActive = lambda: True
    assert message(stop, domain, clock, timeout=0, force=True).startswith("cannot stop domain web: ")


@pytest.mark.parametrize(
    "is_active, reason, state",
    [
        (lambda: 0, 1, "shutoff"),
        (lambda: 1, 1, "shutdown"),
        (lambda: 1, 3, "crashed"),
        (failing(NO_DOMAIN), 1, "shutoff"),
    ],
)
def test_the_state_of_one_that_is_called_off(is_active, reason, state):
    domain = Domain("shutoff")
    domain.reason, domain.isActive = reason, is_active
    assert dom0.state_when_off(domain) == state


def numbered(number, uri="xen:///system"):
    domain = Domain()
    domain.number = number
    domain.connect = lambda: SimpleNamespace(getURI=lambda: uri)
    return domain


@pytest.mark.parametrize(
    "number, uri, listed",
    [
        (0, "xen:///system", []),
        (0, "xen+ssh://root@host/system", []),
        (0, "qemu:///system", ["web"]),
        (3, "xen:///system", ["web"]),
    ],
)
def test_the_host_is_not_listed_among_its_guests(number, uri, listed):
    link = SimpleNamespace(listAllDomains=lambda: [numbered(number, uri)])
    assert list(sight.domains_of(SimpleNamespace(link=link))) == listed


def test_the_host_is_no_guest():
    domain = numbered(0)
    assert message(dom0.refuse_dom0, domain, "Domain-0") == "domain Domain-0 is the host itself (Xen's dom0), and no guest"
    domain.number = -1
    assert message(dom0.refuse_dom0, domain, "web") == ""


@pytest.mark.parametrize(
    "uri, capabilities, told",
    [
        ("qemu:///system", "control_d\n", "this is a host of Xen: its guests are at uri: xen:///system"),
        # A guest of Xen; no Xen; the right one; another machine.
        ("qemu:///system", "\n", "is libvirt's daemon running"),
        ("qemu:///system", None, "is libvirt's daemon running"),
        ("xen:///system", "control_d\n", "is libvirt's daemon running"),
        ("qemu+ssh://host/system", "control_d\n", "is the host there"),
    ],
)
def test_who_cannot_connect_is_told_where_xen_is(host, uri, capabilities, told):
    host(capabilities)
    assert told in dom0.connect_hint(uri)


def of_xen(uri="xen:///system"):
    """Return a running domain whose addresses libxl does not tell."""
    domain = Domain()
    domain.XMLDesc = lambda _flags=0: GUEST
    domain.connect = lambda: SimpleNamespace(getURI=lambda: uri)
    domain.interfaceAddresses = failing(ARGUMENT, "Unsupported IP address data source 2")
    return domain


@pytest.mark.parametrize("uri", ["xen:///system", "xen+unix:///system", "xen+unix:///system?socket=/run/other"])
def test_addresses_are_looked_for_among_the_neighbours(host, uri):
    host()
    assert telling.tell(of_xen(uri), "ARP") == [("vif1.0", "00:16:3e:00:00:01", "10.77.0.9")]
    assert telling.addresses(of_xen(), "LEASE", "ARP") == ["10.77.0.9"]
    assert telling.tell(of_xen(), "LEASE") is None


@pytest.mark.parametrize("uri", ["qemu:///system", "xen+ssh://root@host/system", "xen://host/system"])
def test_the_neighbours_of_another_host_are_not_known(host, uri):
    host()
    assert telling.tell(of_xen(uri), "ARP") is None


def test_a_host_without_a_table(host):
    host(arp=None)
    assert telling.tell(of_xen(), "ARP") == []


@pytest.mark.parametrize("name", ["pv", "grub", "pvh", "hvm"])
def test_what_libxl_made_of_a_guest_is_no_change(name):
    """Guests as libvirt 9.0 holds them on Xen 4.17, with what was rendered for them in their records."""
    live = text(f"live/xen-{name}.xml")
    record = read_record(xml.parse(live, "live"))
    wanted = definition.applied_of(record)
    assert wanted.find("os/type").text == {"hvm": "hvm", "pvh": "xenpvh"}.get(name, "linux")
    assert definition.redefine(wanted, live, record).changes == ()
    moved = live.replace("<source bridge='xenbr0'/>", "<source bridge='other'/>")
    assert [change.path.rpartition("/")[2] for change in definition.redefine(wanted, moved, record).changes] == ["@bridge"]


def test_a_guest_that_runs_under_xen_is_as_it_is_defined():
    live, active = text("live/xen-pv.xml"), text("live/xen-pv.active.xml")
    wanted = definition.applied_of(read_record(xml.parse(live, "live")))
    assert compare_running("xen-pv", wanted, live, active) == Running()
    (disk, *_others) = wanted.findall("devices/disk")
    disk.find("source").set("file", "/other.qcow2")
    (change,) = compare_running("xen-pv", wanted, live, active).pending
    assert change.path == "devices/disk[xvda]/source/@file"


def test_user_disks_that_nothing_can_merge_are_not_kept_apart():
    aim = Aim("active", now=1000, user_disks="snapshot")
    seen = Host().sighting(aim, version=2)
    seen = replace(seen, verdict=replace(seen.verdict, virt_type="xen"))
    told = message(plan_generation, seen, aim)
    assert "user_disks: snapshot is for guests of QEMU and KVM" in told and told.endswith("type xen; say user_disks: keep")
