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
from .derived import drop_derived, with_current_memory, without_other_machine_s
from .errors import ImageError
from .merge import Change, compact, differences, merge, same_identity
from .reading import as_read
from .record import Record, drop_record, read_record, set_record
from .secrets import blank_secrets


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
    merged = _merged(desired, live, absent, anew=before is None or before.applied != record.applied)
    changes = tuple(differences(live, merged, ""))
    if before is None or before.without_stamps() != record.without_stamps():
        # What was applied changes with every change of the domain; alone it is worth a word.
        if _say(before) != _say(record):
            changes += (Change("metadata/record", _say(before), _say(record)),)
        elif not changes:
            changes += (Change("metadata/record/applied", "of an earlier run", "of this run"),)
        set_record(merged, record)
    return Definition(xml.to_text(merged), changes)


def find_changes(desired, live) -> tuple[Change, ...]:
    """Return what differs between a wanted tree and a live one, whoever made it; the record itself is not compared."""
    return tuple(differences(live, _merged(desired, live), ""))


def _merged(desired, live, absent: tuple[str, ...] = (), anew: bool = True):
    """Return a copy of the live tree with the wanted values at the places that we own; not `anew`: it was applied last."""
    wanted = as_read(desired, live)
    applied = _applied_as_read(live) if anew else deepcopy(wanted)
    merged = without_other_machine_s(live, wanted)
    merge(merged, with_current_memory(wanted, live), applied)
    drop_derived(merged, live, wanted)
    for place in absent:
        for node in merged.findall(place):
            node.getparent().remove(node)
    return merged


def _applied_as_read(live):
    applied = applied_of(read_record(live))
    return None if applied is None else as_read(applied, live)


def merge_fragment(tree, text: str, where: str = "xml"):
    """Merge a user's fragment of domain XML into a rendered tree, by element identity."""
    whole = text if text.lstrip().startswith(("<domain", "<?xml")) else f"<domain>{text}</domain>"
    fragment = xml.parse(whole, where)
    if fragment.tag != "domain":
        raise ImageError(f"<{fragment.tag}> is no domain XML; write <domain> with what is to be merged in", where)
    stray = [text for text in (xml.text(fragment), *(xml.strip(part.tail) for part in fragment)) if text]
    if stray:
        raise ImageError(f"has the text {stray[0]!r:.40} outside of any element; write elements, such as <title>Web</title>", where)
    name = fragment.findtext("name")
    if name is not None and name.strip() != tree.findtext("name"):
        raise ImageError(
            f"<name> is {name.strip()}, and the guest is {tree.findtext('name')}; a guest's name is the option name", where
        )
    if fragment.find("uuid") is not None:
        raise ImageError("<uuid> is what tells the guest from others; it is derived, and kept", where)
    merge(tree, fragment, None, fits=(same_identity,))


def applied_text(desired) -> str:
    """Return what the record keeps of a rendered tree: all but the secrets, for everyone may read it."""
    tree = deepcopy(desired)
    drop_record(tree)
    blank_secrets(tree)
    return xml.etree.tostring(compact(tree), encoding="unicode")


def applied_of(record: Optional[Record]):
    """Return the tree that we applied last, or None; a record that someone broke is none."""
    try:
        tree = xml.parse(record.applied, "record") if record and record.applied else None
    except ImageError:
        return None
    return tree if tree is not None and tree.tag == "domain" else None


def _say(record: Optional[Record]) -> Optional[str]:
    if record is None:
        return None
    disks = ", ".join(f"{disk.id}={disk.volume}" for disk in record.disks)
    version = "".join(f" {part}" for part in (record.version, record.release) if part)
    return f"{record.image}{version}, generation {record.generation}: {disks}"
