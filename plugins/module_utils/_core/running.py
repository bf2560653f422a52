# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a running domain differs from what it is defined as: what can change while it runs, and what takes a restart."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Optional

from . import xml
from .chain import source_of
from .definition import applied_of
from .derived import as_started, has_uefi
from .drift import keep_values
from .hotplug import abilities_of
from .live_steps import AttachDevice, DetachDevice, SetMemory, SetTexts, SetVcpus, UpdateDevice
from .merge import Change, differences, line_of, merge, pairs_of, steps_of
from .reading import as_read
from .record import read_record
from .sameness import kib, vcpu_counts

# Devices that libvirt does not add by itself when a domain starts.
REMOVABLE = ("disk", "interface", "graphics", "channel", "filesystem", "hostdev", "watchdog", "tpm", "rng")
# The balloon moves currentMemory while the guest runs; the others need no restart in any case.
AT_ONCE = ("metadata", "title", "description", "currentMemory")
VCPUS = ("vcpu", "vcpu/@current")


@dataclass(frozen=True)
class Running:
    """How a running domain differs from its configuration.

    `steps` make the places in `live` as they are defined; those in `pending` take a restart, and so do those in `foreign`,
    which are what others plugged in.
    """

    steps: tuple = ()
    live: tuple[Change, ...] = ()
    pending: tuple[Change, ...] = ()
    foreign: tuple[Change, ...] = ()

    @property
    def differences(self) -> tuple[Change, ...]:
        return self.live + self.pending + self.foreign

    def __add__(self, other: Running) -> Running:
        return Running(*(mine + others for mine, others in zip(vars(self).values(), vars(other).values())))


@dataclass(frozen=True)
class _Sides:
    """What runs, what it is defined as, what runs with the wanted values put in; and what was applied.

    `started` is what was applied when it started; `applied` has that and what was applied last. None: not known.
    """

    name: str
    active: object
    defined: object
    merged: object
    started: object
    applied: tuple


def compare_running(
    name: str,
    desired,
    defined_xml: str,
    active_xml: str,
    absent: tuple[str, ...] = (),
    changes: tuple[Change, ...] = (),
    before_xml: Optional[str] = None,
    fixed: frozenset = frozenset(),
    keep: bool = False,
) -> Running:
    """Return how what runs differs from what it is to be defined as, at the places that `desired` names, or once named.

    `changes` are those of the definition in this run, and `before_xml` is what stood before them. The files in `fixed` are
    disks that are changed by a restart only. `keep`: what is wanted as it was at the start, and was changed since, stays.
    """
    active, defined = xml.parse(active_xml, "running domain"), xml.parse(defined_xml, "domain")
    # The running domain keeps the record that it was started with.
    started = applied_of(read_record(active))
    last = applied_of(read_record(xml.parse(before_xml, "domain"))) if before_xml else None
    applied = tuple(tree for tree in (started, last) if tree is not None)
    wanted, merged = _as_run(desired, active), deepcopy(active)
    if keep and started is not None:
        keep_values(wanted, _as_run(started, active), active)
    for old in applied or (None,):
        merge(merged, wanted, None if old is None else _as_run(old, active))
    sides = _Sides(name, active, defined, merged, started, applied)
    return (
        _compare_domain(sides, absent)
        + _compare_vcpus(sides, desired)
        + _compare_memory(sides, changes)
        + _compare_devices(sides, fixed)
        + _compare_gone(sides)
        + _compare_texts(sides)
    )


def _as_run(tree, active):
    """Return a tree as it would run; what is below a disk QEMU knows best, and may have changed (a block job)."""
    found = as_started(as_read(tree, active), active)
    for layer in found.findall("devices/disk/backingStore"):
        layer.getparent().remove(layer)
    return found


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
    counts = [vcpu_counts(node) for node in (had, wanted)]
    if None in counts:
        return Running()
    (before, most), (after, largest) = counts
    if most != largest:
        return Running(pending=(Change("vcpu", str(most), str(largest)),))
    if before == after:
        return Running()
    change = (Change("vcpu/@current", str(before), str(after)),)
    # To take one out, the guest must give it back, and many do not.
    if after < before:
        return Running(pending=change)
    return Running((SetVcpus(sides.name, after),), change)


