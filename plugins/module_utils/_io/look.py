# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module guest_info does: it looks at each domain once, and changes nothing."""

from __future__ import annotations

from .._core.errors import ImageError
from .._core.report import GuestReport, report_guest
from .._core.secrets import mask
from .._core.values import to_plain
from .connection import Connection
from .module import Outcome
from .sight import domains_of, look_at


def guest_info(params: dict, connection: Connection) -> Outcome:
    domains = domains_of(connection)
    wanted = domains if params["names"] is None else params["names"]
    guests, warnings = [], []
    for name in sorted(domains.keys() & set(wanted)):
        try:
            # The agent is not asked: one that hangs, or means ill, would hold us up, and each guest after it.
            look = look_at(domains[name], params["all"], "LEASE", "ARP")
            guest = look and report_guest(look)
        except ImageError as error:
            # One odd domain is no reason to tell nothing of the others.
            warnings.append(f"domain {name} is left out: {error}")
        else:
            guests += [_told(guest)] if guest else []
    return Outcome(warnings=tuple(warnings), report=lambda _done: {"guests": guests})


def _told(guest: GuestReport) -> dict:
    told = to_plain(guest)
    for change in (*(told["drift"] or ()), *told["pending"]):
        change.update((key, mask(change[key])) for key in ("before", "after") if change[key])
    return told
