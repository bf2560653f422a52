# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift told apart from intent: what someone changed in a domain, and what the playbook changed."""

from __future__ import annotations

from typing import Optional

from . import xml
from .definition import applied_of, redefine
from .merge import Change, pairs_of
from .reading import as_read
from .record import Record, read_record
from .sameness import is_size, same
from .secrets import drop_secrets


def find_drift(inactive: str, record: Optional[Record]) -> Optional[tuple[Change, ...]]:
    """Return what was applied last and is no longer so; None where there is no such record, or one that was broken.

    In each change, `before` is what was applied, and `after` what is there.
    """
    applied = applied_of(record)
    if applied is None:
        return None
    # Nor does libvirt show them to those who only look.
    drop_secrets(applied)
    # What would bring it back, turned round.
    changes = redefine(applied, inactive, record).changes
    # What would only go is what libvirt derived from values that drifted.
    return tuple(Change(change.path, change.after, change.before) for change in changes if change.after is not None)


def keep_drift(desired, live_xml: str):
    """Return the wanted tree with the live value in each place where what is wanted was applied already."""
    live = xml.parse(live_xml, "live domain")
    applied = applied_of(read_record(live))
    if applied is None:
        return desired
    tree = as_read(desired, live)
    keep_values(tree, as_read(applied, live), live)
    return tree


def keep_values(wanted, applied, live) -> None:
    """Give `wanted` the live value in each place where it wants what was applied."""
    keys = [None] if xml.text(wanted) else []
    for key in [*keys, *wanted.keys()]:
        if key != "unit" and same(wanted, key, applied) and not same(wanted, key, live):
            _take(wanted, key, live)
    children, olds, lives = list(wanted), list(applied), list(live)
    live_of = dict(pairs_of(wanted, lives))
    for index, old in pairs_of(wanted, olds):
        if index in live_of:
            keep_values(children[index], olds[old], lives[live_of[index]])
        else:
            wanted.remove(children[index])


def _take(wanted, key: Optional[str], live) -> None:
    """Give an element the live attribute (for key None, the text), a size with its unit."""
    if key is None:
        wanted.text = live.text
    elif live.get(key) is None:
        del wanted.attrib[key]
    else:
        wanted.set(key, live.get(key))
    if is_size(live, key):
        wanted.attrib.pop("unit", None)
        wanted.attrib.update({name: value for name, value in live.items() if name == "unit"})