def _compare_memory(sides: _Sides, changes: tuple[Change, ...]) -> Running:
    """Compare the balloon, if its size is another than at the start: the guest's own moves are its business."""
    had, wanted = ([tree.find(tag) for tag in ("memory", "currentMemory")] for tree in (sides.active, sides.defined))
    if None in (*had, *wanted) or kib(had[0]) is None or kib(had[0]) < (kib(wanted[1]) or 0):
        return Running()
    at_start = None if sides.started is None else sides.started.find("currentMemory")
    changed = any(change.path == "currentMemory" for change in changes)
    if kib(had[1]) == kib(wanted[1]) or not (changed or (at_start is not None and kib(at_start) != kib(wanted[1]))):
        return Running()
    found = (Change("currentMemory", str(kib(had[1])), str(kib(wanted[1]))),)
    # A guest without the balloon's driver would be asked again and again.
    return Running((SetMemory(sides.name, kib(wanted[1])),), found) if changed else Running(pending=found)


def _compare_devices(sides: _Sides, fixed: frozenset) -> Running:
    """Compare the devices that are wanted, or that nobody has an opinion on."""
    running, abilities = Running(), abilities_of(sides.active)
    had, wanted, defined = (tree.findall("devices/*") for tree in (sides.active, sides.merged, sides.defined))
    old_of, ours_of = dict(pairs_of(wanted, had)), dict(pairs_of(wanted, defined))
    for index, (step, device) in enumerate(zip(steps_of(wanted), wanted)):
        path, ours = f"devices/{step}", defined[ours_of[index]] if index in ours_of else None
        if index not in old_of:
            change = (Change(path, None, line_of(device)),)
            if ours is not None and abilities.can_plug(ours):
                running += Running((AttachDevice(sides.name, step, _portable(ours)),), change)
            else:
                running += Running(pending=change)
            continue
        # What is below a disk follows from what it is.
        found = differences(had[old_of[index]], device, path)
        changes = tuple(change for change in found if "/backingStore" not in change.path)
        if changes and ours is not None and abilities.can_update(ours, [change.path for change in changes], path, fixed):
            running += Running((UpdateDevice(sides.name, step, _portable(ours)),), changes)
        else:
            running += Running(pending=changes)
    # A disk has its controller before it comes.
    return replace(running, steps=tuple(sorted(running.steps, key=lambda step: not step.device.startswith("controller"))))


def _compare_gone(sides: _Sides) -> Running:
    """Compare the devices that only the running domain has: one that we had applied is taken out, one of others stays."""
    running, abilities = Running(), abilities_of(sides.active)
    had, merged, defined = (tree.findall("devices/*") for tree in (sides.active, sides.merged, sides.defined))
    kept, left = ({old for _index, old in pairs_of(some, had)} for some in (defined, merged))
    for index, (step, device) in enumerate(zip(steps_of(had), had)):
        if index in kept:
            continue
        change = (Change(f"devices/{step}", line_of(device), None),)
        if index in left or not _is_applied(sides, device):
            # Controllers and the like are libvirt's.
            running += Running(foreign=change if device.tag in REMOVABLE else ())
        elif abilities.can_unplug(device):
            target = device.find("target").get("dev") if device.tag == "disk" else None
            running += Running((DetachDevice(sides.name, step, line_of(device), target),), change)
        else:
            running += Running(pending=change)
    return running


def _is_applied(sides: _Sides, device) -> bool:
    """Return whether a device is one that we had applied, and not another's in its place."""
    for tree in sides.applied:
        olds = tree.findall("devices/*")
        same = [olds[old] for old, _index in pairs_of(olds, [device])]
        if any(device.tag != "disk" or source_of(old) == source_of(device) for old in same):
            return True
    return False


def _compare_texts(sides: _Sides) -> Running:
    had, wanted = ([tree.findtext(tag) for tag in ("title", "description")] for tree in (sides.active, sides.merged))
    return Running() if had == wanted else Running((SetTexts(sides.name, *wanted),))


def _portable(device) -> str:
    """Return a device's XML without its place in the configuration, which may be taken in what runs."""
    copy = deepcopy(device)
    for tag in ("address", "alias"):
        for node in copy.findall(tag):
            copy.remove(node)
    return line_of(copy)
