# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of one guest as domain XML.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
"""

from __future__ import annotations

from . import xml
from .chain import PATHS, render_backing
from .devices import Device
from .machine import QEMU_TYPES
from .match import Verdict
from .volume import BLOCK, Volume


def render_disk(device: Device, volume: Volume, verdict: Verdict):
    """Return <disk> of a volume."""
    top, below = volume.layers[0], volume.layers[1:]
    qemu = verdict.virt_type in QEMU_TYPES
    type = "block" if volume.kind == BLOCK else "file"
    return xml.element(
        "disk",
        {"type": type, "device": device.kind},
        xml.element("driver", {"name": "qemu", "type": top.format}),
        xml.element("source", {PATHS[type]: top.path}),
        # libvirt 9's Xen driver refuses a chain that it is told; it has it from the overlay.
        render_backing(below) if qemu and below else None,
        xml.element("target", {"dev": device.target, "bus": device.bus}),
        xml.element("readonly") if device.kind == "cdrom" else None,
    )
