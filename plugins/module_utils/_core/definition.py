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
from .derived import MEMORY_TAGS, as_started, drop_derived, has_uefi, kib, same_value, with_current_memory
from .errors import ImageError
from .record import Record, read_record, set_record

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
# Devices that libvirt does not add by itself when a domain starts.
REMOVABLE = ("disk", "interface", "graphics", "channel", "filesystem")
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
    set_record(tree, record)
    text = xml.to_text(tree)
    return Definition(text, (Change("domain", None, text),))


def redefine(desired, live_xml: str, record: Record, absent: tuple[str, ...] = ()) -> Definition:
    """Return the live domain with the wanted values at the places that we own.

    `absent` are places that must be empty. `desired` is a tree without our record.
    """
    live = xml.parse(live_xml, "live domain")
    before = read_record(live)
    applied = applied_of(before)
    merged = deepcopy(live)
    _merge(merged, with_current_memory(desired, live), applied)
    drop_derived(merged, live, desired)
    for place in absent:
        for node in merged.findall(place):
            node.getparent().remove(node)
    changes = tuple(_differences(live, merged, ""))
    if before is None or before.without_stamps() != record.without_stamps():
        # What was applied changes with every change of the domain; alone it is worth a word.
        if _say(before) != _say(record):
            changes += (Change("metadata/record", _say(before), _say(record)),)
        elif not changes:
            changes += (Change("metadata/record/applied", "of an earlier run", "of this run"),)
        set_record(merged, record)
    return Definition(xml.to_text(merged), changes)


def is_stale(desired, inactive_xml: str, active_xml: str, absent: tuple[str, ...] = ()) -> bool:
    """Return whether a running domain differs, in what takes a restart to change, from what it is defined as.

    `desired` names the places to compare; a device that only the active XML has is to go.
    """
    active, inactive = xml.parse(active_xml, "running domain"), xml.parse(inactive_xml, "domain")
    if has_uefi(active) != has_uefi(inactive) or any(active.find(place) is not None for place in absent):
        return True
    kept = {_name(device)[:2] for device in inactive.findall("devices/*")}
    if any(device.tag in REMOVABLE and _name(device)[:2] not in kept for device in active.findall("devices/*")):
        return True
    merged = deepcopy(active)
    _merge(merged, as_started(desired, active), None)
    return needs_restart(tuple(_differences(active, merged, "")))


def needs_restart(changes: tuple[Change, ...]) -> bool:
    """Return whether a running domain must be stopped and started for the changes to take effect."""
    # The balloon moves currentMemory while the guest runs.
    at_once = ("metadata", "title", "description", "currentMemory")
    return any(not change.path.startswith(at_once) for change in changes)


def merge_fragment(tree, text: str, where: str = "xml"):
    """Merge a user's fragment of domain XML into a rendered tree, by element identity."""
    whole = text if text.lstrip().startswith(("<domain", "<?xml")) else f"<domain>{text}</domain>"
    fragment = xml.parse(whole, where)
    if fragment.tag != "domain":
        raise ImageError(f"<{fragment.tag}> is no domain XML; write <domain> with what is to be merged in", where)
    name = fragment.findtext("name")
    if name is not None and name.strip() != tree.findtext("name"):
        raise ImageError(
            f"<name> is {name.strip()}, and the guest is {tree.findtext('name')}; a guest's name is the option name", where
        )
    if fragment.find("uuid") is not None:
        raise ImageError("<uuid> is what tells the guest from others; it is derived, and kept", where)
    _merge(tree, fragment, None, fits=(_equal,))


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


def applied_of(record: Optional[Record]):
    """Return the tree that we applied last, or None; a record that someone broke is none."""
    try:
        return xml.parse(record.applied, "record") if record and record.applied else None
    except ImageError:
        return None


def _say(record: Optional[Record]) -> Optional[str]:
    if record is None:
        return None
    disks = ", ".join(f"{disk.id}={disk.volume}" for disk in record.disks)
    version = "".join(f" {part}" for part in (record.version, record.release) if part)
    return f"{record.image}{version}, generation {record.generation}: {disks}"


def _merge(live, wanted, applied, fits: tuple = ()) -> None:
    """Give `live` the values of `wanted`, and take away what only `applied` has; `fits`: see _pairs."""
    for key, value in wanted.items():
        if not _same(wanted, key, value, live, live.get(key)):
            live.set(key, value)
    for key in () if applied is None else applied.keys():
        if key not in wanted.keys() and key in live.keys() and _is_ours(key, live, applied):
            del live.attrib[key]
    if xml.text(wanted) and not _same(wanted, None, xml.text(wanted), live, xml.text(live)):
        _set_text(live, wanted)
    olds = [] if applied is None else list(applied)
    old_of = dict(_pairs(wanted, olds, fits))
    have_of = dict(_pairs(wanted, live, fits))
    kept = list(live)
    for index, child in enumerate(wanted):
        if index in have_of:
            _merge(kept[have_of[index]], child, olds[old_of[index]] if index in old_of else None, fits)
        else:
            live.append(deepcopy(child))
    dropped = [old for index, old in enumerate(olds) if index not in old_of.values()]
    others = [child for index, child in enumerate(kept) if index not in have_of.values()]
    for old, index in _pairs(dropped, others):
        _take_away(live, others[index], dropped[old])


