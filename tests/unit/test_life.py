# SPDX-License-Identifier: GPL-3.0-or-later
"""How a domain is started, stopped, changed and undefined; libvirt and time are stand-ins."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import steps
from ansible_collections.virt.image.plugins.module_utils._core.lifecycle import Belongings
from ansible_collections.virt.image.plugins.module_utils._core.live_steps import DetachDevice
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._io import apply as applying
from ansible_collections.virt.image.plugins.module_utils._io import belongings, life
from ansible_collections.virt.image.plugins.module_utils._io import running as changing
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.tests.unit.lives import FAILED, INVALID, LIBVIRT, UNSUPPORTED, Clock, Domain, connection
from ansible_collections.virt.image.tests.unit.stand_in import failing
from ansible_collections.virt.image.tests.unit.support import message

DEFINE = steps.DefineDomain("web", "<new/>", new=False, before="<old/>")
PATIENCE = [("patience", 5), "agent", ("patience", -2)]


@pytest.fixture(name="clock", autouse=True)
def _clock(monkeypatch):
    clock = Clock()
    for module in (door, life, belongings, changing):
        monkeypatch.setattr(module, "libvirt", LIBVIRT)
    for module in (life, changing):
        monkeypatch.setattr(module, "time", clock)
    return clock


def stop(domain, clock, timeout=20, force=False):
    return life.stop(steps.StopDomain("web", timeout, force), connection(domain, clock))


@pytest.mark.parametrize(
    "domain, calls",
    [
        (Domain(hears=("agent", "button"), agent="connected"), PATIENCE),
        # No agent, so it is not asked.
        (Domain(hears=("agent", "button")), ["button"]),
        # The agent does not answer; it is not asked again.
        (Domain(hears=("button",), agent="connected", refuses=("agent",)), [*PATIENCE, "button"]),
        (Domain(hears=("button",), agent="connected"), [*PATIENCE, "button"]),
        # Xen's driver, and the test driver, know no flags.
        (Domain(hears=("plain",), refuses=("button",)), ["button", "plain"]),
        # It cannot hear as it is.
        (Domain("paused", hears=("button",)), ["resume", "button"]),
        (Domain("pmsuspended", hears=("button",)), ["wake", "button"]),
        (Domain("shutoff"), []),
        (Domain("gone"), []),
    ],
)
def test_a_guest_is_asked_to_stop(clock, domain, calls):
    assert stop(domain, clock) is None
    assert domain.calls == calls


def test_it_is_asked_again_while_it_boots(clock):
    domain = Domain()
    clock.at(11, lambda: setattr(domain, "hears", ("button",)))
    assert stop(domain, clock) is None
    assert domain.calls == ["button"] * 4
    assert clock.now == 16


@pytest.mark.parametrize("timeout, asked", [(3, 1), (5, 1), (6, 2)])
def test_one_that_does_not_stop_is_left_running(clock, timeout, asked):
    domain = Domain()
    told = message(stop, domain, clock, timeout)
    assert told.startswith(f"domain web did not stop within {timeout} s; ")
    assert "force: true" in told
    assert (domain.calls, domain.now, clock.now) == (["button"] * asked, "running", timeout)


def test_force_is_said_and_told(clock):
    domain = Domain()
    became = stop(domain, clock, 3, force=True)
    assert str(became) == "power off domain web after 3 s in which it did not stop"
    assert (domain.calls, domain.now) == (["button", ("off", 1)], "shutoff")


def test_at_once_is_not_asked(clock):
    domain = Domain("paused")
    assert str(stop(domain, clock, 0, force=True)) == "power off domain web"
    assert domain.calls == [("off", 1)]


@pytest.mark.parametrize(
    "code, calls, told",
    [
        # A driver that does not know the flag.
        (INVALID, ["destroy"], None),
        (UNSUPPORTED, ["destroy"], None),
        # QEMU does not end of itself: "Failed to terminate process 7 with SIGTERM: Device or resource busy".
        (FAILED, ["destroy"], None),
        (68, ["destroy"], None),
        (1, [], "cannot stop domain web: oh"),
    ],
)
def test_qemu_may_write_what_it_holds_before_its_power_goes(clock, code, calls, told):
    domain = Domain()
    domain.destroyFlags = failing(code, "oh")
    if told:
        assert message(stop, domain, clock, 0, True) == told
    else:
        stop(domain, clock, 0, force=True)
    assert domain.calls == calls


def test_it_may_stop_just_before_its_power_goes(clock):
    domain = Domain()
    domain.destroyFlags = failing(55, "domain is not running")
    assert message(stop, domain, clock, 0, True) == "cannot stop domain web: domain is not running"
    domain.now = "shutoff"
    assert stop(domain, clock, 0, True)


@pytest.mark.parametrize(
    "older, flags",
    [
        (Belongings(), 55),
        (Belongings(nvram=True), 59),
        (Belongings(tpm=True), 87),
        (Belongings(nvram=True, tpm=True), 91),
    ],
)
def test_an_undo_leaves_what_was_there_before(clock, older, flags):
    domain = Domain("shutoff")
    link = connection(domain, clock, older={"web": older})
    life.undefine(steps.UndefineDomain("web", undoing=True), link)
    # What is to go goes as a whole.
    life.undefine(steps.UndefineDomain("web"), link)
    assert domain.calls == [("undefine", flags), ("undefine", 55)]


@pytest.mark.parametrize("new, noted", [(True, {"web": Belongings(nvram=True)}), (False, {})])
def test_what_is_older_than_a_new_domain_is_noted(monkeypatch, new, noted):
    monkeypatch.setattr(belongings.os, "stat", lambda path: None if "nvram" in path else failing_stat())
    there = EFI.format("", TPM)
    calls = {"configuration": lambda _name: None if new else there, "define": lambda *_wrote: there}
    link = SimpleNamespace(older={}, defined={}, is_local=True, is_session=False, **calls)
    list(applying.apply([steps.DefineDomain("web", "<new/>", new, before="" if new else there)], link, None))
    assert link.older == noted


@pytest.mark.parametrize(
    "refuses, calls",
    [
        ((), [("undefine", 55)]),
        # A daemon before libvirt 8.9.
        ([("undefine", 55)], [("undefine", 55), ("undefine", 23)]),
        ([("undefine", 55), ("undefine", 23)], [("undefine", 55), ("undefine", 23), "drop save", "undefine"]),
    ],
)
def test_all_goes_that_the_driver_knows(clock, refuses, calls):
    domain = Domain("shutoff", refuses=refuses)
    life.undefine(steps.UndefineDomain("web"), connection(domain, clock))
    assert domain.calls == calls


def test_a_device_that_the_guest_keeps_is_tried_again(clock):
    domain = Domain()
    domain.detachDeviceFlags = lambda xml, flags: None
    step = DetachDevice("web", "interface[52:54:00:00:00:01]", "<interface><mac address='52:54:00:00:00:01'/></interface>")
    domain.XMLDesc = lambda: f"<domain><devices>{step.xml}</devices></domain>"
    # Its former definition stands again, with the device.
    assert message(changing.CHANGE[DetachDevice], step, connection(domain, clock)) == (
        "the guest does not give interface[52:54:00:00:00:01] back; it may be booting, or use it. The next run tries again"
    )


SNAPSHOT = """<domainsnapshot><memory snapshot='{}' file='/web.mem'/><disks><disk name='vda' snapshot='internal'/>
<disk name='vdb' snapshot='external'><source file='/web.snap'/></disk></disks></domainsnapshot>"""
EFI = "<domain><name>web</name><uuid>u</uuid><os firmware='efi'>{}</os><devices>{}</devices></domain>"
TPM = "<tpm><backend type='emulator'/></tpm>"


@pytest.mark.parametrize(
    "xml, there, found",
    [
        ("<domain><os/></domain>", ["/"], (False, False)),
        (EFI.format("", TPM), [], (False, False)),
        (EFI.format("", TPM), ["/var/lib/libvirt/swtpm/u"], (False, True)),
        (EFI.format("", ""), ["/var/lib/libvirt/qemu/nvram/web_VARS.qcow2", "/var/lib/libvirt/swtpm/u"], (True, False)),
        (EFI.format("<nvram>/n</nvram>", ""), ["/var/lib/libvirt/qemu/nvram/web_VARS.fd"], (False, False)),
        (EFI.format("<nvram type='file'><source file='/n'/></nvram>", ""), ["/n"], (True, False)),
        # A machine that we do not see.
        (EFI.format("", TPM), None, (True, True)),
    ],
)
def test_what_belongs_to_a_domain(clock, monkeypatch, xml, there, found):
    monkeypatch.setattr(belongings.os, "stat", lambda path: there.index(path) if path in there else failing_stat())
    domain = Domain("shutoff")
    domain.listAllSnapshots = lambda: [SimpleNamespace(getXMLDesc=lambda: SNAPSHOT.format("external"))]
    domain.listAllCheckpoints = failing(UNSUPPORTED)
    link = connection(domain, clock, is_local=there is not None, is_session=False)
    told = belongings.read_belongings(Live("web", xml, "shutoff", False, saved=True), link)
    assert ((told.nvram, told.tpm), told.saved, told.snapshots, told.checkpoints) == (found, True, 1, 0)
    assert told.files == ("/web.mem", "/web.snap")


def failing_stat():
    raise FileNotFoundError


def test_what_may_not_be_seen_counts(clock, monkeypatch):
    def refuse(_path):
        raise PermissionError

    monkeypatch.setattr(belongings.os, "stat", refuse)
    domain = Domain("shutoff")
    domain.listAllSnapshots = domain.listAllCheckpoints = list
    link = connection(domain, clock, is_local=True, is_session=False)
    assert belongings.read_belongings(Live("web", EFI.format("", TPM), "shutoff", False), link).tpm


@pytest.mark.parametrize(
    "step, now, told",
    [
        (DEFINE, "<old/>", ""),
        (DEFINE, "<old><disk/></old>", "domain web was changed meanwhile by someone else; run again"),
        (DEFINE, None, "domain web is gone; another tool removed it meanwhile"),
        (replace(DEFINE, new=True, before=""), None, ""),
        (replace(DEFINE, new=True, before=""), "<other/>", "domain web was made meanwhile by someone else; run again"),
        # What this run wrote is taken back.
        (replace(DEFINE, restored=True, before=""), "<new/>", ""),
    ],
)
def test_what_others_wrote_meanwhile_is_not_lost(step, now, told):
    written = []
    link = SimpleNamespace(older={}, defined={}, configuration=lambda _name: now, define=lambda *wrote: written.append(wrote) or wrote[1])
    assert message(lambda: list(applying.apply([step], link, None))) == told
    assert written == ([] if told else [("web", "<new/>", False)])


def begin(domain, clock, monkeypatch, **step):
    """Start a domain, and return what was noted of it."""
    for name in ("console_log", "qemu_log"):
        monkeypatch.setattr(life, name, lambda *_arguments: None)
    monkeypatch.setattr(life, "Console", lambda *_arguments: domain.calls.append("listen") or "console")
    link = connection(domain, clock)
    life.start(steps.StartDomain("web", step.pop("virt_type", "qemu"), **step), link)
    return link.started.get("web")


@pytest.mark.parametrize(
    "asked, refuses, calls",
    [
        ({"settle": 0}, (), ["create"]),
        ({"settle": 1}, (), ["create", "listen"]),
        # Not a word is missed.
        ({"settle": 1, "listen": True}, (), [("paused", 1), "listen", "resume"]),
        ({"settle": 0, "listen": True}, (), [("paused", 1), "listen", "resume"]),
        # A driver that cannot start domains so.
        ({"settle": 1, "listen": True}, ("paused",), [("paused", 1), "create", "listen"]),
        ({"settle": 1, "listen": True, "resume": True}, (), ["listen", "resume"]),
    ],
)
def test_a_start(clock, monkeypatch, asked, refuses, calls):
    domain = Domain("paused" if asked.get("resume") else "shutoff", refuses=refuses)
    noted = begin(domain, clock, monkeypatch, **asked)
    assert domain.calls == calls
    assert (noted is not None) == (len(calls) > 1)


def test_a_start_that_fails_half_way_is_known_as_ours(clock, monkeypatch):
    domain = Domain("shutoff")
    domain.resume = failing(1, "busy")
    for name in ("console_log", "qemu_log"):
        monkeypatch.setattr(life, name, lambda *_arguments: None)
    monkeypatch.setattr(life, "Console", lambda *_arguments: domain.calls.append("listen"))
    link = connection(domain, clock)
    told = message(life.start, steps.StartDomain("web", "qemu", settle=1, listen=True), link)
    assert told == "cannot start domain web: busy"
    assert (domain.calls, life.is_ours("web", link)) == ([("paused", 1), "listen"], True)
    domain.number = 2
    assert not life.is_ours("web", link)


@pytest.mark.parametrize(
    "virt_type, said, told",
    [
        ("qemu", "no such file", "cannot start domain web: no such file"),
        (
            "kvm",
            "no such file",
            "cannot start domain web: no such file; if this host's KVM cannot run guests, virt_type: qemu emulates them",
        ),
        (
            "kvm",
            "closed the monitor: error: failed to set MSR 0x10a to 0x69\nqemu: Assertion",
            "cannot start domain web: this host's KVM does not run it (failed to set MSR 0x10a); virt_type: qemu emulates it",
        ),
    ],
)
def test_a_start_that_fails(clock, monkeypatch, virt_type, said, told):
    domain = Domain("shutoff")
    domain.create = failing(1, said)
    assert message(begin, domain, clock, monkeypatch, virt_type=virt_type, settle=1) == told
