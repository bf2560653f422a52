# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells beside its capabilities, and the guest that tries its KVM; libvirt is a stand-in."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.surroundings import (
    parse_network,
    parse_pool,
    show_version,
)
from ansible_collections.virt.image.plugins.module_utils._core.trial import find_obstacle, render_trial, telling_line
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io import facts as telling
from ansible_collections.virt.image.plugins.module_utils._io import probe as probing
from ansible_collections.virt.image.plugins.module_utils._io import surroundings
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing
from ansible_collections.virt.image.tests.unit.support import host, message, text

POOL = """<pool type='dir'><name>{}</name><capacity unit='bytes'>{}</capacity><allocation unit='bytes'>3</allocation>
<available unit='bytes'>4</available><target><path>/srv</path></target></pool>"""
NETWORK = "<network><name>{}</name>{}</network>"
# libvirt's numbers; only that they differ matters here.
NO_SUPPORT, NO_POOL, NO_NETWORK, SYSTEM, DENIED = range(5)


def thing(tree, active=True, autostart=False):
    """Return a pool or network of libvirt's."""
    return SimpleNamespace(XMLDesc=lambda: tree, isActive=lambda: int(active), autostart=lambda: int(autostart))


@pytest.fixture(name="connect")
def _connect(monkeypatch):
    """Return a way to a connection over a link with these calls."""
    numbers = {
        "VIR_ERR_NO_SUPPORT": NO_SUPPORT,
        "VIR_ERR_NO_STORAGE_POOL": NO_POOL,
        "VIR_ERR_NO_NETWORK": NO_NETWORK,
    }
    stand_in = SimpleNamespace(libvirtError=Failure, registerErrorHandler=lambda *_arguments: None, **numbers)
    for one in (door, surroundings):
        monkeypatch.setattr(one, "libvirt", stand_in)

    def connect(**calls):
        usual = {
            "getURI": lambda: "qemu:///system",
            "getType": lambda: "QEMU",
            "getVersion": lambda: 7002022,
            "getLibVersion": lambda: 9000000,
            "getCapabilities": lambda: text("capabilities/qemu.xml"),
            "listAllStoragePools": lambda: [],
            "listAllNetworks": lambda: [],
        }
        stand_in.open = lambda _uri: SimpleNamespace(**{**usual, **calls})
        return door.Connection("qemu:///system")

    return connect


@pytest.mark.parametrize("number, shown", [(9000000, "9.0.0"), (7002022, "7.2.22"), (11001003, "11.1.3"), (2, "0.0.2")])
def test_version(number, shown):
    assert show_version(number) == shown


def test_pool():
    sizes = ["capacity_bytes", "allocation_bytes", "available_bytes"]
    active = to_plain(parse_pool(xml.parse(POOL.format("a", 7), "pool"), True, False))
    assert active == {
        "name": "a",
        "type": "dir",
        "active": True,
        "autostart": False,
        "path": "/srv",
        **dict(zip(sizes, [7, 3, 4])),
    }
    inactive = to_plain(parse_pool(xml.parse(POOL.format("a", 0), "pool"), False, True))
    assert [inactive[key] for key in sizes] == [None] * 3
    assert parse_pool(xml.parse("<pool/>", "pool"), True, True).path is None
    assert parse_pool(xml.parse(POOL.format("a", "x" * 30), "pool"), True, True).capacity_bytes is None


@pytest.mark.parametrize(
    "parts, bridge, forward",
    [
        ("", None, None),
        ("<bridge name='virbr0'/>", "virbr0", None),
        ("<forward/>", None, "nat"),
        ("<forward mode='bridge'/><bridge name='br0'/>", "br0", "bridge"),
    ],
)
def test_network(parts, bridge, forward):
    told = parse_network(xml.parse(NETWORK.format("n", parts), "network"), True, True)
    assert (told.name, told.bridge, told.forward) == ("n", bridge, forward)


def test_surroundings_in_order(connect):
    gone = SimpleNamespace(XMLDesc=failing(NO_POOL))
    link = connect(
        listAllStoragePools=lambda: [thing(POOL.format("b", 1)), gone, thing(POOL.format("a", 1), active=False)],
        listAllNetworks=lambda: [thing(NETWORK.format("n", "")), SimpleNamespace(XMLDesc=failing(NO_NETWORK))],
    )
    told = to_plain(surroundings.read_surroundings(link))
    assert told["libvirt_version"] == "9.0.0"
    assert told["hypervisor"] == {"type": "QEMU", "version": "7.2.22"}
    assert told["mode"] == "system"
    assert [(pool["name"], pool["capacity_bytes"]) for pool in told["pools"]] == [("a", None), ("b", 1)]
    assert [network["name"] for network in told["networks"]] == ["n"]


