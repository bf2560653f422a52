# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain as libvirt reads it: what it leaves unread in a definition, and what it reads as something else.

Only what is wanted goes through here, so that it can be compared with what libvirt holds; that stays as it is. Each rule
names the function of libvirt 9.0 that does it, in conf/domain_conf.c where no file is named.
"""

from __future__ import annotations

import re
from copy import deepcopy

from . import xml
from .reading_chardevs import CHARDEVS, read_chardev, read_consoles
from .reading_tuning import read_cells, read_cpu, read_limits, read_memory, read_placement, read_schedulers, read_tunes
from .record import drop_record
from .sameness import kib

# What is parsed without VIR_DOMAIN_DEF_PARSE_INACTIVE only, so in no definition: (element above, element): attributes.
ACTIVE_ONLY = {
    ("disk", "source"): ("index",),
    ("backingStore", "source"): ("index",),
    ("disk", "backingStore"): ("index",),
    ("backingStore", "backingStore"): ("index",),
    ("channel", "target"): ("state",),
    ("cputune", "cachetune"): ("id",),
    ("source", "seclabel"): ("labelskip",),
}
ACTIVE_ELEMENTS = {("disk", "mirror"), ("interface", "actual"), ("seclabel", "imagelabel")}
# Elements that say nothing when they are empty; libvirt does not write them.
CONTAINERS = set(
    "bandwidth blkiotune blockio bootmenu cache cmdline coalesce cpu cputune description devices distances driver dtb "
    "features geometry gl idmap inbound initrd iotune kernel keywrap link loader log memoryBacking memtune metadata mtu "
    "numatune outbound pm protocol redirfilter rom rx script seclabel source ssl suspend-to-disk suspend-to-mem title "
    "tune".split()
)
# util/virnetdev.h, VIR_NET_GENERATED_*_PREFIX: names that libvirt chooses anew at each start.
GENERATED_NAMES = ("vnet", "macvtap", "macvlan")
# virDomainNetDefParseXML, parse_filterref.
FILTERED = ("network", "ethernet", "bridge")
# qemuDomainRecheckInternalPaths in qemu/qemu_domain.c: a socket in a folder of libvirt's own.
OWN_SOCKET = re.compile(r".*/(libvirt/qemu/.*|domain-[0-9]+-[^/]*/[^/]*)")


def as_read(desired, live):
    """Return the wanted tree as libvirt reads it on the host that holds the live one."""
    tree = deepcopy(desired)
    tree.attrib.pop("id", None)
    drop_record(tree)
    for rule in WHOLE:
        rule(tree, live)
    for node in [node for part in tree if part.tag != "metadata" for node in part.iter()]:
        if node.getparent() is None:
            # A rule took it away.
            continue
        place = (node.getparent().tag, node.tag)
        if place in ACTIVE_ELEMENTS:
            node.getparent().remove(node)
            continue
        for key in ACTIVE_ONLY.get(place, ()):
            node.attrib.pop(key, None)
        if node.tag in RULES:
            RULES[node.tag](node)
    for node in list(tree.iter(*CONTAINERS)):
        _drop_empty(node)
    return tree


def _drop_empty(node) -> None:
    parent = node.getparent()
    if parent is not None and not (len(node) or node.keys() or xml.text(node)):
        parent.remove(node)
        if parent.tag in CONTAINERS:
            _drop_empty(parent)


def _read_metadata(tree, _live) -> None:
    """One element for each namespace, and none without one: virXMLNodeSanitizeNamespaces in util/virxml.c."""
    seen = {None}
    for node in tree.findall("metadata/*"):
        namespace = node.tag[1:].partition("}")[0] if node.tag.startswith("{") else None
        if namespace in seen:
            node.getparent().remove(node)
        seen.add(namespace)


def _read_seclabels(tree, live) -> None:
    """virSecurityLabelDefParseXML: only static labels are given; a host without a security driver has none."""
    labels, lives = tree.findall("seclabel"), live.findall("seclabel")
    for label in labels:
        if label.get("type", "dynamic") == "dynamic":
            for node in label.findall("label"):
                label.remove(node)
    models = [label.get("model", "none") for label in labels + lives]
    if models == ["none", "none"] and lives and labels[0].get("type", "dynamic") == "dynamic":
        labels[0].set("type", "none")
        labels[0].attrib.pop("relabel", None)


def _read_videos(tree, _live) -> None:
    """The primary one comes first, and one is it: virDomainDefParseXML, virDomainDefPostParseVideo."""
    videos = tree.findall("devices/video")
    for model in tree.findall("devices/video/model[@primary='no']"):
        del model.attrib["primary"]
    for video in videos[1:]:
        if video.find("model[@primary='yes']") is not None:
            videos[0].addprevious(video)


def _read_alias(node) -> None:
    """Aliases are libvirt's own, but for those of users: virDomainDeviceInfoParseXML."""
    if not node.get("name", "ua-").startswith("ua-"):
        node.getparent().remove(node)


