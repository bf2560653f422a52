# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of one guest that are neither disk, interface nor screen: what a user asks, checked, and their XML.

Source: https://libvirt.org/formatdomain.html#devices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from . import xml
from .asker import Asker
from .machine import QEMU_TYPES, X86, has_pcie
from .match import Verdict

BALLOONS = ("auto", "virtio", "none")
WATCHDOGS = ("i6300esb", "ib700", "itco", "diag288")
ACTIONS = ("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")
TPM_TYPES = ("emulator", "passthrough")
TPM_MODELS = ("tpm-tis", "tpm-crb", "tpm-tis-device", "tpm-spapr")
TPM_VERSIONS = ("1.2", "2.0")
DRIVERS = ("virtiofs", "path")
# driver -> the longest tag: virtio's specification, and MAX_TAG_LEN of QEMU's hw/9pfs/9p.h.
TAG_LENGTHS = {"virtiofs": 36, "path": 31}
HOSTDEVS = ("pci", "usb")
PCI = re.compile(r"(?:([0-9a-fA-F]{1,4}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7])")
USB = re.compile(r"([0-9]{1,3}):([0-9]{1,3})")
USB_ID = r"(0x)?[0-9a-fA-F]{1,4}"
# PCI Express has a port for each device: those that libvirt makes are all taken. So many has virt-install too.
ROOT_PORTS = 14
AGENT = "org.qemu.guest_agent.0"
# The options of a guest that are read here.
OPTIONS = ("tpm", "agent", "serial", "rng", "memballoon", "watchdog", "filesystems", "hostdevs")


@dataclass(frozen=True)
class Tpm:
    """A TPM: an emulated one, or the host's `device`; `model` None is what suits the machine."""

    type: str
    model: Optional[str]
    version: Optional[str]
    device: Optional[str]


@dataclass(frozen=True)
class Serial:
    """The serial console; what it shows is written to the file `log` too."""

    log: Optional[str] = None
    append: bool = False


@dataclass(frozen=True)
class Watchdog:
    """A device that acts when the guest no longer answers it; `model` None is what suits the machine."""

    model: Optional[str]
    action: str


@dataclass(frozen=True)
class Filesystem:
    """A folder of the host, which the guest mounts by the tag `target`."""

    source: str
    target: str
    driver: str
    readonly: bool


@dataclass(frozen=True)
class Hostdev:
    """A device of the host: `source` is PCI's domain, bus, slot, function; USB's bus, device; or vendor, product."""

    type: str
    source: tuple[tuple[str, str], ...]
    by_id: bool
    managed: bool


@dataclass(frozen=True)
class Peripherals:
    """All that is asked of those devices."""

    tpm: Optional[Tpm]
    agent: bool
    serial: Serial
    rng: bool
    memballoon: str
    watchdog: Optional[Watchdog]
    filesystems: tuple[Filesystem, ...]
    hostdevs: tuple[Hostdev, ...]


def parse_peripherals(asker: Asker) -> Peripherals:
    """Return what a user asks of the other devices; mistakes are collected."""
    peripherals = Peripherals(
        tpm=asker.optional("tpm", _tpm),
        agent=asker.flag("agent") is not False,
        serial=asker.part("serial", _serial),
        rng=asker.flag("rng") is not False,
        memballoon=asker.one_of("memballoon", BALLOONS),
        watchdog=asker.optional("watchdog", _watchdog),
        filesystems=asker.each("filesystems", _filesystem) or (),
        hostdevs=asker.each("hostdevs", _hostdev) or (),
    )
    tags = [filesystem.target for filesystem in peripherals.filesystems]
    for tag in sorted({tag for tag in tags if tag and tags.count(tag) > 1}):
        asker.wrong(f"filesystems has the target {tag} {tags.count(tag)} times; the guest mounts by it")
    return peripherals


