# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that change nothing do."""

from __future__ import annotations

from dataclasses import replace

from .._core.guest import parse_guest
from .._core.host import Host, parse_capabilities
from .._core.image import Image, parse_image
from .._core.match import PREFERRED_MACHINES, match, usual_machine
from .._core.pipeline import plan_guest
from .._core.secrets import mask
from .._core.values import to_plain
from .connection import Connection
from .images import folder_of
from .module import Outcome
from .probe import probe
from .options import parse_access
from .surroundings import read_surroundings
from .survey import Survey


def descriptor_info(params: dict) -> Outcome:
    image = _image(params)
    return Outcome(warnings=image.warnings, report=lambda _done: {"image": to_plain(image)})


def capabilities_facts(params: dict, connection: Connection) -> Outcome:
    host = _host(params, connection)
    if params["domain_capabilities"]:
        told = parse_capabilities(connection.capabilities(), _domain_capabilities(host, connection))
        host = replace(host, domain_capabilities=told.domain_capabilities)
    facts = {**to_plain(host), **to_plain(read_surroundings(connection))}
    return Outcome(report=lambda _done: {"ansible_facts": {"virt_capabilities": facts}})


def match_info(params: dict, connection: Connection) -> Outcome:
    image, host = _image(params), _host(params, connection)
    told = {key: params[key] for key in ("boot", "virt_type", "machine", "unlisted_features")}
    wish = parse_guest({"image": "image", **told}, "match").wish
    found = to_plain(match(image, host, wish))
    return Outcome(warnings=image.warnings, report=lambda _done: found)


def domain_xml_info(params: dict, connection: Connection) -> Outcome:
    options = {key: value for key, value in params.items() if key not in ("uri", "fetch")}
    survey = Survey(connection, access=parse_access(params["fetch"]))
    sighting = survey.guest(parse_guest({**options, "state": "present"}))
    plan = plan_guest(sighting)
    return Outcome(warnings=(*sighting.image.warnings, *survey.images.warnings), report=lambda _done: {"xml": mask(plan.after)})


def _image(params: dict) -> Image:
    rules = {"strict": params["strict"], "outside": params["allow_outside_files"]}
    if params["path"] is None:
        return parse_image(params["descriptor"], "descriptor", **rules)
    folder = folder_of(params["path"], params["allow_outside_files"], parse_access(params["fetch"]))
    return parse_image(folder.descriptor(), folder.path, **rules)


def _host(params: dict, connection: Connection) -> Host:
    """Return the host, with what a probe of its KVM showed if that is asked for."""
    host = parse_capabilities(connection.capabilities())
    return replace(host, kvm=probe(connection, host)) if params["probe_kvm"] else host


def _domain_capabilities(host: Host, connection: Connection) -> list[str]:
    """Return what each emulator of the host offers for the machine that guests get."""
    # As keys: each once, in the order of the capabilities.
    asked = dict.fromkeys(
        (domain.emulator, guest.arch, usual_machine(domain, PREFERRED_MACHINES.get(guest.arch, ())), domain.type)
        for guest in host.guests
        for domain in guest.domains
    )
    return [text for text in (connection.domain_capabilities(*one) for one in asked) if text]
