# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a domain, without its secrets, for those that tell of guests; nothing of Ansible is needed for it."""

from __future__ import annotations

from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.lifecycle import RUNNING
from .._core.report import Look, own_record
from .addresses import addresses
from .connection import Connection, doing, state_of
from .dom0 import is_host
from .requirements import libvirt


def domains_of(connection: Connection) -> dict:
    """Return libvirt's domains by name, without Xen's host itself."""
    with doing("list the domains"):
        return {domain.name(): domain for domain in connection.link.listAllDomains() if not is_host(domain)}


def look_at(domain, everyone: bool, *sources: str) -> Optional[Look]:
    """Return a domain as libvirt tells it; None for one that is not asked for, or that went while we listed.

    `everyone`: those that we did not make, too. `sources` are asked for the addresses of one that runs. Raises ImageError
    for a domain that cannot be read.
    """
    name = domain.name()
    try:
        # Without VIR_DOMAIN_XML_SECURE: libvirt keeps the passwords.
        inactive = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        if not everyone and own_record(xml.parse(inactive, f"domain {name}")) is None:
            return None
        state = state_of(domain)
        running = state in RUNNING
        return Look(
            name=name,
            inactive=inactive,
            state=state,
            active=domain.XMLDesc() if running else None,
            persistent=_flag(domain.isPersistent),
            autostart=_flag(domain.autostart),
            addresses=tuple(addresses(domain, *sources)) if running else (),
        )
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise ImageError(f"cannot read it: {error.get_error_message()}") from None


def _flag(call) -> Optional[bool]:
    """Return what libvirt says, or None where the driver has nothing to say."""
    try:
        return bool(call())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return None
