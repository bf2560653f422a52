# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt derives from other values of a domain, and what of it must go or follow when those change."""

from __future__ import annotations

from copy import deepcopy
from typing import Optional

from . import xml
from .kinds import drop_other_controllers
from .sameness import MEMORY_TAGS, kib, same_machine

# The kinds of address that a bus has; all others are a place on a drive controller.
ADDRESS_TYPES = {"virtio": ("pci", "ccw", "virtio-mmio"), "usb": ("usb",), "xen": ("xen", "drive")}

# The number of something, and the list of it: virDomainVcpuParse, virDomainDefParseIOThreads.
NUMBERED_LISTS = {"vcpu": "vcpus", "iothreads": "iothreadids"}


def has_uefi(domain) -> bool:
    """Return whether a domain's firmware is UEFI, said or chosen."""
    system = domain.find("os")
    return system is not None and (
        system.get("firmware") == "efi" or system.find("loader[@type='pflash']") is not None
    )


def as_started(desired, active):
    """Return the wanted tree with what a start fills in or rounds: it is no difference to what runs."""
    tree = deepcopy(desired)
    for cpu in tree.findall("cpu"):
        # The host's model is shown as the features that it came to; so is what has at least a model.
        if cpu.get("mode") == "host-model" or cpu.get("match") == "minimum":
            tree.remove(cpu)
        cpu.attrib.pop("check", None)
        for model in cpu.findall("model"):
            # What was to happen at the start.
            model.attrib.pop("fallback", None)
    for system in tree.findall("os[@firmware]"):
        # Compared by has_uefi; it is shown as the files that were chosen.
        del system.attrib["firmware"]
    for tag in MEMORY_TAGS:
        for node in tree.findall(tag):
            if kib(node) is not None:
                # QEMU's memory comes in whole MiB.
                node.text, node.attrib["unit"] = str(-(-kib(node) // 1024) * 1024), "KiB"
    for graphics in tree.findall("devices/graphics"):
        for key in ("port", "websocket", "tlsPort"):
            if graphics.get(key) in ("-1", "0"):
                del graphics.attrib[key]
    types = {_network(node): node.get("type") for node in active.findall("devices/interface")}
    for interface in tree.findall("devices/interface[@type='network']"):
        # A network that forwards to a bridge shows as the bridge.
        interface.set("type", types.get(_network(interface), "network"))
    return tree


def _network(interface) -> Optional[str]:
    source = interface.find("source")
    return None if source is None else source.get("network")


def with_current_memory(desired, live):
    """Return the wanted tree with currentMemory following memory, as it did before, where it says nothing of it."""
    memory, current = live.find("memory"), live.find("currentMemory")
    silent = desired.find("memory") is not None and desired.find("currentMemory") is None
    if not silent or memory is None or current is None or kib(memory) != kib(current):
        return desired
    tree = deepcopy(desired)
    tree.find("memory").addnext(xml.element("currentMemory", {"unit": "KiB"}, kib(desired.find("memory"))))
    return tree


def without_other_machine_s(live, wanted):
    """Return a copy of the live tree; for another machine without controllers and addresses, for it has other buses."""
    tree = deepcopy(live)
    drop_other_controllers(tree, wanted)
    types = [node.find("os/type") for node in (wanted, live)]
    if None in types or None in [node.get("machine") for node in types]:
        return tree
    if same_machine(types[0].get("machine"), types[1].get("machine")):
        return tree
    for device in tree.findall("devices/*"):
        address = device.find("address")
        if device.tag == "controller":
            device.getparent().remove(device)
        elif address is not None:
            device.remove(address)
    return tree


def drop_derived(merged, live, wanted) -> None:
    """Take from a merged domain what libvirt derived from values that have changed since; it derives it anew."""
    _drop_numbered(merged, live, wanted)
    _drop_disk_addresses(merged, wanted)
    _drop_firmware(merged, live, wanted)
    _drop_audio(merged, live, wanted)
    _drop_console(merged, wanted)
    _follow_listen(merged, wanted)


def _drop_numbered(merged, live, wanted) -> None:
    """A list of the processors or threads says how many there are, and more loudly than their number."""
    for number, numbered in NUMBERED_LISTS.items():
        nodes = [node for node in (merged.find(number), live.find(number)) if node is not None]
        counts = {(xml.text(node), node.get("current")) for node in nodes}
        members = merged.find(numbered)
        if members is not None and wanted.find(numbered) is None and len(counts) > 1:
            merged.remove(members)


def _drop_disk_addresses(merged, wanted) -> None:
    """A disk that moved to another bus has no use for its place on the old one."""
    placed = {node.find("target").get("dev") for node in wanted.findall("devices/disk[address][target]")}
    for disk in merged.findall("devices/disk"):
        target, address = disk.find("target"), disk.find("address")
        if target is None or address is None or not target.get("bus") or target.get("dev") in placed:
            continue
        if address.get("type") not in ADDRESS_TYPES.get(target.get("bus"), ("drive",)):
            disk.remove(address)


def _drop_firmware(merged, live, wanted) -> None:
    """A guest that is to start without UEFI has no loader of it, nor its variables."""
    system, old = merged.find("os"), live.find("os")
    if system is None or old is None:
        return
    chosen = old.get("firmware") is not None and system.get("firmware") is None
    for tag in ("loader", "nvram", "firmware") if chosen else ():
        _drop_unwanted(system, tag, wanted)
    if not has_uefi(merged):
        _drop_unwanted(system, "nvram", wanted)


def _drop_unwanted(system, tag: str, wanted) -> None:
    node = system.find(tag)
    if node is not None and wanted.find(f"os/{tag}") is None:
        system.remove(node)


def _drop_audio(merged, live, wanted) -> None:
    """Audio over SPICE goes with SPICE; and none, which is libvirt's where there is no SPICE, goes when that comes."""
    if wanted.find("devices/audio") is not None:
        return
    spice = [tree.find("devices/graphics[@type='spice']") is not None for tree in (live, merged)]
    stale = "none" if spice == [False, True] else None if spice[1] else "spice"
    for audio in merged.findall("devices/audio"):
        if audio.get("type") == stale:
            audio.getparent().remove(audio)


def _drop_console(merged, wanted) -> None:
    """A console that libvirt made of a serial port goes with it, or libvirt makes the port of it again."""
    if merged.find("devices/serial") is None and wanted.find("devices/console") is None:
        for console in merged.findall("devices/console"):
            if console.find("target[@type='serial']") is not None:
                console.getparent().remove(console)


def _follow_listen(merged, wanted) -> None:
    """The attributes listen and socket and the first element <listen> say the same, or libvirt refuses both."""
    merges = {node.get("type"): node for node in reversed(merged.findall("devices/graphics"))}
    for graphics in wanted.findall("devices/graphics"):
        node = merges.get(graphics.get("type"))
        if node is None:
            continue
        listen = node.find("listen")
        if listen is None:
            continue
        for attribute, key, kind in (("listen", "address", "address"), ("socket", "socket", "socket")):
            said = graphics.get(attribute)
            if graphics.find("listen") is not None and said is None:
                _let_follow(node, attribute, listen.get(key))
            elif graphics.find("listen") is None and said not in (None, listen.get(key, "")) and listen.get("type") == kind:
                listen.set(key, said)


def _let_follow(node, key: str, value: Optional[str]) -> None:
    if value is None:
        node.attrib.pop(key, None)
    elif key in node.keys():
        node.set(key, value)