def _tpm(asker: Asker) -> Tpm:
    asker.refuse_unknown(("type", "model", "version", "device"), "a TPM")
    tpm = Tpm(
        asker.one_of("type", TPM_TYPES),
        asker.choice("model", TPM_MODELS),
        asker.choice("version", TPM_VERSIONS),
        asker.path("device"),
    )
    if tpm.type == "emulator" and tpm.device:
        asker.wrong("device is for type passthrough; an emulated TPM has none")
    if tpm.type == "passthrough" and tpm.version:
        asker.wrong("version is for type emulator; the host's TPM has its own")
    if tpm.model == "tpm-crb" and tpm.version == "1.2":
        asker.wrong("model tpm-crb is a TPM 2.0; tpm-tis can be a 1.2")
    return tpm


def _serial(asker: Asker) -> Serial:
    asker.refuse_unknown(("log", "append"), "serial")
    serial = Serial(asker.path("log"), asker.flag("append") or False)
    if serial.append and not serial.log:
        asker.wrong("append is for log, the file that is written")
    return serial


def _watchdog(asker: Asker) -> Watchdog:
    asker.refuse_unknown(("model", "action"), "a watchdog")
    return Watchdog(asker.choice("model", WATCHDOGS), asker.one_of("action", ACTIONS))


def _filesystem(asker: Asker) -> Filesystem:
    asker.refuse_unknown(("source", "target", "driver", "readonly"), "a file system")
    made = Filesystem(
        asker.path("source") or "",
        asker.line("target") or "",
        asker.one_of("driver", DRIVERS),
        asker.flag("readonly") or False,
    )
    if asker.plain.get("source") in (None, ""):
        asker.wrong("has no source; it is the absolute path of a folder of the host")
    if asker.plain.get("target") in (None, ""):
        asker.wrong("has no target; it is the tag by which the guest mounts it")
    longest = TAG_LENGTHS[made.driver]
    if len(made.target.encode("utf-8", "replace")) > longest:
        asker.wrong(f"target {made.target:.80} is too long; a tag of {made.driver} has at most {longest} bytes")
    return made


def _hostdev(asker: Asker) -> Hostdev:
    asker.refuse_unknown(("type", "address", "vendor", "product", "managed"), "a host device")
    type = asker.one_of("type", HOSTDEVS)
    address, managed = asker.text("address"), asker.flag("managed")
    ids = [asker.word(key, USB_ID, "0x1d6b") for key in ("vendor", "product")]
    if type == "pci" and any(ids):
        asker.wrong("vendor and product are for type usb; a device of type pci is told by its address")
    if type == "usb" and managed is not None:
        asker.wrong("managed is for type pci; a device of type usb is taken from the host anyway")
    source: tuple = ()
    if type == "usb" and address is None:
        if not all(ids):
            asker.wrong("has neither address, such as 1:4 (bus and device), nor vendor and product")
        source = tuple((tag, f"0x{int(id or '0', 16):04x}") for tag, id in zip(("vendor", "product"), ids) if id)
    elif type == "usb" and any(ids):
        asker.wrong("has an address and a vendor or product; one of them tells the device")
    elif address is None:
        asker.wrong("has no address, such as 0000:01:00.0")
    else:
        source = _address(asker, type, str(address))
    return Hostdev(type, source, type == "usb" and address is None, managed is not False)


def _address(asker: Asker, type: str, address: str) -> tuple:
    found = (PCI if type == "pci" else USB).fullmatch(address)
    if not found:
        example = "0000:01:00.0 (domain, bus, slot, function)" if type == "pci" else "1:4 (bus and device)"
        asker.wrong(f"address: {address!r:.80} is no address of type {type}; one is {example}")
        return ()
    if type == "usb":
        return ("bus", found[1]), ("device", found[2])
    domain, bus, slot, function = (int(part or "0", 16) for part in found.groups())
    # As libvirt writes them.
    return (
        ("domain", f"0x{domain:04x}"), ("bus", f"0x{bus:02x}"), ("slot", f"0x{slot:02x}"), ("function", f"0x{function:x}"),
    )


