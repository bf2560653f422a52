# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of a domain say the same, written in another way: a unit, a base, a list of processors, a case.

The places are those where libvirt reads more than it writes; each rule names the function that reads it, in libvirt's
sources.
"""

from __future__ import annotations

import re
from typing import Optional

from . import xml
from .units import KIB, UNITS

MEMORY_TAGS = ("memory", "currentMemory", "maxMemory")
# libvirt writes the full name of a machine for its alias; elsewhere that is the alias and a version.
MACHINE_FAMILIES = {"pc": "pc-i440fx-", "q35": "pc-q35-"}
# The attributes with a size whose unit the attribute unit names; key None is the text (conf/domain_conf.c,
# virDomainParseMemory and virParseScaledValue; conf/numa_conf.c, virDomainNumaDefParseXML).
SIZED = (None, "size", "memory", "value")
# The unit of a size that names none, where it is not KiB.
BARE_UNITS = {
    ("shmem", "size"): "b",
    ("smm", "tseg"): "mib",
    ("metadata_cache", "max_size"): "b",
    ("filesystem", "space_hard_limit"): "b",
    ("filesystem", "space_soft_limit"): "b",
}
# Elements whose attributes are numbers in whatever base, and single such attributes: virXMLPropUInt with base 0
# (conf/device_conf.c; conf/domain_conf.c, virDomainControllerDefParseXML, virDomainRedirFilterUSBDevDefParseXML).
NUMBERED = ("address", "vendor", "product", "usbdev", "zpci")
NUMBERS = {
    ("target", "chassis"),
    ("target", "chassisNr"),
    ("target", "port"),
    ("target", "busNr"),
    ("target", "index"),
    ("policy", None),
}
# Lists of processors and nodes: util/virbitmap.c, virBitmapParse.
SETS = {"cpuset", "cpus", "vcpus", "nodeset", "iothreads"}
SET_TEXTS = {"nodemask"}
# Masks that are read in octal: conf/domain_conf.c, virDomainFSDefParseXML.
OCTAL = {("filesystem", "fmode"), ("filesystem", "dmode")}
# conf/domain_conf.c: virDomainNetModelTypeFromString, virDomainDeviceBootParseXML; util/virmacaddr.c, virMacAddrParse.
CASELESS = {("mac", "address"), ("boot", "loadparm"), ("loader", "loadparm")}
# util/viruuid.c, virUUIDParse: hyphens and white space say nothing.
UUIDS = {
    ("address", "uuid"),
    ("genid", None),
    ("parameters", "instanceid"),
    ("parameters", "interfaceid"),
    ("secret", "uuid"),
    ("uuid", None),
}
# What libvirt reads and does not write, because it is what is without it (conf/domain_conf.c, the Format functions;
# conf/netdev_bandwidth_conf.c, virNetDevBandwidthRateFormat).
UNSAID = {
    ("backend", "persistent_state"): "no",
    ("channel", "mode"): "any",
    ("driver", "cache"): "default",
    ("driver", "queues"): "0",
    ("filesystem", "multidevs"): "default",
    ("graphics", "defaultMode"): "any",
    ("graphics", "fullscreen"): "no",
    ("graphics", "listen"): "",
    ("graphics", "p2p"): "no",
    ("graphics", "port"): "0",
    ("graphics", "tlsPort"): "0",
    ("host", "transport"): "tcp",
    ("inbound", "burst"): "0",
    ("inbound", "peak"): "0",
    ("interface", "managed"): "no",
    ("listen", "address"): "",
    ("memory", "placement"): "static",
    ("model", "vram64"): "0",
    ("outbound", "burst"): "0",
    ("outbound", "peak"): "0",
    ("stats", "period"): "0",
    ("target", "offset"): "0",
    ("target", "tray"): "closed",
}
# Elements that are not written where they say 0.
ZEROS = {"iothreads", "maxMemory"}
ZEROS_IN = {"iotune", "cputune"}
# Sizes of video memory, which are rounded up to a power of two (virDomainVideoDefPostParse in conf/domain_postparse.c).
VIDEO_SIZES = {"ram", "vram", "vgamem"}
# More than that no list of processors has; it is not spread out.
MOST = 65536


def same(wanted, key: Optional[str], live) -> bool:
    """Return whether an attribute (for key None, the text) says the same on both sides."""
    value, other = _value(wanted, key), _value(live, key)
    if value == other and key not in SIZED:
        return True
    if key == "unit" and _has_unit(wanted, live):
        # What it is the unit of is compared for itself.
        return True
    if (wanted.tag, key) == ("disk", "type") and _is_empty(wanted):
        # A drive without a medium has some type, or that of the medium that someone put in: virDomainDiskDefParseXML.
        return True
    if other is None:
        return _is_unsaid(wanted, key, live)
    if key in SIZED and _has_unit(wanted, live) and size(wanted, key) is not None:
        return _same_size(wanted, key, live)
    return value == other or _same_value(wanted, key, value, other)


def says_nothing(node) -> bool:
    """Return whether an element says only what is so without it."""
    if node.tag in ZEROS or _tag_above(node) in ZEROS_IN:
        return xml.text(node) == "0" and not len(node)
    told = [UNSAID.get((node.tag, key)) == node.get(key) for key in node.keys() if key != "name"]
    told += [says_nothing(child) for child in node]
    return bool(told) and all(told) and not xml.text(node)


def _is_unsaid(wanted, key: Optional[str], live) -> bool:
    """Return whether an attribute says what is so where libvirt does not write it."""
    if (wanted.tag, key) == ("vcpu", "current"):
        return wanted.get(key) == xml.text(wanted)
    if (wanted.tag, key) == ("disk", "snapshot"):
        return wanted.get(key) == "no" and live.find("readonly") is not None
    return (wanted.tag, key) in UNSAID and UNSAID[wanted.tag, key] == wanted.get(key)


def _has_unit(wanted, live) -> bool:
    told = "unit" in wanted.keys() or "unit" in live.keys() or wanted.tag in MEMORY_TAGS
    return told and wanted.tag not in NUMBERED


def _is_empty(disk) -> bool:
    source = disk.find("source")
    unfilled = source is None or not set(source.keys()) - {"startupPolicy", "index"}
    return unfilled and disk.get("device") in ("cdrom", "floppy")


def is_size(node, key: Optional[str]) -> bool:
    """Return whether an attribute (for key None, the text) is a size with a unit."""
    return key in SIZED and _has_unit(node, node) and size(node, key) is not None


def size_in_unit_of(live, wanted, key: Optional[str]) -> tuple[str, Optional[str]]:
    """Return a wanted size as number and unit: in the unit of the live one where that gives a whole number."""
    amount, unit = size(wanted, key), UNITS.get(_unit(live), 0)
    if wanted.tag in MEMORY_TAGS:
        return str(kib(wanted, key)), "KiB"
    if unit and amount % unit == 0:
        return str(amount // unit), live.get("unit")
    return _value(wanted, key), wanted.get("unit")


def _value(node, key: Optional[str]) -> Optional[str]:
    return xml.text(node) if key is None else node.get(key)


def _same_value(node, key: Optional[str], value: str, other: str) -> bool:
    place = (node.tag, key)
    if place == ("type", "machine"):
        return same_machine(value, other)
    if place in UUIDS:
        return same_uuid(value, other)
    if place in CASELESS:
        return value.lower() == other.lower()
    if key in VIDEO_SIZES and _tag_above(node) == "video":
        return value.isdecimal() and len(value) < 10 and str(1 << max(int(value) - 1, 0).bit_length()) == other
    if place == ("model", "type") and _tag_above(node) == "interface":
        return value.lower() == other.lower()
    if (node.tag, key) == ("usbdev", "version"):
        return _usb_version(value) == _usb_version(other)
    if place == ("target", "port") and _tag_above(node) == "console":
        # They are numbered in their order: virDomainDefParseXML.
        return True
    reader = _reader(place)
    return reader is not None and reader(value) is not None and reader(value) == reader(other)


def _reader(place: tuple):
    tag, key = place
    if key in SETS or tag in SET_TEXTS:
        return members
    if place in OCTAL:
        return _octal
    if place in NUMBERS or (tag in NUMBERED and key is not None):
        return _integer
    return None


def _tag_above(node) -> Optional[str]:
    parent = node.getparent()
    return None if parent is None else parent.tag


def same_machine(wanted: str, live: str) -> bool:
    """Return whether a machine is the wanted one, or the version of it that libvirt chose."""
    return wanted == live or live.startswith(MACHINE_FAMILIES.get(wanted, f"{wanted}-"))


def same_uuid(wanted: str, live: str) -> bool:
    """Return whether two UUIDs are the same in another writing: without hyphens, or in capitals."""
    return re.sub(r"[-\s]", "", wanted).lower() == re.sub(r"[-\s]", "", live).lower()


def _integer(text: str) -> Optional[int]:
    """Return a number as C reads it, where a leading 0 means octal and 0x hexadecimal."""
    if len(text) > 20 or not re.fullmatch(r"-?(0[xX][0-9a-fA-F]+|[0-9]+)", text):
        return None
    try:
        return int(text, 8) if re.fullmatch("-?0[0-7]+", text) else int(text, 0)
    except ValueError:
        return None


def _octal(text: str) -> Optional[int]:
    return int(text, 8) if re.fullmatch("[0-7]{1,6}", text) else None


def _usb_version(text: str) -> str:
    """Return JJ.MN for JJ.M, which is JJ.M0 (conf/domain_conf.c, virDomainRedirFilterUSBVersionHelper)."""
    return re.sub(r"^0?([0-9]+)\.([0-9])$", r"\1.\g<2>0", text)


def vcpu_counts(node) -> Optional[tuple[int, int]]:
    """Return how many processors <vcpu> says are there, and how many there can be; None where one is no number."""
    most = xml.text(node)
    told = (node.get("current", most), most)
    numbers = [int(text) for text in told if text.isascii() and text.isdecimal() and len(text) < 10]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def members(text: str) -> Optional[frozenset[int]]:
    """Return the numbers of a list such as 1-3,^2,7, or None for what is none."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\^?)([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        if not match:
            return None
        first, last = int(match[2]), int(match[3] or match[2])
        if last >= MOST or last < first:
            return None
        numbers = range(first, last + 1)
        found = found.difference(numbers) if match[1] else found.union(numbers)
    return frozenset(found)


def spread(numbers) -> str:
    """Return numbers as libvirt lists them: 0-2,4 (util/virbitmap.c, virBitmapFormat)."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _same_size(wanted, key: Optional[str], live) -> bool:
    """Return whether a size, in the unit that libvirt wrote and rounded up as libvirt does, is the one it has."""
    unit, have = UNITS.get(_unit(live), 0), size(live, key)
    return have is not None and -(-size(wanted, key) // unit) * unit == have


def size(node, key: Optional[str] = None) -> Optional[int]:
    """Return the bytes of the size in an element's text or attribute, or None where it is none."""
    unit, number = UNITS.get(_unit(node)), _value(node, key) or ""
    if not unit or not (number.isascii() and number.isdecimal() and len(number) < 20):
        return None
    return int(number) * unit


def _unit(node) -> str:
    bare = BARE_UNITS.get((_tag_above(node), node.tag), "kib")
    return node.get("unit", bare).lower()


def kib(node, key: Optional[str] = None) -> Optional[int]:
    """Return the size in an element's text or attribute in KiB, rounded up as libvirt does, or None where it is none."""
    found = size(node, key)
    return None if found is None else -(-found // KIB)
