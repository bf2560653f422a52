# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain as an image: what a descriptor can say of it, and in words what it cannot.

Source: https://libvirt.org/formatdomain.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Optional

from . import xml
from .chain import DomainDisk, read_disks
from .drafting import FILL_IN, NO_VERSION, image_name
from .errors import ImageError
from .image import FEATURES, MAX_OF_A_KIND, Boot, Disk, Drive, Image
from .names import ARCH, TARGET, UNPRINTABLE, canonical_arch, name_mistake
from .record import Record
from .report import own_record
from .sameness import kib
from .seed import SEED, SEED_NAME

OS_TYPES = {"hvm": "hvm", "linux": "xen", "xen": "xen", "xenpvh": "xen"}
# Elements that a descriptor says, that guests have without asking, or that say the same for each guest.
KNOWN = set(
    "name uuid genid title description metadata memory currentMemory maxMemory vcpu os bootloader bootloader_args features "
    "clock on_poweroff on_reboot on_crash on_lockfailure pm resource devices seclabel cpu".split()
)
USUAL_DEVICES = set(
    "emulator disk controller interface graphics video input serial console channel memballoon rng audio".split()
)
BOOT_FILES = ("kernel", "initrd")
FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class CapturedDisk:
    """A disk that goes into the image: its entry in the descriptor, and the domain's disk.

    `copied`: its content goes too; it does not for a scratch disk, which each guest has empty.
    """

    disk: Disk
    source: DomainDisk
    copied: bool


@dataclass(frozen=True)
class Captured:
    """The image of a domain, its disks, the files (kernel, initrd) by the names that they get, and the firmware (efi)."""

    image: Image
    disks: tuple[CapturedDisk, ...]
    files: dict[str, str]
    firmware: Optional[str]


def capture_domain(data, where: str = "domain XML", name: Optional[str] = None, version: Optional[str] = None) -> Captured:
    """Return what becomes of a domain (bytes or str); the image's warnings say what is guessed, and what is lost.

    Disks have no checksums, and those without a record no sizes: who copies them knows. Raises ImageError.
    """
    tree = xml.parse(data, where)
    disks = read_disks(tree, where)
    return _Capture(tree, where, own_record(tree)).captured(disks, name, version)


