# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the domain that we want and the one that libvirt holds, compared at the places that we own.

Three sides, as `kubectl apply` has them: what we applied last, what is wanted, what is live. What libvirt or the user
added elsewhere is kept; what we applied once and no longer want is removed.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Optional

from . import xml
from .errors import ImageError
from .record import Record, find_record, read_record, render_record
from .units import KIB, UNITS

# What makes an element itself among its siblings: child path (or . for itself) and attributes.
IDENTITIES = {
    "disk": ("target", ("dev",)),
    "interface": ("mac", ("address",)),
    "controller": (".", ("type", "index", "model")),
    "channel": ("target", ("type", "name")),
    "graphics": (".", ("type",)),
    "filesystem": ("target", ("dir",)),
    "input": (".", ("type", "bus")),
    "timer": (".", ("name",)),
    "feature": (".", ("name",)),
    "redirdev": (".", ("bus", "type")),
}
MEMORY_TAGS = ("memory", "currentMemory", "maxMemory")
CASELESS = {("mac", "address"), ("uuid", None)}


@dataclass(frozen=True)
class Change:
    """One place that differs; `before` None: it is new, `after` None: it goes away."""

    path: str
    before: Optional[str]
    after: Optional[str]


@dataclass(frozen=True)
class Definition:
    """The whole domain XML to write, and what it changes; no changes, nothing to write."""

    xml: str
    changes: tuple[Change, ...]


def define_new(desired, record: Record) -> Definition:
    """Return the definition of a domain that does not exist yet."""
    tree = deepcopy(desired)
    _set_record(tree, record)
    text = xml.to_text(tree)
    return Definition(text, (Change("domain", None, text),))


def redefine(desired, live_xml: str, record: Record, absent: tuple[str, ...] = ()) -> Definition:
    """Return the live domain with the wanted values at the places that we own.

    `absent` are places that must be empty. `desired` is a tree without our record.
    """
    live = xml.parse(live_xml, "live domain")
    before = read_record(live)
    applied = _applied(before)
    merged = deepcopy(live)
    _merge(merged, desired, applied)
    for place in absent:
        for node in merged.findall(place):
            node.getparent().remove(node)
    changes = tuple(_differences(live, merged, ""))
    if before != record:
        # What was applied changes with every change of the domain; alone it is worth a word.
        if _say(before) != _say(record) or not changes:
            changes += (Change("metadata/record", _say(before), _say(record)),)
        _set_record(merged, record)
    return Definition(xml.to_text(merged), changes)


def needs_restart(changes: tuple[Change, ...]) -> bool:
    """Return whether a running domain must be stopped and started for the changes to take effect."""
    at_once = ("metadata", "title", "description")
    return any(not change.path.startswith(at_once) for change in changes)


def merge_fragment(tree, text: str, where: str = "xml"):
    """Merge a user's fragment of domain XML into a rendered tree, by element identity."""
    whole = text if text.lstrip().startswith(("<domain", "<?xml")) else f"<domain>{text}</domain>"
    fragment = xml.parse(whole, where)
    if fragment.tag != "domain":
        raise ImageError(f"<{fragment.tag}> is no domain XML; write <domain> with what is to be merged in", where)
    _merge(tree, fragment, None)


def applied_text(desired) -> str:
    """Return what the record keeps of a rendered tree."""
    tree = deepcopy(desired)
    for node in tree.iter():
        if "passwd" in node.keys():
            # Metadata is shown to everyone who may read the domain; passwords are not.
            node.set("passwd", "")
    return xml.etree.tostring(_without_white_space(tree), encoding="unicode")


def _without_white_space(tree):
    for node in tree.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None
    return tree


def _applied(record: Optional[Record]):
    """Return the tree that we applied last, or None; a record that someone broke is none."""
    try:
        return xml.parse(record.applied, "record") if record and record.applied else None
    except ImageError:
        return None