def _take_away(parent, node, applied) -> None:
    """Remove an element that we applied: a device whole, of anything else only what we put into it."""
    if parent.tag != "devices":
        for key in applied.keys():
            if key in node.keys() and _is_ours(key, node, applied):
                del node.attrib[key]
        children = list(node)
        for old, index in _pairs(applied, children):
            _take_away(node, children[index], applied[old])
        if len(node) or node.keys():
            return
    parent.remove(node)


def _is_ours(key: str, live, applied) -> bool:
    # A password is not in the record.
    return key == "passwd" or live.get(key) == applied.get(key)


def _set_text(live, wanted) -> None:
    if wanted.tag in MEMORY_TAGS and kib(wanted) is not None:
        live.text = str(kib(wanted))
        live.set("unit", "KiB")
    else:
        live.text = wanted.text


def _pairs(wanted, have, fits: tuple = ()) -> list[tuple[int, int]]:
    """Return which child of `wanted` is which of `have`, as pairs of indices.

    Equal identities first; then a disk on the same file is the same under another name; then a child that leaves a
    part of its identity open (an interface without a MAC) takes the first that is left and does not contradict it.
    """
    names = [_name(child) for child in wanted]
    free = {index: _name(child) for index, child in enumerate(have)}
    pairs: dict[int, int] = {}
    for fit in fits or (_equal, _same_file, _open):
        for index, name in enumerate(names):
            found = next((other for other, candidate in free.items() if index not in pairs and fit(name, candidate)), None)
            if found is not None:
                pairs[index] = found
                del free[found]
    return sorted(pairs.items())


def _name(child) -> tuple:
    """Return tag, identity, and for a disk the file."""
    source = child.find("source") if child.tag == "disk" else None
    return child.tag, _identity(child), None if source is None else source.get("file")


def _equal(name: tuple, candidate: tuple) -> bool:
    return name[:2] == candidate[:2]


def _same_file(name: tuple, candidate: tuple) -> bool:
    return name[0] == candidate[0] and name[2] is not None and name[2] == candidate[2]


def _open(name: tuple, candidate: tuple) -> bool:
    return name[0] == candidate[0] and all(not part or part == other for part, other in zip(name[1], candidate[1]))


def _identity(node) -> tuple:
    place, keys = IDENTITIES.get(node.tag, (".", ()))
    holder = node if place == "." else node.find(place)
    return tuple("" if holder is None else (holder.get(key) or "").lower() for key in keys)


def _same(wanted, key, value: str, live, other: Optional[str]) -> bool:
    """Return whether an attribute (or, for key None, the text) has the same meaning on both sides."""
    if other is None:
        return False
    if (wanted.tag, key) in CASELESS:
        return value.lower() == other.lower()
    return value == other or same_value(wanted, key, live)


def _differences(before, after, path: str):
    """Yield what `after` changes, in its order, at places named as in devices/disk[vda]/source/@file."""
    for key in sorted(set(before.keys()) | set(after.keys())):
        if before.get(key) != after.get(key):
            yield Change(_join(path, f"@{key}"), before.get(key), after.get(key))
    if xml.text(before) != xml.text(after):
        yield Change(path, xml.text(before) or None, xml.text(after) or None)
    olds, names = list(before), _steps(after)
    old_of = dict(_pairs(after, olds))
    for index, step in enumerate(_steps(before)):
        if index not in old_of.values():
            yield Change(_join(path, step), _line(olds[index]), None)
    for index, child in enumerate(after):
        if index in old_of:
            yield from _differences(olds[old_of[index]], child, _join(path, names[index]))
        else:
            yield Change(_join(path, names[index]), None, _line(child))


def _steps(node) -> list[str]:
    """Return how a path names each child: by its identity, and by its number among those that have the same."""
    steps, seen = [], {}
    for child in node:
        named = ",".join(part for part in _identity(child) if part)
        step = child.tag + (f"[{named}]" if named else "")
        seen[step] = seen.get(step, 0) + 1
        steps.append(step if seen[step] == 1 else f"{step}[{seen[step]}]")
    return steps


def _join(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step


def _line(node) -> str:
    return xml.etree.tostring(_without_white_space(deepcopy(node)), encoding="unicode")
