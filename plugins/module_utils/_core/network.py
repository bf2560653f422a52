# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of one guest: what a user asks, checked, and the XML that it comes to.

Source: https://libvirt.org/formatdomain.html#network-interfaces.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from dataclasses import dataclass
from typing import Optional

from . import xen, xml
from .asker import Asker
from .errors import ImageError, Problem
from .machine import QEMU_TYPES
from .match import Verdict

# network type -> the keys that it needs besides type, and those that it can have besides what all can (EVERY).
NETWORKS = {
    "user": ((), ("ip",)),
    "network": (("source",), ("target", "ip", "portgroup", "virtualport", "vlan", "mtu", "queues")),
    "bridge": (("source",), ("target", "script", "ip", "virtualport", "vlan", "mtu", "queues")),
    "ethernet": ((), ("target", "script", "ip", "mtu", "queues")),
    "mcast": (("source", "port"), ()),
    "server": (("source", "port"), ()),
    "client": (("source", "port"), ()),
    "udp": (("source", "port", "local_address", "local_port"), ()),
    "direct": (("source",), ("mode", "target", "virtualport", "vlan", "queues")),
}
EVERY = ("type", "mac", "model", "link")
MODES = ("vepa", "bridge", "private", "passthrough")
LINKS = ("up", "down")
# type of a port -> what it needs, what else it can have, and the types of network that can have it.
VIRTUALPORTS = {
    "openvswitch": ((), ("interfaceid", "profileid"), ("network", "bridge")),
    "midonet": (("interfaceid",), (), ("network", "bridge")),
    "802.1Qbg": (("managerid", "typeid", "typeidversion"), ("instanceid",), ("network", "direct")),
    "802.1Qbh": (("profileid",), (), ("network", "direct")),
}
PORT_KEYS = ("interfaceid", "profileid", "instanceid", "managerid", "typeid", "typeidversion")
# libvirt chooses device names with these prefixes itself, and does not keep them in a configuration.
LIBVIRT_S_OWN = ("vnet", "vif", "macvtap", "macvlan")
# Linux's IFNAMSIZ without the byte at the end (linux/if.h).
LONGEST_TARGET = 15
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# What libvirt's schema calls deviceName.
DEVICE_NAME = re.compile(r"[a-zA-Z0-9_.\-\\:/]+")
MODEL = re.compile(r"[a-zA-Z0-9_-]+")


@dataclass(frozen=True)
class Vlan:
    """The tags of an interface's frames; a trunk carries several."""

    tags: tuple[int, ...]
    trunk: bool = False


@dataclass(frozen=True)
class Virtualport:
    """How a switch knows the interface; `parameters` are libvirt's, by their names."""

    type: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class Network:
    """One interface; `source` is the network's, the bridge's, the host device's name, or an address with `port`."""

    type: str
    source: Optional[str] = None
    mac: Optional[str] = None
    model: Optional[str] = None
    target: Optional[str] = None
    script: Optional[str] = None
    port: Optional[int] = None
    local_address: Optional[str] = None
    local_port: Optional[int] = None
    mode: Optional[str] = None
    ip: Optional[str] = None
    portgroup: Optional[str] = None
    virtualport: Optional[Virtualport] = None
    vlan: Optional[Vlan] = None
    mtu: Optional[int] = None
    queues: Optional[int] = None
    link: Optional[str] = None


KEYS = tuple(field.name for field in dataclasses.fields(Network))


def parse_network(asker: Asker) -> Network:
    """Return the interface that a user asks for; mistakes are collected."""
    asker.refuse_unknown(KEYS, "a network")
    network = Network(
        type=asker.one_of("type", tuple(NETWORKS), default="network"),
        source=asker.line("source"),
        mac=(asker.text("mac") or "").lower() or None,
        model=asker.word("model", MODEL, "virtio, another e1000e"),
        target=asker.word("target", DEVICE_NAME, "tap7"),
        script=asker.line("script"),
        port=asker.number("port", 1, 65535),
        local_address=asker.line("local_address"),
        local_port=asker.number("local_port", 1, 65535),
        mode=asker.choice("mode", MODES),
        ip=_ip(asker),
        portgroup=asker.line("portgroup"),
        virtualport=asker.optional("virtualport", _virtualport),
        vlan=asker.optional("vlan", _vlan),
        mtu=asker.number("mtu", 68, 65535),
        queues=asker.number("queues", 1, 256),
        link=asker.choice("link", LINKS),
    )
    _check_names(asker, network)
    _check_keys(asker, network)
    return network


def _check_names(asker: Asker, network: Network) -> None:
    if network.mac and not MAC.fullmatch(network.mac):
        asker.wrong(f"mac {network.mac!r:.40} is no MAC address; it has six pairs, such as 52:54:00:12:34:56")
    elif network.mac and int(network.mac[1], 16) & 1:
        asker.wrong(f"mac {network.mac} is a multicast address; the first pair of a guest's MAC is even")
    if network.target and network.target.startswith(LIBVIRT_S_OWN):
        asker.wrong(f"target {network.target}: names that begin with {', '.join(LIBVIRT_S_OWN)} are libvirt's own")
    if network.target and len(network.target) > LONGEST_TARGET:
        asker.wrong(f"target {network.target:.80} is too long; a network device's name has at most {LONGEST_TARGET} characters")