def watchdog_mistake(watchdog: Watchdog, verdict: Verdict) -> Optional[str]:
    """Return why a machine of QEMU's cannot have a watchdog, or None (qemuValidateDomainWatchdogDef, qemu_validate.c)."""
    model, machine = watchdog.model, f"machine {verdict.machine} on {verdict.arch}"
    if model == "diag288" and verdict.arch != "s390x":
        return f"watchdog.model: diag288 is s390x's; this is a {machine}, which can have i6300esb"
    if model == "itco" and not (verdict.arch in X86 and has_pcie(verdict)):
        return f"watchdog.model: itco is part of machine q35; this is a {machine}"
    if model == "ib700" and verdict.arch not in X86:
        return f"watchdog.model: ib700 is on the ISA bus of x86; this is a {machine}, which can have i6300esb"
    return None


def render_peripherals(asked: Peripherals, verdict: Verdict) -> list:
    """Return the devices in the order in which libvirt writes them; on other hypervisors than QEMU, a console."""
    hostdevs = [_render_hostdev(device) for device in asked.hostdevs]
    if verdict.virt_type not in QEMU_TYPES:
        kind = "xen" if verdict.type == "xen" else "serial"
        console = xml.element("console", {"type": "pty"}, xml.element("target", {"type": kind, "port": 0}))
        return [console, *hostdevs]
    return [
        *(_render_filesystem(filesystem) for filesystem in asked.filesystems),
        *_render_serial(asked.serial),
        _channel() if asked.agent else None,
        _render_tpm(asked.tpm, verdict.arch) if asked.tpm else None,
        *hostdevs,
        _render_watchdog(asked.watchdog, verdict.arch) if asked.watchdog else None,
        xml.element("memballoon", {"model": asked.memballoon}) if asked.memballoon != "auto" else None,
        _rng() if asked.rng else None,
    ]


def root_ports(verdict: Verdict) -> list:
    """Return the ports of PCI Express, some of them free for what comes while the guest runs."""
    if not has_pcie(verdict):
        return []
    # Without it libvirt makes the first port number 0, which is the root's.
    root = xml.element("controller", {"type": "pci", "index": 0, "model": "pcie-root"})
    return [root, *(xml.element("controller", {"type": "pci", "model": "pcie-root-port"}) for _port in range(ROOT_PORTS))]


def _channel():
    return xml.element("channel", {"type": "unix"}, xml.element("target", {"type": "virtio", "name": AGENT}))


def _rng():
    return xml.element("rng", {"model": "virtio"}, xml.element("backend", {"model": "random"}, "/dev/urandom"))


def _render_serial(serial: Serial) -> list:
    def log():
        return serial.log and xml.element("log", {"file": serial.log, "append": "on" if serial.append else "off"})

    return [
        xml.element("serial", {"type": "pty"}, log(), xml.element("target", {"port": 0})),
        xml.element("console", {"type": "pty"}, log(), xml.element("target", {"type": "serial", "port": 0})),
    ]


def _render_tpm(tpm: Tpm, arch: str):
    emulated = tpm.type == "emulator"
    version = (tpm.version or "2.0") if emulated else None
    model = tpm.model or ("tpm-crb" if arch in X86 and version == "2.0" else "tpm-tis" if arch in X86 else None)
    backend = xml.element(
        "backend",
        {"type": tpm.type, "version": version},
        None if emulated else xml.element("device", {"path": tpm.device or "/dev/tpm0"}),
    )
    return xml.element("tpm", {"model": model}, backend)


def _render_watchdog(watchdog: Watchdog, arch: str):
    model = watchdog.model or ("diag288" if arch == "s390x" else "i6300esb")
    return xml.element("watchdog", {"model": model, "action": watchdog.action})


def _render_filesystem(filesystem: Filesystem):
    return xml.element(
        "filesystem",
        {"type": "mount", "accessmode": "passthrough"},
        xml.element("driver", {"type": filesystem.driver}),
        xml.element("source", {"dir": filesystem.source}),
        xml.element("target", {"dir": filesystem.target}),
        xml.element("readonly") if filesystem.readonly else None,
    )


def _render_hostdev(device: Hostdev):
    if device.by_id:
        told = [xml.element(tag, {"id": id}) for tag, id in device.source]
    else:
        told = [xml.element("address", dict(device.source))]
    managed = None if device.type == "usb" else "yes" if device.managed else "no"
    attributes = {"mode": "subsystem", "type": device.type, "managed": managed}
    return xml.element("hostdev", attributes, xml.element("source", None, *told))
