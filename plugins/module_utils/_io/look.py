# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module guest_info does: it looks at each domain once, and changes nothing."""

from __future__ import annotations

from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.lifecycle import RUNNING
from .._core.report import GuestReport, Look, own_record, report_guest
from .._core.secrets import mask
from .._core.values import to_plain
from .addresses import addresses
from .connection import Connection, doing, state_of
from .module import Outcome
from .requirements import libvirt


def guest_info(params: dict, connection: Connection) -> Outcome:
    with doing("list the domains"):
        domains = {domain.name(): domain for domain in connection.link.listAllDomains()}
    wanted = domains if params["names"] is None else params["names"]
    guests, warnings = [], []
    for name in sorted(domains.keys() & set(wanted)):
        try:
            guest = _guest(domains[name], params["all"])
        except ImageError as error:
            # One odd domain is no reason to tell nothing of the others.
            warnings.append(f"domain {name} is left out: {error}")
        else:
            guests += [_told(guest)] if guest else []
    return Outcome(warnings=tuple(warnings), report=lambda _done: {"guests": guests})


def _guest(domain, everyone: bool) -> Optional[GuestReport]:
    """Return what is told of a domain; None for one that is not asked for, or that went while we listed."""
    name = domain.name()
    try:
        # Without VIR_DOMAIN_XML_SECURE: libvirt keeps the passwords.
        inactive = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        if not everyone and own_record(xml.parse(inactive, f"domain {name}")) is None:
            return None
        state = state_of(domain)
        running = state in RUNNING
        look = Look(
            name=name,
            inactive=inactive,
            state=state,
            active=domain.XMLDesc() if running else None,
            persistent=_flag(domain.isPersistent),
            autostart=_flag(domain.autostart),
            # The agent is not asked: one that hangs, or means ill, would hold us up, and each guest after it.
            addresses=tuple(addresses(domain, "LEASE", "ARP")) if running else (),
        )
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise ImageError(f"cannot read it: {error.get_error_message()}") from None
    return report_guest(look)


def _flag(call) -> Optional[bool]:
    """Return what libvirt says, or None where the driver has nothing to say."""
    try:
        return bool(call())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return None


def _told(guest: GuestReport) -> dict:
    told = to_plain(guest)
    for change in (*(told["drift"] or ()), *told["pending"]):
        change.update((key, mask(change[key])) for key in ("before", "after") if change[key])
    return told
