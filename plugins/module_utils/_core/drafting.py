# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into a descriptor that someone has to complete: words for what was seen, guessed, or is not known."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Optional

from .header import Header
from .image import Boot, Disk, Drive, Image
from .names import MAX_NAME, PACKED_ENDINGS, UNPRINTABLE, name_mistake
from .sight import BIOS, EFI, Sight, arch_in_name
from .units import MIB

FILL_IN = "fill in"
NO_VERSION = f"name: {FILL_IN} a version, which tells this image from the next one"
# What guests of an architecture are used to; a feature that a descriptor does not name is off.
FEATURES = {"i686": ("pae", "acpi", "apic"), "x86_64": ("acpi", "apic"), "aarch64": ("acpi",)}
USUAL_ARCH = "x86_64"
ENDINGS = re.compile(r"\.(qcow2?|raw|img|vmdk|vdi|iso|ovf|ova)$", re.IGNORECASE)
FIRMWARE_WORDS = {
    EFI: "boot: it starts with UEFI ({}); a guest needs the option firmware: efi",
    BIOS: "boot: it starts with a BIOS ({}); a guest needs no option for that",
}


@dataclass(frozen=True)
class DiskFacts:
    """A disk file as it is delivered: its name, what its header says, its SHA-256, and what its disk shows.

    `header.capacity` is 0 where it is not known. `unseen` is why nothing was looked at.
    """

    file: str
    header: Header
    sha256: Optional[str] = None
    sight: Sight = Sight()
    unseen: str = ""


def image_name(told: str) -> str:
    """Return a name for an image from that of a file or product."""
    name = told.rpartition("/")[2]
    for ending in PACKED_ENDINGS:
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    name = UNPRINTABLE.sub("_", ENDINGS.sub("", name)).strip(" ").lstrip(".-")[:MAX_NAME].strip()
    return "image" if name_mistake(name) else name


def described_disk(facts: DiskFacts, disk_id: Optional[str], use: str) -> Disk:
    """Return a disk of an image; its size is rounded down, as that of a delivered disk is the least that guests get."""
    checksums = {"sha256": facts.sha256} if facts.sha256 else {}
    size = facts.header.capacity // MIB or None
    return Disk(disk_id or facts.file, facts.file, use, size, facts.header.format, checksums)


def judged_arch(sight: Sight, names: tuple[str, ...]) -> tuple[str, str]:
    """Return an architecture, and how it is known."""
    if sight.arch:
        return sight.arch, f"arch: seen on the disk ({sight.arch_from})"
    for name in names:
        found = arch_in_name(name)
        if found:
            return found, f"arch: a guess, from the name {name:.120}"
    return USUAL_ARCH, f"arch: a guess, as nothing tells it; {FILL_IN} the right one"


def firmware_remark(sight: Sight) -> tuple[str, ...]:
    """Return what is said of the firmware, which no descriptor can say."""
    return (FIRMWARE_WORDS[sight.firmware].format(sight.firmware_from),) if sight.firmware else ()


def usual_features(arch: str) -> dict[str, str]:
    return dict.fromkeys(FEATURES.get(arch, ()), "on")


def draft_of_disk(facts: DiskFacts, name: Optional[str] = None, version: Optional[str] = None) -> Image:
    """Return an image that has one disk and nothing else that is known; its warnings say what is guessed or missing."""
    cdrom = facts.header.format == "iso"
    arch, arch_remark = judged_arch(facts.sight, (facts.file,))
    disk = described_disk(facts, None, "system")
    boot = Boot("hvm", arch, usual_features(arch), None, "cdrom" if cdrom else "hd", None, None, None, (Drive(disk.id),))
    if not cdrom:
        boot = replace(boot, drives=(Drive(disk.id, "vda"),))
    remarks = (
        "" if name else "name: a guess, from the name of the file",
        "" if version else NO_VERSION,
        *firmware_remark(facts.sight),
        arch_remark,
        "features: a guess, what guests of this architecture are used to" if boot.features else "",
        "vcpu: a guess",
        f"memory: nothing tells how much it needs; {FILL_IN} <memory>KIB</memory>, or give guests the option memory",
        "interface: a guess",
        "graphics: a guess, as an installer wants a screen" if cdrom else "",
        f"storage: {facts.unseen}" if facts.unseen else "",
        "" if facts.sight.signed or cdrom else "storage: it begins as no disk does that a BIOS or UEFI starts; is it one?",
    )
    return Image(
        name=name or image_name(facts.file),
        version=version,
        release=None,
        label=None,
        description=None,
        boots=(boot,),
        vcpu=1,
        memory_kib=None,
        interfaces=1,
        graphics=cdrom,
        disks=(disk,),
        warnings=tuple(filter(None, remarks)),
    )
