# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of guests that run."""

from __future__ import annotations

from .requirements import libvirt

LOOPBACK = ("127.", "::1", "fe80:")


def addresses(domain, *sources: str) -> list[str]:
    """Return the addresses of a running guest that its AGENT, the host's LEASEs or ARP table tell; none where none does."""
    found: list[str] = []
    for source in sources:
        try:
            interfaces = domain.interfaceAddresses(getattr(libvirt, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{source}"))
        except libvirt.libvirtError:
            # Not every driver, and no session daemon, can tell; a domain that stopped has none.
            continue
        for interface in interfaces.values():
            for address in interface["addrs"] or ():
                if not address["addr"].startswith(LOOPBACK) and address["addr"] not in found:
                    found.append(address["addr"])
    return found
