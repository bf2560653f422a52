# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which a guest goes from one generation to another, besides those of `steps`.

The state of a guest is what is neither in its disks nor in its definition: its UEFI variables and its TPM. Where the
files of it are, a definition tells; `xml` is that of the generation, and empty says: the one that the domain has.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Optional

from . import xml
from .chain import DomainDisk, read_disks
from .errors import ImageError


@dataclass(frozen=True)
class _OfState:
    """A step for the state of a domain that goes with a generation."""

    name: str
    generation: int
    uuid: str
    xml: str = field(default="", repr=False)


class KeepState(_OfState):
    """Copy the UEFI variables and the TPM state of a domain that is off, to go with the generation that is left."""

    def __str__(self) -> str:
        return f"keep UEFI variables and TPM state of domain {self.name} with generation {self.generation}"


class BringState(_OfState):
    """Put back what was kept with a generation, in the place of what is there; before it is defined again."""

    def __str__(self) -> str:
        return f"bring back UEFI variables and TPM state of generation {self.generation} of domain {self.name}"


class DropState(_OfState):
    """Remove what was kept with a generation; the domain may be gone by then."""

    def __str__(self) -> str:
        return f"remove kept UEFI variables and TPM state of generation {self.generation} of domain {self.name}"


@dataclass(frozen=True)
class MergeDisk:
    """Bring what is in the overlay of a disk into the volume below it, whose format is `format`.

    Afterwards the domain has that volume as its disk, in what runs and in its definition. The overlay's file stays.
    """

    name: str
    target: str
    overlay: str
    original: str
    format: str

    def __str__(self) -> str:
        return f"merge {self.overlay} of domain {self.name} into {self.original}"


def is_merged(domain_xml: str, step: MergeDisk) -> bool:
    """Return whether a domain has the volume below as its disk, and not the overlay on it.

    Raises ImageError where the disk is neither: nothing is merged into what the domain does not have below.
    """
    disk = _disk(xml.parse(domain_xml, f"domain {step.name}"), step)[1]
    paths = [level.path for level in disk.chain]
    if paths[:1] == [step.original]:
        return True
    if paths[:2] != [step.overlay, step.original]:
        found = " on ".join(path or "something without a path" for path in paths) or "no medium"
        raise ImageError(f"cannot {step}: disk {step.target} is {found}")
    return False


def merged_xml(domain_xml: str, step: MergeDisk) -> str:
    """Return a domain's XML with the volume below in the overlay's place."""
    tree = xml.parse(domain_xml, f"domain {step.name}")
    node, _disk_read = _disk(tree, step)
    below = node.find("backingStore")
    node.set("type", below.get("type") or "file")
    node.find("driver").set("type", step.format)
    node.replace(node.find("source"), deepcopy(below.find("source")))
    # What is below that, or the sign that nothing is.
    node.replace(below, deepcopy(next(iter(below.findall("backingStore")), xml.element("backingStore"))))
    return xml.to_text(tree)


def differs_only_in(step: MergeDisk, before: str, now: str) -> bool:
    """Return whether a domain's XML is as it was before a merge, but for what the merged disk is."""
    return _without_source(before, step) == _without_source(now, step)


def _without_source(domain_xml: str, step: MergeDisk) -> str:
    tree = xml.parse(domain_xml, f"domain {step.name}")
    node, _disk_read = _disk(tree, step)
    node.attrib.pop("type", None)
    for driver in node.findall("driver"):
        driver.attrib.pop("type", None)
    for child in [child for child in node if child.tag in ("source", "backingStore", "mirror")]:
        node.remove(child)
    return xml.to_text(tree)


def _disk(tree, step: MergeDisk) -> tuple[object, DomainDisk]:
    nodes = tree.findall("devices/disk")
    for node, disk in zip(nodes, read_disks(tree, f"domain {step.name}")):
        if disk.target == step.target:
            return node, disk
    raise ImageError(f"cannot {step}: the domain has no disk {step.target}")


def mirror_of(domain_xml: str, step: MergeDisk) -> tuple[Optional[str], Optional[str]]:
    """Return where a job writes the disk to, and how far it is: "yes" says that it can be ended."""
    mirror = _disk(xml.parse(domain_xml, f"domain {step.name}"), step)[0].find("mirror")
    if mirror is None:
        return None, None
    source = mirror.find("source")
    path = None if source is None else source.get("file") or source.get("dev")
    return path, mirror.get("ready")
