# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of all guests of a call, made together: what they would take from each other is refused before anything is done."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from . import claims, xml
from .errors import ImageError, Problem, Problems
from .pipeline import plan_guest
from .plan import Plan, Sighting
from .steps import CopyVolume, CreateSeed, CreateVolume, FillVolume, ImportBase
from .units import show_size

WRITING = (ImportBase, CopyVolume, FillVolume, CreateVolume, CreateSeed)


def plan_all(sightings: list[Sighting], problems: Optional[Problems] = None, plan=plan_guest) -> list[Plan]:
    """Return a plan for each guest; raise ImageError with the mistakes of all of them, and then nothing is done.

    `plan` makes that of one guest.
    """
    problems = problems or Problems()
    plans: list[Plan] = []
    names = [sighting.name for sighting in sightings]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(Problem(f"guest {name} is there {names.count(name)} times; a name is one guest"))
    for sighting in sightings:
        try:
            plans.append(plan(sighting))
        except ImageError as error:
            problems.extend(error.about(f"guest {sighting.name}"))
    _refuse_clashes(plans, {sighting.name: sighting.extra_paths for sighting in sightings}, problems)
    try:
        refuse_overflow(sightings, plans)
    except ImageError as error:
        problems.extend(error)
    problems.raise_any()
    return _import_once(plans)


def _refuse_clashes(plans: list[Plan], extra_paths: dict[str, dict], problems: Problems) -> None:
    """Refuse two guests of one call that would have the same MAC or write the same disk, naming both."""
    owners: dict = {}
    for plan in plans:
        for what, value in _claims(plan, extra_paths[plan.name]):
            other = owners.setdefault((what, value), plan)
            if other.name != plan.name:
                problems.add(Problem(f"guests {other.name} and {plan.name} both have {what} {value}"))


def _import_once(plans: list[Plan]) -> list[Plan]:
    """Return the plans with each base volume brought by the first guest that needs it."""
    seen: set = set()
    kept = []
    for plan in plans:
        repeated = [step for step in plan.steps if isinstance(step, ImportBase) and step.path in seen]
        seen.update(step.path for step in plan.steps if isinstance(step, ImportBase))
        shared = tuple(step.path for step in repeated)
        kept.append(replace(plan, steps=tuple(step for step in plan.steps if step not in repeated), shared=shared))
    return kept


def _claims(plan: Plan, extra_paths: dict) -> list[tuple]:
    found = [("disk", volume.path) for volume in plan.volumes if not volume.shared]
    if plan.after:
        tree = xml.parse(plan.after, "domain")
        macs = {node.get("address", "").lower() for node in tree.findall("devices/interface/mac")}
        found += [("MAC", mac) for mac in sorted(macs)]
        found += [("disk", path) for path in sorted(claims.written_disks(tree, extra_paths))]
    return list(dict.fromkeys(found))


def refuse_overflow(sightings: list[Sighting], plans: list[Plan]) -> None:
    """Refuse plans whose volumes do not fit into their pools, before anything is written."""
    problems = Problems()
    pools = {pool.path: pool for sighting in sightings for pool in sighting.world.pools.values()}
    writing = [step for plan in plans for step in plan.steps if isinstance(step, WRITING)]
    # A base volume is brought once, whatever the number of guests and images that have it.
    steps = {step.path: step for step in writing}.values()
    for pool in pools.values():
        needed = sum(step.size for step in steps if step.pool.path == pool.path)
        if needed > pool.available:
            problems.add(
                Problem(
                    f"{pool} has {show_size(pool.available)} free, and the volumes need {show_size(needed)}; make room "
                    f"in {pool.path}, or choose another pool"
                )
            )
    problems.raise_any()
