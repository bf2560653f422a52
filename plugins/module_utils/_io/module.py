# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules share: one way to run, to fail, to tell a difference, and the one place that knows check mode."""

from __future__ import annotations

import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from .._core import xml
from .._core.errors import ImageError
from .._core.living import lasting
from .._core.plan import Plan
from .._core.secrets import mask, masked
from .._core.values import to_plain
from .connection import Connection
from .jobs import Jobs
from .requirements import require
from .url import Access


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
    # The long work of a call that has no connection, which has them else.
    jobs: Jobs = field(default_factory=Jobs)


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


def run(spec: dict, act, carry=None, connect: bool = True, telling=None, **rules) -> None:
    """Run a module: `act(params, connection)` plans, and what it planned is applied unless in check mode.

    `carry` is the file carry.py, for the modules that change something: the others do without all that it needs.
    Where there is no connection, `act(params, jobs)` says its long work there. `telling` is what writes that down (progress.py),
    by default that of `carry`.
    """
    telling = telling or (carry.telling if carry else None)
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **rules)
    try:
        require("lxml", *(["libvirt"] if connect else []))
        if connect:
            with Connection(module.params["uri"]) as connection:
                with _telling(module, connection.jobs, telling):
                    _act(module, act, connection, carry)
        else:
            jobs = Jobs()
            with _telling(module, jobs, telling):
                _finish(module, act(module.params, jobs), None, carry)
    except ImageError as error:
        module.fail_json(msg=str(error))
    except Exception as error:  # pylint: disable=broad-exception-caught
        # The last line of defence: a user gets a sentence, a developer the traceback with -vvv.
        module.fail_json(
            msg=f"this is a defect in virt.image, not in your input: {type(error).__name__}: {error}",
            exception=traceback.format_exc(),
        )


def _telling(module: AnsibleModule, jobs: Jobs, telling):
    """Return a context in which an action plugin, if one asks for it, is told how far long work is."""
    path = module.params.get("_progress")
    return telling(jobs, path) if path else nullcontext()


def _act(module: AnsibleModule, act, connection, carry) -> None:
    outcome = act(module.params, connection)
    if carry is None and (outcome.plans or outcome.unknown):
        raise TypeError("a module that plans is run with carry")
    if outcome.unknown and not module.check_mode:
        carry.fetch(outcome, connection)
        outcome = act(module.params, connection)
    _finish(module, outcome, connection, carry)


def _finish(module: AnsibleModule, outcome: Outcome, connection, carry) -> None:
    told = [f"{plan.subject} {warning}" for plan in outcome.plans for warning in plan.warnings]
    for warning in dict.fromkeys((*outcome.warnings, *told)):
        module.warn(warning)
    if outcome.missing and not module.check_mode:
        module.exit_json(changed=False, missing=outcome.missing)
    if module.check_mode or not outcome.plans:
        done = [Done(plan, plan.steps, plan.state, error=plan.refused or "") for plan in outcome.plans]
    else:
        done = carry.carry_out(outcome, connection)
    changed = any(one.changed for one in done)
    # All options of many guests, most of which nobody gave, would be the larger part of the answer.
    result = {"changed": changed, **outcome.report(done), "invocation": {"module_args": _given(module.params)}}
    if outcome.plans and module._diff:  # pylint: disable=protected-access
        result["diff"] = [diff_of(one.plan) for one in done if one.changed]
    failed = [f"{one.plan.subject}: {one.reason}" for one in done if one.error]
    if failed:
        module.fail_json(msg="\n".join(failed), **result)
    module.exit_json(**result)


def _given(options):
    """Return options, of any depth, without those that are not given, and our own."""
    if isinstance(options, dict):
        return {key: _given(value) for key, value in options.items() if value is not None and not str(key).startswith("_")}
    return [_given(value) for value in options] if isinstance(options, list) else options


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