@pytest.mark.parametrize("failure", [(NO_SUPPORT,), (SYSTEM, "Failed to connect socket to '/run/libvirt/x'")])
def test_a_driver_without_pools_and_networks(connect, failure):
    link = connect(
        listAllStoragePools=failing(*failure), listAllNetworks=failing(*failure), getVersion=failing(NO_SUPPORT)
    )
    told = surroundings.read_surroundings(link)
    assert (told.pools, told.networks, told.hypervisor.version) == ((), (), None)


def test_another_error_is_told(connect):
    link = connect(listAllStoragePools=failing(DENIED, "access denied"))
    told = message(lambda: surroundings.read_surroundings(link))
    assert told == "cannot list the pools: access denied"


@pytest.mark.parametrize(
    "uri, dac, session",
    [
        ("qemu:///system", True, False),
        ("qemu:///session", False, True),
        # root's: the system's daemon.
        ("qemu:///session", True, False),
        ("qemu+ssh://host/session?keyfile=x", False, True),
        ("xen:///system", False, False),
        ("test:///default", False, False),
    ],
)
def test_whose_daemon_it_is(connect, uri, dac, session):
    model = "<secmodel><model>dac</model><doi>0</doi></secmodel>" if dac else ""
    tree = f"<capabilities><host><cpu><arch>x86_64</arch></cpu>{model}</host></capabilities>"
    link = connect(getURI=lambda: uri, getCapabilities=lambda: tree)
    assert link.is_session is session
    assert surroundings.read_surroundings(link).mode == ("session" if session else "system")


def test_capabilities_are_asked_for_once(connect):
    asked = []
    link = connect(getCapabilities=lambda: asked.append(1) or text("capabilities/qemu.xml"))
    assert link.capabilities() == link.capabilities()
    assert len(asked) == 1


def test_facts(connect, monkeypatch):
    monkeypatch.setattr(telling, "probe", lambda _connection, _host: probing.Kvm(False, "because"))
    asked = []
    link = connect(getDomainCapabilities=lambda *one: asked.append(one) or text("capabilities/domain-qemu.xml"))

    def facts(**params):
        outcome = telling.capabilities_facts({"domain_capabilities": False, "probe_kvm": False, **params}, link)
        return outcome.report([])["ansible_facts"]["virt_capabilities"]

    assert facts()["kvm"] is None
    assert facts()["mode"] == "system"
    assert facts()["domain_capabilities"] == []
    both = facts(domain_capabilities=True, probe_kvm=True)
    assert both["kvm"] == {"runs": False, "reason": "because"}
    assert len(asked) == len(set(asked)) == len(both["domain_capabilities"])


@pytest.mark.parametrize(
    "name, virt_type, fits",
    [("qemu", "kvm", True), ("aarch64", "kvm", True), ("xen", "kvm", False), ("lxc", "kvm", False)],
)
def test_a_host_without_the_type(name, virt_type, fits):
    told = find_obstacle(host(name), virt_type)
    assert told is None if fits else told.startswith(f"libvirt lists no {virt_type} on this host")


@pytest.mark.parametrize(
    "name, virt_type, parts",
    [
        ("qemu", "kvm", ['<bios useserial="yes"/>', '<cpu mode="host-model"/>', ">64</memory>"]),
        ("qemu", "qemu", ['<bios useserial="yes"/>']),
        ("aarch64", "kvm", ['<os firmware="efi">', 'machine="virt"', 'mode="host-passthrough"', "<acpi/>"]),
        ("ppc64le", "kvm", ['<type arch="ppc64le">']),
    ],
)
def test_the_guest_that_tries(name, virt_type, parts):
    trial = render_trial(host(name), virt_type, "virt-image-probe-1")
    tree = xml.parse(trial.xml, "trial")
    assert (tree.get("type"), tree.findtext("name")) == (virt_type, "virt-image-probe-1")
    assert [part for part in parts if part not in trial.xml] == []
    assert (tree.find("cpu") is not None) == (virt_type == "kvm")
    assert tree.find("devices/disk") is None and tree.find("devices/interface") is None


