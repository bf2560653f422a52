# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain XML of one guest: image, alternative, host's verdict, options and volumes in, a tree out.

Source: https://libvirt.org/formatdomain.html.
"""

from __future__ import annotations

import hashlib
import posixpath
import uuid
from dataclasses import dataclass, field
from typing import Optional

from . import xen, xml
from .chain import source_of
from .devices import assign_devices, extra_name
from .disks import refuse_own_disks, render_disk, render_extra_disk, render_source, scsi_controllers
from .emulator import DomainCapabilities
from .errors import ImageError
from .guest import Guest
from .host import Host
from .image import Boot, Image
from .limits import refuse_what_the_type_lacks
from .match import Verdict
from .memory import render_backing_memory, render_memory
from .network import Network, render_interface
from .offer import refuse_what_is_not_offered
from .peripherals import render_peripherals, root_ports
from .processor import refuse_wrong_vcpus, render_cpu, render_tuning, render_vcpu
from .screen import render_screen
from .seed import SEED
from .system import render_features, render_life, render_os
from .volume import BLOCK, Volume

# The vendors' prefixes for guests: QEMU's and Xen's.
MAC_PREFIXES = {xen.TYPE: "00:16:3e"}
QEMU_PREFIX = "52:54:00"


@dataclass(frozen=True)
class Identity:
    """What makes a guest itself, and stays through every change: its UUID, and its MACs in interface order."""

    uuid: str
    macs: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """One guest's fixed parts: what to render, where it fits, and with what."""

    name: str
    image: Image
    boot: Boot
    verdict: Verdict
    guest: Guest
    volumes: tuple[Volume, ...]
    boot_files: dict[str, str]
    networks: tuple[Network, ...]
    offered: Optional[DomainCapabilities] = None
    # The names of the domain's disks now, by what they are (source_of).
    had: dict[tuple, str] = field(default_factory=dict)
    # The paths of disks that are not the image's, by what they are.
    extra_paths: dict[tuple, tuple[str, ...]] = field(default_factory=dict)


def derive_identity(host: Host, name: str, verdict: Verdict, count: int) -> Identity:
    """Return a UUID and `count` MACs that are the same for the same guest on the same host."""

    def digest(what: str) -> bytes:
        return hashlib.sha256(f"{host.uuid}/{name}/{what}".encode("utf-8", "backslashreplace")).digest()

    prefix = MAC_PREFIXES.get(verdict.virt_type, QEMU_PREFIX)
    tails = [digest(f"mac{index}")[:3] for index in range(count)]
    macs = tuple(f"{prefix}:{tail[0]:02x}:{tail[1]:02x}:{tail[2]:02x}" for tail in tails)
    return Identity(str(uuid.UUID(bytes=digest("uuid")[:16], version=5)), macs)


def render_domain(parts: Parts, identity: Identity):
    """Return the domain's tree, without our record. Raises ImageError for what cannot be rendered."""
    image, guest, verdict = parts.image, parts.guest, parts.verdict
    refuse_what_the_type_lacks(guest, verdict)
    refuse_what_is_not_offered(guest, parts.boot, verdict, parts.offered)
    memory = guest.memory_kib or image.memory_kib
    if memory is None:
        raise ImageError(f"image {image.name} says no memory; say it with the option memory, such as 512 MiB")
    vcpus = guest.vcpus or image.vcpu
    refuse_wrong_vcpus(guest.processor, vcpus)
    return xml.element(
        "domain",
        {"type": verdict.virt_type},
        xml.leaf("name", parts.name),
        xml.leaf("uuid", identity.uuid),
        xml.leaf("title", image.label and image.label.replace("\n", " ")),
        xml.leaf("description", image.description),
        *render_memory(memory, guest.max_memory_kib, verdict.virt_type),
        render_backing_memory(guest.hugepages, guest.peripherals.filesystems),
        render_vcpu(guest.processor, vcpus),
        xml.leaf("iothreads", guest.processor.iothreads),
        render_tuning(guest.processor),
        xml.leaf("bootloader", "pygrub") if parts.boot.loader == "pygrub" else None,
        render_os(guest.start, parts.boot, verdict, parts.boot_files),
        render_features(guest.start, verdict),
        render_cpu(guest.processor, vcpus, verdict),
        *render_life(guest.start, verdict),
        _devices(parts, identity),
    )


def absent_places(verdict: Verdict) -> tuple[str, ...]:
    """Return the places of a domain that must be empty, because being empty is how they say "off"."""
    return tuple(f"features/{name}" for name, on in (verdict.features or {}).items() if not on)


def _emulator(verdict: Verdict) -> Optional[str]:
    """Return the emulator's path; None where there is none, or where libxl knows better which.

    Today's libvirt tells the path that it was built with (libxl_capabilities.c), which Debian for one does not have; a
    guest with it is refused at its start. libxl takes its own where nothing is said.
    """
    told = verdict.emulator
    is_libxl_s = verdict.virt_type == xen.TYPE and posixpath.basename(told or "").startswith("qemu-system-")
    return None if verdict.type == "xen" or is_libxl_s else told


def _sources(volumes: dict, extras: dict) -> dict[str, tuple]:
    """Return what each disk is, as source_of tells it of a rendered one."""
    own = {name: (("dev" if volume.kind == BLOCK else "file", volume.path),) for name, volume in volumes.items()}
    return own | {name: source_of(xml.element("disk", None, render_source(extra))) for name, extra in extras.items()}


def _devices(parts: Parts, identity: Identity):
    verdict, guest = parts.verdict, parts.guest
    volumes = {volume.disk: volume for volume in parts.volumes}
    extras = {extra_name(index): extra for index, extra in enumerate(guest.extra_disks)}
    refuse_own_disks(guest.extra_disks, parts.volumes, parts.extra_paths)
    had = {name: parts.had[source] for name, source in _sources(volumes, extras).items() if source in parts.had}
    devices = assign_devices(parts.image, parts.boot, verdict, SEED in volumes, guest.disks, guest.extra_disks, had)
    return xml.element(
        "devices",
        None,
        xml.leaf("emulator", _emulator(verdict)),
        *(
            render_extra_disk(device, extras[device.disk])
            if device.disk in extras
            else render_disk(device, volumes[device.disk], verdict)
            for device in devices
        ),
        *scsi_controllers(devices, verdict),
        *root_ports(verdict),
        *(render_interface(network, mac, verdict) for network, mac in zip(parts.networks, identity.macs)),
        *render_peripherals(guest.peripherals, verdict),
        *render_screen(guest.graphics, guest.video, parts.image, verdict),
    )
