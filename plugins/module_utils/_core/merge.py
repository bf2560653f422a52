# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges one tree of domain XML into another by the identity of its elements, and tells how two trees differ."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Optional

from . import xml
from .kinds import drop_chain, drop_other_kind, source_of
from .sameness import is_size, same, says_nothing, size_in_unit_of

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
BHYVE = "{http://libvirt.org/schemas/domain/bhyve/1.0}"
# What makes an element itself among its siblings: child path (or . for itself) and attributes.
IDENTITIES = {
    "disk": ("target", ("dev",)),
    "interface": ("mac", ("address",)),
    "controller": (".", ("type", "index", "model")),
    "channel": ("target", ("type", "name")),
    "graphics": (".", ("type",)),
    "filesystem": ("target", ("dir",)),
    "hostdev": ("source/address", ("domain", "bus", "slot", "function", "device", "uuid")),
    "input": (".", ("type", "bus")),
    "timer": (".", ("name",)),
    "feature": (".", ("name",)),
    "redirdev": (".", ("bus", "type")),
    "cell": (".", ("id",)),
    "sibling": (".", ("id",)),
    "memnode": (".", ("cellid",)),
    "iothread": (".", ("id",)),
    "vcpupin": (".", ("vcpu",)),
    "iothreadpin": (".", ("iothread",)),
    "vcpusched": (".", ("vcpus",)),
    "iothreadsched": (".", ("iothreads",)),
    "entry": (".", ("name",)),
    "cookie": (".", ("name",)),
}
# What an element is, or libvirt chose for good, does not go because nobody names it any more.
LASTING = {(tag if place == "." else place, key) for tag, (place, keys) in IDENTITIES.items() for key in keys} | {
    ("type", "machine"),
    ("type", "arch"),
}
# The same of elements, each with the one above it: what holds an identity, or is one. libvirt would invent another.
LASTING_ELEMENTS = {
    tuple(f"{tag}/{place}".split("/")[-2:]) for tag, (place, _keys) in IDENTITIES.items() if place != "."
} | {("domain", "uuid"), ("os", "type"), ("video", "model")}
HEX = re.compile("0[xX][0-9a-fA-F]{1,8}")
# A domain's children as libvirt writes them (virDomainDefFormatInternalSetRootName). To libxml2, which reads its schema,
# the order of all is free, but not where some that belong together, such as on_crash and on_reboot, stand apart.
ORDER = (
    "name uuid genid title description metadata maxMemory memory currentMemory blkiotune memtune memoryBacking vcpu vcpus "
    "iothreads iothreadids defaultiothread cputune numatune resource sysinfo bootloader bootloader_args os idmap features "
    "cpu clock on_poweroff on_reboot on_crash on_lockfailure pm perf devices seclabel keywrap launchSecurity"
).split()
# Lists that say one thing as a whole, as (element above, entry); who names some of it names all, and others add nothing.
WHOLE_LISTS = {
    # A port lets pass what is tagged so, and nothing else.
    ("vlan", "tag"),
    # From what the guest starts: one device more is another order.
    ("os", "boot"),
}
# Elements whose order says something: what they are is where they stand.
ORDERED = {"boot", "initarg", "usbdev", "arg", f"{QEMU}arg", f"{BHYVE}arg"}


@dataclass(frozen=True)
class Change:
    """One place that differs; `before` None: it is new, `after` None: it goes away."""

    path: str
    before: Optional[str]
    after: Optional[str]


def merge(live, wanted, applied, fits: tuple = ()) -> None:
    """Give `live` the values of `wanted`, and take away what only `applied` has; `fits`: see pairs_of."""
    drop_other_kind(live, wanted, applied)
    source = source_of(live)
    _merge_values(live, wanted, applied)
    olds = [] if applied is None else list(applied)
    old_of = dict(pairs_of(wanted, olds, fits))
    have_of = dict(pairs_of(wanted, live, fits))
    kept = list(live)
    # A fragment that says one thing tells no order.
    last = live[-1] if len(live) and len(wanted) == 1 else None
    for index, child in enumerate(wanted):
        if index in have_of:
            last = kept[have_of[index]]
            merge(last, child, olds[old_of[index]] if index in old_of else None, fits)
        elif not says_nothing(child):
            last = _add(live, deepcopy(child), last)
    dropped = [old for index, old in enumerate(olds) if index not in old_of.values()]
    others = [child for index, child in enumerate(kept) if index not in have_of.values()]
    # A fragment only adds.
    for child in () if fits else others:
        if (live.tag, child.tag) in WHOLE_LISTS and wanted.find(child.tag) is not None:
            live.remove(child)
    others = [child for child in others if child.getparent() is live]
    for old, index in pairs_of(dropped, others):
        _take_away(live, others[index], dropped[old])
    if source != source_of(live):
        drop_chain(live, wanted)


def _add(parent, child, last):
    """Put a new child into an element, and return it: in a domain where libvirt writes it, a device at the end.

    Others come after `last`, the wanted child before it: the schema has some elements whose children have an order.
    """
    if parent.tag == "domain":
        later = ORDER[ORDER.index(child.tag) + 1 :] if child.tag in ORDER else ()
        last = next((node.getprevious() for node in parent if node.tag in later), parent[-1] if len(parent) else None)
    elif parent.tag == "devices":
        last = parent[-1] if len(parent) else None
    if last is None:
        parent.insert(0, child)
    else:
        last.addnext(child)
    return child


