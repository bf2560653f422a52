# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairs of libvirt's own test suite: a domain as it is given, and as libvirt holds it; and what mutants are made of."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.virt.image.plugins.module_utils._core import definition, xml
from ansible_collections.virt.image.plugins.module_utils._core.record import Record, set_record

# Where `script/test pairs` puts libvirt's sources.
SOURCES = os.environ.get("VIRT_IMAGE_LIBVIRT", "")
FOLDERS = (
    ("qemuxml2argvdata", "qemuxml2xmloutdata"),
    ("genericxml2xmlindata", "genericxml2xmloutdata"),
    ("lxcxml2xmldata", "lxcxml2xmloutdata"),
    ("bhyvexml2argvdata", "bhyvexml2xmloutdata"),
)
# What the Xen driver makes of xl's own configurations is as libvirt holds it; what was given lacks what the driver adds
# (libxlDomainDefPostParse, xenDomainDefAddImplicitInputDevice) and what libvirt derives.
XEN_FOLDER = "xlconfigdata"
XEN_ADDS = (
    "devices/controller[@type='xenbus']",
    "devices/controller[@type='ide']",
    "devices/controller[@type='scsi'][@index='0']",
    "devices/input[@bus='xen']",
    "devices/input[@bus='ps2']",
    "devices/memballoon[@model='xen']",
    "devices/disk/address",
    "devices/graphics/listen",
    "devices/console/target[@type='xen']/..",
    "features/pae",
)
OTHER_WORDS = {"yes": "no", "no": "yes", "on": "off", "off": "on"}


@dataclass(frozen=True)
class Pair:
    """A domain that was given, and what libvirt made of it; for one of Xen, what was given is what libvirt did not add."""

    name: str
    given: Path
    held: Path

    def wanted(self):
        """Return the tree of what was given."""
        tree = xml.parse(self.given.read_bytes(), "wanted")
        for place in XEN_ADDS if self.given == self.held else ():
            for node in tree.findall(place):
                node.getparent().remove(node)
        return tree


def find_pairs():
    """Return the pairs whose output is that of a definition, in the order of their names."""
    found = []
    for inputs, outputs in FOLDERS:
        for held in sorted(Path(SOURCES, "tests", outputs).glob("*.xml")):
            # NAME[-inactive][.ARCHITECTURE-VERSION].xml, as tests/qemuxml2xmltest.c has them; bhyve's begin with bhyvexml2.
            whole = held.stem.replace("bhyvexml2xmlout-", "bhyvexml2argv-")
            short = re.sub(r"\.[a-z0-9_]+-(latest|[0-9.]+)$", "", whole)
            names = [whole, short, re.sub("-inactive$", "", short)]
            given = [Path(SOURCES, "tests", inputs, f"{name}.xml") for name in names]
            given = [path for path in given if path.exists()]
            if given and not short.endswith("-active"):
                found.append(Pair(f"{outputs}/{held.stem}", given[0], held))
    xen = sorted(Path(SOURCES, "tests", XEN_FOLDER).glob("*.xml"))
    return found + [Pair(f"{XEN_FOLDER}/{held.stem}", held, held) for held in xen]


def record(tree):
    """Return the record of a domain that this tree was applied to."""
    return Record(None, None, None, 1, (), definition.applied_text(tree))


def live_of(wanted, held):
    """Return a tree of what libvirt holds with the record of what was wanted."""
    live = xml.parse(held.read_bytes(), "live")
    set_record(live, record(wanted))
    return live


def changes(wanted, live):
    """Return what a run would change in the domain itself."""
    found = definition.redefine(wanted, xml.etree.tostring(live, encoding="unicode"), record(wanted))
    return [change for change in found.changes if not change.path.startswith("metadata/record")]


def places(tree):
    """Return every attribute and text outside of metadata, as (node, key or None, path of tags)."""
    found = []

    def walk(node, path):
        found.extend((node, key, f"{path}/@{key}".lstrip("/")) for key in node.keys())
        if xml.text(node):
            found.append((node, None, path))
        for child in node:
            if child.tag != "metadata":
                walk(child, f"{path}/{child.tag}".lstrip("/"))

    walk(tree, "")
    return found


def value_of(node, key):
    return xml.text(node) if key is None else node.get(key)


def put(node, key, value):
    if key is None:
        node.text = value
    else:
        node.set(key, value)


def other_value(node, key):
    """Return another value of the same kind."""
    value = value_of(node, key)
    if key == "unit" and node.tag != "address":
        # More than there is libvirt does not read.
        return "KB" if value not in ("KB", "KiB") or node.tag == "currentMemory" else "MiB"
    if value in OTHER_WORDS:
        return OTHER_WORDS[value]
    if re.fullmatch("0x[0-9a-fA-F]+", value):
        return hex(int(value, 16) + 1)
    if node.tag == "currentMemory" and value.isdecimal():
        return str(int(value) - 1)
    if re.fullmatch("-?[0-9]+", value):
        return str(int(value) + 1)
    if re.fullmatch("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", value):
        return value[:-2] + ("01" if value[-2:] == "00" else "00")
    if re.fullmatch("[0-9^,-]+", value):
        return "6"
    return f"{value}x"
