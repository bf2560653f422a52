# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to domains while we look at others: libvirt's events, on a connection of their own.

A connection that takes events must answer libvirtd's keepalives all the time, else libvirtd ends it after half a minute
(remote_daemon_dispatch.c starts them for every client with an event loop; a module that copies a disk does not answer).
So this connection is served by a thread, and the module's own connection knows no event loop.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Optional

from .requirements import libvirt

POLL_SECONDS = 0.2
# Events can be lost with their connection.
LOOK_SECONDS = 1.0
# Of each domain.
KEPT_EVENTS = 50
KINDS = ("LIFECYCLE", "REBOOT", "WATCHDOG", "IO_ERROR_REASON", "AGENT_LIFECYCLE")


@dataclass(frozen=True)
class Happening:
    """An event: when (of time.monotonic()), its kind, and what libvirt tells with it."""

    moment: float
    kind: str
    facts: tuple


class Watch:
    """Listens to the events of all domains, from the first question on; without events it is a clock."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._link = None
        self._tried = self._ended = False
        self._bell = threading.Condition()
        self._rung = self._heard = 0
        self._seen: dict = defaultdict(lambda: deque(maxlen=KEPT_EVENTS))
        self._thread: Optional[threading.Thread] = None
        self._timer = None
        self._callbacks: list[int] = []

    def begin(self):
        """Return the connection whose events are heard, or None where the driver has none."""
        if not self._tried:
            self._tried = True
            self._open()
        return self._link

    def _open(self) -> None:
        # Before the connection is opened, which takes its event loop then; a second time changes nothing.
        libvirt.virEventRegisterDefaultImpl()
        try:
            self._timer = libvirt.virEventAddTimeout(-1, _nothing, None)
            self._link = libvirt.open(self._uri)
            self._listen("LIFECYCLE")
        except libvirt.libvirtError:
            if self._link:
                self._link.close()
            self._link = None
            return
        for kind in KINDS[1:]:
            try:
                self._listen(kind)
            except libvirt.libvirtError:
                # Not every driver has each.
                pass
        self._thread = threading.Thread(target=self._serve, name="libvirt events", daemon=True)
        self._thread.start()

    def _listen(self, kind: str) -> None:
        def note(_link, domain, *facts) -> None:
            # The last one is the callback's own argument.
            happening = Happening(time.monotonic(), kind, facts[:-1])
            with self._bell:
                self._seen[domain.name()].append(happening)
            self.ring()

        number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{kind}")
        self._callbacks.append(self._link.domainEventRegisterAny(None, number, note, None))

    def _serve(self) -> None:
        while not self._ended:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                return

    def ring(self) -> None:
        """Wake who waits."""
        with self._bell:
            self._rung += 1
            self._bell.notify_all()

    def wait(self, seconds: float) -> None:
        """Return when something has happened since the last call, or that time has passed; at times sooner."""
        if not self.begin():
            time.sleep(max(0.0, min(seconds, POLL_SECONDS)))
            return
        with self._bell:
            self._bell.wait_for(lambda: self._rung != self._heard, max(0.0, min(seconds, LOOK_SECONDS)))
            self._heard = self._rung

    def happenings(self, name: str, since: float, until: float) -> list[Happening]:
        """Return the events of a domain in that time."""
        with self._bell:
            return [one for one in self._seen[name] if since <= one.moment <= until]

    def close(self) -> None:
        if not self._link:
            return
        self._ended = True
        # It wakes the loop.
        libvirt.virEventUpdateTimeout(self._timer, 0)
        self._thread.join(LOOK_SECONDS)
        try:
            for number in self._callbacks:
                self._link.domainEventDeregisterAny(number)
            libvirt.virEventRemoveTimeout(self._timer)
            self._link.close()
        except libvirt.libvirtError:
            # The daemon went away meanwhile.
            pass
        self._link = None


def _nothing(_timer, _opaque) -> None:
    return
