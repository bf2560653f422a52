# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image descriptor, virt-image(5): bytes in, one frozen Image out, or every mistake with its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .descriptor import Reader
from .errors import Problem, Problems
from .names import canonical_arch, file_mistake, name_mistake, target_mistake

BOOT_TYPES = ("hvm", "xen")
FEATURES = ("pae", "acpi", "apic")
STATES = ("on", "off")
BOOT_DEVICES = ("hd", "cdrom")
USES = ("system", "user", "scratch")
# vdi is not in the manual; VirtualBox users' descriptors have it.
FORMATS = ("raw", "iso", "qcow", "qcow2", "vmdk", "vdi")
# More than any machine has slots for.
MAX_INTERFACES = 256
DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


@dataclass(frozen=True)
class Drive:
    """A disk of the image as a device of the guest."""

    disk: str
    target: Optional[str] = None


@dataclass(frozen=True)
class Boot:
    """One boot alternative: what it needs of a host, and how it starts there."""

    type: str
    arch: str
    features: dict[str, str]
    loader: Optional[str]
    dev: Optional[str]
    kernel: Optional[str]
    initrd: Optional[str]
    cmdline: Optional[str]
    drives: tuple[Drive, ...]


@dataclass(frozen=True)
class Disk:
    """A disk of the image; `size_mib` is in MiB, `checksums` maps an algorithm to lower-case hex."""

    id: str
    file: Optional[str]
    use: str
    size_mib: Optional[int]
    format: str
    checksums: dict[str, str]


@dataclass(frozen=True)
class Image:
    """A whole descriptor; `memory_kib` is in KiB, `interfaces` a count, `warnings` what was not understood."""

    name: str
    version: Optional[str]
    release: Optional[str]
    label: Optional[str]
    description: Optional[str]
    boots: tuple[Boot, ...]
    vcpu: int
    memory_kib: Optional[int]
    interfaces: int
    graphics: bool
    disks: tuple[Disk, ...]
    warnings: tuple[str, ...] = ()

    def disk(self, disk_id: str) -> Disk:
        """Return the disk with this id, which a drive of this image names."""
        return next(disk for disk in self.disks if disk.id == disk_id)

    def disks_of(self, boot: Boot) -> tuple[Disk, ...]:
        """Return the disks that a boot alternative uses, in drive order."""
        return tuple(self.disk(drive.disk) for drive in boot.drives)


def parse_image(data, where: str = "image.xml") -> Image:
    """Return the image that a descriptor (bytes or str) describes.

    Raises ImageError with all mistakes, each with its line. Source: virt-image(5).
    """
    root = xml.parse(data, where)
    problems = Problems()
    reader = Reader(where, problems)
    if root.tag != "image":
        reader.wrong(root, f"<{root.tag}> is no image descriptor; the root element of virt-image(5) is <image>")
        problems.raise_any()
    image = _image(reader, root)
    problems.raise_any()
    return image


def _image(reader: Reader, root) -> Image:
    name = reader.child(root, "name", required=True)
    domain = reader.child(root, "domain", required=True)
    disks = _storage(reader, reader.child(root, "storage"))
    boots, devices = (), None
    if domain is not None:
        boots = tuple(_boot(reader, node, disks) for node in domain.findall("boot"))
        if not boots:
            reader.wrong(domain, "<domain> has no <boot>; it needs one for each way to start the guest")
        devices = reader.child(domain, "devices")
    _files_are_there(reader, disks, boots)
    interfaces = 0 if devices is None else len(devices.findall("interface"))
    if interfaces > MAX_INTERFACES:
        reader.wrong(devices, f"<interface> is there {interfaces} times; a guest has at most {MAX_INTERFACES}")
    reader.note_unknown(root)
    return Image(
        name=_name(reader, name),
        version=reader.attribute(name, "version"),
        release=reader.attribute(name, "release"),
        label=reader.text(root, "label"),
        description=reader.text(root, "description"),
        boots=boots,
        vcpu=reader.number(devices, "vcpu", largest=65536) or 1,
        memory_kib=reader.number(devices, "memory", largest=2**43),
        interfaces=interfaces,
        graphics=devices is not None and devices.find("graphics") is not None,
        disks=tuple(disk for disk, _node in disks.values()),
        warnings=tuple(str(warning) for warning in reader.warnings),
    )


