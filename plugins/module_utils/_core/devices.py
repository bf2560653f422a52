# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device names and buses: as the descriptor says, and where it is silent in drive order, skipping those taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .errors import ImageError
from .image import Boot, Image
from .machine import QEMU_TYPES, X86, has_ide
from .match import Verdict
from .names import TARGET
from .seed import SEED

IDE_NAMES = ("hda", "hdb", "hdc", "hdd")


@dataclass(frozen=True)
class Device:
    """How a disk appears in the guest; `bus` None leaves it to the hypervisor."""

    disk: str
    kind: str
    target: str
    bus: Optional[str]


def assign_devices(image: Image, boot: Boot, verdict: Verdict, seed: bool = False) -> tuple[Device, ...]:
    """Return a device for each drive, in drive order, then one for the seed; raise ImageError for a bus that is not there."""
    names = {drive.disk: drive.target for drive in boot.drives if drive.target}
    if not has_ide(verdict):
        names = _move_from_ide(names, image, verdict)
    prefix = _disk_prefix(boot, verdict)
    for drive in boot.drives:
        if drive.disk not in names:
            kind = _cdrom_prefix(verdict) if _is_cdrom(image, drive.disk) else prefix
            names[drive.disk] = _next_name(kind, set(names.values()))
    devices = [_device(drive.disk, image.disk(drive.disk).format, names[drive.disk], verdict) for drive in boot.drives]
    if seed:
        devices.append(_device(SEED, "iso", _next_name(_cdrom_prefix(verdict), set(names.values())), verdict))
    return tuple(devices)


def _move_from_ide(names: dict[str, str], image: Image, verdict: Verdict) -> dict[str, str]:
    """Return the names with those of IDE devices moved to another bus: the same letters where they are free.

    Writers of descriptors put hda by rote, and a guest without an IDE controller never sees that name.
    """
    stay = {disk: name for disk, name in names.items() if not name.startswith("hd")}
    moving = {disk: name[len("hd") :] for disk, name in names.items() if disk not in stay}
    usual = _prefix_without_ide(verdict)
    prefixes = {disk: _cdrom_prefix(verdict) if _is_cdrom(image, disk) else usual for disk in moving}
    for disk, letters in moving.items():
        if not _is_taken(prefixes[disk] + letters, set(stay.values())):
            stay[disk] = prefixes[disk] + letters
    for disk in moving:
        if disk not in stay:
            stay[disk] = _next_name(prefixes[disk], set(stay.values()))
    return stay


def _is_cdrom(image: Image, disk: str) -> bool:
    return image.disk(disk).format == "iso"


def _device(disk: str, format: str, target: str, verdict: Verdict) -> Device:
    kind = "cdrom" if format == "iso" else "floppy" if target.startswith("fd") else "disk"
    return Device(disk, kind, target, _bus(target, verdict))


def _disk_prefix(boot: Boot, verdict: Verdict) -> str:
    if verdict.type == "xen":
        return "xvd"
    if verdict.virt_type == "xen":
        return "hd"
    named = next((TARGET.fullmatch(drive.target)[1] for drive in boot.drives if drive.target), "vd")
    if named == "hd" and not has_ide(verdict):
        return _prefix_without_ide(verdict)
    # A guest whose first disk is on IDE may have no driver for virtio.
    return named if named in ("hd", "sd") else "vd"


def _prefix_without_ide(verdict: Verdict) -> str:
    """Return the prefix that stands for hd: SATA needs no driver that a PC's guest could lack; others have no SATA."""
    return "sd" if verdict.arch in X86 else "vd"


def _cdrom_prefix(verdict: Verdict) -> str:
    if verdict.type == "xen":
        return "xvd"
    return "hd" if has_ide(verdict) else "sd"


def _next_name(prefix: str, taken: set) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = list(letters) + [first + second for first in letters for second in letters]
    for letter in names:
        if not _is_taken(prefix + letter, taken):
            return prefix + letter
    raise ImageError(f"all device names from {prefix}a to {prefix}zz are taken")


def _is_taken(name: str, taken: set) -> bool:
    # vda1 takes vda as well: a disk and its partition cannot both be devices.
    return any(one.rstrip("0123456789") == name.rstrip("0123456789") for one in taken)


def _bus(target: str, verdict: Verdict) -> Optional[str]:
    prefix = TARGET.fullmatch(target)[1]
    if prefix == "hd":
        if target not in IDE_NAMES:
            raise ImageError(f"drive target {target}: an IDE controller has four devices, {', '.join(IDE_NAMES)}")
        return "ide"
    if prefix == "sd":
        return None if verdict.virt_type == "xen" else "sata" if verdict.arch in X86 else "scsi"
    return {"vd": "virtio", "xvd": "xen", "fd": "fdc", "ubd": "uml"}[prefix]
