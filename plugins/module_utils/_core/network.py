# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of one guest: what a user asks, checked, and the XML that it comes to.

Source: https://libvirt.org/formatdomain.html#network-interfaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from . import xml
from .asker import Asker
from .errors import Problem
from .machine import QEMU_TYPES
from .match import Verdict

# network type -> the keys that it needs besides type.
NETWORKS = {
    "user": (),
    "network": ("source",),
    "bridge": ("source",),
    "ethernet": (),
    "mcast": ("source", "port"),
    "server": ("source", "port"),
    "client": ("source", "port"),
}
# libvirt chooses device names with these prefixes itself, and does not keep them in a configuration.
LIBVIRT_S_OWN = ("vnet", "vif", "macvtap", "macvlan")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class Network:
    """One interface; `source` is the network's, the bridge's name, or an address with `port`."""

    type: str
    source: Optional[str] = None
    mac: Optional[str] = None
    model: Optional[str] = None
    target: Optional[str] = None
    script: Optional[str] = None
    port: Optional[int] = None


def parse_network(asker: Asker) -> Network:
    """Return the interface that a user asks for; mistakes are collected."""
    network = Network(
        type=asker.one_of("type", tuple(NETWORKS), default="network"),
        source=asker.text("source"),
        mac=(asker.text("mac") or "").lower() or None,
        model=asker.text("model"),
        target=asker.text("target"),
        script=asker.text("script"),
        port=asker.number("port", 1, 65535),
    )
    if network.mac and not MAC.fullmatch(network.mac):
        asker.wrong(f"mac {network.mac!r:.40} is no MAC address; it has six pairs, such as 52:54:00:12:34:56")
    elif network.mac and int(network.mac[1], 16) & 1:
        asker.wrong(f"mac {network.mac} is a multicast address; the first pair of a guest's MAC is even")
    if network.target and network.target.startswith(LIBVIRT_S_OWN):
        asker.wrong(f"target {network.target}: names that begin with {', '.join(LIBVIRT_S_OWN)} are libvirt's own")
    for key in NETWORKS[network.type]:
        if getattr(network, key) is None:
            asker.wrong(f"has no {key}, which a network of type {network.type} needs")
    return network


def refuse_equal_macs(asker: Asker, networks: tuple) -> None:
    """Collect a mistake for each interface that has the MAC of an earlier one."""
    owners: dict = {}
    for index, network in enumerate(networks):
        first = owners.setdefault(network.mac, index) if network.mac else index
        if first != index:
            message = f"mac {network.mac} is that of networks[{first}] as well; each interface has its own"
            asker.problems.add(Problem(message, f"{asker.where}.networks[{index}]"))


def render_interface(network: Network, mac: str, verdict: Verdict):
    """Return <interface>."""
    source = {
        "network": {"network": network.source},
        "bridge": {"bridge": network.source},
    }.get(network.type) or ({"address": network.source, "port": network.port} if network.port else None)
    model = network.model or ("virtio" if verdict.virt_type in QEMU_TYPES else None)
    return xml.element(
        "interface",
        {"type": network.type},
        xml.element("mac", {"address": mac}),
        xml.element("source", source) if source else None,
        xml.element("target", {"dev": network.target}) if network.target else None,
        xml.element("script", {"path": network.script}) if network.script else None,
        xml.element("model", {"type": model}) if model else None,
    )