class _Capture:
    def __init__(self, tree, where: str, record: Optional[Record]) -> None:
        self.tree = tree
        self.where = where
        self.record = record
        self.remarks: list[str] = []

    def captured(self, domain_disks, name: Optional[str], version: Optional[str]) -> Captured:
        tree, record = self.tree, self.record
        boot_type, arch, dev = self.boot_type(), self.arch(), self.boot_device()
        disks = self.disks(domain_disks, dev)
        if not disks:
            raise ImageError("has no disk that an image could have", self.where)
        files = self.files()
        loader = "pygrub" if boot_type == "xen" and (tree.findtext("bootloader") or "").endswith("pygrub") else None
        boot = Boot(
            type=boot_type,
            arch=arch,
            features={feature: "on" for feature in FEATURES if _is_on(tree.find(f"features/{feature}"))},
            loader=loader,
            dev=None if loader or boot_type == "xen" else dev,
            kernel="kernel" if "kernel" in files else None,
            initrd="initrd" if "initrd" in files else None,
            cmdline=xml.strip(tree.findtext("os/cmdline")) or None if "kernel" in files else None,
            drives=tuple(Drive(one.disk.id, target) for one, target in disks),
        )
        firmware = self.firmware()
        self.note_lost()
        devices = tree.find("devices")
        image = Image(
            name=name or self.name(),
            version=version or (record and record.version),
            release=record and record.release if not version else None,
            label=xml.strip(tree.findtext("title")) or None,
            description=xml.strip(tree.findtext("description")) or None,
            boots=(boot,),
            vcpu=self.vcpus(),
            memory_kib=self.memory(),
            interfaces=min(MAX_OF_A_KIND, len(tree.findall("devices/interface"))),
            graphics=devices is not None and devices.find("graphics") is not None,
            disks=tuple(one.disk for one, _target in disks),
            warnings=(),
        )
        if not image.version:
            self.remarks.append(NO_VERSION)
        image = replace(image, warnings=tuple(self.remarks))
        return Captured(image, tuple(one for one, _target in disks), files, firmware)

    def name(self) -> str:
        told = self.record.image if self.record and self.record.image else xml.strip(self.tree.findtext("name"))
        return told if not name_mistake(told) else image_name(told)

    def boot_type(self) -> str:
        told = xml.strip(self.tree.findtext("os/type")) or ("linux" if self.tree.find("bootloader") is not None else "")
        if told not in OS_TYPES:
            raise ImageError(f"is of type {told[:40]!r}, and images are of type hvm or xen", self.where)
        return OS_TYPES[told]

    def arch(self) -> str:
        node = self.tree.find("os/type")
        told = node.get("arch", "") if node is not None else ""
        if ARCH.fullmatch(told):
            return canonical_arch(told)
        self.remarks.append(f"arch: a guess, as the domain does not say it; {FILL_IN} the right one")
        return "x86_64"

    def boot_device(self) -> str:
        """Return what the domain boots from, of the two that a descriptor can say."""
        orders = [
            (int(order), node)
            for node in self.tree.findall("devices/*")
            for order in [("" if node.find("boot") is None else node.find("boot").get("order", ""))]
            if order.isascii() and order.isdecimal() and len(order) < 6
        ]
        if orders:
            node = min(orders, key=lambda pair: pair[0])[1]
            told = "network" if node.tag == "interface" else "cdrom" if node.get("device") == "cdrom" else "hd"
        else:
            first = self.tree.find("os/boot")
            told = "hd" if first is None else first.get("dev", "hd")
        if told not in ("hd", "cdrom"):
            self.remarks.append(f"boot: it boots from {told[:20]} first, which a descriptor cannot say; boot_devices can")
        return "cdrom" if told == "cdrom" else "hd"

    def vcpus(self) -> int:
        node = self.tree.find("vcpu")
        told = "" if node is None else xml.strip(node.get("current") or node.text)
        number = int(told) if told.isascii() and told.isdecimal() and len(told) < 6 else 1
        return min(max(number, 1), 65536)

    def memory(self) -> Optional[int]:
        node = self.tree.find("memory")
        told = None if node is None else kib(node)
        if told and 0 < told <= 2**43:
            return told
        self.remarks.append(f"memory: the domain does not say it; {FILL_IN} <memory>KIB</memory>")
        return None

    def disks(self, domain_disks, dev: str) -> list:
        """Return the disks of the image, each with its device name."""
        found: list = []
        taken: set = set()
        beyond = 0
        for one in domain_disks:
            reason = self.why_not(one, dev)
            if not reason and any(one.target and one.target == other.source.target for other, _target in found):
                # libvirt takes no such domain, but a text may say anything.
                reason = "another disk is called so"
            if reason:
                self.remarks.append(f"storage: {one.device} {one.target or '?'} is not in it: {reason}"[:300])
                continue
            if len(found) == MAX_OF_A_KIND:
                beyond += 1
                continue
            disk = self.disk(one, first=not found, taken=taken)
            taken |= {disk.file, disk.id}
            target = one.target if TARGET.fullmatch(one.target or "") else None
            self.note_bus(one)
            found.append((CapturedDisk(disk, one, disk.use != "scratch"), target))
        if beyond:
            self.remarks.append(f"storage: {beyond} more disks are not in it: an image has at most {MAX_OF_A_KIND}")
        return found

    def why_not(self, one: DomainDisk, dev: str) -> Optional[str]:
        """Return why a disk is not in the image, or None."""
        if not one.chain:
            return "it has no medium"
        recorded = self.recorded(one)
        if one.device == "cdrom" and (SEED_NAME.search(one.chain[0].path or "") or recorded and recorded.id == SEED):
            return "it is the seed of this guest"
        if recorded:
            return None
        if one.device == "cdrom":
            return None if dev == "cdrom" else "the domain does not boot from it"
        if one.device != "disk":
            return f"an image has disks and CDs, and this is a {one.device}"
        if one.shareable:
            return "it is shared with other domains"
        return None

    def recorded(self, one: DomainDisk):
        paths = [level.path for level in one.chain if level.path] if self.record else []
        # From the top: an external snapshot lies over what the record knows.
        return next(filter(None, map(self.record.disk_at, paths)), None) if self.record else None

    def disk(self, one: DomainDisk, first: bool, taken: set) -> Disk:
        recorded = self.recorded(one)
        cdrom = one.device == "cdrom"
        if recorded:
            use = recorded.use if recorded.use in ("system", "user", "scratch") else "user"
        else:
            use = "system" if first or cdrom else "user"
            self.remarks.append(f"storage: that {one.target} is a {use} disk is a guess")
        known = recorded.id if recorded and recorded.id and not UNPRINTABLE.search(recorded.id) else None
        stem = FILE_NAME.sub("_", (known or one.target or "disk").rpartition("/")[2]).strip("._-")[:80] or "disk"
        stem = re.sub(r"\.(raw|img|iso|qcow2?|vmdk|vdi)(\.(gz|bz2|xz|zst))?$", "", stem, flags=re.IGNORECASE) or "disk"
        ending = "iso" if cdrom else "raw" if use == "scratch" else "qcow2"
        names = [f"{stem}.{ending}", *(f"{stem}-{number}.{ending}" for number in range(2, MAX_OF_A_KIND + 2))]
        file = next(name for name in names if name not in taken)
        return Disk(file if known in taken else known or file, file, use, None, ending, {})

    def note_bus(self, one: DomainDisk) -> None:
        prefix = (TARGET.fullmatch(one.target or "") or [None, ""])[1]
        usual = {"vd": ("virtio",), "hd": ("ide",), "sd": ("sata", "scsi"), "xvd": ("xen",), "fd": ("fdc",)}
        if one.bus and one.bus not in usual.get(prefix, (one.bus,)):
            self.remarks.append(f"storage: {one.target} is on bus {one.bus[:20]}; the option disks of a guest can say that")

    def files(self) -> dict[str, str]:
        """Return the files that a descriptor names besides disks, by the name that they get."""
        found = {tag: xml.strip(self.tree.findtext(f"os/{tag}")) for tag in BOOT_FILES}
        return {tag: path for tag, path in found.items() if path} if found["kernel"] else {}

    def firmware(self) -> Optional[str]:
        """Return efi where the domain starts with UEFI, with a remark on what a guest needs then."""
        system, loader = self.tree.find("os"), self.tree.find("os/loader")
        if system is None:
            return None
        efi = system.get("firmware") == "efi" or loader is not None and loader.get("type") == "pflash"
        secure = self.tree.find("os/firmware/feature[@name='secure-boot'][@enabled='yes']") is not None
        secure = secure or loader is not None and loader.get("secure") == "yes"
        if not efi:
            return None
        say = "options firmware: efi and secure_boot: true" if secure else "option firmware: efi"
        self.remarks.append(f"boot: it starts with UEFI, whose variables are not in the image; a guest needs the {say}")
        return "efi"

    def note_lost(self) -> None:
        """Remark on what of the domain no descriptor can say."""
        above = [node.tag for node in self.tree if isinstance(node.tag, str) and node.tag not in KNOWN]
        devices = [node.tag for node in self.tree.findall("devices/*") if isinstance(node.tag, str)]
        lost = [tag for tag in devices if tag not in USUAL_DEVICES]
        for words, tags in (("these devices", lost), ("these elements", above)):
            names = [tag.rpartition("}")[2][:40] for tag in sorted(set(tags))]
            if names:
                more = ", ..." if len(names) > 12 else ""
                self.remarks.append(f"no descriptor can say {words} of the domain: {', '.join(names[:12])}{more}")
        if self.tree.find("devices/interface") is not None:
            self.remarks.append("interface: where they are connected is not in it; the option networks of a guest says that")
        if self.tree.find("maxMemory") is not None:
            self.remarks.append("memory: what the domain can have at most is not in it; the option max_memory says that")


def _is_on(node) -> bool:
    return node is not None and node.get("state", "on") != "off"
