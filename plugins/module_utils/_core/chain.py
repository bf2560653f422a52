# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backing chains: a disk as a stack of layers, the top one written to. Rendered for our own, read from any domain.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .errors import ImageError

# The attribute of <source> that is the path, for each type of a disk that has one.
PATHS = {"file": "file", "block": "dev", "dir": "dir", "vhostuser": "path", "vhostvdpa": "dev"}
# Of Xen's drivers the type is how they read and write; libvirt reads the first as raw, and writes it so.
FORMATS = {"aio": "raw"}
# What counts in a domain is 32 bits wide: indexes, ports, namespaces.
MAX_NUMBER = 2**32 - 1
# What of <source> tells which disk it is; the rest is how to get at it, or libvirt's own.
SOURCE_KEYS = ("file", "dev", "dir", "pool", "volume", "protocol", "name")


@dataclass(frozen=True)
class Layer:
    """One file of a chain and its format (libvirt's: raw, qcow2)."""

    path: str
    format: str


@dataclass(frozen=True)
class NetworkHost:
    """A server of a network disk: a name and perhaps a port, or for the transport unix a socket."""

    transport: str
    name: Optional[str]
    port: Optional[int]
    socket: Optional[str]


@dataclass(frozen=True)
class Level:
    """One level of a chain, as libvirt tells it; what its type does not have is None.

    `index` names it in block jobs (vda[2]); only the XML of a running domain has it. `type` is libvirt's, and may be
    one that a later libvirt brought. `address` and `namespace` are those of an NVMe drive.
    """

    index: Optional[int]
    type: str
    format: Optional[str]
    path: Optional[str]
    protocol: Optional[str]
    name: Optional[str]
    hosts: tuple[NetworkHost, ...]
    pool: Optional[str]
    volume: Optional[str]
    address: Optional[str]
    namespace: Optional[int]


@dataclass(frozen=True)
class DomainDisk:
    """A disk of a domain with its chain from the top; the chain of a drive without medium is empty.

    `complete`: nothing is below what the chain has. If not, libvirt probes for the rest when the domain starts.
    """

    target: Optional[str]
    device: str
    bus: Optional[str]
    readonly: bool
    shareable: bool
    complete: bool
    chain: tuple[Level, ...]


def render_backing(layers: tuple[Layer, ...]):
    """Return <backingStore> for the layers below the top; the empty one at the end says that the chain is whole.

    QEMU then probes no format.
    """
    if not layers:
        return xml.element("backingStore")
    return xml.element(
        "backingStore",
        {"type": "file"},
        xml.element("format", {"type": layers[0].format}),
        xml.element("source", {"file": layers[0].path}),
        render_backing(layers[1:]),
    )


def parse_disks(data, where: str = "domain XML") -> tuple[DomainDisk, ...]:
    """Return the disks of a domain, in its order; raise ImageError."""
    return read_disks(xml.parse(data, where), where)


def read_disks(domain, where: str) -> tuple[DomainDisk, ...]:
    """Return the disks in a domain's tree, in its order; raise ImageError."""
    if domain.tag != "domain":
        raise ImageError(f"<{domain.tag}> is no domain XML; its root element is <domain>", where, domain.sourceline)
    return tuple(_read_disk(disk, where) for disk in domain.findall("devices/disk"))


def _read_disk(disk, where: str) -> DomainDisk:
    device = disk.get("device", "disk")
    top = _read_level(disk, _attribute(disk, "driver", "type"), _attribute(disk, "source", "index"), where)
    chain, complete = ((top,), False) if _has_medium(top) else ((), True)
    node = disk.find("backingStore") if chain else None
    # A loop: what nests is as deep as its writer likes.
    while node is not None:
        if node.get("type") is None:
            # To libvirt it is the end whatever is in it.
            complete, node = True, None
            continue
        chain += (_read_level(node, _attribute(node, "format", "type"), node.get("index"), where),)
        node = node.find("backingStore")
    return DomainDisk(
        target=_attribute(disk, "target", "dev"),
        device=device,
        bus=_attribute(disk, "target", "bus"),
        # A CD is never written to, and libvirt says so even where its user did not.
        readonly=device == "cdrom" or disk.find("readonly") is not None,
        shareable=disk.find("shareable") is not None,
        complete=complete,
        chain=chain,
    )


def _read_level(node, format: Optional[str], index: Optional[str], where: str) -> Level:
    """Return the level that a <disk> or <backingStore> is; not what can hold secrets (query, cookies, auth)."""
    kind, source = node.get("type") or "file", node.find("source")
    source = xml.element("source") if source is None else source
    network, volume, nvme = kind == "network", kind == "volume", kind == "nvme"
    hosts = source.findall("host") if network else ()
    return Level(
        index=_number(index, "index", node, where),
        type=kind,
        format=FORMATS.get(format, format),
        path=source.get(PATHS[kind]) or None if kind in PATHS else None,
        protocol=source.get("protocol") if network else None,
        name=source.get("name") if network else None,
        hosts=tuple(_read_host(host, where) for host in hosts),
        pool=source.get("pool") if volume else None,
        volume=source.get("volume") if volume else None,
        address=_pci_address(source.find("address"), where) if nvme else None,
        namespace=_number(source.get("namespace"), "namespace", source, where) if nvme else None,
    )


def _has_medium(top: Level) -> bool:
    known = top.type in PATHS or top.type in ("network", "volume", "nvme")
    # What this libvirt has and we do not know is something.
    return not known or any((top.path, top.protocol, top.pool, top.volume, top.address))


def _read_host(node, where: str) -> NetworkHost:
    return NetworkHost(
        # Where nothing is said, it is tcp to libvirt.
        transport=node.get("transport", "tcp"),
        name=node.get("name"),
        port=_number(node.get("port"), "port", node, where),
        socket=node.get("socket"),
    )


def _pci_address(node, where: str) -> Optional[str]:
    """Return a PCI address as lspci writes it (0000:01:00.0), or None."""
    if node is None:
        return None
    parts = [_number(node.get(key, "0"), key, node, where, True) for key in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)


def _attribute(node, child: str, key: str) -> Optional[str]:
    found = node.find(child)
    return None if found is None else found.get(key)


def _number(text: Optional[str], key: str, node, where: str, hex_too: bool = False) -> Optional[int]:
    """Return what an attribute counts; raise ImageError for what is no such number."""
    if text is None:
        return None
    base = 16 if hex_too and text.startswith("0x") else 10
    try:
        # int() has no end with long texts, and takes signs, underlines and the digits of other scripts.
        number = int(text, base) if text.isascii() and text.isalnum() and len(text) <= 12 else -1
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_NUMBER:
        problem = xml.problem(f'{key}="{text[:20]}" is no number from 0 to {MAX_NUMBER}', node, where)
        raise ImageError.of([problem])
    return number


def source_of(disk) -> tuple:
    """Return what a disk is, as its own <source> says; empty for a drive without a medium."""
    source = disk.find("source")
    return () if source is None else tuple((key, source.get(key)) for key in SOURCE_KEYS if source.get(key))
