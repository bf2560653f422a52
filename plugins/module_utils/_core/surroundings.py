# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a daemon tells beside its capabilities: versions, its mode, its pools and networks, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import hardware

# A pool's sizes in bytes; libvirt counts them in an unsigned long long.
LARGEST = 2**64 - 1


@dataclass(frozen=True)
class Hypervisor:
    """The hypervisor by libvirt's name for it; `version` is its own, None where the driver does not tell it."""

    type: str
    version: Optional[str]


@dataclass(frozen=True)
class StoragePool:
    """A storage pool; `path` and the sizes are None where they are not known, the sizes also while it is inactive."""

    name: str
    type: str
    active: bool
    autostart: bool
    path: Optional[str]
    capacity_bytes: Optional[int]
    allocation_bytes: Optional[int]
    available_bytes: Optional[int]


@dataclass(frozen=True)
class VirtualNetwork:
    """A virtual network; `forward` is its mode, None for one that leads nowhere."""

    name: str
    active: bool
    autostart: bool
    bridge: Optional[str]
    forward: Optional[str]


@dataclass(frozen=True)
class Surroundings:
    """What a daemon is and holds; `mode` is system or session."""

    libvirt_version: str
    hypervisor: Hypervisor
    mode: str
    pools: tuple[StoragePool, ...]
    networks: tuple[VirtualNetwork, ...]


def show_version(number: int) -> str:
    """Return libvirt's number of a version as people write it: 9001002 is 9.1.2."""
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def parse_pool(root, active: bool, autostart: bool) -> StoragePool:
    """Return the pool that a tree describes. Source: https://libvirt.org/formatstorage.html."""

    def size(tag: str) -> Optional[int]:
        # Of a pool that is not active libvirt writes 0 for "not known".
        return hardware.number(root.findtext(tag), LARGEST) if active else None

    return StoragePool(
        name=(root.findtext("name") or "").strip(),
        type=root.get("type", ""),
        active=active,
        autostart=autostart,
        path=(root.findtext("target/path") or "").strip() or None,
        capacity_bytes=size("capacity"),
        allocation_bytes=size("allocation"),
        available_bytes=size("available"),
    )


def parse_network(root, active: bool, autostart: bool) -> VirtualNetwork:
    """Return the network that a tree describes. Source: https://libvirt.org/formatnetwork.html."""
    bridge, forward = root.find("bridge"), root.find("forward")
    return VirtualNetwork(
        name=(root.findtext("name") or "").strip(),
        active=active,
        autostart=autostart,
        bridge=None if bridge is None else bridge.get("name"),
        # The mode that libvirt means by a bare <forward/>.
        forward=None if forward is None else forward.get("mode", "nat"),
    )
