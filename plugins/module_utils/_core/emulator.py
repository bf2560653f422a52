# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one emulator gives for one machine and domain type: libvirt's domain capabilities, of 1.2.7 and later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .errors import ImageError
from .hardware import attribute, content, contents, number
from .names import canonical_arch

# What an element that is not supported lists, it does not offer.
OS = "os[@supported='yes']"
LOADER = f"{OS}/loader[@supported='yes']"


@dataclass(frozen=True)
class DomainCapabilities:
    """What one emulator gives for one machine; `devices` maps kind -> enumeration -> values.

    `firmwares` (bios, efi) is what libvirt can choose by itself, told since 5.2; `loaders` are firmware files,
    and `loader_types` (rom, pflash) how they can be attached. `cpu_models` are those that can be named; where
    libvirt does not know whether one runs here, as with other architectures, it is listed.
    """

    emulator: Optional[str]
    type: Optional[str]
    machine: Optional[str]
    arch: Optional[str]
    max_vcpus: Optional[int]
    firmwares: tuple[str, ...]
    cpu_modes: tuple[str, ...]
    devices: dict[str, dict[str, tuple[str, ...]]]
    secure_boot: bool = False
    loader_types: tuple[str, ...] = ()
    loaders: tuple[str, ...] = ()
    cpu_models: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


def parse_domain_capabilities(data, where: str = "domain capabilities") -> DomainCapabilities:
    """Return what one emulator offers; raise ImageError. Source: https://libvirt.org/formatdomaincaps.html."""
    root = xml.parse(data, where)
    if root.tag != "domainCapabilities":
        raise ImageError(f"<{root.tag}> is no domain capabilities XML; its root is <domainCapabilities>", where)
    vcpu = root.find("vcpu")
    modes = (attribute(mode, "name") for mode in root.findall("cpu/mode[@supported='yes']"))
    return DomainCapabilities(
        emulator=content(root, "path"),
        type=content(root, "domain"),
        machine=content(root, "machine"),
        arch=canonical_arch(content(root, "arch") or "") or None,
        max_vcpus=None if vcpu is None else number(vcpu.get("max")),
        firmwares=contents(root, f"{OS}/enum[@name='firmware']/value"),
        cpu_modes=tuple(mode for mode in modes if mode),
        devices={device.tag: _enumerations(device) for device in root.findall("devices/*[@supported='yes']")},
        secure_boot="yes" in contents(root, f"{LOADER}/enum[@name='secure']/value"),
        loader_types=contents(root, f"{LOADER}/enum[@name='type']/value"),
        loaders=contents(root, f"{LOADER}/value"),
        cpu_models=_cpu_models(root),
        features=tuple(feature.tag for feature in root.findall("features/*[@supported='yes']")),
    )


def _cpu_models(root) -> tuple[str, ...]:
    models = root.findall("cpu/mode[@name='custom'][@supported='yes']/model")
    return tuple(xml.text(model) for model in models if xml.text(model) and attribute(model, "usable") != "no")


def _enumerations(device) -> dict[str, tuple[str, ...]]:
    named = ((attribute(enum, "name"), contents(enum, "value")) for enum in device.findall("enum"))
    return {name: values for name, values in named if name}