def _name(reader: Reader, node) -> str:
    if node is None:
        return ""
    mistake = name_mistake(xml.text(node))
    if mistake:
        reader.wrong(node, f"<name> {mistake}")
    return xml.text(node)


def _boot(reader: Reader, node, disks: dict) -> Boot:
    guest = reader.child(node, "guest", required=True)
    arch = reader.text(guest, "arch", required=True)
    system = reader.child(node, "os")
    loader_node = reader.child(system, "loader")
    loader = reader.text(system, "loader")
    if loader and loader != "pygrub":
        reader.wrong(loader_node, f"<loader> {loader!r} is unknown; it is empty with dev='hd|cdrom', or pygrub")
    boot = Boot(
        type=reader.one_of(node, "type", BOOT_TYPES, required=True),
        arch=canonical_arch(arch or ""),
        features=_features(reader, reader.child(guest, "features")),
        loader=loader,
        dev=reader.one_of(loader_node, "dev", BOOT_DEVICES),
        kernel=_boot_file(reader, system, "kernel"),
        initrd=_boot_file(reader, system, "initrd"),
        cmdline=reader.text(system, "cmdline"),
        drives=_drives(reader, node, disks),
    )
    _boot_is_consistent(reader, system, boot)
    return boot


def _boot_is_consistent(reader: Reader, system, boot: Boot) -> None:
    if boot.loader and (boot.kernel or boot.initrd or boot.cmdline):
        reader.wrong(system, "<loader>pygrub</loader> excludes <kernel>, <initrd> and <cmdline>: it finds them itself")
    if boot.loader and boot.type == "hvm":
        reader.wrong(system, "<loader>pygrub</loader> belongs to boots of type='xen'; an hvm guest has <loader dev=''>")
    if not boot.kernel and (boot.initrd or boot.cmdline):
        reader.wrong(system, "<initrd> and <cmdline> need a <kernel>")


def _features(reader: Reader, node) -> dict[str, str]:
    children = {name: reader.child(node, name) for name in FEATURES}
    return {
        name: reader.one_of(child, "state", STATES, default="on") for name, child in children.items() if child is not None
    }


def _boot_file(reader: Reader, system, tag: str) -> Optional[str]:
    file = reader.text(system, tag)
    mistake = file and file_mistake(file)
    if mistake:
        reader.wrong(system.find(tag), f"<{tag}> {mistake}")
    return file


def _drives(reader: Reader, boot, disks: dict) -> tuple[Drive, ...]:
    drives: list[Drive] = []
    for node in boot.findall("drive"):
        disk, target = reader.attribute(node, "disk", required=True), reader.attribute(node, "target")
        if disk and disk not in disks:
            known = ", ".join(disks) or "none"
            reader.wrong(node, f'<drive disk="{disk}"> names no disk in <storage>; it has {known}')
        if disk and disk in [drive.disk for drive in drives]:
            reader.wrong(node, f'<drive disk="{disk}"> is there twice in one <boot>; a disk is one device')
        mistake = target and target_mistake(target)
        if mistake:
            reader.wrong(node, f'<drive target="{target}"> {mistake}')
        if target and target in [drive.target for drive in drives]:
            reader.wrong(node, f'<drive target="{target}"> is taken by another drive of this <boot>')
        drives.append(Drive(disk or "", target))
    return tuple(drives)


def _storage(reader: Reader, storage) -> dict:
    """Return id -> (disk, its node)."""
    disks: dict = {}
    for node in () if storage is None else storage.findall("disk"):
        disk = _disk(reader, node)
        if disk.id in disks:
            reader.wrong(node, f'<disk id="{disk.id}"> is there twice; line {disks[disk.id][1].sourceline} has it too')
        elif disk.id:
            disks[disk.id] = (disk, node)
    return disks


