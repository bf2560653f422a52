# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a guest itself, and stays through every change: its UUID, its interfaces and their MACs."""

from __future__ import annotations

from typing import Optional

from .definition import applied_of
from .domain import Identity
from .network import Network
from .plan import Live, Sighting

# What of <source> tells where an interface is.
SOURCES = ("network", "bridge", "dev", "address")


def networks_of(sighting: Sighting) -> tuple[Network, ...]:
    """Return the guest's interfaces: as asked, or as many as the descriptor has on the host's default network.

    A domain that others made keeps its own where the user says nothing of them.
    """
    if sighting.guest.networks is not None:
        return sighting.guest.networks
    if _has_own_interfaces(sighting.live):
        return ()
    # A session daemon may not make taps; its guests reach out through the user-mode stack.
    usual = Network("user") if sighting.session else Network("network", "default")
    return (usual,) * sighting.image.interfaces


def _has_own_interfaces(live: Optional[Live]) -> bool:
    """Return whether a domain has interfaces, and none of them from us."""
    if live is None:
        return False
    applied = applied_of(live.record)
    ours = applied is not None and applied.find("devices/interface") is not None
    return not ours and live.tree.find("devices/interface") is not None


def keep_identity(live: Optional[Live], networks: tuple, derived: Identity) -> Identity:
    """Return the identity of the guest: what the user says, else what it has, else what is derived."""
    if live is None:
        had, uuid = [], derived.uuid
    else:
        applied = applied_of(live.record)
        # What we gave it, even if someone took it out: what others gave it is theirs.
        ours = live.tree if applied is None else applied
        had, uuid = _interfaces(ours), live.tree.findtext("uuid") or derived.uuid
    said = {network.mac for network in networks}
    macs: dict[int, str] = {index: network.mac for index, network in enumerate(networks) if network.mac}

    def free(candidates) -> Optional[str]:
        return next((mac for mac in candidates if mac not in said and mac not in macs.values()), None)

    # First those that are where they were; then any; then new ones.
    ways = (
        lambda index: free(mac for mac, place in had if place == _place(networks[index])),
        lambda index: free(mac for mac, _place_had in had),
        lambda index: free((derived.macs[index], *derived.macs[len(networks) :])),
    )
    for way in ways:
        for index in range(len(networks)):
            mac = None if index in macs else way(index)
            if mac:
                macs[index] = mac
    return Identity(uuid, tuple(macs[index] for index in range(len(networks))))


def _interfaces(domain) -> list[tuple[str, tuple]]:
    """Return the MAC of each interface, and where it is."""
    macs = [(node, node.find("mac").get("address", "").lower()) for node in domain.findall("devices/interface[mac]")]
    return [(mac, _place_of(node)) for node, mac in macs if mac]


def _place(network: Network) -> tuple:
    return network.type, network.source, network.port and str(network.port)


def _place_of(interface) -> tuple:
    source = interface.find("source")
    told = {} if source is None else dict(source.items())
    return interface.get("type"), next((told[key] for key in SOURCES if key in told), None), told.get("port")
