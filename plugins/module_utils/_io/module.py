# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules share: one way to run, to fail, to tell a difference, and the one place that knows check mode."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from .._core import xml
from .._core.errors import ImageError
from .._core.living import Now, lasting, plan_fallback, plan_undo, plan_way_back, split_at_start
from .._core.plan import Plan
from .._core.secrets import mask, masked
from .._core.steps import DefineDomain, FillVolume, ImportBase, StartDomain, StopDomain
from .._core.values import to_plain
from .apply import apply
from .connection import Connection
from .files import remove
from .life import is_ours
from .requirements import require
from .spool import spool
from .url import Access
from .wait import wait_for


@dataclass
class Outcome:
    """What a module found and plans; `report` makes its return values once the plans were carried out."""

    plans: list[Plan] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    report: object = None
    # What must come to the host first; then nothing is applied.
    missing: list[dict] = field(default_factory=list)
    # What must be fetched before it is known what to apply: (source, pool).
    unknown: list[tuple] = field(default_factory=list)
    access: Access = Access()
    # Pools whose files libvirt is to look at.
    unlisted: tuple[str, ...] = ()
    # Fetched files that nobody needs once the plans were carried out.
    spent: tuple[str, ...] = ()


@dataclass
class Done:
    """What became of a plan: the steps that were taken (in check mode: would be), and the state after them.

    `undone` are the steps that took back some of them.
    """

    plan: Plan
    steps: tuple
    state: str
    error: str = ""
    addresses: tuple[str, ...] = ()
    undone: tuple = ()
    # The seconds between the end of a guest that was stopped and its start.
    downtime: Optional[float] = None

    @property
    def changed(self) -> bool:
        """Return whether anything is other than before."""
        return bool(lasting(self.steps, self.undone))

    @property
    def reason(self) -> str:
        """Return why it failed, and in the same line what was taken back."""
        first, rest = self.error.partition("\n")[::2]
        taken_back = f"; then: {', '.join(map(str, self.undone))}" if self.undone else ""
        return "\n".join(filter(None, (f"{first}{taken_back}", rest)))


def run(spec: dict, act, connect: bool = True, **rules) -> None:
    """Run a module: `act(params, connection)` plans, and what it planned is applied unless in check mode."""
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **rules)
    try:
        require("lxml", *(["libvirt"] if connect else []))
        if connect:
            with Connection(module.params["uri"]) as connection:
                outcome = act(module.params, connection)
                if outcome.unknown and not module.check_mode:
                    for source, pool in outcome.unknown:
                        spool(source, pool, outcome.access)
                    outcome = act(module.params, connection)
                _finish(module, outcome, connection)
        else:
            _finish(module, act(module.params), None)
    except ImageError as error:
        module.fail_json(msg=str(error))
    except Exception as error:  # pylint: disable=broad-exception-caught
        # The last line of defence: a user gets a sentence, a developer the traceback with -vvv.
        module.fail_json(
            msg=f"this is a defect in virt.image, not in your input: {type(error).__name__}: {error}",
            exception=traceback.format_exc(),
        )


def _finish(module: AnsibleModule, outcome: Outcome, connection) -> None:
    told = [f"{plan.subject} {warning}" for plan in outcome.plans for warning in plan.warnings]
    for warning in dict.fromkeys((*outcome.warnings, *told)):
        module.warn(warning)
    if outcome.missing and not module.check_mode:
        module.exit_json(changed=False, missing=outcome.missing)
    if module.check_mode:
        done = [Done(plan, plan.steps, plan.state, error=plan.refused or "") for plan in outcome.plans]
    else:
        done = _apply(outcome, connection)
    if not module.check_mode:
        _remove_spent(outcome.spent, done)
        for pool in outcome.unlisted:
            connection.refresh_pool(pool)
    changed = any(one.changed for one in done)
    result = {"changed": changed, **outcome.report(done)}
    if outcome.plans and module._diff:  # pylint: disable=protected-access
        result["diff"] = [diff_of(one.plan) for one in done if one.changed]
    failed = [f"{one.plan.subject}: {one.reason}" for one in done if one.error]
    if failed:
        module.fail_json(msg="\n".join(failed), **result)
    module.exit_json(**result)


def _remove_spent(paths, done: list[Done]) -> None:
    """Remove what was fetched, but for what a plan that failed begins with when it is run again."""
    failed = [step for one in done if one.error for step in one.plan.steps]
    needed = {step.source.path for step in failed if isinstance(step, (ImportBase, FillVolume))}
    for path in paths:
        if path not in needed:
            remove(path)


def _apply(outcome: Outcome, connection) -> list[Done]:
    """Carry out all plans; a guest that fails does not hold up the others, and waiting comes last, for all at once."""
    broken: dict[str, str] = {}
    done = [_apply_one(plan, connection, outcome.access, broken) for plan in outcome.plans]
    if connection:
        # Domains have what they need, and are seen by who prunes.
        connection.locks.release()
    waits = [step for one in done if not one.error for step in one.plan.waits]
    results = wait_for(waits, connection, time.monotonic()) if waits else {}
    for one in done:
        if one.error:
            continue
        result = results.get(one.plan.name)
        if result:
            one.addresses, one.error = result.addresses, result.error
        if result and result.fell:
            _after_fall(one, connection)
            continue
        _apply_rest(one, connection, outcome.access)
        if one.error:
            _look_again(one, connection)
    return done


