# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Performs the steps that change a running domain. Its configuration is written already."""

from __future__ import annotations

import time
from typing import Optional

from .._core import live_steps as steps
from .._core import xml
from .._core.errors import ImageError
from .._core.merge import name_of
from .connection import Connection, doing
from .life import bounded_agent
from .requirements import libvirt

POLL_SECONDS = 0.2
# A guest that is idle gives a device back within a second; one that boots may not hear of it.
DETACH_SECONDS = 20
BALLOON_SECONDS = 3


def _set_vcpus(step: steps.SetVcpus, connection: Connection) -> None:
    with doing(str(step)):
        connection.domain(step.name).setVcpusFlags(step.count, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set_memory(step: steps.SetMemory, connection: Connection) -> None:
    """Set the balloon, and give the guest a moment to follow; one without the driver never does."""
    domain = connection.domain(step.name)
    with doing(str(step)):
        domain.setMemoryFlags(step.memory_kib, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        begun = time.monotonic()
        while domain.info()[2] != step.memory_kib and time.monotonic() - begun < BALLOON_SECONDS:
            time.sleep(POLL_SECONDS)


def _attach(step: steps.AttachDevice, connection: Connection) -> None:
    with doing(str(step)):
        connection.domain(step.name).attachDeviceFlags(step.xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _update(step: steps.UpdateDevice, connection: Connection) -> None:
    try:
        with doing(str(step)):
            connection.domain(step.name).updateDeviceFlags(step.xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except ImageError as error:
        if "tray" not in str(error):
            raise
        # A guest locks the drive while it has the medium mounted.
        raise ImageError(f"{error}; the guest may have the medium mounted: unmount it there, or say apply: next_boot") from None


def _detach(step: steps.DetachDevice, connection: Connection) -> None:
    """Detach a device and wait until the guest has given it back; raise ImageError for a disk that it uses."""
    domain = connection.domain(step.name)
    if step.target:
        _refuse_mounted(step, domain)
    with doing(str(step)):
        domain.detachDeviceFlags(step.xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        name = name_of(xml.parse(step.xml, step.device))[:2]
        begun = time.monotonic()
        while any(name_of(device)[:2] == name for device in xml.parse(domain.XMLDesc(), step.name).findall("devices/*")):
            if time.monotonic() - begun > DETACH_SECONDS:
                raise ImageError(
                    f"the guest does not give {step.device} back; it may be booting, or use it. The next run tries "
                    "again"
                )
            time.sleep(POLL_SECONDS)


def _refuse_mounted(step: steps.DetachDevice, domain) -> None:
    """Refuse to take a disk from a guest that may write to it: what it has not written yet would be lost."""
    hint = "Unmount it in the guest, or say apply: restart or next_boot"
    with bounded_agent(domain):
        try:
            systems = domain.fsInfo()
        except libvirt.libvirtError as error:
            raise ImageError(
                f"cannot {step}: the guest agent does not tell whether the disk is mounted ({error.get_error_message()}). {hint}"
            ) from None
    use = _use_of(systems, step.target)
    if use:
        raise ImageError(f"cannot {step}: {use}. {hint}")


def _use_of(systems, target: str) -> Optional[str]:
    """Return how a disk is, or may be, in use; `systems` are libvirt's (mount point, device, type, targets)."""
    for point, _device, _type, targets in systems:
        if target in (targets or ()):
            return f"the guest has it mounted at {point}"
    unknown = next((point for point, _device, _type, targets in systems if not targets), None)
    return unknown and f"the guest agent does not tell which disk is mounted at {unknown}"


def _set_texts(step: steps.SetTexts, connection: Connection) -> None:
    domain, flags = connection.domain(step.name), libvirt.VIR_DOMAIN_AFFECT_LIVE
    with doing(str(step)):
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, step.title, None, None, flags)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, step.description, None, None, flags)


CHANGE = {
    steps.SetVcpus: _set_vcpus,
    steps.SetMemory: _set_memory,
    steps.AttachDevice: _attach,
    steps.DetachDevice: _detach,
    steps.UpdateDevice: _update,
    steps.SetTexts: _set_texts,
}
