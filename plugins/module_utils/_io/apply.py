# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Performs the steps of a plan, in order."""

from __future__ import annotations

import os
import time

from .._core import steps, xml
from .._core.errors import ImageError
from . import files
from .connection import Connection, doing, state_of
from .requirements import libvirt
from .source import digests_of

POLL_SECONDS = 0.2
STOPPED = ("shutoff", "crashed")


def apply(plan_steps, connection: Connection):
    """Perform steps, and yield each when it is done; raise ImageError at the first that fails.

    What was done stays, and a next run goes on there.
    """
    for step in plan_steps:
        PERFORM[type(step)](step, connection)
        yield step


def undo(taken, connection: Connection) -> None:
    """Delete the volumes that steps made for a guest that could not be defined; bases stay, others may use them."""
    for step in reversed(taken):
        if isinstance(step, (steps.CreateVolume, steps.CopyVolume)):
            _delete_volume(steps.DeleteVolume(step.pool, step.name, step.path), connection)


def _import_base(step: steps.ImportBase, connection: Connection) -> None:
    with files.arriving(step.path, files.READ_ONLY) as part:
        if part is None:
            return
        files.copy(step.source, part)
        # The name promises the content for good, to all guests that will use it.
        digest = digests_of(part, ("sha256",))["sha256"]
        if digest != step.digest:
            raise ImageError(f"has the SHA-256 {digest} now, and had {step.digest} before; it changed", step.source)
        if step.format != step.source_format:
            files.convert(part, step.source_format, step.format)
    connection.refresh_pool(step.pool)


def _copy_volume(step: steps.CopyVolume, connection: Connection) -> None:
    with files.arriving(step.path, files.PRIVATE) as part:
        if part is None:
            raise ImageError("appeared while it was made; another play works on this guest", step.path)
        files.copy(step.base, part)
        files.grow(part, step.format, step.capacity)
    connection.refresh_pool(step.pool)


def _create_volume(step: steps.CreateVolume, connection: Connection) -> None:
    if step.stale:
        connection.refresh_pool(step.pool)
    backing = None
    if step.backing_path:
        backing = xml.element(
            "backingStore",
            None,
            xml.leaf("path", step.backing_path),
            xml.element("format", {"type": step.backing_format}),
        )
    volume = xml.element(
        "volume",
        None,
        xml.leaf("name", step.name),
        xml.element("capacity", {"unit": "bytes"}, step.capacity),
        # Sparse: a raw file is allocated whole where nothing is said.
        xml.element("allocation", {"unit": "bytes"}, 0) if step.format == "raw" else None,
        xml.element("target", None, xml.element("format", {"type": step.format})),
        backing,
    )
    connection.create_volume(step.pool, xml.to_text(volume), step.name)


def _grow_volume(step: steps.GrowVolume, connection: Connection) -> None:
    if step.domain:
        # QEMU has the file, and tells its guest.
        domain = _domain(step.domain, connection)
        with doing(f"grow volume {step.name} of running guest {step.domain}"):
            domain.blockResize(step.path, step.capacity, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    else:
        files.grow(step.path, step.format, step.capacity)
    connection.refresh_pool(step.pool)


def _delete_volume(step: steps.DeleteVolume, connection: Connection) -> None:
    if connection.delete_volume(step.pool, step.name):
        return
    try:
        os.unlink(step.path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ImageError(f"cannot delete the volume: {error.strerror}", step.path) from None


def _define(step: steps.DefineDomain, connection: Connection) -> None:
    connection.define(step.name, step.xml)


def _set_autostart(step: steps.SetAutostart, connection: Connection) -> None:
    domain = _domain(step.name, connection)
    with doing(f"set autostart of domain {step.name}"):
        domain.setAutostart(int(step.autostart))


def _start(step: steps.StartDomain, connection: Connection) -> None:
    domain = _domain(step.name, connection)
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


def _stop(step: steps.StopDomain, connection: Connection) -> None:
    domain = _domain(step.name, connection)
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


def _undefine(step: steps.UndefineDomain, connection: Connection) -> None:
    domain = _domain(step.name, connection)
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


def _domain(name: str, connection: Connection):
    domain = connection.find_domain(name)
    if domain is None:
        raise ImageError(f"domain {name} is gone; another tool removed it meanwhile")
    return domain


PERFORM = {
    steps.ImportBase: _import_base,
    steps.CopyVolume: _copy_volume,
    steps.CreateVolume: _create_volume,
    steps.GrowVolume: _grow_volume,
    steps.DeleteVolume: _delete_volume,
    steps.DefineDomain: _define,
    steps.SetAutostart: _set_autostart,
    steps.StartDomain: _start,
    steps.StopDomain: _stop,
    steps.UndefineDomain: _undefine,
}
