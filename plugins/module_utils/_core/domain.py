# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain XML of one guest: image, alternative, host's verdict, options and volumes in, a tree out.

Source: https://libvirt.org/formatdomain.html.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Optional

from . import xml
from .devices import assign_devices
from .disks import render_disk
from .emulator import DomainCapabilities
from .errors import ImageError
from .guest import Guest
from .host import Host
from .image import Boot, Image
from .machine import QEMU_TYPES, X86
from .match import Verdict
from .network import Network, render_interface
from .offer import refuse_what_is_not_offered, wants_efi
from .screen import render_screen
from .seed import SEED
from .volume import Volume

# The vendors' prefixes for guests: QEMU's and Xen's.
MAC_PREFIXES = {"xen": "00:16:3e"}
QEMU_PREFIX = "52:54:00"
# QEMU's default there has 32 bits, also in the emulator of 64: https://www.qemu.org/docs/master/system/arm/virt.html
EMULATED_MODELS = {"aarch64": "cortex-a57"}
# Architectures whose KVM knows no named CPU models.
PASSTHROUGH_ARCHES = ("aarch64", "armv7l", "riscv64")


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


def derive_identity(host: Host, name: str, verdict: Verdict, count: int) -> Identity:
    """Return a UUID and `count` MACs that are the same for the same guest on the same host."""

    def digest(what: str) -> bytes:
        return hashlib.sha256(f"{host.uuid}/{name}/{what}".encode("utf-8", "backslashreplace")).digest()

    prefix = MAC_PREFIXES.get(verdict.virt_type, QEMU_PREFIX)
    tails = [digest(f"mac{index}")[:3] for index in range(count)]
    macs = tuple(f"{prefix}:{tail[0]:02x}:{tail[1]:02x}:{tail[2]:02x}" for tail in tails)
    return Identity(str(uuid.UUID(bytes=digest("uuid")[:16], version=5)), macs)


def networks_of(image: Image, guest: Guest, session: bool) -> tuple[Network, ...]:
    """Return the guest's interfaces: as asked, or as many as the descriptor has on the host's default network."""
    if guest.networks is not None:
        return guest.networks
    # A session daemon may not make taps; its guests reach out through the user-mode stack.
    usual = Network("user") if session else Network("network", "default")
    return (usual,) * image.interfaces


def render_domain(parts: Parts, identity: Identity):
    """Return the domain's tree, without our record. Raises ImageError for what cannot be rendered."""
    image, guest, verdict = parts.image, parts.guest, parts.verdict
    refuse_what_is_not_offered(guest, parts.boot, verdict, parts.offered)
    memory = guest.memory_kib or image.memory_kib
    if memory is None:
        raise ImageError(f"image {image.name} says no memory; say it with the option memory, such as 512 MiB")
    return xml.element(
        "domain",
        {"type": verdict.virt_type},
        xml.leaf("name", parts.name),
        xml.leaf("uuid", identity.uuid),
        xml.leaf("title", image.label and image.label.replace("\n", " ")),
        xml.leaf("description", image.description),
        xml.element("memory", {"unit": "KiB"}, memory),
        xml.element("currentMemory", {"unit": "KiB"}, memory),
        xml.leaf("vcpu", guest.vcpus or image.vcpu),
        xml.leaf("bootloader", "pygrub") if parts.boot.loader == "pygrub" else None,
        _os(parts),
        _features(verdict),
        _cpu(verdict),
        xml.element("clock", {"offset": "utc"}),
        xml.leaf("on_poweroff", "destroy"),
        xml.leaf("on_reboot", "restart"),
        xml.leaf("on_crash", "destroy"),
        _devices(parts, identity),
    )


def absent_places(verdict: Verdict) -> tuple[str, ...]:
    """Return the places of a domain that must be empty, because being empty is how they say "off"."""
    return tuple(f"features/{name}" for name, on in (verdict.features or {}).items() if not on)


def _os(parts: Parts):
    boot, verdict = parts.boot, parts.verdict
    efi = wants_efi(parts.guest, boot, verdict)
    if efi and verdict.arch in X86 and not (verdict.features or {}).get("acpi"):
        raise ImageError("firmware: efi needs ACPI, which this boot alternative turns off; the descriptor lacks <acpi/>")
    paravirtualised = verdict.type == "xen"
    return xml.element(
        "os",
        {"firmware": "efi" if efi else None},
        xml.element(
            "type",
            {"arch": verdict.arch, "machine": verdict.machine},
            # libvirt reads both; linux is what its Xen driver writes back.
            "linux" if paravirtualised else "hvm",
        ),
        xml.leaf("loader", verdict.loader) if not paravirtualised else None,
        xml.leaf("kernel", parts.boot_files.get("kernel")),
        xml.leaf("initrd", parts.boot_files.get("initrd")),
        xml.leaf("cmdline", boot.cmdline),
        xml.element("boot", {"dev": boot.dev or "hd"}) if not paravirtualised and not boot.kernel else None,
    )


def _features(verdict: Verdict):
    names = [name for name in ("pae", "acpi", "apic") if (verdict.features or {}).get(name)]
    if verdict.type == "xen" or not names:
        return None
    return xml.element("features", None, *(xml.element(name) for name in names))


def _cpu(verdict: Verdict):
    """Return the CPU that an assisted guest gets: the host's; an emulated one mostly gets the emulator's default."""
    if verdict.virt_type != "kvm":
        model = EMULATED_MODELS.get(verdict.arch) if verdict.virt_type in QEMU_TYPES else None
        return model and xml.element("cpu", {"mode": "custom"}, xml.element("model", {"fallback": "forbid"}, model))
    return xml.element("cpu", {"mode": "host-passthrough" if verdict.arch in PASSTHROUGH_ARCHES else "host-model"})


def _devices(parts: Parts, identity: Identity):
    verdict = parts.verdict
    volumes = {volume.disk: volume for volume in parts.volumes}
    devices = assign_devices(parts.image, parts.boot, verdict, SEED in volumes)
    interfaces = [
        render_interface(network, mac, verdict) for network, mac in zip(parts.networks, identity.macs)
    ]
    paravirtualised = verdict.type == "xen"
    return xml.element(
        "devices",
        None,
        None if paravirtualised else xml.leaf("emulator", verdict.emulator),
        *(render_disk(device, volumes[device.disk], verdict) for device in devices),
        *interfaces,
        *(_consoles(verdict)),
        *render_screen(parts.guest.graphics, parts.image, verdict),
    )


def _consoles(verdict: Verdict) -> list:
    if verdict.virt_type not in QEMU_TYPES:
        kind = "xen" if verdict.type == "xen" else "serial"
        return [xml.element("console", {"type": "pty"}, xml.element("target", {"type": kind, "port": 0}))]
    agent = {"type": "virtio", "name": "org.qemu.guest_agent.0"}
    return [
        xml.element("serial", {"type": "pty"}, xml.element("target", {"port": 0})),
        xml.element("console", {"type": "pty"}, xml.element("target", {"type": "serial", "port": 0})),
        xml.element("channel", {"type": "unix"}, xml.element("target", agent)),
        xml.element("rng", {"model": "virtio"}, xml.element("backend", {"model": "random"}, "/dev/urandom")),
    ]


