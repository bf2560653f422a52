# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a guest did not stay: the words for what libvirt tells, and the ends of its log and of its console."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from . import xen
from .trial import CHATTER, STAMP

# Lines that are shown of each text, and the letters of a line.
LOG_LINES, CONSOLE_LINES, WIDTH = 6, 10, 160
# Escape sequences of terminals (ECMA-48: CSI, OSC, others), then what else is no letter.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# QEMU's words for a KVM that does not run this guest (accel/kvm/kvm-all.c, target/i386/kvm/kvm.c).
KVM_FAILURE = re.compile(
    r"KVM internal error[^\n]*|KVM: entry failed[^\n]*|kvm run failed[^\n]*|failed to set MSR \S+|kvm_buf_set_msrs"
)

# libvirt's reasons, virDomainShutoffReason and virDomainPausedReason, after what they follow.
REASONS = {
    ("shutoff", "SHUTDOWN"): "it shut itself down",
    ("shutoff", "DESTROYED"): "it was powered off",
    ("shutoff", "CRASHED"): "it crashed",
    ("shutoff", "MIGRATED"): "it was migrated",
    ("shutoff", "SAVED"): "it was saved",
    ("shutoff", "FAILED"): "QEMU ended",
    ("shutoff", "DAEMON"): "libvirt's daemon stopped it",
    ("crashed", "PANICKED"): "its kernel panicked",
    ("paused", "USER"): "someone paused it",
    ("paused", "IOERROR"): "a disk had an I/O error",
    ("paused", "WATCHDOG"): "its watchdog fired",
    ("paused", "CRASHED"): "its kernel panicked",
    ("paused", "SNAPSHOT"): "a snapshot is being made",
    ("paused", "POSTCOPY_FAILED"): "a migration failed",
}
# The libraries of Xen that libvirt writes down the words of, each line with the moment before it (libxl_logger.c).
LIBXL_STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+[+-]\d{4}: (?=libxl|xc)", re.MULTILINE)
STATES = {"shutoff": "stopped", "shutdown": "stopped", "gone": "stopped", "crashed": "crashed"}


@dataclass(frozen=True)
class Trouble:
    """What became of a guest that was to run: a verb's phrase, libvirt's reason, and the seconds since its start."""

    what: str
    why: Optional[str] = None
    after: Optional[float] = None

    def __str__(self) -> str:
        when = "" if self.after is None else f" {self.after:.1f} s after its start"
        return f"{self.what}{when}" + (f" ({self.why})" if self.why else "")


def trouble_of(state: str, reason: str, after: Optional[float]) -> Trouble:
    """Return the trouble of a guest that does not run; `state` and `reason` are libvirt's."""
    return Trouble(STATES.get(state, f"was {state}"), REASONS.get((state, reason)), after)


def explain(trouble: str, virt_type: Optional[str], log: str, console: str) -> str:
    """Return the whole story: one line where KVM is to blame, else with the ends of QEMU's log and of the console."""
    blame = blame_kvm(log) if virt_type == "kvm" else None
    if blame:
        return f"{trouble}: {blame}"
    parts, whose = [trouble], "QEMU"
    if virt_type == xen.TYPE:
        log, whose = LIBXL_STAMP.sub("", log), "libxl"
    for what, lines in ((f"{whose}'s log", log_lines(log)), ("its console", console_lines(console))):
        if lines:
            parts.append("\n  ".join((f"{what} ends:", *lines)))
    return "\n".join(parts)


def blame_kvm(words: str) -> Optional[str]:
    """Return one line about a KVM that runs no guest, where QEMU's words tell that it is so."""
    found = KVM_FAILURE.search(words)
    if not found:
        return None
    said = clean(found[0]).strip()[:WIDTH].rstrip(". ")
    return f"this host's KVM does not run it ({said}); virt_type: qemu emulates it"


def log_lines(text: str) -> list[str]:
    """Return the last lines of QEMU's own in its log of one start: without its command, libvirt's words and chatter."""
    # The command is a line for each option, and ends with the first one that is not continued.
    own = text.rpartition(" \\\n")[2].partition("\n")[2] if " \\\n" in text else text
    plain = (STAMP.sub("", line.strip(), count=1) for line in clean(own).splitlines())
    return [line[:WIDTH] for line in plain if not CHATTER.match(line)][-LOG_LINES:]


def console_lines(text: str) -> list[str]:
    """Return the last lines of a console that say something."""
    return [line.rstrip()[:WIDTH] for line in clean(text).splitlines() if line.strip()][-CONSOLE_LINES:]


def clean(text: str) -> str:
    """Return what a terminal would show as letters and line breaks: no escapes, no other control characters."""
    return CONTROLS.sub("", ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
