# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that bring guests and their volumes do."""

from __future__ import annotations

from .._core import claims, xml
from .._core.errors import ImageError, Problems
from .._core.guest import parse_guest
from .._core.names import name_mistake
from .._core.pipeline import RUNNING, Plan, Sighting, plan_all, plan_volumes
from .._core.record import read_record
from .._core.steps import DeleteVolume, ImportBase
from .._core.volume import REMOVED_USES, pool_of, volume_names
from .connection import Connection
from .module import Outcome, describe, describe_volume
from .survey import Survey


def guests(params: dict, connection: Connection) -> Outcome:
    """Plan all guests of a call; what they need from the control node first is in the outcome's `missing`."""
    asked, wrong = [], Problems()
    for index, options in enumerate(params["guests"]):
        try:
            named = options.get("name") and not name_mistake(options["name"])
            asked.append(parse_guest(options, options["name"] if named else f"guests[{index}]"))
        except ImageError as error:
            wrong.extend(error)
    sightings, problems = Survey(connection, params["_deliveries"]).all(asked)
    problems.found[:0] = wrong.found
    plans = plan_all(sightings, problems)
    return Outcome(
        plans=plans,
        warnings=_warnings(sightings, plans),
        missing=_missing(plans),
        report=lambda done: {"guests": [describe(one) for one in done]},
    )


def storage(params: dict, connection: Connection) -> Outcome:
    """Plan the volumes of one guest, as they are planned for the whole guest."""
    options = {key: value for key, value in params.items() if key not in ("uri", "state")}
    sighting = Survey(connection).guest(parse_guest({**options, "state": "present"}))
    plan = _removal(sighting, params["remove"]) if params["state"] == "absent" else _volumes(sighting)
    return Outcome(
        plans=[plan],
        warnings=sighting.image.warnings,
        report=lambda done: {
            "volumes": [describe_volume(volume) for volume in plan.volumes],
            "actions": describe(done[0])["actions"],
        },
    )


def _volumes(sighting: Sighting) -> Plan:
    record = read_record(xml.parse(sighting.live.xml, "live domain")) if sighting.live else None
    storage_plan = plan_volumes(sighting, record)
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


def _removal(sighting: Sighting, remove: str) -> Plan:
    """Plan to delete a guest's volumes; raise ImageError where a domain still needs them."""
    if sighting.live:
        running = "runs" if sighting.live.state in RUNNING else "is defined"
        raise ImageError(
            f"guest {sighting.name} {running} and needs its volumes; the guests module with state: absent removes both"
        )
    boot = sighting.image.boots[sighting.verdict.index]
    disks = [disk for disk in sighting.image.disks_of(boot) if disk.format != "iso"]
    names = volume_names(sighting.name, sighting.image.disks_of(boot), sighting.guest.clone)
    steps = []
    for disk in disks:
        pool = sighting.world.pools[pool_of(sighting.guest, disk)]
        step = DeleteVolume(pool.name, names[disk.id], f"{pool.path}/{names[disk.id]}")
        if disk.use in REMOVED_USES[remove] and sighting.world.file(step.path).header:
            steps.append(step)
    claims.refuse_taken(sighting.name, [step.path for step in steps], sighting.taken)
    return Plan(name=sighting.name, steps=tuple(steps), was="present")


def _missing(plans: list[Plan]) -> list[dict]:
    """Return the files of images that are on the control node and must come first."""
    steps = [step for plan in plans for step in plan.steps if isinstance(step, ImportBase)]
    return [{"image": step.image, "file": step.label} for step in steps if step.source is None]


def _warnings(sightings: list[Sighting], plans: list[Plan]) -> tuple[str, ...]:
    found = [warning for sighting in sightings if sighting.image for warning in sighting.image.warnings]
    found += [
        f"guest {plan.name} runs on; its new configuration takes effect when it is stopped and started again"
        for plan in plans
        if plan.restart_required
    ]
    return tuple(dict.fromkeys(found))
