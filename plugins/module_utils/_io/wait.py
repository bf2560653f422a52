# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until guests show that they live, and says why where one does not."""

from __future__ import annotations

import time
from contextlib import contextmanager

from .._core.errors import ImageError
from .._core.plan import UP
from .._core.steps import WaitForGuest
from .connection import Connection, doing, state_of
from .requirements import libvirt

POLL_SECONDS = 0.25
AGENT_SECONDS = 5
LOOPBACK = ("127.", "::1", "fe80:")


def wait_for(step: WaitForGuest, connection: Connection, begun: float) -> list[str]:
    """Return the guest's addresses when all that is waited for has come.

    Raises ImageError when the timeout has passed since `begun` (of time.monotonic()), or the guest stops.
    """
    domain = connection.find_domain(step.name)
    if domain is None:
        raise ImageError("is gone; another tool removed it meanwhile")
    with bounded_agent(domain):
        while True:
            with doing(f"wait for domain {step.name}"):
                state = state_of(domain)
            if state not in UP:
                raise ImageError(f"is {state} and not running any more; see its console and QEMU's log")
            found = addresses(domain, "AGENT", "LEASE")
            missing = _missing(step, domain, found)
            if not missing:
                return found
            if time.monotonic() - begun > step.timeout:
                raise ImageError(f"after {step.timeout} s {' and '.join(missing)}")
            time.sleep(POLL_SECONDS)


def _missing(step: WaitForGuest, domain, found: list[str]) -> list[str]:
    missing = []
    if step.agent and not _agent_answers(domain):
        missing.append("its guest agent does not answer")
    if step.address and not found:
        missing.append("it has no address")
    return missing


@contextmanager
def bounded_agent(domain):
    """Let an agent that hangs, or means ill, hold us up for some seconds only.

    By default it may take for ever, and that is put back: other tools' calls, such as freezing, take their time.
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


def addresses(domain, *sources: str) -> list[str]:
    """Return the addresses of a running guest that its AGENT, the host's LEASEs or ARP table tell; none where none does."""
    found: list[str] = []
    for source in sources:
        try:
            interfaces = domain.interfaceAddresses(getattr(libvirt, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{source}"))
        except libvirt.libvirtError:
            # Not every driver, and no session daemon, can tell; a domain that stopped has none.
            continue
        for interface in interfaces.values():
            for address in interface["addrs"] or ():
                if not address["addr"].startswith(LOOPBACK) and address["addr"] not in found:
                    found.append(address["addr"])
    return found


def _agent_answers(domain) -> bool:
    try:
        # The cheapest question of the agent that every binding has: guest-get-time.
        domain.getTime()
    except libvirt.libvirtError:
        return False
    return True
