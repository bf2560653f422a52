# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that bring guests and their volumes do."""

from __future__ import annotations

from dataclasses import replace

from .._core.errors import ImageError, Problems
from .._core.guest import parse_guest
from .._core.pipeline import RUNNING, Plan, Sighting, plan_all, plan_guest
from .._core.steps import CopyVolume, CreateVolume, DeleteVolume, ImportBase
from .._core.volume import REMOVED_USES
from .connection import Connection
from .module import Outcome, describe, describe_volume
from .survey import Survey

STORAGE_STEPS = (ImportBase, CopyVolume, CreateVolume)


def guests(params: dict, connection: Connection) -> Outcome:
    """Plan all guests of a call; what they need from the control node first is in the outcome's `missing`."""
    asked, wrong = [], Problems()
    for index, options in enumerate(params["guests"]):
        try:
            asked.append(parse_guest(options, options.get("name") or f"guests[{index}]"))
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
    """Plan the volumes of one guest, through the same plan as the whole guest's."""
    options = {key: value for key, value in params.items() if key not in ("uri", "state")}
    survey = Survey(connection)
    sighting = survey.guest(parse_guest({**options, "state": "present"}))
    if params["state"] == "absent":
        plan = _removal(sighting, params["remove"])
    else:
        whole = plan_guest(sighting)
        plan = replace(
            whole,
            steps=tuple(step for step in whole.steps if isinstance(step, STORAGE_STEPS)),
            waits=(),
            before="",
            after="",
            was="present" if sighting.live else "absent",
            state="present",
        )
    return Outcome(
        plans=[plan],
        warnings=sighting.image.warnings,
        report=lambda _done: {
            "volumes": [describe_volume(volume) for volume in plan.volumes],
            "actions": [str(step) for step in plan.steps],
        },
    )


def _removal(sighting: Sighting, remove: str) -> Plan:
    """Plan to delete a guest's volumes; raise ImageError where a domain still needs them."""
    if sighting.live:
        running = "runs" if sighting.live.state in RUNNING else "is defined"
        raise ImageError(
            f"guest {sighting.name} {running} and needs its volumes; the guests module with state: absent removes both"
        )
    whole = plan_guest(sighting)
    uses = REMOVED_USES[remove]
    steps = tuple(
        DeleteVolume(volume.pool, volume.name, volume.path)
        for volume in whole.volumes
        if volume.use in uses and not volume.shared and sighting.world.file(volume.path).header
    )
    return Plan(name=sighting.name, steps=steps, was="present")


def _missing(plans: list[Plan]) -> list[str]:
    """Return the files of images that are on the control node and must come first."""
    steps = [step for plan in plans for step in plan.steps if isinstance(step, ImportBase)]
    return [f"{step.image}\n{step.label}" for step in steps if step.source is None]


def _warnings(sightings: list[Sighting], plans: list[Plan]) -> tuple[str, ...]:
    found = [warning for sighting in sightings if sighting.image for warning in sighting.image.warnings]
    found += [
        f"guest {plan.name} runs on; its new configuration takes effect when it is stopped and started again"
        for plan in plans
        if plan.restart_required
    ]
    return tuple(dict.fromkeys(found))
