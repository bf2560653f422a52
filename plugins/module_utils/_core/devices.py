# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device names and buses: as asked or described, and where both are silent in drive order, skipping those taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xen
from .drive import BUSES, DiskOption, Drive, ExtraDisk
from .errors import ImageError
from .image import Boot, Image
from .machine import QEMU_TYPES, X86, has_floppy, has_ide
from .match import Verdict
from .names import TARGET
from .seed import SEED

# The devices that a controller has, each on its channel; libvirt derives the channel from the name.
FIXED_NAMES = {"ide": ("hda", "hdb", "hdc", "hdd"), "fdc": ("fda", "fdb")}
CONTROLLERS = {"ide": "an IDE controller has four devices", "fdc": "a floppy controller has two devices"}


@dataclass(frozen=True)
class Device:
    """How a disk appears in the guest; `bus` None leaves it to the hypervisor, `drive` is how it is attached."""

    disk: str
    kind: str
    target: str
    bus: Optional[str]
    drive: Drive = Drive()


@dataclass(frozen=True)
class Request:
    """One disk that needs a name; `named` is the descriptor's, which moves where there is no such bus.

    `renamed`: it is on Xen's bus instead of virtio's, which the descriptor says.
    """

    disk: str
    kind: str
    named: Optional[str] = None
    drive: Drive = Drive()
    renamed: bool = False


def extra_name(index: int) -> str:
    """Return what an extra disk is called in messages, and among the devices."""
    return f"extra_disks[{index}]"


def assign_devices(
    image: Image,
    boot: Boot,
    verdict: Verdict,
    seed: bool = False,
    options: Optional[dict[str, DiskOption]] = None,
    extras: tuple[ExtraDisk, ...] = (),
    had: Optional[dict[str, str]] = None,
) -> tuple[Device, ...]:
    """Return a device for each drive, in drive order, then for the seed, then for extra disks.

    `had` are the names that disks of the guest have already; they keep them, where nothing else is asked for.
    Raises ImageError for a bus that is not there, and for two disks at one place.
    """
    requests = [_request(image, drive, (options or {}).get(drive.disk), verdict) for drive in boot.drives]
    if seed:
        requests.append(Request(SEED, "cdrom"))
    requests += [Request(extra_name(index), extra.device, None, extra.drive) for index, extra in enumerate(extras)]
    names = _fixed_names(requests, verdict)
    prefix = _disk_prefix(boot, verdict)
    for request in requests:
        name = (had or {}).get(request.disk)
        if request.disk not in names and _may_keep(name, request, prefix, verdict) and not _is_taken(name, set(names.values())):
            names[request.disk] = name
    for request in requests:
        if request.disk not in names:
            names[request.disk] = _next_name(_prefix(request, prefix, verdict), set(names.values()))
            _refuse_full_ide(request.disk, names, verdict)
    return tuple(_device(request, names[request.disk], verdict) for request in requests)


def _request(image: Image, drive, option: Optional[DiskOption], verdict: Verdict) -> Request:
    asked = option.drive if option else Drive()
    # Another bus has other names.
    named = None if asked.bus or asked.target else drive.target
    renamed = bool(named) and verdict.virt_type == xen.TYPE and named.startswith("vd")
    if renamed:
        # No virtio there: libxl has Xen's own bus, whose first four disks a BIOS sees as those of IDE.
        named = f"x{named}"
    is_floppy = (asked.target or drive.target or "").startswith("fd") if not asked.bus else asked.bus == "fdc"
    kind = "cdrom" if image.disk(drive.disk).format == "iso" else "floppy" if is_floppy else "disk"
    return Request(drive.disk, kind, named, asked, renamed)


def _fixed_names(requests: list[Request], verdict: Verdict) -> dict[str, str]:
    """Return the names that users ask for, then those of the descriptor."""
    names: dict[str, str] = {}
    for request in requests:
        target = request.drive.target
        if target and _is_taken(target, set(names.values())):
            other = next(disk for disk, name in names.items() if _is_taken(target, {name}))
            raise ImageError(f"{request.disk} and {other} are both asked to be {target}; give one another target")
        if target:
            names[request.disk] = target
    named = _names_of_descriptor(requests, verdict)
    for disk, name in named.items():
        if _is_taken(name, set(names.values())):
            other = next(other for other, taken in names.items() if _is_taken(name, {taken}))
            raise ImageError(f"{other} is asked to be {names[other]}, which is disk {disk}; give it another target")
    if not has_ide(verdict):
        cdroms = {request.disk for request in requests if request.kind == "cdrom"}
        return _move_from_ide(names, named, cdroms, verdict)
    return {**names, **named}


def _names_of_descriptor(requests: list[Request], verdict: Verdict) -> dict[str, str]:
    """Return the names that the descriptor says; of two that are one disk to Xen one takes the next that is free instead.

    That is the one that is renamed (vda beside hda, or beside xvda1). Without a BIOS, hda and xvda as such are two.
    """
    named: dict[str, str] = {}
    for request in sorted(requests, key=lambda request: request.renamed):
        moves = request.renamed or verdict.virt_type == xen.TYPE and verdict.type == "hvm"
        if request.named and not (moves and any(_clash(request.named, other) for other in named.values())):
            named[request.disk] = request.named
    return named


def _clash(name: str, other: str) -> bool:
    """Return whether two names cannot both be there: partitions of one disk can, if the disk is not."""
    both = name[-1].isdigit() and other[-1].isdigit() and name != other
    return _is_taken(name, {other}) and not both


