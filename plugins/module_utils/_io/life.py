# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a domain's life: it is started, stopped, undefined."""

from __future__ import annotations

import time

from .._core import steps
from .._core.errors import ImageError
from .connection import Connection, doing, state_of
from .requirements import libvirt

POLL_SECONDS = 0.2
STOPPED = ("shutoff", "crashed")


def set_autostart(step: steps.SetAutostart, connection: Connection) -> None:
    domain = find_domain(step.name, connection)
    with doing(f"set autostart of domain {step.name}"):
        domain.setAutostart(int(step.autostart))


def start(step: steps.StartDomain, connection: Connection) -> None:
    domain = find_domain(step.name, connection)
    try:
        with doing(f"{'resume' if step.resume else 'start'} domain {step.name}"):
            if not step.resume:
                domain.create()
            elif state_of(domain) == "pmsuspended":
                domain.pMWakeup()
            else:
                domain.resume()
    except ImageError as error:
        if step.virt_type != "kvm":
            raise
        # Nested virtualisation offers /dev/kvm and cannot run a guest on it.
        hint = "if this host's KVM cannot run guests, virt_type: qemu emulates them"
        raise ImageError(f"{error}; {hint}") from None


def stop(step: steps.StopDomain, connection: Connection) -> None:
    domain = find_domain(step.name, connection)
    with doing(f"stop domain {step.name}"):
        if state_of(domain) == "pmsuspended":
            domain.pMWakeup()
        if state_of(domain) == "paused":
            # A paused guest cannot hear that it is to shut down.
            domain.resume()
        if _shut_down(domain, step.timeout):
            return
        if not step.force:
            raise ImageError(
                f"domain {step.name} did not stop within {step.timeout} s; it may lack ACPI and a guest agent, or be "
                "busy. shutdown: {force: true} powers it off after the timeout"
            )
        if _state(domain) not in STOPPED:
            domain.destroy()


def _shut_down(domain, timeout: int) -> bool:
    """Ask a guest to stop, again each few seconds (one that boots may not hear it); return whether it did."""
    begun = time.monotonic()
    asked = None
    while _state(domain) not in STOPPED:
        now = time.monotonic()
        if now - begun >= timeout:
            return False
        if asked is None or now - asked > 5:
            asked = now
            try:
                domain.shutdown()
            except libvirt.libvirtError:
                # It may have stopped meanwhile; the loop sees that.
                pass
        time.sleep(POLL_SECONDS)
    return True


def _state(domain) -> str:
    """Return a domain's state; one that was not persistent is gone when it stops."""
    try:
        return state_of(domain)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return "shutoff"
        raise


def undefine(step: steps.UndefineDomain, connection: Connection) -> None:
    domain = find_domain(step.name, connection)
    flags = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )
    with doing(f"undefine domain {step.name}"):
        try:
            domain.undefineFlags(flags)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
                raise
            # Drivers without NVRAM or checkpoints (Xen's, test) refuse the flags.
            if domain.hasManagedSaveImage():
                domain.managedSaveRemove()
            domain.undefine()


def find_domain(name: str, connection: Connection):
    domain = connection.find_domain(name)
    if domain is None:
        raise ImageError(f"domain {name} is gone; another tool removed it meanwhile")
    return domain
