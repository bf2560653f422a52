# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a running domain differs from what it is defined as: what can change while it runs, and what takes a restart.

Source: https://libvirt.org/html/libvirt-libvirt-domain.html, qemuDomainChangeNet and qemuDomainChangeDiskLive.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Optional

from . import xml
from .definition import applied_of
from .derived import as_started, has_uefi
from .live_steps import AttachDevice, DetachDevice, SetMemory, SetMetadata, SetVcpus, UpdateDevice
from .merge import Change, differences, line_of, merge, name_of, steps_of
from .reading import as_read
from .record import bare_record, find_record, read_record
from .sameness import kib

# Devices that libvirt does not add by itself when a domain starts.
REMOVABLE = ("disk", "interface", "graphics", "channel", "filesystem", "hostdev", "watchdog", "tpm", "rng")
# The balloon moves currentMemory while the guest runs; the others need no restart in any case.
AT_ONCE = ("metadata", "title", "description", "currentMemory")
VCPUS = ("vcpu", "vcpu/@current")
PLUGGED_BUSES = ("virtio", "scsi", "usb")
MEDIA = ("cdrom", "floppy")
# qemuDomainAttachNetDevice has no code for these.
FIXED_NETWORKS = ("server", "client", "mcast", "udp", "internal")
# What each device can change without being plugged in anew, as places below it.
UPDATED = {
    "interface": ("link", "bandwidth", "filterref", "source/@network", "source/@bridge", "source/@portgroup"),
    "graphics": ("@passwd",),
    "disk": ("@type", "source", "driver/@type", "backingStore"),
}


@dataclass(frozen=True)
class Running:
    """How a running domain differs from its configuration.

    `steps` make the places in `live` as they are defined; those in `pending` take a restart.
    """

    steps: tuple = ()
    live: tuple[Change, ...] = ()
    pending: tuple[Change, ...] = ()

    @property
    def differences(self) -> tuple[Change, ...]:
        return self.live + self.pending

    def __add__(self, other: Running) -> Running:
        return Running(self.steps + other.steps, self.live + other.live, self.pending + other.pending)


@dataclass(frozen=True)
class _Sides:
    """Both sides: what runs, what it is defined as, and what runs with the wanted values put in."""

    name: str
    active: object
    defined: object
    merged: object


def compare_running(
    name: str,
    desired,
    defined_xml: str,
    active_xml: str,
    absent: tuple[str, ...] = (),
    changes: tuple[Change, ...] = (),
    before_xml: Optional[str] = None,
    fixed: frozenset = frozenset(),
) -> Running:
    """Return how what runs differs from what it is to be defined as, at the places that `desired` names.

    `changes` are those of the definition in this run, and `before_xml` is what stood before them. The files in `fixed` are
    disks that are changed by a restart only.
    """
    active, defined = xml.parse(active_xml, "running domain"), xml.parse(defined_xml, "domain")
    merged = deepcopy(active)
    merge(merged, as_started(as_read(desired, active), active), None)
    sides = _Sides(name, active, defined, merged)
    applied = applied_of(read_record(xml.parse(before_xml, "domain"))) if before_xml else None
    return (
        _compare_domain(sides, absent)
        + _compare_vcpus(sides, desired)
        + _compare_memory(sides, changes)
        + _compare_devices(sides, fixed)
        + _compare_media(sides, applied)
        + _compare_gone(sides, applied)
        + _compare_metadata(sides, changes)
    )


def _compare_domain(sides: _Sides, absent: tuple[str, ...]) -> Running:
    """Compare all but devices and what has an own comparison; all of it takes a restart."""
    found = [change for change in differences(sides.active, sides.merged, "") if change.path not in VCPUS]
    pending = [change for change in found if not change.path.startswith(("devices/", *AT_ONCE))]
    if has_uefi(sides.active) != has_uefi(sides.defined):
        had, has = ("efi" if has_uefi(tree) else "bios" for tree in (sides.active, sides.defined))
        pending.append(Change("os/@firmware", had, has))
    pending += [Change(place, line_of(node), None) for place in absent for node in sides.active.findall(place)]
    return Running(pending=tuple(pending))


def _compare_vcpus(sides: _Sides, desired) -> Running:
    had, wanted = (tree.find("vcpu") for tree in (sides.active, sides.defined))
    if desired.find("vcpu") is None or had is None or wanted is None:
        return Running()
    before, after = (node.get("current") or xml.text(node) for node in (had, wanted))
    if xml.text(had) != xml.text(wanted):
        return Running(pending=(Change("vcpu", xml.text(had), xml.text(wanted)),))
    if before == after:
        return Running()
    change = (Change("vcpu/@current", before, after),)
    # To take one out, the guest must give it back, and many do not.
    if int(after) < int(before):
        return Running(pending=change)
    return Running((SetVcpus(sides.name, int(after)),), change)


