# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guest is stopped, what shows that it lives, and what belongs to it besides its disks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from . import xml
from .asker import Asker

# libvirt's names of the states of a domain that does something, and of one that has a QEMU.
UP = ("running", "blocked")
RUNNING = (*UP, "paused", "pmsuspended", "shutdown")
# One that crashed and was kept as it is (on_crash: preserve); without that it is shutoff after a crash.
CRASHED = "crashed"
LARGEST_PORT = 65535
# An action of the module domain, besides the states of guests.
RESTARTED = "restarted"
# What becomes of what someone else changed, and when changes come to a guest that runs.
REPAIR, REPORT, IGNORE = "repair", "report", "ignore"
ON_DRIFT = (REPAIR, REPORT, IGNORE)
LIVE, NEXT_BOOT, RESTART = "live", "next_boot", "restart"
APPLY = (LIVE, NEXT_BOOT, RESTART)


@dataclass(frozen=True)
class Wait:
    """What shows that the guest lives, within `timeout` seconds; and for how many a guest that was started is watched.

    `serial` is a regular expression for the text on its first serial console.
    """

    agent: bool = False
    address: bool = False
    timeout: int = 120
    settle: int = 1
    tcp: tuple[int, ...] = ()
    serial: Optional[str] = None

    @property
    def conditions(self) -> bool:
        """Return whether something is waited for, besides that the guest stays."""
        return bool(self.agent or self.address or self.tcp or self.serial)


@dataclass(frozen=True)
class Shutdown:
    """How a guest is stopped: asked to, for `timeout` seconds; then powered off only where `force` says so."""

    timeout: int = 60
    force: bool = False


@dataclass(frozen=True)
class Course:
    """How a domain is to be run and kept; `autostart` None: as it is."""

    state: str
    autostart: Optional[bool] = None
    apply: str = LIVE
    on_drift: str = REPAIR
    shutdown: Shutdown = Shutdown()
    wait: Wait = Wait()


@dataclass(frozen=True)
class Belongings:
    """What goes with a domain when it is undefined; `files` are those of its external snapshots, which stay."""

    nvram: bool = False
    tpm: bool = False
    saved: bool = False
    snapshots: int = 0
    checkpoints: int = 0
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in words that continue a sentence; nothing where there is nothing."""
        parts = [
            self.nvram and "its UEFI variables (NVRAM)",
            self.tpm and "its TPM state",
            self.saved and "its saved state",
            _count(self.snapshots, "snapshot"),
            _count(self.checkpoints, "checkpoint"),
        ]
        named = [part for part in parts if part]
        stay = f"; the files of external snapshots stay: {', '.join(self.files)}" if self.files else ""
        if not named:
            return stay
        return f", with {' and '.join(filter(None, [', '.join(named[:-1]), named[-1]]))}{stay}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}" if number else ""


def parse_wait(asker: Asker) -> Wait:
    """Return what is waited for; mistakes are the asker's."""
    settle = asker.number("settle", 0, 3600)
    return Wait(
        agent=bool(asker.flag("agent")),
        address=bool(asker.flag("address")),
        timeout=asker.number("timeout", 1, 86400) or Wait.timeout,
        settle=Wait.settle if settle is None else settle,
        tcp=_ports(asker),
        serial=_expression(asker),
    )


def parse_shutdown(asker: Asker) -> Shutdown:
    """Return how a guest is stopped; mistakes are the asker's."""
    timeout = asker.number("timeout", 0, 86400)
    return Shutdown(Shutdown.timeout if timeout is None else timeout, bool(asker.flag("force")))


def _ports(asker: Asker) -> tuple[int, ...]:
    value = asker.plain.get("tcp")
    if value is None:
        return ()
    ports = []
    for port in value if isinstance(value, (list, tuple)) else (value,):
        number = Asker({"tcp": port}, asker.where, asker.problems).number("tcp", 1, LARGEST_PORT)
        ports += [] if number is None else [number]
    return tuple(dict.fromkeys(ports))


def _expression(asker: Asker) -> Optional[str]:
    text = asker.text("serial")
    if asker.plain.get("serial") == "":
        asker.wrong("serial is empty; it is a regular expression for the console's text, such as login:")
    try:
        if text:
            compiled(text)
    except (re.error, OverflowError, RecursionError) as error:
        asker.wrong(f"serial: {text!r:.80} is no regular expression: {error}")
        return None
    return text


def compiled(expression: str):
    """Return a regular expression for a console's text: ^ and $ match at each line."""
    return re.compile(expression, re.MULTILINE)


def serial_log(domain_xml: str) -> Optional[str]:
    """Return the file to which libvirt logs the first serial console of a domain, or None."""
    tree = xml.parse(domain_xml, "domain")
    first = tree.find("devices/serial")
    log = (first if first is not None else tree).find("log" if first is not None else "devices/console/log")
    return None if log is None else log.get("file")