LOG = """2026-11-21 11:11:38.534+0000: starting up libvirt version: 9.0.0
LC_ALL=C \\
/usr/bin/qemu-system-x86_64 \\
-msg timestamp=on
char device redirected to /dev/pts/0 (label charserial0)
2026-11-21T11:11:38.590402Z qemu-system-x86_64: warning: host doesn't support requested feature
{}
2026-11-21T11:11:58.880744Z qemu-system-x86_64: terminating on signal 15 from pid 3586 (libvirtd)
2026-11-21 11:12:00.283+0000: shutting down, reason=destroyed
"""


@pytest.mark.parametrize(
    "said, line",
    [
        ("", None),
        (LOG.format(""), None),
        (LOG.format("KVM internal error. Suberror: 1\nextra data[0]: 0x1"), "KVM internal error. Suberror: 1"),
        (
            "internal error: qemu unexpectedly closed the monitor: 2026-11-21T11:16:05.965132Z qemu-system-x86_64: "
            "error: failed to set MSR 0x10a to 0x69\nqemu-system-x86_64: ../../target: Assertion failed.",
            "error: failed to set MSR 0x10a to 0x69",
        ),
        (
            "internal error: process exited while connecting to monitor: Could not access KVM kernel module: "
            "Permission denied",
            "Could not access KVM kernel module: Permission denied",
        ),
        ("unsupported configuration: no", "unsupported configuration: no"),
    ],
)
def test_the_line_that_tells(said, line):
    assert telling_line(said) == line


@pytest.mark.parametrize(
    "owner, group, mode, may",
    [(0, 0, 0o600, False), (0, 7, 0o660, True), (0, 8, 0o660, False), (0, 8, 0o666, True), (5, 8, 0o600, True)],
)
def test_who_may_open_the_device(monkeypatch, owner, group, mode, may):
    monkeypatch.setattr(probing.pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_name="qemu", pw_gid=7))
    monkeypatch.setattr(probing.os, "getgrouplist", lambda _name, gid: [gid])
    device = SimpleNamespace(st_uid=owner, st_gid=group, st_mode=0o020000 | mode)
    assert probing._may_open(device, 5, 6) == ("QEMU's user qemu", may)
    # Root needs no bits.
    assert probing._may_open(device, 0, 0)[1]


@pytest.mark.parametrize(
    "local, session, log",
    [(False, False, None), (True, False, "/var/log/libvirt/qemu/x.log"), (True, True, "/k/libvirt/qemu/log/x.log")],
)
def test_where_the_log_is(monkeypatch, local, session, log):
    monkeypatch.setenv("XDG_CACHE_HOME", "/k")
    assert probing._files(SimpleNamespace(is_local=local, is_session=session), "x")[0] == log


def attempt():
    """Return an attempt that begins now."""
    trial = render_trial(host(), "kvm", "x")
    return probing.Attempt("qemu:///system", trial, probing.time.monotonic())


def test_the_answer_comes_from_another_process(monkeypatch):
    monkeypatch.setattr(probing, "LIMIT_SECONDS", 30)
    monkeypatch.setattr(probing, "_try_and_clean", lambda _one, writer: os.write(writer, str(os.getpid()).encode()))
    assert probing._ask_process(attempt()) not in ("", str(os.getpid()))


def test_a_process_that_is_late_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(probing, "LIMIT_SECONDS", 0.1)
    monkeypatch.setattr(probing, "_try_and_clean", lambda _one, _writer: probing.time.sleep(30))
    begun = probing.time.monotonic()
    assert probing._ask_process(attempt()) == ""
    assert probing.time.monotonic() - begun < 15


@pytest.mark.parametrize(
    "said, answer",
    [
        ("runs", probing.Kvm(True)),
        ("it stops", probing.Kvm(False, "it stops")),
        ("unsure: it is silent", probing.Kvm(None, "it is silent")),
        ("", probing.Kvm(None, "libvirt did not start a guest of type kvm within 1.9 s")),
    ],
)
def test_what_ran_out_of_time_is_no_answer(monkeypatch, said, answer):
    monkeypatch.setattr(probing, "_closed_door", lambda _connection, _host: None)
    monkeypatch.setattr(probing, "_ask_process", lambda _attempt: said)
    connection = SimpleNamespace(uri="qemu+ssh://far/system", is_local=False, is_session=False)
    assert probing.probe(connection, host()) == answer
