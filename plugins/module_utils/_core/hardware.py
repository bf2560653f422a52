# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine under the hypervisor, as capabilities tell it: CPU, NUMA cells, security models, migration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from . import units, xml

# What libvirt keeps counts and ids in: C's int.
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Topology:
    """How many sockets, dies in each, and so on; libvirt tells dies since 6.1 and clusters since 10.1."""

    sockets: int
    cores: int
    threads: int
    dies: int = 1
    clusters: int = 1


@dataclass(frozen=True)
class Cpu:
    """The host's CPU as libvirt tells it."""

    model: Optional[str]
    vendor: Optional[str]
    features: tuple[str, ...]
    topology: Optional[Topology] = None


@dataclass(frozen=True)
class Cell:
    """One NUMA cell: its memory, the ids of its host CPUs, and its distance to each cell by that cell's id.

    libvirt lists the distance to the cell itself too (10).
    """

    id: int
    memory_kib: Optional[int] = None
    cpus: tuple[int, ...] = ()
    distances: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SecurityModel:
    """One security driver that confines guests; `labels` maps a domain type to the base label of its guests."""

    model: str
    doi: Optional[str] = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Migration:
    """How guests can leave the host: whether while they run, and over which transports."""

    live: bool
    transports: tuple[str, ...] = ()


def number(text: Optional[str], largest: int = LARGEST) -> Optional[int]:
    """Return the whole number from 0 to `largest` that a text is, or None where it is none."""
    digits = (text or "").strip()
    # int() also takes digits of other scripts, and refuses thousands of them with a ValueError.
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        return None
    return int(digits) if int(digits) <= largest else None


def attribute(node, name: str) -> str:
    """Return an attribute without the white space around it, "" where there is none."""
    return (node.get(name) or "").strip()


def content(node, path: str) -> Optional[str]:
    """Return the text of the first element at a path, None where there is none or it is blank."""
    return (node.findtext(path) or "").strip() or None


def contents(node, path: str) -> tuple[str, ...]:
    """Return the texts of the elements at a path; blank ones are left out."""
    return tuple(text for text in map(xml.text, node.findall(path)) if text)


def parse_cpu(node) -> Cpu:
    """Return what <host><cpu> tells. Source: https://libvirt.org/formatcaps.html."""
    # 2007's format names a feature by its element, today's by an attribute.
    old = tuple(child.tag for child in node.findall("features/*"))
    named = tuple(attribute(child, "name") for child in node.findall("feature"))
    return Cpu(
        model=content(node, "model"),
        vendor=content(node, "vendor"),
        features=old + tuple(name for name in named if name),
        topology=_topology(node.find("topology")),
    )


def _topology(node) -> Optional[Topology]:
    """Return the topology, None where libvirt does not tell it or a count of it is odd."""
    if node is None:
        return None
    told = {"dies": "1", "clusters": "1", **dict(node.items())}
    counts = {name: number(told.get(name)) for name in ("sockets", "dies", "clusters", "cores", "threads")}
    return Topology(**counts) if all(counts.values()) else None


def parse_cells(host) -> tuple[Cell, ...]:
    """Return the NUMA cells of <host>; what has no proper id is left out."""
    cells = ((number(node.get("id")), node) for node in host.findall("topology/cells/cell"))
    return tuple(_cell(which, node) for which, node in cells if which is not None)


def _cell(which: int, node) -> Cell:
    cpus = (number(cpu.get("id")) for cpu in node.findall("cpus/cpu"))
    siblings = [(number(one.get("id")), number(one.get("value"))) for one in node.findall("distances/sibling")]
    return Cell(
        id=which,
        memory_kib=_memory_kib(node.find("memory")),
        cpus=tuple(cpu for cpu in cpus if cpu is not None),
        distances={str(other): value for other, value in siblings if None not in (other, value)},
    )


def _memory_kib(node) -> Optional[int]:
    if node is None:
        return None
    # Where no unit is told it is KiB, as all over libvirt.
    unit = units.UNITS.get(attribute(node, "unit").lower() or "kib")
    amount = number(node.text, units.LARGEST)
    if unit is None or amount is None or amount * unit > units.LARGEST:
        return None
    return amount * unit // units.KIB


def parse_security_models(host) -> tuple[SecurityModel, ...]:
    """Return the security models of <host> in libvirt's order; one without a name is left out."""
    models = ((content(node, "model"), node) for node in host.findall("secmodel"))
    return tuple(SecurityModel(name, content(node, "doi"), _labels(node)) for name, node in models if name)


def _labels(node) -> dict[str, str]:
    labels = {attribute(label, "type"): xml.text(label) for label in node.findall("baselabel")}
    return {kind: label for kind, label in labels.items() if kind and label}


def parse_migration(host) -> Optional[Migration]:
    """Return how guests can migrate from <host>, None where they cannot."""
    node = host.find("migration_features")
    if node is None:
        return None
    return Migration(node.find("live") is not None, contents(node, "uri_transports/uri_transport"))
