# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of guests that run."""

from __future__ import annotations

from typing import Optional

from .dom0 import neighbours
from .requirements import libvirt

LOOPBACK = ("127.", "::1", "fe80:")


def addresses(domain, *sources: str) -> list[str]:
    """Return the addresses of a running guest that its AGENT, the host's LEASEs or ARP table tell; none where none does."""
    told = [address for source in sources for _name, _mac, address in tell(domain, source) or ()]
    # As keys: each once.
    return list(dict.fromkeys(address for address in told if not address.startswith(LOOPBACK)))


def tell(domain, source: str) -> Optional[list[tuple[str, Optional[str], str]]]:
    """Return what one source tells: interface, MAC, address; None where it cannot tell.

    The interface is the guest's where its agent tells, else the host's end of it.
    """
    try:
        interfaces = domain.interfaceAddresses(getattr(libvirt, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{source}"))
    except (libvirt.libvirtError, UnicodeError):
        # Not every driver, and no session daemon, can tell; a domain that stopped has none. An agent may send any bytes.
        return _neighbours(domain) if source == "ARP" else None
    return [
        (name, (interface.get("hwaddr") or "").lower() or None, address["addr"])
        for name, interface in interfaces.items()
        for address in interface["addrs"] or ()
        if address["addr"]
    ]


def _neighbours(domain) -> Optional[list[tuple[str, Optional[str], str]]]:
    try:
        return neighbours(domain)
    except libvirt.libvirtError:
        # It stopped meanwhile.
        return None