def _read_disk(disk) -> None:
    """Names as the Xen driver once had them: virDomainDiskDefPostParse in conf/domain_postparse.c."""
    target = disk.find("target")
    if target is not None and target.get("dev", "").startswith("ioemu:"):
        target.set("dev", target.get("dev")[len("ioemu:") :])
    _read_iscsi(disk.find("source"))


def _read_controller(controller) -> None:
    """virDomainControllerDefParseXML."""
    controller.set("type", controller.get("type", "ide"))


def _read_hostdev(hostdev) -> None:
    _read_iscsi(hostdev.find("source"))


def _read_iscsi(source) -> None:
    """The first unit is named: virDomainPostParseCheckISCSIPath in conf/domain_postparse.c."""
    if (
        source is not None
        and source.get("protocol") == "iscsi"
        and source.get("name")
        and "/" not in source.get("name")
    ):
        source.set("name", f"{source.get('name')}/0")


def _read_interface(interface) -> None:
    """virDomainNetDefParseXML: ports and names of a start are not read."""
    target, source, kind = interface.find("target"), interface.find("source"), interface.get("type")
    if target is not None and target.get("managed") != "no" and target.get("dev", "").startswith(GENERATED_NAMES):
        del target.attrib["dev"]
        if not target.keys():
            interface.remove(target)
    if source is not None and kind == "network":
        for key in ("portid", "bridge"):
            source.attrib.pop(key, None)
    for filterref in interface.findall("filterref") if kind not in FILTERED else ():
        interface.remove(filterref)
    for driver in interface.findall("driver[@queues]"):
        # virDomainNetDefParseXMLDriver: one queue is none that is said.
        if driver.get("queues") in ("0", "1"):
            del driver.attrib["queues"]
    for frames in interface.findall("coalesce/rx/frames[@max='0']"):
        # virDomainNetDefCoalesceFormatXML.
        frames.getparent().remove(frames)


def _read_drivers(tree, live) -> None:
    """virDomainNetDefParseXMLDriver: it is virtio's; that of a host's device has a name."""
    lives = live.findall("devices/interface")
    by_mac = {_mac(interface): interface for interface in lives}
    for index, interface in enumerate(tree.findall("devices/interface")):
        other = by_mac.get(_mac(interface)) if _mac(interface) else (lives[index] if index < len(lives) else None)
        model = interface.find("model") if interface.find("model") is not None or other is None else other.find("model")
        keys = {"name"} if interface.get("type") == "hostdev" else None
        if keys is None and (model is None or model.get("type", "virtio").lower().startswith("virtio")):
            continue
        for driver in interface.findall("driver"):
            for key in set(driver.keys()) - (keys or set()):
                del driver.attrib[key]
            if not driver.keys():
                interface.remove(driver)
        for backend in interface.findall("backend"):
            backend.attrib.pop("vhost", None)


def _mac(interface):
    mac = interface.find("mac")
    return None if mac is None else _plain_mac(mac.get("address", ""))


def _read_seclabel(label) -> None:
    """A device's label that says nothing: virSecurityDeviceLabelDefFormat."""
    if label.getparent().tag == "source" and label.find("label") is None and label.get("relabel", "yes") == "yes":
        label.getparent().remove(label)