def _disk(reader: Reader, node) -> Disk:
    file = reader.attribute(node, "file")
    mistake = file and file_mistake(file)
    if mistake:
        reader.wrong(node, f'<disk file="{file}"> {mistake}')
    disk_id = reader.attribute(node, "id") or file
    if not disk_id:
        reader.warn(node, "<disk> has neither file nor id, so that no drive can name it")
    return Disk(
        id=disk_id or "",
        file=file,
        use=reader.one_of(node, "use", USES, default="system"),
        size_mib=reader.number_attribute(node, "size", largest=2**33),
        format=reader.one_of(node, "format", FORMATS, default="raw"),
        checksums=_checksums(reader, node),
    )


def _checksums(reader: Reader, disk) -> dict[str, str]:
    checksums = {}
    for node in disk.findall("checksum"):
        kind, digest = (node.get("type") or "").strip().lower(), xml.text(node).lower()
        if kind not in DIGEST_LENGTHS:
            reader.wrong(node, f'<checksum type="{kind}"> is unknown; known are {", ".join(DIGEST_LENGTHS)}')
        elif len(digest) != DIGEST_LENGTHS[kind] or set(digest) - set("0123456789abcdef"):
            reader.wrong(node, f"<checksum> is no {kind}: that is {DIGEST_LENGTHS[kind]} hexadecimal digits")
        else:
            checksums[kind] = digest
    return checksums


def _files_are_there(reader: Reader, disks: dict, boots: tuple[Boot, ...]) -> None:
    """Check that a system disk has a file: "The virtual machine image must contain files for all system disks"."""
    used = {drive.disk for boot in boots for drive in boot.drives}
    for disk, node in disks.values():
        if disk.file:
            continue
        if disk.id in used and disk.use != "system" and disk.format == "iso":
            reader.wrong(node, f'<disk id="{disk.id}"> is an ISO without a file; it cannot be made empty')
        elif disk.use == "system" and disk.id in used:
            reader.wrong(node, f'<disk id="{disk.id}"> is a system disk without a file; the image must contain it')
        elif disk.id not in used:
            reader.warn(node, f'<disk id="{disk.id}"> has no file, and no drive uses it')
        elif disk.size_mib is None:
            reader.wrong(node, f'<disk id="{disk.id}"> has neither file nor size, so it cannot be made')


def check_image(image: Image) -> Image:
    """Return the image if a descriptor could give it; raise ImageError where it came from elsewhere and could not."""
    problems = Problems()

    def expect(right: bool, message: str) -> None:
        if not right:
            problems.add(Problem(message, "image"))

    mistake = name_mistake(image.name)
    expect(not mistake, f"name {mistake}")
    expect(bool(image.boots), "boots is empty; there is one for each way to start the guest")
    expect(0 <= image.interfaces <= MAX_INTERFACES, f"interfaces is {image.interfaces}, out of 0 to {MAX_INTERFACES}")
    known = {disk.id for disk in image.disks}
    for disk in image.disks:
        expect(disk.use in USES, f"disk {disk.id}: use {disk.use} is none of {', '.join(USES)}")
        expect(disk.format in FORMATS, f"disk {disk.id}: format {disk.format} is none of {', '.join(FORMATS)}")
        expect(not disk.file or not file_mistake(disk.file), f"disk {disk.id}: file leaves the descriptor's folder")
    for index, boot in enumerate(image.boots):
        expect(boot.type in BOOT_TYPES, f"boots[{index}]: type {boot.type} is none of {', '.join(BOOT_TYPES)}")
        expect(boot.dev in (None, *BOOT_DEVICES), f"boots[{index}]: dev {boot.dev} is none of {', '.join(BOOT_DEVICES)}")
        for name, state in boot.features.items():
            expect(name in FEATURES and state in STATES, f"boots[{index}]: feature {name}={state} is unknown")
        for drive in boot.drives:
            expect(drive.disk in known, f"boots[{index}]: drive {drive.disk} names no disk")
            wrong = drive.target and target_mistake(drive.target)
            expect(not wrong, f"boots[{index}]: drive target {drive.target} {wrong}")
    problems.raise_any()
    return image
