# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of one guest as domain XML, and the controllers that they need.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
"""

from __future__ import annotations

from typing import Optional

from . import xen, xml
from .chain import PATHS, render_backing, source_of
from .devices import Device
from .drive import BYTE_LIMITS, IO_LIMITS, Drive, ExtraDisk
from .errors import ImageError
from .machine import QEMU_TYPES
from .match import Verdict
from .volume import BLOCK, Volume

# So many disks libvirt puts on one SCSI controller (virDomainDiskDefAssignAddress, src/conf/domain_conf.c).
SCSI_UNITS = 7


def render_disk(device: Device, volume: Volume, verdict: Verdict):
    """Return <disk> of a volume."""
    top, below = volume.layers[0], volume.layers[1:]
    qemu = verdict.virt_type in QEMU_TYPES
    type = "block" if volume.kind == BLOCK else "file"
    mistake = verdict.virt_type == xen.TYPE and xen.format_mistake(top.format, volume.use == "system")
    if mistake:
        raise ImageError(f"disk {volume.disk} {mistake}")
    return xml.element(
        "disk",
        {"type": type, "device": device.kind},
        _driver(top.format, device.drive),
        xml.element("source", {PATHS[type]: top.path}),
        # libvirt 9's Xen driver refuses a chain that it is told; it has it from the overlay.
        render_backing(below) if qemu and below else None,
        *_place(device),
        xml.element("readonly") if device.kind == "cdrom" else None,
    )


def render_extra_disk(device: Device, extra: ExtraDisk):
    """Return <disk> of what is not the image's; without a source, of an empty drive."""
    return xml.element(
        "disk",
        {"type": extra.type, "device": extra.device},
        # An empty drive that runs has no format.
        _driver(extra.format if extra.source or extra.protocol else None, extra.drive),
        render_source(extra),
        *_place(device),
        xml.element("readonly") if extra.readonly else None,
        xml.element("shareable") if extra.shareable else None,
    )


def _driver(format: Optional[str], drive: Drive):
    return xml.element(
        "driver",
        {
            "name": "qemu",
            "type": format,
            "cache": drive.cache,
            "io": drive.io,
            "discard": drive.discard,
            "detect_zeroes": drive.detect_zeroes,
            "iothread": drive.iothread,
            "queues": drive.queues,
        },
    )


def _place(device: Device) -> list:
    limits = device.drive.limits
    tags = [tag for tag in (*BYTE_LIMITS.values(), *IO_LIMITS.values()) if tag in limits]
    return [
        xml.element("target", {"dev": device.target, "bus": device.bus}),
        xml.element("iotune", None, *(xml.leaf(tag, limits[tag]) for tag in tags)) if tags else None,
        xml.leaf("serial", device.drive.serial),
    ]


def render_source(extra: ExtraDisk):
    """Return <source> of an extra disk, or None for an empty drive."""
    if extra.type == "network":
        hosts = (xml.element("host", {"name": name, "port": port}) for name, port in extra.hosts)
        return xml.element("source", {"protocol": extra.protocol, "name": extra.source}, *hosts)
    if extra.type == "volume":
        return xml.element("source", {"pool": extra.pool, "volume": extra.source})
    return extra.source and xml.element("source", {PATHS[extra.type]: extra.source})


def scsi_controllers(devices: tuple[Device, ...], verdict: Verdict) -> list:
    """Return the controllers of the SCSI disks: without them libvirt takes the host's default, which guests may not know."""
    if verdict.virt_type not in QEMU_TYPES:
        return []
    units = [_unit(device.target) for device in devices if device.bus == "scsi"]
    count = max(units) // SCSI_UNITS + 1 if units else 0
    return [xml.element("controller", {"type": "scsi", "index": index, "model": "virtio-scsi"}) for index in range(count)]


def _unit(target: str) -> int:
    """Return the position of a name: sda is 0, sdaa 26."""
    letters = target[len("sd") :].rstrip("0123456789")
    position = 0
    for letter in letters:
        position = position * 26 + ord(letter) - ord("a") + 1
    return position - 1


def refuse_own_disks(
    extras: tuple[ExtraDisk, ...], volumes: tuple[Volume, ...], known: dict[tuple, tuple[str, ...]]
) -> None:
    """Refuse an extra disk that is a volume of the same guest, or there twice: both would be written.

    `known` maps what a disk is to the paths of the same file; of others the path counts that the user says.
    """
    owners: dict[str, str] = {volume.path: f"disk {volume.disk}" for volume in volumes}
    for index, extra in enumerate(extras):
        what = f"extra_disks[{index}]"
        source = source_of(xml.element("disk", None, render_source(extra)))
        paths = known.get(source) or ((extra.path,) if extra.path else ())
        path = next((path for path in paths if path in owners), None)
        if path:
            raise ImageError(f"{what} is {path}, which is {owners[path]} of this guest already")
        owners.update(dict.fromkeys(paths, what))