def _read_graphics(graphics) -> None:
    """virDomainGraphicsDefParseXMLVNC and its like: a port that libvirt chooses is not read."""
    if graphics.get("autoport") == "yes":
        for key in ("port", "tlsPort"):
            graphics.attrib.pop(key, None)
    elif graphics.get("type") == "spice" and graphics.get("port") == graphics.get("tlsPort") == "-1":
        graphics.set("autoport", "yes")
        for key in ("port", "tlsPort"):
            del graphics.attrib[key]
    elif graphics.get("type") == "vnc" and graphics.get("port") == "-1" and graphics.get("autoport") is None:
        del graphics.attrib["port"]
    _read_socket(graphics)
    ports = [graphics.get(key, "0") for key in ("port", "tlsPort")]
    if graphics.get("type") == "spice" and ports == ["0", "0"] and graphics.get("autoport") == "no":
        # virDomainDefPostParseGraphics in conf/domain_postparse.c: it listens nowhere.
        for key in ("port", "tlsPort", "autoport", "listen"):
            graphics.attrib.pop(key, None)
        for listen in graphics.findall("listen[@type='address']"):
            listen.attrib.pop("address", None)
            listen.set("type", "none")
    for listen in graphics.findall("listen[@type='network']"):
        # virDomainGraphicsListenDefParseXML: the network's address is looked up at the start.
        listen.attrib.pop("address", None)


def _read_socket(graphics) -> None:
    """A socket goes before the first address, unless it is libvirt's own: virDomainGraphicsListensParseXML."""
    socket, listen = graphics.get("socket"), graphics.find("listen")
    if graphics.get("type") != "vnc" or socket is None:
        return
    if OWN_SOCKET.fullmatch(socket):
        del graphics.attrib["socket"]
        for node in graphics.findall("listen[@type='socket']"):
            graphics.remove(node)
    elif listen is not None and listen.get("type") in ("address", "network"):
        listen.attrib.clear()
        listen.set("type", "socket")
        listen.set("socket", socket)


def _read_address(address) -> None:
    """virDomainVirtioSerialAddrAssign in conf/domain_addr.c: without a port, a place is chosen."""
    above = address.getparent().getparent()
    if above is not None and above.tag == "hostdev" and above.get("type") == address.get("type"):
        # virDomainHostdevDefFormatSubsysPCI: the device's type says it.
        address.attrib.pop("type", None)
    if address.get("type") == "virtio-serial" and address.get("port", "0") == "0":
        address.attrib.pop("bus", None)


def _read_mac(mac) -> None:
    if mac.get("address") is not None:
        mac.set("address", _plain_mac(mac.get("address")))


def _plain_mac(text: str) -> str:
    """virMacAddrParse in util/virmacaddr.c: bytes of one digit, and capitals."""
    parts = text.lower().split(":")
    return ":".join(part.zfill(2) for part in parts) if len(parts) == 6 else text


def _read_usbdev(device) -> None:
    """-1 is any, which is not written: virDomainRedirFilterDefFormat."""
    for key in ("class", "vendor", "product", "version"):
        if device.get(key) == "-1":
            del device.attrib[key]


def _read_bootmenu(menu) -> None:
    """virDomainDefParseBootXML: without a menu there is no time to wait in it."""
    if menu.get("enable") != "yes":
        menu.attrib.pop("timeout", None)


def _read_reconnect(reconnect) -> None:
    """virDomainChrSourceReconnectDefParseXML."""
    if reconnect.get("enabled") != "yes":
        reconnect.attrib.pop("timeout", None)


def _read_spinlocks(spinlocks) -> None:
    """virDomainFeaturesHyperVDefParse."""
    if spinlocks.get("state") == "off":
        spinlocks.attrib.pop("retries", None)


def _read_filesystem(filesystem) -> None:
    """The size of a RAM disk is kept in KiB: virDomainFSDefParseXML, virDomainFSDefFormat."""
    source = filesystem.find("source")
    if filesystem.get("type") == "ram" and source is not None:
        amount = kib(xml.element("size", {"unit": source.get("units")}, source.get("usage")))
        if amount is not None:
            source.set("usage", str(amount))
            source.set("units", "KiB")


# What takes more than one place to see.
WHOLE = (
    _read_metadata,
    _read_seclabels,
    _read_videos,
    _read_drivers,
    read_consoles,
    read_memory,
    read_limits,
    read_placement,
    read_cells,
    read_schedulers,
    read_tunes,
)
RULES = {
    "address": _read_address,
    "alias": _read_alias,
    "bootmenu": _read_bootmenu,
    "controller": _read_controller,
    "cpu": read_cpu,
    "disk": _read_disk,
    "filesystem": _read_filesystem,
    "graphics": _read_graphics,
    "hostdev": _read_hostdev,
    "interface": _read_interface,
    "mac": _read_mac,
    "reconnect": _read_reconnect,
    "seclabel": _read_seclabel,
    "spinlocks": _read_spinlocks,
    "usbdev": _read_usbdev,
    **dict.fromkeys(CHARDEVS, read_chardev),
}
