# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a domain's life: it is started, stopped, undefined."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Optional, Union

from .._core import steps, xen, xml
from .._core.errors import ImageError
from .._core.lifecycle import CRASHED, Belongings
from .._core.trouble import blame_kvm, explain
from .connection import UNKNOWN_FLAGS, Connection, doing, has_code, now_state, state_of
from .console import Console, Tail, console_log, qemu_log
from .dom0 import is_there
from .requirements import libvirt

# One that boots may not hear that it is to stop.
ASK_SECONDS = 5
AGENT_SECONDS = 5
STOPPED = ("shutoff", "crashed", "gone")
# A QEMU that does not end on SIGTERM, and one that is busy with something else.
BUSY = ("VIR_ERR_SYSTEM_ERROR", "VIR_ERR_OPERATION_TIMEOUT")
AGENT_CHANNEL = "devices/channel/target[@name='org.qemu.guest_agent.0'][@state='connected']"


@dataclass
class Started:
    """A guest that was started in this run: when (of time.monotonic()), libvirt's id of that life, what it says."""

    moment: float
    id: int
    virt_type: Optional[str]
    log: Tail
    console: Union[Tail, Console]


def set_autostart(step: steps.SetAutostart, connection: Connection) -> None:
    domain = connection.domain(step.name)
    with doing(f"set autostart of domain {step.name}"):
        domain.setAutostart(int(step.autostart))


def start(step: steps.StartDomain, connection: Connection) -> None:
    domain = connection.domain(step.name)
    if not (step.settle or step.listen):
        _run(step, domain, connection)
        return
    connection.watch.begin()
    with doing(f"read domain {step.name}"):
        console = console_log(step.name, domain.XMLDesc(), connection)
    if step.resume and not console:
        # It may have much to say at once.
        console = Console(step.name, connection)
    log, moment = qemu_log(step.name, connection), time.monotonic()
    # Paused at first, so that nothing is missed of what it says.
    is_paused = _run(step, domain, connection, paused=step.listen and not console and not step.resume)
    with doing(f"start domain {step.name}"):
        # Whatever fails from here on, this life is ours to end.
        started = Started(moment, domain.ID(), step.virt_type, log, console or Tail(None))
        connection.started[step.name] = started
        if not console:
            started.console = Console(step.name, connection)
        if is_paused:
            started.moment = time.monotonic()
            domain.resume()


def _run(step: steps.StartDomain, domain, connection: Connection, paused: bool = False) -> bool:
    """Let a domain run; return whether it is paused, if it was to be: not every driver starts domains so."""
    what = f"{'resume' if step.resume else 'start'} domain {step.name}"
    log = qemu_log(step.name, connection) if connection.is_xen else None
    try:
        with doing(what):
            if paused and _start_paused(domain):
                return True
            if not step.resume:
                domain.create()
            elif state_of(domain) == "pmsuspended":
                domain.pMWakeup()
            else:
                domain.resume()
        return False
    except ImageError as error:
        if log:
            raise ImageError(explain(str(error), xen.TYPE, log.text(), "")) from None
        if step.virt_type != "kvm":
            raise
        # Nested virtualisation offers /dev/kvm and cannot run a guest on it.
        blame = blame_kvm(str(error))
        if blame:
            raise ImageError(f"cannot {what}: {blame}") from None
        raise ImageError(f"{error}; if this host's KVM cannot run guests, virt_type: qemu emulates them") from None


def _start_paused(domain) -> bool:
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError as error:
        if not has_code(error, UNKNOWN_FLAGS):
            raise
        return False
    return True


def stop(step: steps.StopDomain, connection: Connection) -> Optional[steps.StopDomain]:
    """Stop a domain; return the step as it came to be, where that is not as planned."""
    domain = connection.domain(step.name)
    with doing(f"stop domain {step.name}"):
        if step.timeout:
            _make_listen(domain)
            if _shut_down(domain, step.timeout, connection):
                return None
        if not step.force:
            raise ImageError(
                f"domain {step.name} did not stop within {step.timeout} s; it may lack ACPI and a guest agent, or be "
                "busy. shutdown: {force: true} powers it off after the timeout"
            )
        power_off(domain, connection)
    return replace(step, forced=True)


def power_off(domain, connection: Connection) -> None:
    """Take a domain's power; it may have stopped meanwhile.

    QEMU is asked to end first, so that it writes what it holds of its disks; libvirt waits for it some 15 s
    (virProcessKillPainfully), and only without the flag it kills QEMU then. libxl knows no flag (libxlDomainDestroyFlags).
    """
    try:
        domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    except libvirt.libvirtError as error:
        if _is_off(domain, connection):
            return
        if not has_code(error, (*UNKNOWN_FLAGS, *BUSY)):
            raise
        _cut(domain, connection)


