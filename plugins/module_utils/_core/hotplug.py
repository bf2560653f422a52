# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices a driver of libvirt can bring to a running domain, take from it and change in it.

Source: https://libvirt.org/html/libvirt-libvirt-domain.html, qemuDomainChangeNet and qemuDomainChangeDiskLive;
libxlDomainAttachDeviceLive and libxlDomainUpdateDeviceLive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import xen

# qemuDomainAttachNetDevice has no code for these.
FIXED_NETWORKS = ("server", "client", "mcast", "udp", "internal")


@dataclass(frozen=True)
class Abilities:
    """What a driver can do while a domain runs.

    `buses` are those that a disk can be plugged into, and `freed` those from which it can be taken: the guest's agent must
    tell that nothing on it is mounted. `updated` are what each device can change without being plugged in anew, as places
    below it; of disks only those of `media` can.
    """

    buses: tuple[str, ...]
    freed: tuple[str, ...]
    controllers: tuple[str, ...]
    media: tuple[str, ...]
    updated: dict[str, tuple[str, ...]]

    def can_plug(self, device) -> bool:
        if device.tag == "disk":
            target = device.find("target")
            return device.get("device", "disk") in ("disk", "lun") and target is not None and target.get("bus") in self.buses
        if device.tag == "interface":
            return device.get("type") not in FIXED_NETWORKS and device.find("mac") is not None
        if device.tag == "controller":
            return device.get("type") in self.controllers
        return device.tag == "hostdev"

    def can_unplug(self, device) -> bool:
        return self.can_plug(device) and (device.tag != "disk" or device.find("target").get("bus") in self.freed)

    def can_update(self, device, changed: list[str], path: str, fixed: frozenset) -> bool:
        """Return whether the device at that path can change at these places; the files in `fixed` stay as they are."""
        if device.tag == "disk":
            source = device.find("source")
            if device.get("device") not in self.media or (source is not None and source.get("file") in fixed):
                return False
        places = self.updated.get(device.tag, ())
        return all(one[len(path) + 1 :].startswith(places) for one in changed) if places else False


MEDIUM = ("@type", "source", "driver/@type")
QEMU = Abilities(
    buses=("virtio", "scsi", "usb"),
    # The guest agent does not tell which file system is on a disk at USB (virDomainDiskIndexByAddress).
    freed=("virtio", "scsi"),
    controllers=("scsi",),
    media=("cdrom", "floppy"),
    updated={
        "interface": ("link", "bandwidth", "filterref", "source/@network", "source/@bridge", "source/@portgroup"),
        "graphics": ("@passwd",),
        "disk": MEDIUM,
    },
)
# No agent tells what a guest of Xen has mounted; and only emulated drives change their medium (libxl_cdrom_insert).
LIBXL = Abilities(buses=("xen",), freed=(), controllers=(), media=(), updated={"disk": MEDIUM})
LIBXL_HVM = replace(LIBXL, media=("cdrom",))


def abilities_of(domain) -> Abilities:
    """Return what the driver of a domain's tree can do; of those that are not known it is told what they refuse."""
    if domain.get("type") != xen.TYPE:
        return QEMU
    return LIBXL_HVM if domain.findtext("os/type") == "hvm" else LIBXL
