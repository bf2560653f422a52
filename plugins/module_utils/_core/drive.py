# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of one guest: what a user asks of each, checked.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .asker import Asker
from .names import target_mistake, volume_mistake

CACHES = ("none", "writethrough", "writeback", "directsync", "unsafe")
IOS = ("native", "threads", "io_uring")
DISCARDS = ("unmap", "ignore")
ZEROES = ("off", "on", "unmap")
# bus -> the prefix of the names on it.
BUSES = {"ide": "hd", "sata": "sd", "scsi": "sd", "usb": "sd", "virtio": "vd", "xen": "xvd", "fdc": "fd"}
# option -> libvirt's element in <iotune>, of bytes and of operations.
BYTE_LIMITS = {
    "bytes_per_second": "total_bytes_sec",
    "read_bytes_per_second": "read_bytes_sec",
    "write_bytes_per_second": "write_bytes_sec",
}
IO_LIMITS = {"iops": "total_iops_sec", "read_iops": "read_iops_sec", "write_iops": "write_iops_sec"}
TUNING = ("cache", "io", "discard", "detect_zeroes", "iothread", "queues", "serial", *BYTE_LIMITS, *IO_LIMITS)
DRIVE = ("target", "bus", *TUNING)
TYPES = ("file", "block", "volume", "network")
KINDS = ("disk", "cdrom", "floppy")
FORMATS = ("raw", "qcow2", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc")
# protocol -> how many hosts it can have, at least and at most.
PROTOCOLS = {
    "nbd": (1, 1),
    "iscsi": (1, 1),
    "rbd": (0, 16),
    "gluster": (1, 16),
    "http": (1, 1),
    "https": (1, 1),
    "ftp": (1, 1),
    "ftps": (1, 1),
    "tftp": (1, 1),
    "ssh": (1, 1),
    "nfs": (1, 1),
}
# The pattern of libvirt's schema, diskSerial; a virtio disk shows 20 characters of it.
SERIAL = r"[A-Za-z0-9_.+ -]{1,36}"


@dataclass(frozen=True)
class Drive:
    """How a disk is attached: its name and bus, what QEMU does with it; `limits` maps libvirt's elements to numbers."""

    target: Optional[str] = None
    bus: Optional[str] = None
    cache: Optional[str] = None
    io: Optional[str] = None
    discard: Optional[str] = None
    detect_zeroes: Optional[str] = None
    iothread: Optional[int] = None
    queues: Optional[int] = None
    serial: Optional[str] = None
    limits: dict[str, int] = field(default_factory=dict)

    @property
    def tuned(self) -> bool:
        """Return whether more than a place is asked for."""
        return self != Drive(self.target, self.bus)


@dataclass(frozen=True)
class DiskOption:
    """What a user asks of one disk besides the descriptor; size in bytes."""

    size: Optional[int] = None
    pool: Optional[str] = None
    volume: Optional[str] = None
    drive: Drive = Drive()


@dataclass(frozen=True)
class ExtraDisk:
    """A disk that is not the image's; `source` None is an empty drive, `hosts` are names with ports."""

    type: str
    source: Optional[str]
    pool: Optional[str]
    protocol: Optional[str]
    hosts: tuple[tuple[str, Optional[int]], ...]
    device: str
    format: str
    readonly: bool
    shareable: bool
    drive: Drive

    @property
    def path(self) -> Optional[str]:
        """Return the file or device on the host, where it is one."""
        return self.source if self.type in ("file", "block") else None


EXTRA = ("type", "source", "pool", "protocol", "hosts", "device", "format", "readonly", "shareable", *DRIVE)


def parse_disks(asker: Asker) -> dict[str, DiskOption]:
    """Return what a user asks of the image's disks, by their ids; mistakes are collected."""
    options: dict[str, DiskOption] = {}
    for disk_id, option in asker.each("disks", _disk) or ():
        if disk_id and disk_id in options:
            asker.wrong(f"disks has the id {disk_id} twice")
        options[disk_id] = option
    return options


def _disk(asker: Asker) -> tuple:
    asker.refuse_unknown(("id", "volume", "size", "pool", *DRIVE), "a disk")
    disk_id = asker.text("id")
    if not disk_id:
        asker.wrong("has no id; it is the id of a disk of the image")
    volume = asker.text("volume")
    mistake = volume and volume_mistake(volume)
    if mistake:
        asker.wrong(f"volume {mistake}")
    return disk_id, DiskOption(asker.size("size"), asker.text("pool"), volume, _drive(asker))


def _drive(asker: Asker) -> Drive:
    drive = Drive(
        target=asker.line("target"),
        bus=asker.choice("bus", tuple(BUSES)),
        cache=asker.choice("cache", CACHES),
        io=asker.choice("io", IOS),
        discard=asker.choice("discard", DISCARDS),
        detect_zeroes=asker.choice("detect_zeroes", ZEROES),
        iothread=asker.number("iothread", 1, 256),
        queues=asker.number("queues", 1, 1024),
        serial=asker.word("serial", SERIAL, "DATA-0001, of letters, digits, dots, dashes and spaces"),
        limits=_limits(asker),
    )
    mistake = target_mistake(drive.target) if drive.target else None
    if mistake:
        asker.wrong(f"target: {drive.target!r:.40} {mistake}")
    elif drive.target and drive.bus and not _is_named_for(drive.target, drive.bus):
        asker.wrong(f"target {drive.target} is no name on bus {drive.bus}; there they begin with {BUSES[drive.bus]}")
    if drive.io == "native" and drive.cache not in ("none", "directsync"):
        asker.wrong("io: native needs cache: none or directsync")
    for key in ("iothread", "queues"):
        if getattr(drive, key) and not _can_be_virtio(drive):
            asker.wrong(f"{key} is for disks on bus virtio")
    return drive


def _is_named_for(target: str, bus: str) -> bool:
    return target.startswith(BUSES[bus]) and target[len(BUSES[bus]) :][:1] != ""


def _can_be_virtio(drive: Drive) -> bool:
    return drive.bus == "virtio" if drive.bus else not drive.target or drive.target.startswith("vd")


def _limits(asker: Asker) -> dict[str, int]:
    limits = {}
    for option, element in BYTE_LIMITS.items():
        limits[element] = asker.size(option)
    for option, element in IO_LIMITS.items():
        limits[element] = asker.number(option, 1, 10**9)
    for whole, *parts in (tuple(BYTE_LIMITS), tuple(IO_LIMITS)):
        told = [part for part in parts if asker.plain.get(part) is not None]
        if told and asker.plain.get(whole) is not None:
            asker.wrong(f"{whole} limits reading and writing together, and {told[0]} one of them; say one or the other")
    return {element: limit for element, limit in limits.items() if limit}


def parse_extra_disk(asker: Asker) -> ExtraDisk:
    """Return a disk that is not the image's; mistakes are collected."""
    asker.refuse_unknown(EXTRA, "an extra disk")
    device = asker.one_of("device", KINDS)
    extra = ExtraDisk(
        type=asker.one_of("type", TYPES),
        source=asker.line("source"),
        pool=asker.line("pool"),
        protocol=asker.choice("protocol", tuple(PROTOCOLS)),
        hosts=asker.each("hosts", _host) or (),
        device=device,
        format=asker.one_of("format", FORMATS),
        readonly=asker.flag("readonly") or device == "cdrom",
        shareable=asker.flag("shareable") or False,
        drive=_drive(asker),
    )
    _check_source(asker, extra)
    _check_kind(asker, extra)
    return extra


def _check_source(asker: Asker, extra: ExtraDisk) -> None:
    if extra.source and extra.type in ("file", "block"):
        asker.path("source")
    told = asker.plain.get("source") not in (None, "")
    if not told and extra.protocol != "nbd" and (extra.device == "disk" or extra.type != "file"):
        asker.wrong(f"has no source, which a {extra.device} of type {extra.type} needs")
    for key, type in (("pool", "volume"), ("protocol", "network"), ("hosts", "network")):
        if getattr(extra, key) and extra.type != type:
            asker.wrong(f"{key} is for type {type}; this one is of type {extra.type}")
    if extra.type == "volume" and asker.plain.get("pool") in (None, ""):
        asker.wrong("has no pool, in which the volume is")
    if extra.type != "network":
        return
    if not extra.protocol:
        asker.wrong(f"has no protocol; it is one of {', '.join(PROTOCOLS)}")
        return
    least, most = PROTOCOLS[extra.protocol]
    if not least <= len(extra.hosts) <= most:
        many = "one host" if most == 1 else f"{least} to {most} hosts"
        asker.wrong(f"protocol {extra.protocol} has {many}; {len(extra.hosts)} are said")


def _check_kind(asker: Asker, extra: ExtraDisk) -> None:
    if extra.device == "cdrom" and asker.plain.get("readonly") is False:
        asker.wrong("readonly: false is not for a cdrom, which is only read; say device: disk for what is written")
    bus = extra.drive.bus or ("virtio" if (extra.drive.target or "").startswith("vd") else None)
    if extra.device == "cdrom" and bus in ("virtio", "fdc"):
        asker.wrong(f"a cdrom cannot be on bus {bus}; it can on ide, sata, scsi and usb")
    floppy = bus == "fdc" or (extra.drive.target or "").startswith("fd")
    if (extra.drive.bus or extra.drive.target) and floppy != (extra.device == "floppy"):
        asker.wrong("a floppy is on bus fdc, as fda or fdb, and nothing else is")
    if extra.shareable and extra.format != "raw":
        asker.wrong(f"shareable needs format raw; {extra.format} is written by one guest at a time")
    if extra.shareable and extra.readonly:
        asker.wrong("shareable is for what several guests write; what is readonly can be shared without it")


def _host(asker: Asker) -> tuple[str, Optional[int]]:
    asker.refuse_unknown(("name", "port"), "a host")
    name = asker.line("name")
    if asker.plain.get("name") in (None, ""):
        asker.wrong("has no name; it is the server's name or address")
    return name or "", asker.number("port", 1, 65535)
