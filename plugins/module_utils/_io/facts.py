# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a host can run."""

from __future__ import annotations

from dataclasses import replace

from .._core.host import Host, parse_capabilities
from .._core.match import PREFERRED_MACHINES, usual_machine
from .._core.values import to_plain
from .connection import Connection
from .module import Outcome
from .probe import probe
from .surroundings import read_surroundings


def capabilities_facts(params: dict, connection: Connection) -> Outcome:
    host = read_host(params, connection)
    if params["domain_capabilities"]:
        told = parse_capabilities(connection.capabilities(), _domain_capabilities(host, connection))
        host = replace(host, domain_capabilities=told.domain_capabilities)
    facts = {**to_plain(host), **to_plain(read_surroundings(connection))}
    return Outcome(report=lambda _done: {"ansible_facts": {"virt_capabilities": facts}})


def read_host(params: dict, connection: Connection) -> Host:
    """Return the host, with what a probe of its KVM showed if that is asked for."""
    host = parse_capabilities(connection.capabilities())
    return replace(host, kvm=probe(connection, host)) if params["probe_kvm"] else host


def _domain_capabilities(host: Host, connection: Connection) -> list[str]:
    """Return what each emulator of the host offers for the machine that guests get."""
    # As keys: each once, in the order of the capabilities.
    asked = dict.fromkeys(
        (domain.emulator, guest.arch, usual_machine(domain, PREFERRED_MACHINES.get(guest.arch, ())), domain.type)
        for guest in host.guests
        for domain in guest.domains
    )
    return [text for text in (connection.domain_capabilities(*one) for one in asked) if text]
