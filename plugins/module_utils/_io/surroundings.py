# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a daemon is besides its capabilities, and the pools and networks that it holds."""

from __future__ import annotations

from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.surroundings import Hypervisor, Surroundings, parse_network, parse_pool, show_version
from .connection import Connection, doing
from .requirements import libvirt

# Where each driver has a daemon of its own, that of pools or of networks may not be installed.
NO_DAEMON = "Failed to connect socket"


def read_surroundings(connection: Connection) -> Surroundings:
    """Return what the daemon is, and the pools and networks that it holds."""
    with doing("read the versions"):
        version, kind = connection.link.getLibVersion(), connection.link.getType()
    return Surroundings(
        libvirt_version=show_version(version),
        hypervisor=Hypervisor(kind, _hypervisor_version(connection)),
        mode="session" if connection.is_session else "system",
        pools=read_pools(connection),
        networks=_all(connection, "networks", "listAllNetworks", "VIR_ERR_NO_NETWORK", parse_network),
    )


def read_pools(connection: Connection) -> tuple:
    """Return the pools that the daemon holds, by name."""
    return _all(connection, "pools", "listAllStoragePools", "VIR_ERR_NO_STORAGE_POOL", parse_pool)


def _hypervisor_version(connection: Connection) -> Optional[str]:
    try:
        return show_version(connection.link.getVersion())
    except libvirt.libvirtError:
        # Not every driver has one to tell.
        return None


def _all(connection: Connection, what: str, call: str, gone: str, parse) -> tuple:
    """Return every object of a kind as a value, by name; none where the driver has no such kind."""
    found = []
    try:
        for one in getattr(connection.link, call)():
            try:
                tree = xml.parse(one.XMLDesc(), what)
                found.append(parse(tree, bool(one.isActive()), bool(one.autostart())))
            except libvirt.libvirtError as error:
                # It went while we listed.
                if error.get_error_code() != getattr(libvirt, gone):
                    raise
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT and NO_DAEMON not in str(error):
            raise ImageError(f"cannot list the {what}: {error.get_error_message()}") from None
    return tuple(sorted(found, key=lambda value: value.name))
