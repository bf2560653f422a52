# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module that brings guests does."""

from __future__ import annotations

from .._core.batch import plan_all
from .._core.errors import ImageError, Problems
from .._core.guest import parse_guest
from .._core.names import name_mistake
from .._core.plan import Plan, Sighting
from .._core.steps import FillVolume, ImportBase
from .connection import Connection
from .module import Outcome, describe
from .options import parse_access
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
    access = parse_access(params["fetch"])
    survey = Survey(connection, params["_deliveries"], access)
    sightings, problems = survey.all(asked)
    problems.found[:0] = wrong.found
    plans = plan_all(sightings, problems)
    return Outcome(
        plans=plans,
        warnings=(*warnings_of(sightings), *survey.images.warnings),
        missing=missing_of(plans),
        unknown=unknown_of(plans),
        access=access,
        spent=tuple(survey.images.spooled),
        unlisted=tuple(sorted(survey.volumes.unlisted)),
        report=lambda done: {"guests": [describe(one) for one in done]},
    )


def missing_of(plans: list[Plan]) -> list[dict]:
    """Return the files of images that are on the control node and must come first."""
    sources = [source for source, _pool in _sources(plans) if source.path is None]
    return [{"image": source.image, "file": source.label} for source in sources]


def unknown_of(plans: list[Plan]) -> list[tuple]:
    """Return the files on servers whose digest nobody told, each with the pool that it goes to."""
    unknown = [(source, pool) for source, pool in _sources(plans) if source.path and source.digest is None]
    return list({(source.path, pool.path): (source, pool) for source, pool in unknown}.values())


def _sources(plans: list[Plan]) -> list[tuple]:
    return [(step.source, step.pool) for plan in plans for step in plan.steps if isinstance(step, (ImportBase, FillVolume))]


def warnings_of(sightings: list[Sighting]) -> tuple[str, ...]:
    return tuple(warning for sighting in sightings if sighting.image for warning in sighting.image.warnings)
