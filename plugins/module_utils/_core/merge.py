# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges one tree of domain XML into another by the identity of its elements, and tells how two trees differ."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Optional

from . import xml
from .derived import MEMORY_TAGS, kib, same_value

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
CASELESS = {("mac", "address"), ("uuid", None)}


@dataclass(frozen=True)
class Change:
    """One place that differs; `before` None: it is new, `after` None: it goes away."""

    path: str
    before: Optional[str]
    after: Optional[str]


def merge(live, wanted, applied, fits: tuple = ()) -> None:
    """Give `live` the values of `wanted`, and take away what only `applied` has; `fits`: see pairs_of."""
    for key, value in wanted.items():
        if not is_same(wanted, key, value, live, live.get(key)):
            live.set(key, value)
    for key in () if applied is None else applied.keys():
        if key not in wanted.keys() and key in live.keys() and _is_ours(key, live, applied):
            del live.attrib[key]
    if xml.text(wanted) and not is_same(wanted, None, xml.text(wanted), live, xml.text(live)):
        _set_text(live, wanted)
    olds = [] if applied is None else list(applied)
    old_of = dict(pairs_of(wanted, olds, fits))
    have_of = dict(pairs_of(wanted, live, fits))
    kept = list(live)
    for index, child in enumerate(wanted):
        if index in have_of:
            merge(kept[have_of[index]], child, olds[old_of[index]] if index in old_of else None, fits)
        else:
            live.append(deepcopy(child))
    dropped = [old for index, old in enumerate(olds) if index not in old_of.values()]
    others = [child for index, child in enumerate(kept) if index not in have_of.values()]
    for old, index in pairs_of(dropped, others):
        _take_away(live, others[index], dropped[old])


def _take_away(parent, node, applied) -> None:
    """Remove an element that we applied: a device whole, of anything else only what we put into it."""
    if parent.tag != "devices":
        for key in applied.keys():
            if key in node.keys() and _is_ours(key, node, applied):
                del node.attrib[key]
        children = list(node)
        for old, index in pairs_of(applied, children):
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


def pairs_of(wanted, have, fits: tuple = ()) -> list[tuple[int, int]]:
    """Return which child of `wanted` is which of `have`, as pairs of indices.

    Equal identities first; then a disk on the same file is the same under another name; then a child that leaves a
    part of its identity open (an interface without a MAC) takes the first that is left and does not contradict it.
    """
    names = [name_of(child) for child in wanted]
    free = {index: name_of(child) for index, child in enumerate(have)}
    pairs: dict[int, int] = {}
    for fit in fits or (same_identity, _same_file, _open):
        for index, name in enumerate(names):
            found = next((other for other, candidate in free.items() if index not in pairs and fit(name, candidate)), None)
            if found is not None:
                pairs[index] = found
                del free[found]
    return sorted(pairs.items())


def name_of(child) -> tuple:
    """Return tag, identity, and for a disk the file."""
    source = child.find("source") if child.tag == "disk" else None
    return child.tag, _identity(child), None if source is None else source.get("file")


def same_identity(name: tuple, candidate: tuple) -> bool:
    return name[:2] == candidate[:2]


def _same_file(name: tuple, candidate: tuple) -> bool:
    return name[0] == candidate[0] and name[2] is not None and name[2] == candidate[2]


def _open(name: tuple, candidate: tuple) -> bool:
    return name[0] == candidate[0] and all(not part or part == other for part, other in zip(name[1], candidate[1]))


def _identity(node) -> tuple:
    place, keys = IDENTITIES.get(node.tag, (".", ()))
    holder = node if place == "." else node.find(place)
    return tuple("" if holder is None else (holder.get(key) or "").lower() for key in keys)


def is_same(wanted, key, value: str, live, other: Optional[str]) -> bool:
    """Return whether an attribute (or, for key None, the text) has the same meaning on both sides."""
    if other is None:
        return False
    if (wanted.tag, key) in CASELESS:
        return value.lower() == other.lower()
    return value == other or same_value(wanted, key, live)


def differences(before, after, path: str):
    """Yield what `after` changes, in its order, at places named as in devices/disk[vda]/source/@file."""
    for key in sorted(set(before.keys()) | set(after.keys())):
        if before.get(key) != after.get(key):
            yield Change(_join(path, f"@{key}"), before.get(key), after.get(key))
    if xml.text(before) != xml.text(after):
        yield Change(path, xml.text(before) or None, xml.text(after) or None)
    olds, names = list(before), steps_of(after)
    old_of = dict(pairs_of(after, olds))
    for index, step in enumerate(steps_of(before)):
        if index not in old_of.values():
            yield Change(_join(path, step), line_of(olds[index]), None)
    for index, child in enumerate(after):
        if index in old_of:
            yield from differences(olds[old_of[index]], child, _join(path, names[index]))
        else:
            yield Change(_join(path, names[index]), None, line_of(child))


def steps_of(children) -> list[str]:
    """Return how a path names each child: by its identity, and by its number among those that have the same."""
    steps, seen = [], {}
    for child in children:
        named = ",".join(part for part in _identity(child) if part)
        step = child.tag + (f"[{named}]" if named else "")
        seen[step] = seen.get(step, 0) + 1
        steps.append(step if seen[step] == 1 else f"{step}[{seen[step]}]")
    return steps


def _join(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step


def line_of(node) -> str:
    return xml.etree.tostring(compact(deepcopy(node)), encoding="unicode")


def compact(tree):
    for node in tree.iter():
        if len(node) and not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None
    return tree