def _move_from_ide(asked: dict[str, str], names: dict[str, str], cdroms: set, verdict: Verdict) -> dict[str, str]:
    """Return the names with those of IDE devices moved to another bus: the same letters where they are free.

    Writers of descriptors put hda by rote, and a guest without an IDE controller never sees that name.
    """
    stay = {**asked, **{disk: name for disk, name in names.items() if not name.startswith("hd")}}
    moving = {disk: name[len("hd") :] for disk, name in names.items() if disk not in stay}
    usual = _prefix_without_ide(verdict)
    prefixes = {disk: _cdrom_prefix(verdict) if disk in cdroms else usual for disk in moving}
    for disk, letters in moving.items():
        if not _is_taken(prefixes[disk] + letters, set(stay.values())):
            stay[disk] = prefixes[disk] + letters
    for disk in moving:
        if disk not in stay:
            stay[disk] = _next_name(prefixes[disk], set(stay.values()))
    return stay


def _may_keep(name: Optional[str], request: Request, usual: str, verdict: Verdict) -> bool:
    """Return whether a disk that nobody names keeps the name that it has: it is where it would be put now."""
    had = TARGET.fullmatch(name or "")
    if not had:
        return False
    is_usual = request.kind == "disk" and not request.drive.bus and not request.renamed
    if verdict.virt_type == xen.TYPE and verdict.type == "hvm" and is_usual:
        # Both have been usual there.
        return had[1] in ("hd", "xvd")
    return had[1] == _prefix(request, usual, verdict)


def _prefix(request: Request, usual: str, verdict: Verdict) -> str:
    if request.drive.bus:
        return BUSES[request.drive.bus]
    if request.renamed:
        return "xvd"
    if request.kind == "floppy":
        return "fd"
    return _cdrom_prefix(verdict) if request.kind == "cdrom" else usual


def _device(request: Request, target: str, verdict: Verdict) -> Device:
    bus = request.drive.bus or _bus(target, verdict)
    _refuse_missing_bus(request, target, bus, verdict)
    return Device(request.disk, request.kind, target, bus, request.drive)


def _disk_prefix(boot: Boot, verdict: Verdict) -> str:
    if verdict.type == "xen":
        return "xvd"
    named = next((TARGET.fullmatch(drive.target)[1] for drive in boot.drives if drive.target), "")
    if verdict.virt_type == xen.TYPE:
        # One that has no driver for Xen's bus sees those of IDE.
        return "xvd" if named in ("vd", "xvd") else "hd"
    named = named or "vd"
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


def _refuse_full_ide(disk: str, names: dict[str, str], verdict: Verdict) -> None:
    """Refuse a place on IDE that nobody asks for, where disks on Xen's bus have all four."""
    places = FIXED_NAMES["ide"]
    name, taken = names[disk], set(names.values()) - {names[disk]}
    shadows = {other: one for other, one in names.items() if one.startswith("xvd") and _is_taken(one, set(places))}
    if not name.startswith("hd") or name in places or verdict.virt_type != xen.TYPE or not shadows:
        return
    other, shadow = list(shadows.items())[-1]
    what = "the seed" if disk == SEED else disk
    raise ImageError(
        f"{what} is to be on IDE, which has no place left: of Xen's disks the first four, xvda to xvdd, take those of hda to "
        f"hdd. Give {other} ({shadow}) another target, such as {_next_name('xvd', taken | set(places))}"
    )


def _is_taken(name: str, taken: set) -> bool:
    return any(_place_of(one) == _place_of(name) for one in taken)


def _place_of(name: str) -> str:
    """Return what a name takes: vda1 takes vda, for a disk and its partition cannot both be devices.

    Xen shows xvda to a BIOS as hda (libxl__build_device_model_args_new, libxl_dm.c), so that both would be one disk.
    """
    whole = name.rstrip("0123456789")
    return whole[1:].replace("vd", "hd", 1) if whole.startswith("xvd") else whole


def _bus(target: str, verdict: Verdict) -> Optional[str]:
    prefix = TARGET.fullmatch(target)[1]
    if prefix == "sd":
        return None if verdict.virt_type == xen.TYPE else "sata" if verdict.arch in X86 else "scsi"
    return {"hd": "ide", "vd": "virtio", "xvd": "xen", "fd": "fdc", "ubd": "uml"}[prefix]


def _refuse_missing_bus(request: Request, target: str, bus: Optional[str], verdict: Verdict) -> None:
    """Refuse a place that the machine surely lacks, or that its controller does not have."""
    names, machine = FIXED_NAMES.get(bus or ""), verdict.machine or f"of {verdict.virt_type}"
    if names and target not in names:
        raise ImageError(f"drive target {target}: {CONTROLLERS[bus]}, {', '.join(names)}")
    if bus == "ide" and not has_ide(verdict):
        raise ImageError(f"{request.disk} is asked to be on IDE, and machine {machine} has none; sata and virtio are there")
    if bus == "fdc" and not has_floppy(verdict):
        raise ImageError(f"{request.disk} is a floppy ({target}), and a machine {machine} on {verdict.arch} has no floppy drive")
    if verdict.virt_type in QEMU_TYPES and target[-1].isdigit():
        raise ImageError(f"drive target {target} is the name of a partition, which only Xen's guests can have as a disk")
    for key in ("iothread", "queues"):
        if getattr(request.drive, key) and bus != "virtio":
            raise ImageError(f"{request.disk}: {key} is for disks on bus virtio, and {target} is on {bus}")
    if verdict.virt_type == xen.TYPE and bus not in (None, *xen.BUSES):
        raise ImageError(f"{request.disk} is asked to be on {bus}; guests of type xen have {', '.join(xen.BUSES)}")
    if bus == "xen" and verdict.virt_type in QEMU_TYPES:
        raise ImageError(f"{request.disk} is named {target}, which is on Xen's bus; the guest is of type {verdict.virt_type}")
