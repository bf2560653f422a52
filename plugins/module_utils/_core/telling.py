# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one libvirt tells of its guests for an inventory: what they are, their interfaces, the addresses that are known."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Optional

from . import xml
from .report import GuestFacts, Look, guest_facts

# Who tells addresses, the host's own knowledge first: what an agent says is its guest's word.
SOURCES = ("lease", "agent", "arp")
FAMILIES = ("ipv4", "ipv6")
# Where an interface is connected on its host, by the attribute of its <source> that tells it.
PLACES = ("network", "bridge", "dev")


@dataclass(frozen=True)
class Interface:
    """An interface of the domain; `source` is the network, bridge or device of the host that it is connected to."""

    mac: Optional[str]
    type: str
    source: Optional[str]


@dataclass(frozen=True)
class Address:
    """An address of a guest that runs; `source` is the first that told it.

    `interface` is the guest's own name of the interface, which only its agent knows. `network` is the `source` of the domain's
    interface that has this MAC.
    """

    address: str
    family: str
    source: str
    interface: Optional[str]
    mac: Optional[str]
    network: Optional[str]


@dataclass(frozen=True)
class Told:
    """What is told of one guest."""

    facts: GuestFacts
    interfaces: tuple[Interface, ...]
    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class Answer:
    """What one libvirt tells: its guests by name, and what could not be read; `hostname` is that of its host."""

    hostname: Optional[str]
    guests: tuple[Told, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]


def tell_guest(look: Look, told: dict) -> Told:
    """Return what is told of a domain; raise ImageError for XML that cannot be read.

    `told` has for each source, the preferred first, what it tells: (interface, MAC, address).
    """
    where = f"domain {look.name}"
    tree = xml.parse(look.inactive, where)
    # What is attached to a guest that runs is there only.
    interfaces = _interfaces(xml.parse(look.active, where) if look.active else tree)
    return Told(guest_facts(look, tree), interfaces, _addresses(told, interfaces))


def _interfaces(tree) -> tuple[Interface, ...]:
    return tuple(_interface(node) for node in tree.findall("devices/interface"))


def _interface(node) -> Interface:
    mac, source = node.find("mac"), node.find("source")
    places = [] if source is None else [source.get(key) for key in PLACES]
    return Interface(
        mac=(mac.get("address") or "").lower() or None if mac is not None else None,
        type=node.get("type", ""),
        source=next(filter(None, places), None),
    )


def _addresses(told: dict, interfaces: tuple[Interface, ...]) -> tuple[Address, ...]:
    """Return the addresses, each once, in the order of the sources."""
    networks = {one.mac: one.source for one in interfaces if one.mac}
    names = {(mac, text): name for name, mac, text in told.get("agent", ())}
    found: dict = {}
    for source, rows in told.items():
        for _name, mac, text in rows:
            usable = usable_address(text)
            if usable and usable.compressed not in found:
                name = names.get((mac, text))
                family = f"ipv{usable.version}"
                found[usable.compressed] = Address(usable.compressed, family, source, name, mac, networks.get(mac))
    return tuple(found.values())


def usable_address(text: str):
    """Return an address that other machines can reach, or None: a guest's agent may say anything."""
    try:
        # One with the interface behind it (fe80::1%eth0) is of the guest's side; Python takes any text behind the %.
        address = ipaddress.ip_address("" if "%" in text else text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    local = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")
    return None if mapped or any(getattr(address, kind) for kind in local) else address
