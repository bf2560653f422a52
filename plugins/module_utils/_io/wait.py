# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until guests show that they live, all of them together, and says why where one does not."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Optional

from .._core.errors import ImageError
from .._core.lifecycle import UP
from .._core.steps import WaitForGuest
from .._core.trouble import Trouble, explain, trouble_of
from .addresses import addresses
from .connection import Connection, doing, now_state
from .console import is_said
from .life import Started, bounded_agent, has_agent
from .requirements import libvirt

POLL_SECONDS = 0.25
CONNECT_SECONDS = 1
# Events of a guest that runs on, or again, and yet is in trouble.
ENDS = ("SUSPENDED", "SHUTDOWN", "STOPPED", "CRASHED")
RESETS = {"REBOOT": "was reset", "WATCHDOG": "was caught by its watchdog"}


@dataclass
class Result:
    """What became of a guest that was waited for; `fell`: it was started in this run and did not stay."""

    addresses: tuple[str, ...] = ()
    error: str = ""
    fell: bool = False


class Vigil:
    """One guest, looked at until its result is known."""

    def __init__(self, step: WaitForGuest, connection: Connection, begun: float) -> None:
        self.name, self._wait, self._connection, self._begun = step.name, step.wait, connection, begun
        self._domain = connection.find_domain(step.name)
        self._started: Optional[Started] = connection.started.get(step.name)
        self._settled = self._started is None or not step.wait.settle
        self._missing = self._conditions()
        self._addresses: list[str] = []
        self._has_answered = False
        self._serial_text = ""
        self._next = begun
        self.result: Optional[Result] = None
        if self._domain is None:
            self.result = Result(error="is gone; another tool removed it meanwhile")

    def _conditions(self) -> dict:
        """Return what is missing still: what it is called, and the question for it."""
        wait = self._wait
        missing: dict = {}
        if wait.agent:
            missing["its guest agent does not answer"] = lambda: self._has_answered
        if wait.address:
            missing["it has no address"] = lambda: bool(self._addresses)
        for port in wait.tcp:
            missing[f"it does not take connections at TCP port {port}"] = lambda port=port: self._is_open(port)
        if wait.serial and self._started:
            missing[f"{wait.serial!r} is not on its serial console"] = self._says
        return missing

    def look(self) -> None:
        """Look at the guest, and know its result if there is one."""
        try:
            with doing(f"wait for domain {self.name}"):
                self._look()
        except ImageError as error:
            self.result = Result(tuple(self._addresses), str(error))

    def _look(self) -> None:
        now, started = time.monotonic(), self._started
        trouble = self._trouble(now)
        if trouble:
            self.result = Result(error=self._explain(str(trouble)), fell=bool(started) and not self._settled)
            return
        if started and now >= started.moment + self._wait.settle:
            self._settled = True
        if self._missing and now >= self._next:
            self._ask()
        if self._settled and not self._missing:
            self.result = Result(tuple(self._addresses))
        elif self._missing and time.monotonic() - self._begun > self._wait.timeout:
            missing = " and ".join(self._missing)
            self.result = Result(tuple(self._addresses), self._explain(f"after {self._wait.timeout} s {missing}"))

    def _trouble(self, now: float) -> Optional[Trouble]:
        """Return what became of a guest that does not run, or not as it was started."""
        started, state = self._started, now_state(self._domain)
        if state not in UP:
            return trouble_of(state, _reason_of(self._domain, state), self._end(now))
        if self._settled:
            return None
        # A domain object keeps the id that it was looked up with.
        now_there = self._connection.find_domain(self.name)
        if now_there is not None and now_there.ID() != started.id:
            return Trouble("was stopped and started again by someone else")
        for one in self._happenings(started.moment + self._wait.settle):
            if one.kind in RESETS:
                return Trouble(RESETS[one.kind], None, one.moment - started.moment)
        return None

    def _happenings(self, until: float) -> list:
        return self._connection.watch.happenings(self.name, self._started.moment, until)

    def _end(self, now: float) -> Optional[float]:
        """Return how many seconds after its start a guest ended that was started in this run."""
        if not self._started:
            return None
        ends = [getattr(libvirt, f"VIR_DOMAIN_EVENT_{name}") for name in ENDS]
        found = [one.moment for one in self._happenings(now) if one.kind == "LIFECYCLE" and one.facts[0] in ends]
        return (found[0] if found else now) - self._started.moment

    def _ask(self) -> None:
        begun = time.monotonic()
        if self._wait.agent or self._wait.address or self._wait.tcp:
            self._ask_guest()
        self._missing = {what: question for what, question in self._missing.items() if not question()}
        # A guest that makes us wait is asked less often: the others have their turn.
        self._next = time.monotonic() + max(POLL_SECONDS, time.monotonic() - begun)

    def _ask_guest(self) -> None:
        """Ask for the guest's addresses, and whether its agent answers, if it has one that is connected."""
        agent = has_agent(self._domain)
        with bounded_agent(self._domain) if agent else nullcontext():
            sources = [*(["AGENT"] if agent else []), "LEASE", *(["ARP"] if self._connection.is_xen else [])]
            self._addresses = addresses(self._domain, *sources) or self._addresses
            if agent and self._wait.agent and not self._has_answered:
                self._has_answered = self._agent_answers()

    def _agent_answers(self) -> bool:
        try:
            # The cheapest question of the agent that every binding has: guest-get-time.
            self._domain.getTime()
        except libvirt.libvirtError:
            return False
        return True

    def _is_open(self, port: int) -> bool:
        for address in self._addresses:
            try:
                socket.create_connection((address, port), CONNECT_SECONDS).close()
                return True
            except OSError:
                continue
        return False

    def _says(self) -> bool:
        refused = getattr(self._started.console, "refused", None)
        if refused:
            raise ImageError(f"its serial console cannot be read: {refused}")
        text = self._started.console.text()
        if text == self._serial_text:
            return False
        self._serial_text = text
        return is_said(self._wait.serial, text)

    def _explain(self, trouble: str) -> str:
        started = self._started
        if not started:
            return trouble
        return explain(trouble, started.virt_type, started.log.text(), started.console.text())

    def pause(self) -> float:
        """Return the seconds until it is to be looked at again."""
        now = time.monotonic()
        moments = [self._next if self._missing else now + self._wait.timeout]
        if not self._settled:
            moments.append(self._started.moment + self._wait.settle)
        return min(moments) - now

    def close(self) -> None:
        if self._started:
            self._started.console.close()


def wait_for(steps: list[WaitForGuest], connection: Connection, begun: float) -> dict[str, Result]:
    """Return the result of each guest by its name, when all that is waited for has come.

    A guest's timeout has begun at `begun` (of time.monotonic()).
    """
    with ExitStack() as stack:
        vigils = [Vigil(step, connection, begun) for step in steps]
        for vigil in vigils:
            stack.callback(vigil.close)
        while True:
            pending = [vigil for vigil in vigils if vigil.result is None]
            for vigil in pending:
                vigil.look()
            pending = [vigil for vigil in pending if vigil.result is None]
            if not pending:
                return {vigil.name: vigil.result for vigil in vigils}
            connection.watch.wait(min(vigil.pause() for vigil in pending))


def _reason_of(domain, state: str) -> str:
    """Return libvirt's name of the reason for a domain's state, such as PANICKED; an empty text where it tells none."""
    prefix = f"VIR_DOMAIN_{state.upper()}_"
    try:
        number = domain.state()[1]
    except libvirt.libvirtError:
        # It went with the domain.
        return ""
    names = [name for name in vars(libvirt) if name.startswith(prefix) and getattr(libvirt, name) == number]
    return names[0][len(prefix) :] if names else ""