def _apply_one(plan: Plan, connection, access: Access, broken: dict[str, str]) -> Done:
    """Carry out one plan up to its start; `broken` maps what could not be brought to the pools to the reason."""
    if plan.refused:
        return Done(plan, (), plan.was, error=plan.refused)
    needed = [path for path in plan.shared if path in broken]
    if needed:
        _note_unbrought(plan.steps, broken[needed[0]], broken)
        return Done(plan, (), plan.was, error=broken[needed[0]])
    taken: list = []
    stopped = downtime = None
    first, _rest = split_at_start(plan.steps)
    try:
        for step in apply(first, connection, access):
            taken.append(step)
            if isinstance(step, StopDomain):
                stopped = time.monotonic()
            elif isinstance(step, StartDomain) and stopped:
                downtime = time.monotonic() - stopped
    except ImageError as error:
        failed = first[len(taken)]
        _note_unbrought(first[len(taken):], str(error), broken)
        return _after_failure(plan, taken, failed, str(error), connection)
    return Done(plan, tuple(taken), plan.state, downtime=downtime)


def _note_unbrought(left, error: str, broken: dict[str, str]) -> None:
    """Note what these steps, which are not taken, would have brought for other guests too."""
    broken.update((step.path, error) for step in left if isinstance(step, ImportBase))


def _apply_rest(one: Done, connection, access: Access) -> None:
    """Carry out what comes after the start of a guest that stayed."""
    _first, rest = split_at_start(one.plan.steps)
    taken: list = []
    try:
        for step in apply(rest, connection, access):
            taken.append(step)
    except ImageError as error:
        one.error = "; then ".join(filter(None, (one.error, str(error))))
        _take_back(one, (*one.steps, *taken), rest[len(taken)], connection)
    one.steps = (*one.steps, *taken)


def _after_failure(plan: Plan, taken: list, failed, error: str, connection) -> Done:
    """Take back what was done for a guest that could not be defined or started, and return how it stands now."""
    one = Done(plan, tuple(taken), plan.was, error)
    _take_back(one, taken, failed, connection)
    _look_again(one, connection)
    return one


def _take_back(one: Done, taken, failed, connection) -> None:
    """Take back what may be of the steps that were taken before one failed."""
    plan = one.plan
    defined = any(isinstance(step, DefineDomain) for step in taken)
    try:
        if plan.was != "absent" or defined or connection.find_domain(plan.name) is None:
            now = _now(plan.name, connection)
            if plan.way_back is not None:
                _undo(one, plan_way_back(taken, plan.way_back, now), connection)
            else:
                _undo(one, plan_undo(taken, failed, plan.was, plan.before, now), connection)
    except ImageError as second:
        one.error = f"{one.error}; then {second}"


def _after_fall(one: Done, connection) -> None:
    """Power off a guest that was started and did not stay, and take back what may be."""
    try:
        now = _now(one.plan.name, connection)
        if now.state != "absent" and one.plan.way_back is None:
            _undo(one, plan_fallback(one.steps, one.plan.was, one.plan.before, now), connection)
    except ImageError as error:
        one.error = f"{one.error}; then {error}"
    _look_again(one, connection)


def _undo(one: Done, undoing: tuple, connection) -> None:
    for step in apply(undoing, connection, Access()):
        one.undone = (*one.undone, step)


def _now(name: str, connection) -> Now:
    live = connection.live(name)
    return Now(live.state, is_ours(name, connection)) if live else Now("absent")


def _look_again(one: Done, connection) -> None:
    """Note the state that a guest is in after a failure."""
    try:
        one.state = _now(one.plan.name, connection).state
    except ImageError as error:
        one.error = f"{one.error}; then {error}"


def describe(done: Done) -> dict:
    """Return what a module tells of one guest."""
    plan = done.plan
    told = {
        "name": plan.name,
        "state": done.state,
        "changed": done.changed,
        "actions": [str(step) for step in (*done.steps, *done.undone)],
        # A domain that comes or goes as a whole is in the actions and the diff.
        "changes": [masked(change) for change in plan.changes if change.path != "domain"],
        "drift": [masked(change) for change in plan.drift],
        "restart_required": plan.restart_required and not done.undone,
        "pending": [] if done.undone else [masked(change) for change in plan.pending],
        "boot": plan.verdict.index if plan.verdict else None,
        "virt_type": plan.verdict.virt_type if plan.verdict else None,
        "volumes": [describe_volume(volume) for volume in plan.volumes],
        "addresses": list(done.addresses),
    }
    if done.error:
        told["error"] = done.reason
    return told


def describe_volume(volume) -> dict:
    """Return what a module tells of one volume; capacity in bytes."""
    told = to_plain(volume)
    # That of a compressed raw disk is known once it is unpacked.
    told["capacity"] = told["capacity"] or None
    return {key: told[key] for key in ("disk", "use", "pool", "name", "path", "format", "capacity")}


def diff_of(plan: Plan) -> dict:
    """Return a plan's difference in Ansible's form."""
    steps = "".join(f"# {step}\n" for step in plan.steps)
    return {
        "before_header": f"{plan.name} (now)",
        "after_header": f"{plan.name} (wanted)",
        "before": f"state: {plan.was}\n{_shown(plan.before)}",
        "after": f"{steps}state: {plan.state}\n{_shown(plan.after)}",
    }


def _shown(domain_xml: str) -> str:
    # libvirt's way of writing the same XML is no difference.
    return mask(xml.to_text(xml.parse(domain_xml, "domain"))) if domain_xml else ""