def _compare_memory(sides: _Sides, changes: tuple[Change, ...]) -> Running:
    """Compare the balloon, if its size is changed in this run: a guest without its driver keeps what it has."""
    had, wanted = ([tree.find(tag) for tag in ("memory", "currentMemory")] for tree in (sides.active, sides.defined))
    found = [change for change in changes if change.path == "currentMemory"]
    if not found or None in (*had, *wanted) or kib(had[0]) is None or kib(had[0]) < (kib(wanted[1]) or 0):
        return Running()
    if kib(had[1]) == kib(wanted[1]):
        return Running()
    return Running((SetMemory(sides.name, kib(wanted[1])),), tuple(found))


def _compare_devices(sides: _Sides, fixed: frozenset) -> Running:
    running = Running()
    had, wanted = (tree.findall("devices/*") for tree in (sides.active, sides.merged))
    defined = {name_of(device)[:2]: device for device in sides.defined.findall("devices/*")}
    for index, (step, device) in enumerate(zip(steps_of(wanted), wanted)):
        path, ours = f"devices/{step}", defined.get(name_of(device)[:2])
        if index >= len(had):
            change = (Change(path, None, line_of(device)),)
            if ours is not None and _can_plug(ours):
                running += Running((AttachDevice(sides.name, step, _portable(ours)),), change)
            else:
                running += Running(pending=change)
            continue
        changes = tuple(differences(had[index], device, path))
        if changes and ours is not None and _can_update(ours, changes, path, fixed):
            running += Running((UpdateDevice(sides.name, step, _portable(ours)),), changes)
        else:
            running += Running(pending=changes)
    # A disk has its controller before it comes.
    return replace(running, steps=tuple(sorted(running.steps, key=lambda step: not step.device.startswith("controller"))))


def _compare_media(sides: _Sides, applied) -> Running:
    """Compare the drives that are to be empty; a medium that others put in stays."""
    running = Running()
    empty = [disk for disk in sides.defined.findall("devices/disk") if disk.get("device") in MEDIA and disk.find("source") is None]
    ours = {name_of(disk)[:2] for disk in applied.findall("devices/disk[source]")} if applied is not None else set()
    had = sides.active.findall("devices/*")
    places = {name_of(device)[:2]: (step, device) for step, device in zip(steps_of(had), had)}
    for disk in empty:
        step, device = places.get(name_of(disk)[:2], (None, None))
        source = None if device is None else device.find("source")
        if source is not None and name_of(disk)[:2] in ours:
            change = (Change(f"devices/{step}/source", line_of(source), None),)
            running += Running((UpdateDevice(sides.name, step, _portable(disk)),), change)
    return running


def _compare_gone(sides: _Sides, applied) -> Running:
    """Compare the devices that only the running domain has: one that we had applied is taken out, one of others stays."""
    running = Running()
    kept = {name_of(device)[:2] for device in sides.defined.findall("devices/*")}
    ours = {name_of(device)[:2] for device in applied.findall("devices/*")} if applied is not None else set()
    had = sides.active.findall("devices/*")
    for step, device in zip(steps_of(had), had):
        name = name_of(device)[:2]
        if device.tag not in REMOVABLE or name in kept:
            continue
        change = (Change(f"devices/{step}", line_of(device), None),)
        if name in ours and _can_plug(device):
            target = device.find("target").get("dev") if device.tag == "disk" else None
            running += Running((DetachDevice(sides.name, step, line_of(device), target),), change)
        else:
            running += Running(pending=change)
    return running


def _compare_metadata(sides: _Sides, changes: tuple[Change, ...]) -> Running:
    if not changes:
        return Running()
    texts = [[tree.findtext(tag) for tag in ("title", "description")] for tree in (sides.active, sides.defined)]
    records = [None if node is None else line_of(bare_record(node)) for node in map(find_record, (sides.active, sides.defined))]
    if texts[0] == texts[1] and records[0] == records[1]:
        return Running()
    return Running((SetMetadata(sides.name, *texts[1], records[1]),))


def _can_plug(device) -> bool:
    if device.tag == "disk":
        target = device.find("target")
        return device.get("device", "disk") in ("disk", "lun") and target is not None and target.get("bus") in PLUGGED_BUSES
    if device.tag == "interface":
        return device.get("type") not in FIXED_NETWORKS and device.find("mac") is not None
    if device.tag == "controller":
        return device.get("type") == "scsi"
    return device.tag == "hostdev"


def _can_update(device, changes: tuple[Change, ...], path: str, fixed: frozenset) -> bool:
    if device.tag == "disk":
        source = device.find("source")
        if device.get("device") not in MEDIA or (source is not None and source.get("file") in fixed):
            return False
    places = UPDATED.get(device.tag, ())
    return all(change.path[len(path) + 1 :].startswith(places) for change in changes) if places else False


def _portable(device) -> str:
    """Return a device's XML without its place in the configuration, which may be taken in what runs."""
    copy = deepcopy(device)
    for tag in ("address", "alias"):
        for node in copy.findall(tag):
            copy.remove(node)
    return line_of(copy)
