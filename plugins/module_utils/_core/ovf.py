# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine in the Open Virtualization Format: what of it a descriptor has a use for.

Sources: DMTF DSP0243 (OVF 1.1, 2.1); CIM_ResourceAllocationSettingData for the types of devices; what VMware's and
VirtualBox's exporters write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from . import xml
from .errors import ImageError
from .image import DIGEST_LENGTHS, MAX_OF_A_KIND
from .names import file_mistake, normal_file, plain
from .units import LARGEST

CPU, MEMORY, NIC, FLOPPY, CD, DVD, DISK, GRAPHICS = "3", "4", "10", "14", "15", "16", "17", "24"
CONTROLLERS = {"5": "ide", "6": "scsi", "20": "sata"}
UNIT_WORDS = {
    "byte": 1,
    "bytes": 1,
    "kb": 2**10,
    "kilobytes": 2**10,
    "mb": 2**20,
    "megabytes": 2**20,
    "gb": 2**30,
    "gigabytes": 2**30,
}
# DSP0004, annex C: byte * 2^20.
UNITS = re.compile(r"byte(?:\s*\*\s*(?:(2|10)\s*\^\s*([0-9]{1,2})|([0-9]{1,15})))?", re.IGNORECASE)
FORMATS = ("vmdk", "qcow2", "vdi", "iso", "raw", "vhd")
MANIFEST_LINE = re.compile(r"\s*(SHA1|SHA256|SHA384|SHA512)\s*\((.{1,1024})\)\s*=\s*([0-9A-Fa-f]{40,128})\s*")
MAX_MANIFEST = 256 * 1024
MAX_ITEMS = 4096


@dataclass(frozen=True)
class OvfDisk:
    """A disk, by the file that has it; `capacity` in bytes, `controller` ide, scsi, sata, other or None (none was told).

    `empty`: there is no file yet; each guest has an empty disk of that name.
    """

    file: str
    format: Optional[str]
    capacity: Optional[int]
    cdrom: bool
    controller: Optional[str]
    size: Optional[int] = None
    empty: bool = False


@dataclass(frozen=True)
class Machine:
    """A virtual machine of an OVF; `memory` in bytes. `systems` are names of its operating system, as they are told."""

    name: str
    version: Optional[str]
    label: Optional[str]
    description: Optional[str]
    vcpu: Optional[int]
    memory: Optional[int]
    networks: tuple[str, ...]
    graphics: bool
    firmware: Optional[str]
    systems: tuple[str, ...]
    disks: tuple[OvfDisk, ...]
    lost: tuple[str, ...]


def parse_ovf(data, where: str) -> Machine:
    """Return the one virtual machine that an OVF describes; raise ImageError."""
    root = xml.parse(data, where)
    if _tag(root) != "Envelope":
        raise ImageError(f"<{_tag(root)}> is no OVF; its root element is <Envelope>", where, root.sourceline)
    systems = [node for node in _iter(root) if _tag(node) == "VirtualSystem"]
    if len(systems) != 1:
        raise ImageError(f"has {len(systems)} virtual systems; an image is one", where)
    return _Envelope(root, systems[0], where).machine()


def parse_manifest(data: bytes, where: str) -> dict[str, dict[str, str]]:
    """Return the digests of files, as a manifest (.mf) tells them: name -> kind -> lower-case hex; raise ImageError."""
    if len(data) > MAX_MANIFEST:
        raise ImageError(f"has more than {MAX_MANIFEST} bytes, which no manifest needs", where)
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        match = MANIFEST_LINE.fullmatch(line)
        if not match and line.strip():
            raise ImageError(f"is no line of a manifest: {line[:80]!r}", where, number)
        if match:
            kind, digest = match[1].lower(), match[3].lower()
            if len(digest) != DIGEST_LENGTHS[kind]:
                raise ImageError(f"has a {kind} of {len(digest)} digits", where, number)
            found.setdefault(normal_file(match[2]), {})[kind] = digest
    return found


def _tag(node) -> str:
    """Return an element's name without its namespace, of which there is one for each version and vendor."""
    return str(node.tag).rpartition("}")[2]


def _iter(root):
    return (node for node in root.iter() if isinstance(node.tag, str))


def _get(node, key: str) -> str:
    """Return an attribute in any namespace, or an empty text."""
    return next((xml.strip(value) for name, value in node.items() if name.rpartition("}")[2] == key), "")


def _children(node, tag: str) -> list:
    return [child for child in node if isinstance(child.tag, str) and _tag(child) == tag]


