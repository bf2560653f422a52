# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image descriptor, virt-image(5): bytes in, one frozen Image out, or every mistake with its line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from . import xml
from .descriptor import Reader
from .errors import Problem, Problems
from .names import arch_mistake, canonical_arch, file_mistake, name_mistake, target_mistake

BOOT_TYPES = ("hvm", "xen")
FEATURES = ("pae", "acpi", "apic")
STATES = ("on", "off")
BOOT_DEVICES = ("hd", "cdrom")
USES = ("system", "user", "scratch")
# vdi is not in the manual; VirtualBox users' descriptors have it.
FORMATS = ("raw", "iso", "qcow", "qcow2", "vmdk", "vdi")
# More of them than any machine has slots for (interfaces, drives, disks), or anyone has ways to boot.
MAX_OF_A_KIND = 256
DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}


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


def parse_image(data, where: str = "image.xml", strict: bool = False, outside: bool = False) -> Image:
    """Return the image that a descriptor (bytes or str) describes.

    `strict`: what the format does not know is a mistake too; `outside`: files may lie out of the descriptor's folder.
    Raises ImageError with all mistakes, each with its line. Source: virt-image(5); docs/descriptor.md has the rules.
    """
    root = xml.parse(data, where)
    reader = Reader(where, strict)
    if root.tag != "image":
        reader.wrong(root, f"<{root.tag}> is no image descriptor; the root element of virt-image(5) is <image>")
        reader.finish()
    image = _Parser(reader, outside).image(root)
    return replace(image, warnings=reader.finish())


class _Parser:
    """One method for each element; a mistake is noted, and something harmless returned in its place."""

    def __init__(self, reader: Reader, outside: bool) -> None:
        self.reader = reader
        self.outside = outside

    def image(self, root) -> Image:
        reader = self.reader
        name = reader.child(root, "name", required=True)
        domain = reader.child(root, "domain", required=True)
        disks = self.storage(reader.child(root, "storage"))
        boots, devices = (), None
        if domain is not None:
            boots = tuple(self.boot(node, disks) for node in self.each(domain, "boot"))
            if not boots:
                reader.wrong(domain, "<domain> has no <boot>; it needs one for each way to start the guest")
            devices = reader.child(domain, "devices")
        self.files_are_there(disks, boots)
        reader.note_unknown(root)
        return Image(
            name=self.name(name),
            version=reader.line(name, "version", empty=True),
            release=reader.line(name, "release", empty=True),
            label=reader.text(root, "label"),
            description=reader.text(root, "description"),
            boots=boots,
            vcpu=reader.number(devices, "vcpu", largest=65536) or 1,
            memory_kib=reader.number(devices, "memory", largest=2**43),
            interfaces=len(self.each(devices, "interface")),
            graphics=reader.child(devices, "graphics") is not None,
            disks=tuple(disk for disk, _node in disks.values()),
        )

    def each(self, node, tag: str) -> list:
        """Return the children of that name, of which there may be several."""
        found = [] if node is None else node.findall(tag)
        if len(found) > MAX_OF_A_KIND:
            self.reader.wrong(node, f"<{tag}> is there {len(found)} times; at most {MAX_OF_A_KIND} are read")
        return found[:MAX_OF_A_KIND]

    def name(self, node) -> str:
        if node is None:
            return ""
        mistake = name_mistake(xml.text(node))
        if mistake:
            self.reader.wrong(node, f"<name> {mistake}")
        return xml.text(node)

    def boot(self, node, disks: dict) -> Boot:
        reader = self.reader
        guest = reader.child(node, "guest", required=True)
        system = reader.child(node, "os")
        loader = reader.child(system, "loader")
        boot = Boot(
            type=reader.one_of(node, "type", BOOT_TYPES, required=True),
            arch=self.arch(guest),
            features=self.features(reader.child(guest, "features")),
            loader=None if loader is None else xml.text(loader) or None,
            dev=reader.one_of(loader, "dev", BOOT_DEVICES),
            kernel=self.boot_file(system, "kernel"),
            initrd=self.boot_file(system, "initrd"),
            cmdline=reader.text(system, "cmdline"),
            drives=self.drives(node, disks),
        )
        self.boot_is_whole(node, system, boot)
        return boot

    def boot_is_whole(self, node, system, boot: Boot) -> None:
        reader = self.reader
        parts = [] if system is None else [tag for tag in ("kernel", "initrd", "cmdline") if system.find(tag) is not None]
        loader = None if system is None else system.find("loader")
        if boot.loader not in (None, "pygrub"):
            reader.wrong(loader, f"<loader> {boot.loader[:40]!r} is unknown; it is empty with dev='hd|cdrom', or pygrub")
        elif boot.loader and parts:
            reader.wrong(system, "<loader>pygrub</loader> excludes <kernel>, <initrd> and <cmdline>: it finds them itself")
        elif parts and "kernel" not in parts:
            reader.wrong(system, "<initrd> and <cmdline> need a <kernel>")
        if boot.loader == "pygrub" and boot.type == "hvm":
            reader.wrong(system, "<loader>pygrub</loader> belongs to boots of type='xen'; an hvm guest has <loader dev=''>")
        if boot.type != "xen":
            return
        if loader is not None and (not boot.loader or boot.dev):
            reader.ignore(loader, "<loader> of a paravirtualised guest is pygrub, without dev")
        if not boot.loader and "kernel" not in parts:
            reader.warn(node, "<boot> has neither pygrub nor a <kernel>, without which no paravirtualised guest starts")

    def arch(self, guest) -> str:
        told = self.reader.text(guest, "arch", required=True) or ""
        mistake = told and arch_mistake(told)
        if mistake:
            self.reader.wrong(guest.find("arch"), f"<arch> {mistake}")
        return canonical_arch(told)

    def features(self, node) -> dict[str, str]:
        children = {name: self.reader.child(node, name) for name in FEATURES}
        return {
            name: self.reader.one_of(child, "state", STATES, default="on")
            for name, child in children.items()
            if child is not None
        }

    def boot_file(self, system, tag: str) -> Optional[str]:
        node = self.reader.child(system, tag)
        if node is None:
            return None
        file = xml.text(node)
        mistake = "is empty" if not file else file_mistake(file, self.outside)
        if mistake:
            self.reader.wrong(node, f"<{tag}> {mistake}")
        return file

    def drives(self, boot, disks: dict) -> tuple[Drive, ...]:
        reader = self.reader
        drives: dict[str, Drive] = {}
        taken: set = set()
        for node in self.each(boot, "drive"):
            disk, target = reader.line(node, "disk", required=True), reader.attribute(node, "target")
            if disk and disk not in disks:
                known = f"{', '.join(list(disks)[:8])}{', ...' if len(disks) > 8 else ''}" or "none"
                reader.wrong(node, f'<drive disk="{disk}"> names no disk in <storage>; it has {known}')
            if disk in drives:
                reader.wrong(node, f'<drive disk="{disk}"> is there twice in one <boot>; a disk is one device')
            mistake = target and target_mistake(target)
            if mistake:
                reader.wrong(node, f'<drive target="{target}"> {mistake}')
            if target in taken:
                reader.wrong(node, f'<drive target="{target}"> is taken by another drive of this <boot>')
            taken.update(filter(None, [target]))
            drives.setdefault(disk or "", Drive(disk or "", target))
        return tuple(drives.values())

    def storage(self, storage) -> dict:
        """Return id -> (disk, its node)."""
        disks: dict = {}
        for node in self.each(storage, "disk"):
            disk = self.disk(node)
            if disk.id in disks:
                line = disks[disk.id][1].sourceline
                self.reader.wrong(node, f'<disk id="{disk.id}"> is there twice; line {line} has it too')
            elif disk.id:
                disks[disk.id] = (disk, node)
        if storage is not None and storage.find("disk") is None:
            self.reader.warn(storage, "<storage> has no <disk>; it lists one or more, or is left out")
        return disks

    def disk(self, node) -> Disk:
        reader = self.reader
        file = reader.attribute(node, "file")
        mistake = file and file_mistake(file, self.outside)
        if mistake:
            reader.wrong(node, f'<disk file="{file}"> {mistake}')
        disk_id = reader.line(node, "id") or file
        if not disk_id:
            reader.warn(node, "<disk> has neither file nor id, so that no drive can name it")
        return Disk(
            id=disk_id or "",
            file=file,
            use=reader.one_of(node, "use", USES, default="system"),
            size_mib=reader.number_attribute(node, "size", largest=2**33),
            format=reader.one_of(node, "format", FORMATS, default="raw"),
            checksums=self.checksums(node),
        )

    def checksums(self, disk) -> dict[str, str]:
        checksums: dict[str, str] = {}
        for node in self.each(disk, "checksum"):
            kind = (self.reader.attribute(node, "type", required=True) or "").lower()
            digest = xml.text(node).lower()
            mistake = kind and checksum_mistake(kind, digest)
            if mistake:
                self.reader.wrong(node, f"<checksum> {mistake}")
            elif checksums.setdefault(kind, digest) != digest:
                self.reader.wrong(node, f'<checksum type="{kind}"> is there twice, and the two differ')
        return checksums

    def files_are_there(self, disks: dict, boots: tuple[Boot, ...]) -> None:
        """Check that each disk that a drive uses has a file, in the image or to be made."""
        used = {drive.disk for boot in boots for drive in boot.drives}
        for disk, node in disks.values():
            if not disk.file and disk.id in used:
                self.reader.wrong(
                    node,
                    f'<disk id="{disk.id}"> has no file, and a drive uses it; a disk that is not in the image is made '
                    "under the name that file gives it",
                )
            elif not disk.file:
                self.reader.warn(node, f'<disk id="{disk.id}"> has no file, and no drive uses it')


