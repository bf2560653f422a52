# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the domain that a guest would be."""

from __future__ import annotations

from .._core.guest import parse_guest
from .._core.pipeline import plan_guest
from .._core.secrets import mask
from .connection import Connection
from .module import Outcome
from .options import parse_access
from .survey import Survey


def domain_xml_info(params: dict, connection: Connection) -> Outcome:
    options = {key: value for key, value in params.items() if key not in ("uri", "fetch")}
    survey = Survey(connection, access=parse_access(params["fetch"]))
    sighting = survey.guest(parse_guest({**options, "state": "present"}))
    plan = plan_guest(sighting)
    return Outcome(warnings=(*sighting.image.warnings, *survey.images.warnings), report=lambda _done: {"xml": mask(plan.after)})
