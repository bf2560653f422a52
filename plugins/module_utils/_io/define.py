# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the domain module does: one domain from anyone's XML."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from .._core import definition, xml
from .._core.asker import Asker
from .._core.errors import ImageError
from .._core.lifecycle import Belongings, Course, parse_shutdown, parse_wait
from .._core.living import plan_stop
from .._core.merge import Change
from .._core.names import name_mistake
from .._core.plan import Live, Plan
from .._core.present import plan_present, want
from .._core.record import Record
from .._core.sameness import same_uuid
from .._core.steps import UndefineDomain
from .belongings import read_belongings
from .connection import Connection
from .module import Outcome, describe


def domain(params: dict, connection: Connection) -> Outcome:
    tree = xml.parse(params["xml"], "xml") if params["xml"] else None
    name = _name(params["name"], tree)
    live = connection.live(name)
    course = _course(params)
    if course.state == "absent":
        plan = _absent(name, live, course, read_belongings(live, connection) if live else Belongings(), params["adopt"])
    else:
        plan = _present(name, tree, live, course, params["adopt"])

    def report(done: list) -> dict:
        told = describe(done[0])
        return {
            "domain": {"name": name, "state": done[0].state, "restart_required": told["restart_required"]},
            **{key: told[key] for key in ("changes", "drift", "pending", "actions")},
        }

    return Outcome(plans=[plan], report=report)


def _course(params: dict) -> Course:
    """Return how the domain is to be run and kept; raise ImageError."""
    asker = Asker(params, "domain")
    shutdown, wait = asker.part("shutdown", parse_shutdown), asker.part("wait", parse_wait)
    asker.problems.raise_any()
    return Course(params["state"], params["autostart"], params["apply"], params["on_drift"], shutdown, wait)


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


def _absent(name: str, live: Optional[Live], course: Course, belongings: Belongings, adopt: bool) -> Plan:
    if live is None:
        return Plan(name=name)
    record = live.record
    if record is None and not adopt:
        raise ImageError(
            f"domain {name} exists (state {live.state}) and was not made by virt.image; adopt: true says that it may go"
        )
    if record and record.disks:
        raise ImageError(
            f"domain {name} is a guest of image {record.image} and has volumes; the guests module with state: absent "
            "removes both"
        )
    steps: tuple = plan_stop(name, live.state, course.shutdown)
    steps += (UndefineDomain(name, belongings),) if live.persistent else ()
    return Plan(
        name=name,
        of=f"domain {name}",
        steps=steps,
        changes=(Change("domain", live.xml, None),),
        before=live.xml,
        was=live.state,
    )


def _present(name: str, tree, live: Optional[Live], course: Course, adopt: bool) -> Plan:
    if live is None and tree is None:
        raise ImageError(f"domain {name} does not exist; xml is needed to define it")
    wanted = None
    if tree is not None:
        wanted = replace(want(tree, live, _record(tree, live, adopt), course), own_xml=True)
    return replace(plan_present(name, live, wanted, course), of=f"domain {name}")


def _record(tree, live: Optional[Live], adopt: bool) -> Record:
    """Return the record that the domain is to have; raise ImageError for a domain that is not to be touched."""
    uuid = (tree.findtext("uuid") or "").strip()
    if live and uuid and not same_uuid(uuid, live.tree.findtext("uuid") or ""):
        raise ImageError(
            f"<uuid> is {uuid}, and domain {live.name} has another; it tells one domain from another and cannot change",
            "xml",
        )
    kept = live.record if live else None
    if live and kept is None and not adopt:
        raise ImageError(
            f"domain {live.name} exists (state {live.state}) and was not made by virt.image; adopt: true takes it over"
        )
    if kept and kept.image:
        raise ImageError(
            f"domain {live.name} is a guest of image {kept.image}; the guests module keeps it as described, and has the option "
            "xml for what else it is to have"
        )
    applied = definition.applied_text(tree)
    return replace(kept, applied=applied) if kept else Record(None, None, None, 1, (), applied)
