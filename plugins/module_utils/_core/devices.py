# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device names and buses: as the descriptor says, and where it is silent in drive order, skipping those taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .errors import ImageError
from .image import Boot, Image
from .match import Verdict
from .names import TARGET

X86 = ("i686", "x86_64")
# Machines of the emulated PC that have an IDE controller: https://www.qemu.org/docs/master/system/i386/pc.html
IDE_MACHINES = ("pc", "isapc", "xenfv")
IDE_FAMILIES = ("pc-i440fx-", "pc-0.", "pc-1.")
IDE_NAMES = ("hda", "hdb", "hdc", "hdd")


@dataclass(frozen=True)
class Device:
    """How a disk appears in the guest; `bus` None leaves it to the hypervisor."""

    disk: str
    kind: str
    target: str
    bus: Optional[str]


def assign_devices(image: Image, boot: Boot, verdict: Verdict) -> tuple[Device, ...]:
    """Return a device for each drive, in drive order; raise ImageError for a bus that the machine lacks."""
    taken = {drive.target for drive in boot.drives if drive.target}
    prefix = _disk_prefix(boot, verdict)
    devices = []
    for drive in boot.drives:
        cdrom = image.disk(drive.disk).format == "iso"
        target = drive.target or _next_name(_cdrom_prefix(verdict) if cdrom else prefix, taken)
        taken.add(target)
        kind = "cdrom" if cdrom else "floppy" if target.startswith("fd") else "disk"
        devices.append(Device(drive.disk, kind, target, _bus(target, verdict)))
    return tuple(devices)


def has_ide(verdict: Verdict) -> bool:
    """Return whether the machine has an IDE controller."""
    machine = verdict.machine or ""
    return verdict.arch in X86 and (
        verdict.virt_type == "xen" or machine in IDE_MACHINES or machine.startswith(IDE_FAMILIES)
    )


def _disk_prefix(boot: Boot, verdict: Verdict) -> str:
    if verdict.type == "xen":
        return "xvd"
    if verdict.virt_type == "xen":
        return "hd"
    named = next((TARGET.fullmatch(drive.target)[1] for drive in boot.drives if drive.target), "vd")
    # A guest whose first disk is on IDE may have no driver for virtio.
    return named if named in ("hd", "sd") else "vd"


def _cdrom_prefix(verdict: Verdict) -> str:
    if verdict.type == "xen":
        return "xvd"
    return "hd" if has_ide(verdict) else "sd"


def _next_name(prefix: str, taken: set) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = list(letters) + [first + second for first in letters for second in letters]
    for letter in names:
        # vda1 takes vda as well: a disk and its partition cannot both be devices.
        if not any(name.rstrip("0123456789") == prefix + letter for name in taken):
            return prefix + letter
    raise ImageError(f"all device names from {prefix}a to {prefix}zz are taken")


def _bus(target: str, verdict: Verdict) -> Optional[str]:
    prefix = TARGET.fullmatch(target)[1]
    if prefix == "hd":
        if not has_ide(verdict):
            raise ImageError(
                f"drive target {target} needs an IDE controller, which machine {verdict.machine} does not have; "
                "on x86, machine: pc has one"
            )
        if target not in IDE_NAMES:
            raise ImageError(f"drive target {target}: an IDE controller has four devices, {', '.join(IDE_NAMES)}")
        return "ide"
    if prefix == "sd":
        return None if verdict.virt_type == "xen" else "sata" if verdict.arch in X86 else "scsi"
    return {"vd": "virtio", "xvd": "xen", "fd": "fdc", "ubd": "uml"}[prefix]
