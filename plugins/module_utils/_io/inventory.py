# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the guests of one libvirt for an inventory: a program of its own, in a Python that has the bindings.

libvirt may hang on a host that is down, and Ansible's own Python often has no bindings. So the inventory plugin runs this
with a timeout, in a Python that has them; there need be no Ansible there.
"""

from __future__ import annotations

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.report import Look
from .._core.telling import Answer, Told, tell_guest
from .._core.values import from_plain, to_plain
from .addresses import tell
from .connection import Connection
from .life import AGENT_CHANNEL, bounded_agent
from .requirements import missing_of
from .sight import domains_of, look_at

# libvirtd serves five calls of one client at a time (max_client_requests); one is left for the others.
AGENTS_AT_ONCE = 4


@dataclass(frozen=True)
class Request:
    """What is asked of a libvirt: all domains or only ours, and who tells addresses; agents within so many seconds."""

    uri: str
    everyone: bool
    sources: tuple[str, ...]
    seconds: int


@dataclass
class Visit:
    """A domain that was looked at, and what each source tells of its addresses; None for an agent that does not answer."""

    domain: object
    look: Look
    told: dict


def main() -> None:
    """Read a request from stdin as JSON, and write what became of it to stdout."""
    json.dump(_reply(json.load(sys.stdin)), sys.stdout)


def _reply(plain) -> dict:
    missing = missing_of("libvirt", "lxml")
    if missing:
        return {"missing": missing}
    try:
        return {"answer": to_plain(read(from_plain(Request, plain, "request")))}
    except ImageError as error:
        return {"error": str(error)}


def read(request: Request) -> Answer:
    """Return what a libvirt tells; raise ImageError where it does not answer."""
    visits, guests, left_out, warnings = [], [], [], []
    # libvirt lets only those ask agents who may change guests.
    with Connection(request.uri, readonly="agent" not in request.sources) as connection:
        hostname = _host_of(request.uri) or connection.hostname()
        for name, domain in sorted(domains_of(connection).items()):
            try:
                visits += _visit(domain, request)
            except ImageError as error:
                left_out.append(f"domain {name} is left out: {error}")
        if "agent" in request.sources:
            _ask_agents(visits, request.seconds)
    for visit in visits:
        try:
            guest = tell_guest(visit.look, {source: rows or () for source, rows in visit.told.items()})
        except ImageError as error:
            left_out.append(f"domain {visit.look.name} is left out: {error}")
        else:
            guests.append(guest)
            warnings += _silence(visit, guest)
    return Answer(hostname, tuple(guests), tuple(left_out), tuple(warnings))


def _host_of(uri: str) -> str:
    """Return the host that a URI names, as it is written there (urlsplit would make it lower case), or an empty text."""
    place = re.split("[/?#]", uri.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]


def _visit(domain, request: Request) -> list[Visit]:
    """Return the visit of a domain; none where it is not asked for."""
    look = look_at(domain, request.everyone)
    if look is None:
        return []
    # In the order of preference; the agents' turn is later, for one that hangs holds up no other question then.
    sources = request.sources if look.active else ()
    told = {source: None if source == "agent" else tell(domain, source.upper()) for source in sources}
    return [Visit(domain, look, told)]


def _ask_agents(visits: list[Visit], seconds: int) -> None:
    """Ask the agents that are connected, several at once; those whose turn comes too late are not asked."""
    deadline = time.monotonic() + seconds

    def ask(visit: Visit) -> Optional[list]:
        if time.monotonic() > deadline:
            return None
        with bounded_agent(visit.domain):
            return tell(visit.domain, "AGENT")

    asked = [visit for visit in visits if _has_agent(visit)]
    with ThreadPoolExecutor(AGENTS_AT_ONCE) as pool:
        for visit, rows in zip(asked, pool.map(ask, asked)):
            visit.told["agent"] = rows


def _has_agent(visit: Visit) -> bool:
    try:
        return bool(visit.look.active) and xml.parse(visit.look.active, "domain").find(AGENT_CHANNEL) is not None
    except ImageError:
        return False


def _silence(visit: Visit, guest: Told) -> list[str]:
    """Return a warning of a guest of which no address is known because its agent did not answer."""
    silent = not guest.addresses and "agent" in visit.told and visit.told["agent"] is None and _has_agent(visit)
    return [f"guest {visit.look.name} has no address: its agent does not answer"] if silent else []
