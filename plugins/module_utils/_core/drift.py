# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift told apart from intent: what someone changed in a domain, and what the playbook changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Optional

from . import xml
from .definition import applied_of, redefine
from .merge import Change, is_same, pairs_of
from .record import Record, read_record

# Attributes whose unit is in the attribute unit.
SIZES = ("size", "memory")


def find_drift(inactive: str, record: Optional[Record]) -> Optional[tuple[Change, ...]]:
    """Return what was applied last and is no longer so; None where there is no such record, or one that was broken.

    In each change, `before` is what was applied, and `after` what is there.
    """
    applied = _without_secrets(applied_of(record))
    if applied is None:
        return None
    # What would bring it back, turned round.
    changes = redefine(applied, inactive, record).changes
    # What would only go is what libvirt derived from values that drifted.
    return tuple(Change(change.path, change.after, change.before) for change in changes if change.after is not None)


def keep_drift(desired, live_xml: str):
    """Return the wanted tree with the live value in each place where what is wanted was applied already."""
    live = xml.parse(live_xml, "live domain")
    applied = applied_of(read_record(live))
    tree = deepcopy(desired)
    if applied is not None:
        _keep(tree, applied, live)
    return tree


def _without_secrets(applied):
    """Return what was applied without what the record does not keep, and libvirt does not show to those who only look."""
    if applied is None or applied.tag != "domain":
        return None
    for node in applied.iter():
        node.attrib.pop("passwd", None)
    for cookies in applied.findall(".//cookies"):
        cookies.getparent().remove(cookies)
    return applied


def _keep(wanted, applied, live) -> None:
    for key, value in list(wanted.items()):
        if is_same(wanted, key, value, applied, applied.get(key)) and key != "unit":
            _take(wanted, key, live)
    if xml.text(wanted) and is_same(wanted, None, xml.text(wanted), applied, xml.text(applied)) and xml.text(live):
        wanted.text = live.text
        _take_unit(wanted, live)
    children, olds, lives = list(wanted), list(applied), list(live)
    live_of = dict(pairs_of(wanted, lives))
    for index, old in pairs_of(wanted, olds):
        if index in live_of:
            _keep(children[index], olds[old], lives[live_of[index]])
        else:
            wanted.remove(children[index])


def _take(wanted, key: str, live) -> None:
    if live.get(key) is None:
        del wanted.attrib[key]
        return
    wanted.set(key, live.get(key))
    if key in SIZES:
        _take_unit(wanted, live)


def _take_unit(wanted, live) -> None:
    if live.get("unit") is not None:
        wanted.set("unit", live.get("unit"))
    else:
        wanted.attrib.pop("unit", None)