def _texts(node, tag: str) -> list[str]:
    return [text for text in (xml.text(child) for child in _children(node, tag)) if text]


def _text(node, tag: str) -> str:
    return next(iter(_texts(node, tag)), "")


def read_unit(text: str) -> Optional[int]:
    """Return the bytes of a unit (MegaBytes, byte * 2^20), or None for one that is unknown."""
    found = UNITS.fullmatch(text.strip())
    if not text.strip() or text.strip().lower() in UNIT_WORDS:
        return UNIT_WORDS.get(text.strip().lower(), 1)
    if not found:
        return None
    return int(found[1]) ** int(found[2]) if found[1] else int(found[3] or 1)


def _number(text: str) -> Optional[int]:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 19 else None


class _Envelope:
    def __init__(self, root, system, where: str) -> None:
        self.root = root
        self.system = system
        self.where = where
        self.files = {_get(node, "id"): node for node in self.all("References", "File")}
        self.told_disks = {_get(node, "diskId"): node for node in self.all("DiskSection", "Disk")}
        self.items = self.chosen_items()

    def all(self, section: str, tag: str) -> list:
        return [node for part in _children(self.root, section) for node in _children(part, tag)][:MAX_ITEMS]

    def wrong(self, node, message: str) -> ImageError:
        return ImageError(message, self.where, node.sourceline)

    def chosen_items(self) -> list:
        """Return the devices of the configuration that is the default, each once."""
        configurations = self.all("DeploymentOptionSection", "Configuration")
        usual = next((one for one in configurations if _get(one, "default") == "true"), None)
        usual = configurations[0] if usual is None and configurations else usual
        default = "" if usual is None else _get(usual, "id")
        items: dict[str, object] = {}
        for hardware in _children(self.system, "VirtualHardwareSection")[:1]:
            for node in list(hardware)[:MAX_ITEMS]:
                if _tag(node) not in ("Item", "StorageItem", "EthernetPortItem") or _get(node, "bound"):
                    continue
                told = _get(node, "configuration").split()
                if not told or default in told:
                    items[_text(node, "InstanceID") or f"<{len(items)}>"] = node
        return list(items.values())

    def of_type(self, *kinds: str) -> list:
        return [node for node in self.items if _text(node, "ResourceType") in kinds]

    def machine(self) -> Machine:
        system = self.system
        product = next(iter(_children(system, "ProductSection")), None)
        annotation = next(iter(_children(system, "AnnotationSection")), None)
        processors = self.of_type(CPU)
        return Machine(
            name=_text(system, "Name") or _get(system, "id"),
            version=plain(_text(product, "Version")) or None if product is not None else None,
            label=_text(product, "Product") or None if product is not None else None,
            description=_text(annotation, "Annotation") or None if annotation is not None else None,
            vcpu=_number(_text(processors[0], "VirtualQuantity")) if processors else None,
            memory=self.memory(),
            networks=tuple(_text(node, "Connection")[:80] for node in self.of_type(NIC)[:MAX_OF_A_KIND]),
            graphics=bool(self.of_type(GRAPHICS)) or any(_tag(node) == "Display" for node in _iter(system)),
            firmware=self.firmware(),
            systems=self.systems(),
            disks=tuple(self.disks()),
            lost=self.lost(),
        )

    def memory(self) -> Optional[int]:
        node = next(iter(self.of_type(MEMORY)), None)
        amount = None if node is None else _number(_text(node, "VirtualQuantity"))
        if not amount:
            return None
        # Without a unit VMware means MiB.
        unit = read_unit(_text(node, "AllocationUnits") or "megabytes")
        if unit is None:
            raise self.wrong(node, f"has memory in an unknown unit, {_text(node, 'AllocationUnits')[:40]!r}")
        return amount * unit if amount * unit <= LARGEST else None

    def firmware(self) -> Optional[str]:
        """Return efi or bios where a vendor's extension says it (VMware's vmw:Config, VirtualBox's Firmware)."""
        for node in _iter(self.system):
            if _tag(node) == "Config" and _get(node, "key") == "firmware":
                return "efi" if _get(node, "value").lower() == "efi" else "bios"
            if _tag(node) == "Firmware" and _get(node, "type"):
                return "efi" if _get(node, "type").lower().startswith("efi") else "bios"
        return None

    def systems(self) -> tuple[str, ...]:
        found = []
        for node in _children(self.system, "OperatingSystemSection"):
            found += [_get(node, "osType"), *_texts(node, "OSType"), *_texts(node, "Description")]
        return tuple(text[:120] for text in found if text)

    def disks(self):
        controllers = {_text(node, "InstanceID"): node for node in self.items}
        found = []
        for node in self.of_type(DISK, CD, DVD):
            told = next(iter(_texts(node, "HostResource")), "")
            if told:
                parent = controllers.get(_text(node, "Parent"))
                kind = None if parent is None else CONTROLLERS.get(_text(parent, "ResourceType"), "other")
                place = _number(_text(parent, "Address")) if parent is not None else None
                order = (place or 0, _number(_text(node, "AddressOnParent") or _text(node, "Address")) or 0)
                cdrom = _text(node, "ResourceType") != DISK
                found.append((cdrom, kind or "", order, self.disk(node, told, cdrom, kind)))
        if len(found) > MAX_OF_A_KIND:
            raise ImageError(f"has {len(found)} disks; at most {MAX_OF_A_KIND} are read", self.where)
        # Disks first, each controller's in its order; the document's where two are at one place.
        return [disk for _cdrom, _kind, _order, disk in sorted(found, key=lambda row: (row[0], row[2]))]

    def disk(self, node, told: str, cdrom: bool, controller: Optional[str]) -> OvfDisk:
        kind, _slash, name = re.sub(r"^ovf:", "", told).strip("/").partition("/")
        disk = self.told_disks.get(name) if kind == "disk" else None
        file = self.files.get(_get(disk, "fileRef") if disk is not None else name if kind == "file" else "")
        if kind == "disk" and disk is None or kind == "file" and file is None or kind not in ("disk", "file"):
            raise self.wrong(node, f"names {told[:80]!r}, which is neither in <References> nor in <DiskSection>")
        if disk is not None and _get(disk, "parentRef"):
            raise self.wrong(disk, "has a disk that builds on another one (parentRef); export it as one file")
        if disk is not None and not _get(disk, "fileRef"):
            return self.empty(disk, name, controller)
        if file is None:
            raise self.wrong(disk, f"names {_get(disk, 'fileRef')[:80]!r}, which is not in <References>")
        href = _get(file, "href")
        mistake = file_mistake(href) if href else "is missing"
        if mistake:
            raise self.wrong(file, f"href {href[:80]!r} {mistake}")
        href = normal_file(href)
        if _get(file, "chunkSize"):
            raise self.wrong(file, f"{href:.80} is in several pieces (chunkSize); put them together, and say so there")
        return OvfDisk(
            href, self.format(disk, href, cdrom), self.capacity(disk), cdrom, controller, _number(_get(file, "size"))
        )

    def empty(self, disk, disk_id: str, controller: Optional[str]) -> OvfDisk:
        """Return a disk that has no file, under a name that no file has."""
        capacity = self.capacity(disk)
        if not capacity:
            raise self.wrong(disk, "has a disk with neither a file nor a capacity")
        name = f"empty-{list(self.told_disks).index(disk_id) + 1}.qcow2"
        taken = {normal_file(_get(file, "href")) for file in self.files.values()}
        while name in taken:
            name = f"_{name}"
        return OvfDisk(name, "qcow2", capacity, False, controller, empty=True)

    def format(self, disk, href: str, cdrom: bool) -> Optional[str]:
        """Return the format that is told, or that the name of the file ends with; the file itself knows better."""
        told = f"{_get(disk, 'format') if disk is not None else ''} {href.rpartition('.')[2]}".lower()
        found = next((name for name in FORMATS if name in told), None)
        return "iso" if cdrom and found in (None, "raw") else found

    def capacity(self, disk) -> Optional[int]:
        amount = None if disk is None else _number(_get(disk, "capacity"))
        unit = None if disk is None else read_unit(_get(disk, "capacityAllocationUnits"))
        return amount * unit if amount and unit and amount * unit <= LARGEST else None

    def lost(self) -> tuple[str, ...]:
        """Return what else the machine has, in words that its author chose."""
        known = (CPU, MEMORY, NIC, CD, DVD, DISK, GRAPHICS, *CONTROLLERS)
        others = [node for node in self.items if _text(node, "ResourceType") not in known]
        found = [_text(node, "ElementName") or f"device of type {_text(node, 'ResourceType')}" for node in others]
        if any(_tag(node) == "Property" for node in _iter(self.system)):
            found.append("properties that a user sets (ProductSection)")
        return tuple(dict.fromkeys(text[:60] for text in found))