def _merge_values(live, wanted, applied) -> None:
    """Give an element the wanted text and attributes."""
    # Before the attributes: some say nothing beside one text, and something beside another (see same).
    if xml.text(wanted) and not same(wanted, None, live):
        _set_value(live, None, wanted)
    elif applied is not None and xml.text(applied) and not xml.text(wanted) and same(applied, None, live):
        live.text = None
    for key in wanted.keys():
        if not same(wanted, key, live):
            _set_value(live, key, wanted)
    for key in () if applied is None else applied.keys():
        if key not in wanted.keys() and key in live.keys() and _is_ours(key, live, applied):
            if (live.tag, key) not in LASTING:
                del live.attrib[key]


def _take_away(parent, node, applied) -> None:
    """Remove an element that we applied: a device and what has values whole, of a mere container what we put into it.

    What libvirt derived from our values is of no use without them; what someone else gave other values is theirs.
    """
    if (parent.tag, node.tag) in LASTING_ELEMENTS:
        return
    ours = all(key in node.keys() and _is_ours(key, node, applied) for key in applied.keys())
    whole = ours and (applied.keys() or (xml.text(applied) and same(applied, None, node)))
    if parent.tag != "devices" and not whole:
        for key in applied.keys():
            if key in node.keys() and _is_ours(key, node, applied):
                del node.attrib[key]
        children = list(node)
        for old, index in pairs_of(applied, children):
            _take_away(node, children[index], applied[old])
        if len(node) or (node.keys() and not len(applied)):
            return
    parent.remove(node)


def _is_ours(key: str, live, applied) -> bool:
    # A password is not in the record.
    return key == "passwd" or same(applied, key, live)


def _set_value(live, key: Optional[str], wanted) -> None:
    """Give an element the wanted attribute (for key None, the text); a size in the unit that it has there."""
    value = wanted.text if key is None else wanted.get(key)
    if is_size(wanted, key):
        value, unit = size_in_unit_of(live, wanted, key)
        if unit is not None:
            live.set("unit", unit)
    if key is None:
        live.text = value
    else:
        live.set(key, value)


def pairs_of(wanted, have, fits: tuple = ()) -> list[tuple[int, int]]:
    """Return which child of `wanted` is which of `have`, as pairs of indices.

    Equal identities first; then a disk on the same file is the same under another name; then a child that leaves a
    part of its identity open (an interface without a MAC) takes one that is left and does not contradict it. Of
    several it takes one that says the same, else the first.
    """
    if not (len(wanted) and len(have)):
        return []
    left = {index: name_of(child) for index, child in enumerate(wanted)}
    free = {index: name_of(child) for index, child in enumerate(have)}
    pairs: dict[int, int] = {}
    ones, others = _alone(left), _alone(free)
    for name in ones.keys() & others.keys():
        if ones[name] is not None and others[name] is not None:
            pairs[ones[name]] = others[name]
            del left[ones[name]], free[others[name]]
    for fit in fits or (same_identity, _same_file, _open):
        # The one with the most to say chooses first, among those that say it.
        for choose, order in (
            (_one_that_says_it, sorted(left, key=lambda index: -len(wanted[index]))),
            (_first, list(left)),
        ):
            for index in order if free else ():
                candidates = [other for other, name in free.items() if fit(left[index], name)] if index in left else []
                found = choose(wanted[index], have, candidates)
                if found is not None:
                    pairs[index] = found
                    del left[index], free[found]
    return sorted(pairs.items())


def _alone(names: dict) -> dict:
    """Return the index of each identity; None where several have it."""
    found: dict = {}
    for index, name in names.items():
        found[name[:2]] = None if name[:2] in found else index
    return found


def _first(_child, _have, candidates: list[int]) -> Optional[int]:
    return candidates[0] if candidates else None


def _one_that_says_it(child, have, candidates: list[int]) -> Optional[int]:
    if len(candidates) < 2 or child.tag in ORDERED:
        return None
    return next((other for other in candidates if _covers(have[other], child)), None)


def _covers(live, wanted) -> bool:
    """Return whether an element says all that is wanted."""
    if not all(same(wanted, key, live) for key in wanted.keys()):
        return False
    if xml.text(wanted) and not same(wanted, None, live):
        return False
    if not len(wanted):
        return True
    pairs = dict(pairs_of(wanted, live))
    return all(
        _covers(live[pairs[index]], child) if index in pairs else says_nothing(child)
        for index, child in enumerate(wanted)
    )


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
    if node.tag == "channel" and node.get("name") is not None:
        # Of SPICE.
        place, keys = ".", ("name",)
    if node.tag == "hostdev":
        return _hostdev_identity(node)
    holder = node if place == "." else node.find(place)
    return tuple("" if holder is None else _plain(holder.get(key) or "") for key in keys)


def _hostdev_identity(node) -> tuple:
    """Return type and address; of a USB device that is named by vendor and product, those: its address comes at the start."""
    ids = [part.get("id", "") for part in (node.find("source/vendor"), node.find("source/product")) if part is not None]
    address = node.find("source/address")
    keys = IDENTITIES["hostdev"][1]
    parts = ids or ["" if address is None else address.get(key, "") for key in keys]
    return tuple(map(_plain, (node.get("type", ""), *parts)))


def _plain(value: str) -> str:
    """Return a part of an identity as it can be compared: libvirt writes some numbers in hex."""
    return str(int(value, 16)) if HEX.fullmatch(value) else value.lower()


def differences(before, after, path: str):
    """Yield what `after` changes, in its order, at places named as in devices/disk[vda]/source/@file."""
    if xml.etree.tostring(before, with_tail=False) == xml.etree.tostring(after, with_tail=False):
        return
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
