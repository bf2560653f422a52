# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module that brings a guest's volumes does."""

from __future__ import annotations

from dataclasses import replace

from .._core import claims
from .._core.batch import refuse_overflow
from .._core.errors import ImageError
from .._core.flatten import plan_flattening
from .._core.guest import CLONES, parse_guest
from .._core.lifecycle import RUNNING
from .._core.pipeline import plan_volumes
from .._core.plan import Plan, Sighting
from .._core.seeding import seed_volume
from .._core.steps import DeleteVolume
from .._core.volume import REMOVED_USES, pool_of, volume_names
from .connection import Connection
from .deploy import unknown_of
from .module import Outcome, describe, describe_volume
from .options import parse_access
from .prune import pruned
from .survey import Survey
from .volumes import Volumes


def storage(params: dict, connection: Connection) -> Outcome:
    """Plan the volumes of one guest, as they are planned for the whole guest, or what is to be pruned."""
    if params["state"] == "pruned":
        return pruned(params, connection)
    options = {key: value for key, value in params.items() if key not in ("uri", "state", "flatten", "fetch", "_progress")}
    access = parse_access(params["fetch"])
    survey = Survey(connection, access=access)
    sighting = survey.guest(parse_guest({**options, "state": "present"}))
    if params["state"] == "absent":
        plan = _removal(sighting, params["remove"], survey.volumes)
    else:
        plan = _volumes(sighting, params["flatten"])
        if params["flatten"]:
            plan = plan_flattening(plan, sighting.world, sighting.live, connection.has_snapshots(sighting.name))
        refuse_overflow([sighting], [plan])
    return Outcome(
        plans=[plan],
        warnings=(*sighting.image.warnings, *survey.images.warnings),
        unknown=unknown_of([plan]),
        access=access,
        spent=tuple(survey.images.spooled),
        unlisted=tuple(sorted(survey.volumes.unlisted)),
        report=lambda done: {
            "volumes": [describe_volume(volume) for volume in plan.volumes],
            "actions": describe(done[0])["actions"],
        },
    )


def _volumes(sighting: Sighting, flat: bool) -> Plan:
    record = sighting.live.record if sighting.live else None
    storage_plan = plan_volumes(sighting, record, flat)
    if record:
        claims.refuse_changed_disks(record, storage_plan.volumes)
    else:
        paths = [volume.path for volume in storage_plan.volumes if not volume.shared]
        claims.refuse_taken(sighting.name, paths, sighting.taken)
    return Plan(
        name=sighting.name,
        steps=storage_plan.steps,
        volumes=storage_plan.volumes,
        was="present" if sighting.live else "absent",
        state="present",
        verdict=sighting.verdict,
    )


def _removal(sighting: Sighting, remove: str, volumes: Volumes) -> Plan:
    """Plan to delete a guest's volumes; raise ImageError where a domain still needs them."""
    if sighting.live:
        running = "runs" if sighting.live.state in RUNNING else "is defined"
        raise ImageError(
            f"guest {sighting.name} {running} and needs its volumes; the guests module with state: absent removes both"
        )
    guest, pools = sighting.guest, sighting.world.pools
    disks = sighting.image.disks_of(sighting.image.boots[sighting.verdict.index])
    steps = []
    # Whatever the volumes were made with.
    for clone in CLONES:
        names = volume_names(sighting.name, disks, replace(guest, clone=clone), pools)
        steps += [
            DeleteVolume(pools[pool_of(guest, disk)], names[disk.id])
            for disk in disks
            if disk.format != "iso" and disk.use in REMOVED_USES[remove]
        ]
    if guest.seed:
        steps.append(DeleteVolume(pools[guest.pool], seed_volume(sighting.name, guest.seed, pools[guest.pool]).name))
    steps = [step for step in dict.fromkeys(steps) if volumes.is_there(step.pool, step.name)]
    claims.refuse_taken(sighting.name, [step.path for step in steps], sighting.taken)
    return Plan(name=sighting.name, steps=tuple(steps), was="present")
