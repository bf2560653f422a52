# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays that are to stand alone: the steps that bring what is below them into them."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from . import xen, xml
from .claims import disk_paths
from .definition import applied_of, applied_text
from .errors import ImageError
from .merge import Change
from .plan import Live, Plan
from .record import read_record, set_record
from .steps import DefineDomain, FlattenVolume
from .volume import FOLDER, PLAIN, Pool, Volume, World


def plan_flattening(plan: Plan, world: World, live: Optional[Live], snapshots: bool = False) -> Plan:
    """Return the plan of a guest's volumes with steps that make each overlay stand alone; raise ImageError.

    `snapshots`: its domain has snapshots or checkpoints.

    The domain comes first: with the chain written down, QEMU would still read through a volume what is below it.
    """
    overlays = [volume for volume in plan.volumes if len(volume.layers) > 1]
    if not overlays:
        return plan
    for volume in overlays:
        header = world.file(volume.path).header
        if snapshots or (header and header.snapshots):
            raise ImageError(f"volume {volume.path} has snapshots or checkpoints, which flattening would lose; delete them first")
    steps = []
    if live:
        text = _without_chains(live.xml, {volume.path for volume in overlays})
        if text:
            steps.append(DefineDomain(live.name, text, new=False, before=live.as_read))
    steps += [_flatten(plan.name, volume, world.pools[volume.pool], live) for volume in overlays]
    flat = [replace(volume, layers=volume.layers[:1]) for volume in plan.volumes]
    change = Change("storage", "overlays", "volumes that stand alone")
    return replace(plan, steps=(*plan.steps, *steps), volumes=tuple(flat), changes=(*plan.changes, change))


def _flatten(name: str, volume: Volume, pool: Pool, live: Optional[Live]) -> FlattenVolume:
    running = bool(live and live.active) and volume.path in disk_paths(live.active)
    if live and live.saved:
        raise ImageError(
            f"has a saved state (virsh managedsave), which needs {volume.path} as it is; start it with virsh start, or "
            "drop the saved state with virsh managedsave-remove"
        )
    if live and volume.path not in disk_paths(live.xml):
        raise ImageError(
            f"volume {volume.path} is not what the guest has as its disk any more (an external snapshot?); bring it back "
            "first"
        )
    if running and xen.is_xen(live.active):
        raise ImageError(f"volume {volume.path} cannot be flattened while its guest runs under Xen; stop the guest first")
    if not running and pool.kind not in (FOLDER, PLAIN):
        raise ImageError(f"volume {volume.path} is on another machine; start the guest, or flatten it there")
    return FlattenVolume(pool, volume.name, volume.layers, name, running)


def _without_chains(domain_xml: str, paths: set) -> Optional[str]:
    """Return a domain's XML that leaves it to QEMU to find what is below these disks; None where it does already."""
    tree = xml.parse(domain_xml, "live domain")
    if not _cut(tree, paths):
        return None
    record = read_record(tree)
    applied = applied_of(record)
    if applied is not None:
        _cut(applied, paths)
        set_record(tree, replace(record, applied=applied_text(applied)))
    return xml.to_text(tree)


def _cut(tree, paths: set) -> bool:
    chains = [
        chain
        for disk in tree.findall("devices/disk")
        for chain in disk.findall("backingStore")
        if any(source.get("file") in paths for source in disk.findall("source"))
    ]
    for chain in chains:
        chain.getparent().remove(chain)
    return bool(chains)