def _set_record(tree, record: Record) -> None:
    old = find_record(tree)
    if old is not None:
        old.getparent().remove(old)
    metadata = tree.find("metadata")
    if metadata is None:
        metadata = xml.element("metadata")
        tree.insert(0, metadata)
    metadata.append(render_record(record))


def _say(record: Optional[Record]) -> Optional[str]:
    if record is None:
        return None
    disks = ", ".join(f"{disk.id}={disk.volume}" + (f" ({disk.stamp})" if disk.stamp else "") for disk in record.disks)
    version = "".join(f" {part}" for part in (record.version, record.release) if part)
    return f"{record.image}{version}, generation {record.generation}: {disks}"


def _merge(live, wanted, applied) -> None:
    """Give `live` the values of `wanted`, and take away what only `applied` has."""
    for key, value in wanted.items():
        if not _same(wanted, key, value, live, live.get(key)):
            live.set(key, value)
    for key in () if applied is None else applied.keys():
        if key not in wanted.keys() and key in live.keys() and live.get(key) == applied.get(key):
            del live.attrib[key]
    if xml.text(wanted) and not _same(wanted, None, xml.text(wanted), live, xml.text(live)):
        live.text = wanted.text
        if wanted.tag in MEMORY_TAGS:
            live.set("unit", wanted.get("unit", "KiB"))
    have, old = _keyed(live), {} if applied is None else _keyed(applied)
    wanted_children = _keyed(wanted)
    for key, child in wanted_children.items():
        if key in have:
            _merge(have[key], child, old.get(key))
        else:
            live.append(deepcopy(child))
    for key in old:
        if key not in wanted_children and key in have:
            live.remove(have[key])


def _keyed(node) -> dict:
    """Return the children by what makes them themselves; equal ones are told apart by their order."""
    keyed: dict = {}
    for child in node:
        identity = _identity(child)
        nth = 0
        while (child.tag, identity, nth) in keyed:
            nth += 1
        keyed[(child.tag, identity, nth)] = child
    return keyed


def _identity(node) -> tuple:
    place, keys = IDENTITIES.get(node.tag, (".", ()))
    holder = node if place == "." else node.find(place)
    return () if holder is None else tuple((holder.get(key) or "").lower() for key in keys)


def _same(wanted, key, value: str, live, other: Optional[str]) -> bool:
    """Return whether an attribute (or, for key None, the text) has the same meaning on both sides."""
    if other is None:
        return False
    if wanted.tag in MEMORY_TAGS and len(wanted) == 0:
        return key == "unit" or _kib(wanted) == _kib(live)
    if (wanted.tag, key) in CASELESS:
        return value.lower() == other.lower()
    return value == other


def _kib(node) -> Optional[int]:
    unit, number = UNITS.get(node.get("unit", "KiB").lower()), xml.text(node)
    if not unit or not (number.isascii() and number.isdecimal()):
        return None
    # libvirt rounds up to whole KiB.
    return -(-int(number) * unit // KIB)


def _differences(before, after, path: str):
    """Yield what `after` changes, in its order, at places named as in devices/disk[vda]/source/@file."""
    for key in sorted(set(before.keys()) | set(after.keys())):
        if before.get(key) != after.get(key):
            yield Change(_join(path, f"@{key}"), before.get(key), after.get(key))
    if xml.text(before) != xml.text(after):
        yield Change(path, xml.text(before) or None, xml.text(after) or None)
    old, new = _keyed(before), _keyed(after)
    for key, child in old.items():
        place = _join(path, _step(key))
        if key not in new:
            yield Change(place, _line(child), None)
        else:
            yield from _differences(child, new[key], place)
    for key, child in new.items():
        if key not in old:
            yield Change(_join(path, _step(key)), None, _line(child))


def _step(key: tuple) -> str:
    tag, identity, nth = key
    named = ",".join(part for part in identity if part)
    return tag + (f"[{named}]" if named else "") + (f"[{nth + 1}]" if nth else "")


def _join(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step


def _line(node) -> str:
    return xml.etree.tostring(_without_white_space(deepcopy(node)), encoding="unicode")