def _cut(domain, connection: Connection) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError:
        if not _is_off(domain, connection):
            raise


def _make_listen(domain) -> None:
    """Let a guest run that sleeps or is paused: it cannot hear that it is to shut down."""
    if now_state(domain) == "pmsuspended":
        domain.pMWakeup()
    if now_state(domain) == "paused":
        domain.resume()


def _shut_down(domain, timeout: int, connection: Connection) -> bool:
    """Ask a guest to stop, its agent first, again each few seconds; return whether it did."""
    connection.watch.begin()
    end = time.monotonic() + timeout
    asked: Optional[float] = None
    while not _is_off(domain, connection):
        now = time.monotonic()
        if now >= end:
            return False
        if asked is None or now - asked >= ASK_SECONDS:
            _ask_to_stop(domain, by_agent=asked is None, is_xen=connection.is_xen)
            # The agent may have taken its time.
            asked = time.monotonic()
        connection.watch.wait(min(end, asked + ASK_SECONDS) - time.monotonic())
    return True


def _is_off(domain, connection: Connection) -> bool:
    state = now_state(domain)
    # libxl calls one off that is not; any driver keeps one that crashed, where on_crash says so.
    return state in STOPPED and not ((connection.is_xen or state == CRASHED) and is_there(domain))


def _ask_to_stop(domain, by_agent: bool, is_xen: bool) -> None:
    """Ask a guest to stop, in the first of the ways that works; none may, if it has just stopped, or boots."""
    ways = [lambda: _ask_agent(domain)] if by_agent and not is_xen and has_agent(domain) else []
    # libxl presses the button of guests that have none (PVH), and says that all went well; of itself it asks through
    # Xen's store first (libxlDomainShutdownFlags).
    button = [] if is_xen else [lambda: domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)]
    ways += [*button, domain.shutdown]
    for way in ways:
        try:
            way()
            return
        except libvirt.libvirtError:
            # The agent hangs or is gone; the driver (test) does not know the flag; it is no ACPI machine.
            continue


def has_agent(domain) -> bool:
    """Return whether a domain's guest agent is connected; it may hang all the same."""
    try:
        return xml.parse(domain.XMLDesc(), "domain").find(AGENT_CHANNEL) is not None
    except libvirt.libvirtError:
        return False


def _ask_agent(domain) -> None:
    with bounded_agent(domain):
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)


@contextmanager
def bounded_agent(domain):
    """Let an agent that hangs, or means ill, hold us up for some seconds only; for a question or two, no longer.

    The setting is the domain's, and so other tools': what they send to the agent in this time may have these seconds
    too (qemuDomainAgentSetResponseTimeout). libvirt does not tell what it was before; its default is put back, for
    ever: who wants another value (virsh guest-agent-timeout) sets it again. A module that is killed in this time leaves
    these seconds, until another question is put or the guest stops.
    """
    try:
        domain.agentSetResponseTimeout(AGENT_SECONDS)
    except libvirt.libvirtError:
        # A driver without agents.
        yield
        return
    try:
        yield
    finally:
        try:
            domain.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
        except libvirt.libvirtError:
            # It stopped meanwhile, and the setting with it.
            pass


def is_ours(name: str, connection: Connection) -> bool:
    """Return whether a domain lives the life that was begun, or gone on with, in this run; others may restart it."""
    started, domain = connection.started.get(name), connection.find_domain(name)
    return bool(started and domain) and domain.ID() == started.id


def undefine(step: steps.UndefineDomain, connection: Connection) -> None:
    domain = connection.domain(step.name)
    older = connection.older.get(step.name, Belongings()) if step.undoing else Belongings()
    most = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | (libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if older.nvram else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    )
    # Since libvirt 8.9; before, and without it, state goes that its domain does not call persistent.
    tpm = getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{'KEEP_TPM' if older.tpm else 'TPM'}", 0)
    with doing(f"undefine domain {step.name}"):
        for flags in dict.fromkeys((most | tpm, most)):
            try:
                domain.undefineFlags(flags)
                return
            except libvirt.libvirtError as error:
                if not has_code(error, UNKNOWN_FLAGS):
                    raise
        # Drivers without NVRAM or checkpoints (Xen's, test) refuse the flags.
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove()
        domain.undefine()
