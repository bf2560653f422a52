# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether KVM runs a guest here, found out by running one for a moment.

Capabilities list KVM where /dev/kvm can be opened, and that is also so where no guest runs on it (nested
virtualisation without the CPU's help). So a guest without disks is started, bound to its connection, and its firmware's
first byte on the console is the proof.

A process of its own does it. It outlives a module that is killed, so that nothing is left behind; and where libvirt
takes long to start or to stop a guest, the module need not wait for it. If that process is killed too, libvirt itself
ends the guest with the connection, and only QEMU's log file stays.
"""

from __future__ import annotations

import glob
import os
import pwd
import re
import secrets
import select
import stat
import time
from dataclasses import dataclass
from typing import Optional

from .._core.host import Host, Kvm
from .._core.trial import Trial, find_obstacle, render_trial, telling_line
from .connection import Connection, now_state
from .requirements import libvirt

DEVICE = "/dev/kvm"
# From the start to the answer: of the module, of the guest's life at most, between two looks.
LIMIT_SECONDS = 1.9
TRIAL_SECONDS = 1.8
POLL_SECONDS = 0.01
RUNS = "runs"
# What begins with it is no answer, only the reason why there is none.
UNSURE = "unsure: "
# Firmware speaks in some hundredths of a second; after so many of silence that is one.
SILENT_SECONDS = 1.0


@dataclass(frozen=True)
class Attempt:
    """One probe: where, with which guest, since when, and the files that libvirt keeps of that guest (patterns)."""

    uri: str
    trial: Trial
    begun: float
    log: Optional[str] = None
    variables: Optional[str] = None


def probe(connection: Connection, host: Host, virt_type: str = "kvm") -> Kvm:
    """Return whether a guest of that type runs here, and if not, why, within LIMIT_SECONDS."""
    begun = time.monotonic()
    reason = find_obstacle(host, virt_type)
    if reason is None and virt_type == "kvm":
        reason = _closed_door(connection, host)
    if reason:
        return Kvm(False, reason)
    trial = render_trial(host, virt_type, f"virt-image-probe-{secrets.token_hex(4)}")
    attempt = Attempt(connection.uri, trial, begun, *_files(connection, trial.name))
    said = _ask_process(attempt)
    if said == RUNS:
        return Kvm(True)
    if not said:
        # libvirt waits for the end of a QEMU that failed before it tells so; QEMU's log tells at once.
        told = _read_log(attempt)
        late = f"libvirt did not start a guest of type {virt_type} within {LIMIT_SECONDS} s"
        said = _no_start(attempt, told) if told else UNSURE + late
    if said.startswith(UNSURE):
        return Kvm(None, said[len(UNSURE) :])
    return Kvm(False, said)


def _files(connection: Connection, name: str) -> tuple[Optional[str], Optional[str]]:
    """Return where libvirt keeps QEMU's log of a domain, and the variables of its UEFI; None on another machine."""
    if not connection.is_local:
        return None, None
    logs, state = "/var/log/libvirt/qemu", "/var/lib/libvirt/qemu"
    if connection.is_session:
        logs = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "libvirt/qemu/log")
        state = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "libvirt/qemu")
    return f"{logs}/{name}.log", f"{state}/nvram/{name}_VARS.*"


def _closed_door(connection: Connection, host: Host) -> Optional[str]:
    """Return why QEMU's user may not open KVM's device, or None where it may, or where that cannot be seen.

    Where it may not, libvirt probes all its emulators again for each guest, and takes most of a minute to fail.
    """
    try:
        door = os.stat(DEVICE)
        if not connection.is_local or "system.posix_acl_access" in os.listxattr(DEVICE):
            return None
    except OSError:
        # The daemon may live in a container of its own.
        return None
    if connection.is_session:
        user, allowed = "this user", os.access(DEVICE, os.R_OK | os.W_OK)
    else:
        labels = [model.labels.get("kvm", "") for model in host.security_models if model.model == "dac"]
        ids = re.fullmatch(r"\+(\d+):\+(\d+)", labels[0]) if labels else None
        if not ids:
            return None
        user, allowed = _may_open(door, int(ids[1]), int(ids[2]))
    if allowed:
        return None
    mode = stat.S_IMODE(door.st_mode)
    return f"{user} may not open {DEVICE} (owner {door.st_uid}, group {door.st_gid}, mode {mode:04o}), so QEMU cannot"


