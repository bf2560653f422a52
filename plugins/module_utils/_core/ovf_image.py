# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of an OVF as an image."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Optional

from .drafting import FILL_IN, NO_VERSION, DiskFacts, described_disk, firmware_remark, image_name, judged_arch, usual_features
from .header import Header
from .image import Boot, Drive, Image
from .names import name_mistake
from .ovf import Machine, OvfDisk
from .sight import Sight
from .units import KIB, MIB

# Guests whose drivers nobody knows see their disks on SATA or IDE, as they did.
PREFIXES = {"ide": "hd", "scsi": "sd", "sata": "sd"}
IDE_NAMES = 4
ARM = re.compile("arm64|aarch64|arm-64", re.IGNORECASE)
BITS = re.compile("_64|64guest|64-bit|64 bit|x64|x86_64|amd64", re.IGNORECASE)


def draft_of_ovf(
    machine: Machine,
    facts: dict[str, DiskFacts],
    name: Optional[str] = None,
    version: Optional[str] = None,
    remarks: tuple[str, ...] = (),
) -> Image:
    """Return the image of a machine; `facts` are of the files that were looked at, and `remarks` are on the files."""
    found = {disk.file: facts.get(disk.file) or _told(disk) for disk in machine.disks}
    delivered = [disk.file for disk in machine.disks if not disk.empty]
    sight = sight_of(machine, facts)
    arch, arch_remark = _arch(machine, sight)
    disks = tuple(
        described_disk(one, None, "system" if name in delivered[:1] or one.header.format == "iso" else "user")
        for name, one in found.items()
    )
    cdrom = bool(delivered) and all(disk.cdrom or disk.empty for disk in machine.disks)
    boot = Boot("hvm", arch, usual_features(arch), None, "cdrom" if cdrom else "hd", None, None, None, _drives(machine))
    memory = machine.memory and -(-machine.memory // KIB)
    reasons = [f"storage: {reason}" for reason in remarks]
    told = name or machine.name
    return Image(
        name=told if not name_mistake(told) else image_name(told),
        version=version or machine.version,
        release=None,
        label=machine.label,
        description=machine.description,
        boots=(boot,),
        vcpu=min(max(machine.vcpu or 1, 1), 65536),
        memory_kib=memory,
        interfaces=len(machine.networks),
        graphics=machine.graphics,
        disks=disks,
        warnings=tuple(filter(None, (arch_remark, *_remarks(machine, sight, bool(version or machine.version)), *reasons))),
    )


def _remarks(machine: Machine, sight: Sight, has_version: bool) -> tuple[str, ...]:
    """Return what is guessed of a machine, or not known, or not said by any descriptor; empty texts among them."""
    empty = [disk.file for disk in machine.disks if disk.empty]
    return (
        "" if has_version else NO_VERSION,
        *firmware_remark(sight),
        "features: a guess, what guests of this architecture are used to",
        "" if machine.vcpu else "vcpu: a guess",
        "" if machine.memory else f"memory: nothing tells how much it needs; {FILL_IN} <memory>KIB</memory>",
        _networks(machine),
        f"no descriptor can say: {', '.join(machine.lost[:12])}" if machine.lost else "",
        f"storage: {', '.join(empty[:8])} has no file in the OVF; each guest has it empty" if empty else "",
        "storage: that the first disk is the system's and the others the user's is a guess" if len(machine.disks) > 1 else "",
    )


def sight_of(machine: Machine, facts: dict[str, DiskFacts]) -> Sight:
    """Return what the disks of a machine show; its OVF knows best what firmware it has."""
    sights = [facts[disk.file].sight for disk in machine.disks if disk.file in facts]
    sight = next((one for one in sights if one.arch or one.firmware), Sight())
    return replace(sight, firmware=machine.firmware, firmware_from="its OVF says so") if machine.firmware else sight


def _told(disk: OvfDisk) -> DiskFacts:
    # One that is made empty is to be no smaller than it was.
    capacity = -(-(disk.capacity or 0) // MIB) * MIB if disk.empty else disk.capacity or 0
    return DiskFacts(disk.file, Header(disk.format or "raw", capacity))


def _arch(machine: Machine, sight: Sight) -> tuple[str, str]:
    if sight.arch:
        return judged_arch(sight, ())
    for told in machine.systems:
        if ARM.search(told) or BITS.search(told):
            return "aarch64" if ARM.search(told) else "x86_64", f"arch: a guess, from its operating system, {told}"
    return judged_arch(sight, (machine.name, *(disk.file for disk in machine.disks)))


def _drives(machine: Machine) -> tuple[Drive, ...]:
    """Return a drive for each file, in order, named after the bus that it was on; CDs are left to the machine."""
    taken: dict[str, int] = {}
    drives = {}
    for disk in machine.disks:
        prefix = PREFIXES.get(disk.controller or "", "sd")
        number = taken.get(prefix, 0)
        named = not disk.cdrom and number < (IDE_NAMES if prefix == "hd" else 26)
        if named:
            taken[prefix] = number + 1
        drives.setdefault(disk.file, Drive(disk.file, f"{prefix}{chr(ord('a') + number)}" if named else None))
    return tuple(drives.values())


def _networks(machine: Machine) -> str:
    names = list(dict.fromkeys(filter(None, machine.networks)))
    if not names:
        return ""
    return f"interface: their networks were {', '.join(names[:8])}; the option networks of a guest says where they are now"
