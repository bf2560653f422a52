# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serial ports, consoles, channels and other character devices as libvirt reads them (see reading.py)."""

from __future__ import annotations

import re
from copy import deepcopy

# `backend` is that of <rng model='egd'>.
CHARDEVS = ("serial", "parallel", "console", "channel", "smartcard", "redirdev", "backend")
# What is a pty where no type is named: virDomainChrDefParseXML.
TYPED = ("serial", "parallel", "console", "channel")
# virDomainChrSourceDefParseXML: these have one source for each mode.
TWO_WAYS = ("udp", "tcp", "unix")
# qemuDomainChrDefPostParse in qemu/qemu_domain.c: other machines have another port in this one's place.
ISA_ARCHES = ("x86_64", "i686")


def read_consoles(tree, live) -> None:
    """The first console of a fully virtualised guest is its first serial port: virDomainDefAddConsoleCompat."""
    serial, consoles = tree.find("devices/serial"), tree.findall("devices/console")
    system = tree.find("os/type")
    arch = (system.get("arch") if system is not None else None) or _arch(live)
    for target in tree.findall("devices/serial/target[@type='isa-serial']"):
        if arch not in ISA_ARCHES:
            _open(target)
    if not consoles or serial is None or system is None or (system.text or "").strip() != "hvm":
        return
    target = consoles[0].find("target")
    if target is not None and target.get("type", "serial") != "serial":
        return
    for node in [*consoles[0].findall("source"), *consoles[0].findall("protocol"), *consoles[0].findall("log")]:
        consoles[0].remove(node)
    consoles[0].set("type", serial.get("type", "pty"))
    for node in [*serial.findall("source"), *serial.findall("protocol"), *serial.findall("log")]:
        consoles[0].append(deepcopy(node))


def _arch(live):
    system = live.find("os/type")
    return None if system is None else system.get("arch")


def _open(target) -> None:
    del target.attrib["type"]
    for model in target.findall("model[@name='isa-serial']"):
        target.remove(model)


def read_chardev(device) -> None:
    """virDomainChrSourceDefParseXML, virDomainChrSourceDefFormat: sources that name nothing are left out."""
    kind, target = device.get("type", "pty"), device.find("target")
    if device.tag in TYPED and device.getparent().tag == "devices":
        device.set("type", kind)
    for protocol in device.findall("protocol") if kind != "tcp" else ():
        device.remove(protocol)
    for source in device.findall("source"):
        if kind == "pty":
            # Told at the start.
            source.attrib.pop("path", None)
            if not source.keys():
                device.remove(source)
        if kind not in TWO_WAYS:
            continue
        if source.get("mode") is None:
            source.set("mode", "connect")
        if kind == "unix" and (not source.get("path") or _is_default(source.get("path"), target)):
            device.remove(source)
        elif kind == "udp" and not (source.get("host") or source.get("service")):
            device.remove(source)
    if device.tag == "console":
        device.attrib.pop("tty", None)


def _is_default(path: str, target) -> bool:
    """Return whether libvirt chooses this path: qemuDomainChrDefDropDefaultPath in qemu/qemu_domain.c."""
    if (
        target is None
        or target.getparent().tag != "channel"
        or target.get("type") != "virtio"
        or not target.get("name")
    ):
        return False
    return bool(re.fullmatch(rf".*/channel(/target)?/([^/]+\.|domain-[^/]+/){re.escape(target.get('name'))}", path))
