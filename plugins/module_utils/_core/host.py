# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can run: libvirt's capabilities XML, today's and that of libvirt 0.2.1 to 0.4, as one frozen Host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .emulator import DomainCapabilities, parse_domain_capabilities
from .errors import ImageError
from .hardware import (
    Cell,
    Cpu,
    Migration,
    SecurityModel,
    attribute,
    content,
    number,
    parse_cells,
    parse_cpu,
    parse_migration,
    parse_security_models,
)
from .names import canonical_arch

# Each has all machines of its <arch>. libvirt knows some 20 types.
MAX_DOMAINS = 64


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
class Kvm:
    """Whether a probe saw KVM run a guest here, and if not, why; capabilities list KVM where no guest runs on it.

    `runs` is None where the probe ran out of time, which a busy host can cause: that speaks against nothing.
    """

    runs: Optional[bool]
    reason: Optional[str] = None


@dataclass(frozen=True)
class Host:
    """A host; `uuid` is None where libvirt does not tell it, `kvm` where nobody probed: it is in no XML."""

    arch: str
    guests: tuple[HostGuest, ...]
    uuid: Optional[str] = None
    cpu: Optional[Cpu] = None
    domain_capabilities: tuple[DomainCapabilities, ...] = ()
    cells: tuple[Cell, ...] = ()
    security_models: tuple[SecurityModel, ...] = ()
    migration: Optional[Migration] = None
    kvm: Optional[Kvm] = None


def parse_capabilities(data, domain_capabilities=(), where: str = "capabilities") -> Host:
    """Return the host that capabilities XML, and the XML of any domain capabilities, describe.

    Raises ImageError. Source: https://libvirt.org/formatcaps.html, and libvirt 0.4.0's docs/format.html.
    """
    root = xml.parse(data, where)
    if root.tag != "capabilities":
        raise ImageError(f"<{root.tag}> is no capabilities XML; its root element is <capabilities>", where)
    node = root.find("host")
    cpu = None if node is None else node.find("cpu")
    arch = None if cpu is None else content(cpu, "arch")
    if not arch:
        raise ImageError("has no host/cpu/arch", where)
    return Host(
        arch=canonical_arch(arch),
        guests=tuple(_guest(guest, where) for guest in root.findall("guest")),
        uuid=content(node, "uuid"),
        cpu=parse_cpu(cpu),
        domain_capabilities=tuple(
            parse_domain_capabilities(text, f"domain_capabilities[{index}]")
            for index, text in enumerate(domain_capabilities)
        ),
        cells=parse_cells(node),
        security_models=parse_security_models(node),
        migration=parse_migration(node),
    )


def _guest(node, where: str) -> HostGuest:
    arch = node.find("arch")
    name = "" if arch is None else canonical_arch(attribute(arch, "name"))
    if not name:
        raise ImageError("<guest> has no <arch name=''>", where, node.sourceline, xml.xpath(node))
    domains = [domain for domain in arch.findall("domain") if attribute(domain, "type")]
    if len(domains) > MAX_DOMAINS:
        raise ImageError(f"<arch> has {len(domains)} <domain>; at most {MAX_DOMAINS} are read", where, arch.sourceline)
    return HostGuest(
        os_type=content(node, "os_type") or "",
        arch=name,
        wordsize=number(arch.findtext("wordsize")),
        features=_features(node.find("features"), name),
        domains=tuple(_domain(domain, arch) for domain in domains),
    )


def _domain(node, arch) -> HostDomain:
    """Return a domain type; what it does not say for itself it has from its <arch>.

    Source: virCapabilitiesDomainDataLookup in libvirt's src/conf/capabilities.c.
    """
    machines = _machines(node) or _machines(arch)
    aliases = {name: canonical for name, canonical in machines if canonical}
    # libvirt lists the emulator's default first. An old one has a full name only as the attribute of its alias.
    names = tuple(dict.fromkeys([name for name, _canonical in machines] + list(aliases.values())))
    return HostDomain(
        type=attribute(node, "type"),
        emulator=content(node, "emulator") or content(arch, "emulator"),
        machines=names,
        default_machine=names[0] if names else None,
        loader=content(node, "loader") or content(arch, "loader"),
        aliases=aliases,
    )


def _machines(node) -> list[tuple[str, str]]:
    """Return the machines of a <domain> or <arch>, each with the full name for which it is an alias, or ""."""
    found = ((xml.text(machine), attribute(machine, "canonical")) for machine in node.findall("machine"))
    return [(name, canonical) for name, canonical in found if name]


def _features(node, arch: str) -> dict[str, Feature]:
    """Return the features by name; one without attributes is on and stays so.

    Source: virCapabilitiesFormatGuestFeatures in libvirt's src/conf/capabilities.c. `pae` and `nonpae` are two
    elements for the two states of one feature.
    """
    features = {}
    tags = {child.tag: child for child in (() if node is None else node)}
    for tag, child in tags.items():
        if tag in ("pae", "nonpae"):
            continue
        default, toggle = attribute(child, "default") in ("", "on"), attribute(child, "toggle") == "yes"
        features[tag] = Feature(on=default or toggle, off=toggle or not default, default=default)
    if "pae" in tags or "nonpae" in tags:
        features["pae"] = Feature(on="pae" in tags, off="nonpae" in tags, default="nonpae" not in tags)
    elif arch == "x86_64":
        # Long mode is built on PAE, so capabilities do not list it: it is on, and cannot be off.
        features["pae"] = Feature(on=True, off=False, default=True)
    return features