def _may_open(door, uid: int, gid: int) -> tuple[str, bool]:
    """Return the name of QEMU's user, and whether that one may read and write a file."""
    try:
        entry = pwd.getpwuid(uid)
        # libvirt gives QEMU the user's own groups beside the one of its configuration.
        name, groups = entry.pw_name, [gid, *os.getgrouplist(entry.pw_name, entry.pw_gid)]
    except KeyError:
        name, groups = str(uid), [gid]
    shift = 6 if door.st_uid == uid else 3 if door.st_gid in groups else 0
    return f"QEMU's user {name}", uid == 0 or (door.st_mode >> shift) & 6 == 6


def _ask_process(attempt: Attempt) -> str:
    """Return what a process of its own says of the attempt, or "" where it is not heard in time."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            _detach()
            _try_and_clean(attempt, writer)
        finally:
            # Nothing of the module that it was may run here: no handlers at exit, no closing of its connection.
            os._exit(0)
    os.close(writer)
    said, deadline = b"", attempt.begun + LIMIT_SECONDS
    try:
        while select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]:
            piece = os.read(reader, 4096)
            if not piece:
                # Its end: all that it made is gone.
                os.waitpid(child, 0)
                break
            said += piece
    finally:
        os.close(reader)
    return said.decode("utf-8", "replace")


def _detach() -> None:
    """Leave the module's session and its output, for whose end Ansible waits."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)


def _try_and_clean(attempt: Attempt, writer: int) -> None:
    """Write what came of the attempt to a pipe, and remove what it left."""
    link = None
    try:
        link = libvirt.open(attempt.uri)
        said = _try(link, attempt)
    except libvirt.libvirtError as error:
        words = error.get_error_message() or str(error)
        said = _no_start(attempt, telling_line(words) or words)
    try:
        os.write(writer, said.encode("utf-8", "replace"))
    except BrokenPipeError:
        # The module was killed, or does not wait any more.
        pass
    if link:
        _end(link, attempt.trial.name)
        link.close()
    for path in (path for pattern in (attempt.log, attempt.variables) if pattern for path in glob.glob(pattern)):
        try:
            os.unlink(path)
        except OSError:
            # A member of the group libvirt may start guests, and not remove QEMU's logs of them.
            pass


def _try(link, attempt: Attempt) -> str:
    """Return RUNS, or why the guest does not run."""
    # Paused, so that nobody misses what the firmware says before we listen.
    domain = link.createXML(attempt.trial.xml, libvirt.VIR_DOMAIN_START_AUTODESTROY | libvirt.VIR_DOMAIN_START_PAUSED)
    stream = link.newStream(libvirt.VIR_STREAM_NONBLOCK)
    domain.openConsole(None, stream, 0)
    domain.resume()
    begun, guest = time.monotonic(), f"a guest of type {attempt.trial.virt_type}"
    while time.monotonic() < attempt.begun + TRIAL_SECONDS:
        # Without an event loop, each question to the domain also takes in what has come for the stream.
        state = now_state(domain)
        if _hears(stream):
            return RUNS
        if state != "running":
            told = _read_log(attempt)
            return f"{guest} was {state} before it gave a sign of life" + (f": {told}" if told else "")
        time.sleep(POLL_SECONDS)
    lived = max(0.0, time.monotonic() - begun)
    told = f"{guest} started, and its firmware gave no sign of life within {lived:.1f} s"
    # UEFI may be silent for longer.
    return told if lived >= SILENT_SECONDS and not attempt.trial.slow else UNSURE + told


def _hears(stream) -> bool:
    """Return whether something came: recv() gives a number while nothing has, and nothing at the end."""
    try:
        heard = stream.recv(1024)
    except libvirt.libvirtError:
        # The console ended with the domain, whose state tells more.
        return False
    return isinstance(heard, bytes) and bool(heard)


def _end(link, name: str) -> None:
    """Destroy the domain, if it is there; libvirt answers when it is gone, and its last words are logged."""
    try:
        link.lookupByName(name).destroy()
    except libvirt.libvirtError:
        # It never was, or ended by itself; else libvirt ends it with the connection.
        return


def _no_start(attempt: Attempt, told: str) -> str:
    return f"a guest of type {attempt.trial.virt_type} does not start: {told}"


def _read_log(attempt: Attempt) -> Optional[str]:
    """Return QEMU's reason, or None where its log is on another machine, or not ours to read."""
    try:
        with open(attempt.log or "", encoding="utf-8", errors="replace") as log:
            return telling_line(log.read())
    except OSError:
        return None
