# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can run: libvirt's capabilities XML, today's and that of libvirt 0.2.1 to 0.4, as one frozen Host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .errors import ImageError
from .names import canonical_arch


@dataclass(frozen=True)
class Feature:
    """Whether guests can have a feature on, can have it off, and how it is when nothing is said."""

    on: bool
    off: bool
    default: bool


@dataclass(frozen=True)
class HostDomain:
    """One hypervisor (domain type) for a kind of guest; `aliases` maps a machine's alias to its full name."""

    type: str
    emulator: Optional[str]
    machines: tuple[str, ...]
    default_machine: Optional[str]
    loader: Optional[str]
    aliases: dict[str, str]


@dataclass(frozen=True)
class HostGuest:
    """One kind of guest that the host can run; `wordsize` is in bits."""

    os_type: str
    arch: str
    wordsize: Optional[int]
    features: dict[str, Feature]
    domains: tuple[HostDomain, ...]


@dataclass(frozen=True)
class Cpu:
    """The host's CPU as libvirt tells it."""

    model: Optional[str]
    vendor: Optional[str]
    features: tuple[str, ...]


@dataclass(frozen=True)
class DomainCapabilities:
    """What one emulator gives for one machine; `devices` maps kind -> enumeration -> values."""

    emulator: Optional[str]
    type: Optional[str]
    machine: Optional[str]
    arch: Optional[str]
    max_vcpus: Optional[int]
    firmwares: tuple[str, ...]
    cpu_modes: tuple[str, ...]
    devices: dict[str, dict[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Host:
    """A host; `uuid` is None where libvirt does not tell it."""

    arch: str
    guests: tuple[HostGuest, ...]
    uuid: Optional[str] = None
    cpu: Optional[Cpu] = None
    domain_capabilities: tuple[DomainCapabilities, ...] = ()


def parse_capabilities(data, domain_capabilities=(), where: str = "capabilities") -> Host:
    """Return the host that capabilities XML, and the XML of any domain capabilities, describe.

    Raises ImageError. Source: https://libvirt.org/formatcaps.html, and libvirt 0.4.0's docs/format.html.
    """
    root = xml.parse(data, where)
    if root.tag != "capabilities":
        raise ImageError(f"<{root.tag}> is no capabilities XML; its root element is <capabilities>", where)
    arch = canonical_arch((root.findtext("host/cpu/arch") or "").strip())
    if not arch:
        raise ImageError("has no host/cpu/arch", where)
    return Host(
        arch=arch,
        guests=tuple(_guest(node, where) for node in root.findall("guest")),
        uuid=(root.findtext("host/uuid") or "").strip() or None,
        cpu=_cpu(root.find("host/cpu")),
        domain_capabilities=tuple(
            parse_domain_capabilities(text, f"domain_capabilities[{index}]")
            for index, text in enumerate(domain_capabilities)
        ),
    )


def _cpu(node) -> Cpu:
    # 2007's format names a feature by its element, today's by an attribute.
    old = tuple(child.tag for child in node.findall("features/*"))
    return Cpu(
        model=(node.findtext("model") or "").strip() or None,
        vendor=(node.findtext("vendor") or "").strip() or None,
        features=old + tuple(child.get("name", "") for child in node.findall("feature")),
    )


def _guest(node, where: str) -> HostGuest:
    arch = node.find("arch")
    if arch is None or not arch.get("name"):
        raise ImageError("<guest> has no <arch name=''>", where, node.sourceline, xml.xpath(node))
    wordsize = (arch.findtext("wordsize") or "").strip()
    name = canonical_arch(arch.get("name"))
    return HostGuest(
        os_type=(node.findtext("os_type") or "").strip(),
        arch=name,
        wordsize=int(wordsize) if wordsize.isascii() and wordsize.isdecimal() and len(wordsize) < 5 else None,
        features=_features(node.find("features"), name),
        domains=tuple(_domain(domain, arch) for domain in arch.findall("domain")),
    )


def _domain(node, arch) -> HostDomain:
    """Return a domain type; what it does not say for itself it has from its <arch>."""

    def own(tag: str) -> Optional[str]:
        return (node.findtext(tag) or arch.findtext(tag) or "").strip() or None

    machines = node.findall("machine") or arch.findall("machine")
    names = tuple(xml.text(machine) for machine in machines)
    return HostDomain(
        type=node.get("type", ""),
        emulator=own("emulator"),
        machines=names,
        # libvirt lists the emulator's default first.
        default_machine=names[0] if names else None,
        loader=own("loader"),
        aliases={xml.text(machine): machine.get("canonical") for machine in machines if machine.get("canonical")},
    )


def _features(node, arch: str) -> dict[str, Feature]:
    features = {}
    tags = {child.tag: child for child in (() if node is None else node)}
    for tag, child in tags.items():
        if tag in ("pae", "nonpae"):
            continue
        default, toggle = child.get("default", "on") == "on", child.get("toggle") == "yes"
        features[tag] = Feature(on=default or toggle, off=toggle or not default, default=default)
    if "pae" in tags or "nonpae" in tags:
        features["pae"] = Feature(on="pae" in tags, off="nonpae" in tags, default="nonpae" not in tags)
    elif arch == "x86_64":
        # Long mode is built on PAE, so capabilities do not list it: it is on, and cannot be off.
        features["pae"] = Feature(on=True, off=False, default=True)
    return features


def parse_domain_capabilities(data, where: str = "domain capabilities") -> DomainCapabilities:
    """Return what one emulator offers. Source: https://libvirt.org/formatdomaincaps.html."""
    root = xml.parse(data, where)
    if root.tag != "domainCapabilities":
        raise ImageError(f"<{root.tag}> is no domain capabilities XML; its root is <domainCapabilities>", where)
    vcpu = root.find("vcpu")
    most = "" if vcpu is None else vcpu.get("max", "")
    return DomainCapabilities(
        emulator=root.findtext("path"),
        type=root.findtext("domain"),
        machine=root.findtext("machine"),
        arch=canonical_arch(root.findtext("arch") or "") or None,
        max_vcpus=int(most) if most.isascii() and most.isdecimal() and len(most) < 10 else None,
        firmwares=tuple(xml.text(value) for value in root.findall("os/enum[@name='firmware']/value")),
        cpu_modes=tuple(mode.get("name", "") for mode in root.findall("cpu/mode[@supported='yes']")),
        devices={
            device.tag: {
                enum.get("name", ""): tuple(xml.text(value) for value in enum.findall("value"))
                for enum in device.findall("enum")
            }
            for device in root.findall("devices/*[@supported='yes']")
        },
    )