def checksum_mistake(kind: str, digest: str) -> Optional[str]:
    """Return what is wrong with a checksum (lower-case hex), or None."""
    if kind not in DIGEST_LENGTHS:
        return f"has the unknown algorithm {kind[:20]!r}; known are {', '.join(DIGEST_LENGTHS)}"
    if len(digest) != DIGEST_LENGTHS[kind] or set(digest) - set("0123456789abcdef"):
        return f"is no {kind}: that is {DIGEST_LENGTHS[kind]} hexadecimal digits"
    return None


def check_image(image: Image) -> Image:
    """Return the image if a descriptor could give it; raise ImageError where it came from elsewhere and could not."""
    problems = Problems()

    def expect(right: bool, message: str) -> None:
        if not right:
            problems.add(Problem(message, "image"))

    mistake = name_mistake(image.name)
    expect(not mistake, f"name {mistake}")
    expect(bool(image.boots), "boots is empty; there is one for each way to start the guest")
    expect(0 <= image.interfaces <= MAX_OF_A_KIND, f"interfaces is {image.interfaces}, out of 0 to {MAX_OF_A_KIND}")
    known = {disk.id for disk in image.disks}
    for disk in image.disks:
        expect(disk.use in USES, f"disk {disk.id}: use {disk.use} is none of {', '.join(USES)}")
        expect(disk.format in FORMATS, f"disk {disk.id}: format {disk.format} is none of {', '.join(FORMATS)}")
        # Where the file may lie was judged when the descriptor was read.
        wrong = disk.file and file_mistake(disk.file, outside=True)
        expect(not wrong, f"disk {disk.id}: file {wrong}")
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