def _check_keys(asker: Asker, network: Network) -> None:
    """Collect what the type lacks, and what it cannot have, which libvirt would drop or refuse."""
    needed, possible = NETWORKS[network.type]
    for key in needed:
        if asker.plain.get(key) in (None, ""):
            asker.wrong(f"has no {key}, which a network of type {network.type} needs")
    for key in KEYS:
        if getattr(network, key) is not None and key not in EVERY + needed + possible:
            able = ", ".join(type for type, keys in NETWORKS.items() if key in sum(keys, ()))
            asker.wrong(f"{key} is for networks of type {able}; this one is of type {network.type}")
    port = network.virtualport
    if port and network.type not in VIRTUALPORTS[port.type][2] and "virtualport" in possible:
        asker.wrong(f"virtualport {port.type} is for networks of type {', '.join(VIRTUALPORTS[port.type][2])}")
    if network.queues and network.model not in (None, "virtio"):
        asker.wrong(f"queues is for model virtio; this one is {network.model}")


def _ip(asker: Asker) -> Optional[str]:
    told = asker.text("ip")
    try:
        return None if told is None else str(told) if ipaddress.ip_interface(told) else None
    except ValueError:
        asker.wrong(f"ip: {told!r:.80} is no address; one is 192.0.2.7, another 192.0.2.7/24")
        return None


def _virtualport(asker: Asker) -> Virtualport:
    asker.refuse_unknown(("type", *PORT_KEYS), "a virtualport")
    type = asker.one_of("type", tuple(VIRTUALPORTS))
    needed, possible, _networks = VIRTUALPORTS[type]
    told = {key: str(asker.plain[key]) for key in PORT_KEYS if asker.plain.get(key) is not None}
    for key, value in told.items():
        if key not in needed + possible:
            asker.wrong(f"{key} is none of a virtualport of type {type}; it has {', '.join(needed + possible)}")
        elif not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", value):
            asker.wrong(f"{key}: {value!r:.80} is none; it has letters, digits and dashes")
    for key in needed:
        if key not in told:
            asker.wrong(f"has no {key}, which a virtualport of type {type} needs")
    return Virtualport(type, told)


def _vlan(asker: Asker) -> Vlan:
    asker.refuse_unknown(("tags", "trunk"), "a vlan")
    tags = asker.numbers("tags", 0, 4095)
    if asker.plain.get("tags") in (None, [], ()):
        asker.wrong("has no tags; a VLAN has one, a trunk several")
    if asker.flag("trunk") is False and len(tags) > 1:
        asker.wrong("trunk is false, and there are several tags; only a trunk carries several")
    return Vlan(tags, bool(asker.flag("trunk")) or len(tags) > 1)


def refuse_equal_macs(asker: Asker, networks: tuple) -> None:
    """Collect a mistake for each interface that has the MAC of an earlier one."""
    owners: dict = {}
    for index, network in enumerate(networks):
        first = owners.setdefault(network.mac, index) if network.mac else index
        if first != index:
            message = f"mac {network.mac} is that of networks[{first}] as well; each interface has its own"
            asker.problems.add(Problem(message, f"{asker.where}.networks[{index}]"))


def render_interface(network: Network, mac: str, verdict: Verdict):
    """Return <interface>; raise ImageError for what this hypervisor cannot do with one of its type."""
    qemu = verdict.virt_type in QEMU_TYPES
    if qemu and network.script and network.type != "ethernet":
        raise ImageError(f"networks: a script is for type ethernet under {verdict.virt_type}, and this is {network.type}")
    if qemu and network.ip and network.type != "user":
        raise ImageError(f"networks: ip is for type user under {verdict.virt_type}, and this is {network.type}")
    mistake = verdict.virt_type == xen.TYPE and xen.network_mistake(network.type, network.script, network.model, verdict)
    if mistake:
        raise ImageError(f"networks: {mistake}")
    model = network.model or ("virtio" if qemu else None)
    return xml.element(
        "interface",
        {"type": network.type},
        xml.element("mac", {"address": mac}),
        _source(network),
        _render_vlan(network.vlan),
        _render_virtualport(network.virtualport),
        _render_ip(network.ip),
        xml.element("target", {"dev": network.target}) if network.target else None,
        xml.element("script", {"path": network.script}) if network.script else None,
        xml.element("model", {"type": model}) if model else None,
        xml.element("driver", {"queues": network.queues}) if network.queues else None,
        xml.element("link", {"state": network.link}) if network.link else None,
        xml.element("mtu", {"size": network.mtu}) if network.mtu else None,
    )


def _source(network: Network):
    named = {
        "network": {"network": network.source, "portgroup": network.portgroup},
        "bridge": {"bridge": network.source},
        "direct": {"dev": network.source, "mode": network.mode},
    }.get(network.type)
    if named:
        return xml.element("source", named)
    if not network.port:
        return None
    local = {"address": network.local_address, "port": network.local_port}
    return xml.element(
        "source",
        {"address": network.source, "port": network.port},
        xml.element("local", local) if network.type == "udp" else None,
    )


def _render_vlan(vlan: Optional[Vlan]):
    if vlan is None:
        return None
    tags = (xml.element("tag", {"id": tag}) for tag in vlan.tags)
    return xml.element("vlan", {"trunk": "yes" if vlan.trunk else None}, *tags)


def _render_virtualport(port: Optional[Virtualport]):
    if port is None:
        return None
    return xml.element("virtualport", {"type": port.type}, xml.element("parameters", port.parameters) if port.parameters else None)


def _render_ip(told: Optional[str]):
    if told is None:
        return None
    address = ipaddress.ip_interface(told)
    prefix = address.network.prefixlen if "/" in told else None
    return xml.element("ip", {"address": address.ip, "family": f"ipv{address.version}", "prefix": prefix})
