# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the domain module does: one domain from anyone's XML."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from .._core import definition, xml
from .._core.errors import ImageError
from .._core.guest import Shutdown
from .._core.merge import Change
from .._core.names import name_mistake
from .._core.plan import RUNNING, UP, Live, Plan
from .._core.record import Record, read_record
from .._core.steps import DefineDomain, SetAutostart, StartDomain, StopDomain, UndefineDomain
from .connection import Connection
from .module import Outcome, describe


def domain(params: dict, connection: Connection) -> Outcome:
    tree = xml.parse(params["xml"], "xml") if params["xml"] else None
    name = _name(params["name"], tree)
    live = connection.live(name)
    shutdown = params["shutdown"] or {}
    stop = StopDomain(name, shutdown.get("timeout", Shutdown.timeout), shutdown.get("force", Shutdown.force))
    if params["state"] == "absent":
        plan = _absent(name, live, stop)
    else:
        plan = _present(name, tree, live, stop, params)

    def report(done: list) -> dict:
        told = describe(done[0])
        return {
            "domain": {"name": name, "state": plan.state, "restart_required": plan.restart_required},
            "changes": told["changes"],
            "actions": told["actions"],
        }

    return Outcome(plans=[plan], report=report)


def _name(said: Optional[str], tree) -> str:
    if tree is not None and tree.tag != "domain":
        raise ImageError(f"<{tree.tag}> is no domain XML; its root element is <domain>", "xml", tree.sourceline)
    written = (tree.findtext("name") or "").strip() if tree is not None else None
    if tree is not None and not written:
        raise ImageError("<domain> has no <name>", "xml", tree.sourceline)
    if said and written and said != written:
        raise ImageError(f"name is {said}, and <name> in xml is {written}; one domain has one name")
    name = said or written
    mistake = name_mistake(name)
    if mistake:
        raise ImageError(f"name {mistake}")
    return name


def _absent(name: str, live: Optional[Live], stop: StopDomain) -> Plan:
    if live is None:
        return Plan(name=name)
    record = read_record(xml.parse(live.xml, "live domain"))
    if record and record.disks:
        raise ImageError(
            f"domain {name} is a guest of image {record.image} and has volumes; the guests module with state: absent "
            "removes both"
        )
    steps = (stop,) if live.state in RUNNING else ()
    steps += (UndefineDomain(name),) if live.persistent else ()
    return Plan(
        name=name,
        steps=steps,
        changes=(Change("domain", live.xml, None),),
        before=live.xml,
        was=live.state,
    )


def _present(name: str, tree, live: Optional[Live], stop: StopDomain, params: dict) -> Plan:
    if live is None and tree is None:
        raise ImageError(f"domain {name} does not exist; xml is needed to define it")
    steps: list = []
    changes: tuple = ()
    after = live.xml if live else ""
    if tree is not None:
        wanted = _definition(tree, live, params["adopt"])
        changes = wanted.changes
        if changes or not live.persistent:
            after = wanted.xml
            steps.append(DefineDomain(name, wanted.xml, new=live is None))
    if params["autostart"] is not None and params["autostart"] != bool(live and live.autostart):
        steps.append(SetAutostart(name, params["autostart"]))
    state = live.state if live else "shutoff"
    running = state in RUNNING
    if params["state"] == "started" and state not in UP:
        virt_type = xml.parse(after, "domain").get("type")
        steps.append(StartDomain(name, virt_type, resume=state in ("paused", "pmsuspended")))
        state = "running"
    if params["state"] == "stopped" and running:
        steps.append(stop)
        state = "shutoff"
    stale = tree is not None and live is not None and bool(live.active) and definition.is_stale(tree, after, live.active)
    return Plan(
        name=name,
        steps=tuple(steps),
        changes=changes,
        before=live.xml if live else "",
        after=after,
        was=live.state if live else "absent",
        state=state,
        restart_required=stale and state in RUNNING,
    )


def _definition(tree, live: Optional[Live], adopt: bool) -> definition.Definition:
    uuid = (tree.findtext("uuid") or "").strip().lower()
    if live and uuid and uuid != xml.parse(live.xml, "live domain").findtext("uuid"):
        raise ImageError(
            f"<uuid> is {uuid}, and domain {live.name} has another; it tells one domain from another and cannot change",
            "xml",
        )
    kept = read_record(xml.parse(live.xml, "live domain")) if live else None
    if live and kept is None and not adopt:
        raise ImageError(
            f"domain {live.name} exists (state {live.state}) and was not made by virt.image; adopt: true takes it over"
        )
    applied = definition.applied_text(tree)
    if kept:
        record = replace(kept, applied=applied)
    else:
        record = Record(None, None, None, 1, (), applied)
    if live is None:
        return definition.define_new(tree, record)
    return definition.redefine(tree, live.xml, record)
