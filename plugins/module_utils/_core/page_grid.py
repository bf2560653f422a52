# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a page: a row for each host, a cell for each of its guests, and when they moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .page_time import Axis, Span, head_of, row
from .status import counted

# What may be told of a guest: a sign, its meaning, and whether the word stands beside each guest, not in the legend only.
MARKS = {
    "confirmed": ("✓", "confirmed", False),
    "current": ("=", "on that version already", False),
    "planned": ("→", "would move", True),
    "pending": ("◔", "pending", True),
    "merging": ("◑", "merging", True),
    "staged": ("+", "next version staged", False),
    "returned": ("↩", "rolled back", True),
    "failed": ("✗", "failed", True),
    "lost": ("?", "not known", True),
    "skipped": ("–", "of another image", False),
    "own": ("·", "not made by virt.image", False),
}


@dataclass(frozen=True)
class Cell:
    """One guest: its version, what is told of it (a key of MARKS), and `notes` for who points at it.

    `words` stand beside it, such as the state of one that does not run.
    """

    guest: str
    image: Optional[str]
    version: Optional[str]
    mark: str
    words: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One host; `error` is why it has no answer or failed, in some words, `took` how long its guests moved."""

    host: str
    cells: tuple[Cell, ...] = ()
    error: Optional[str] = None
    spans: tuple[Span, ...] = ()
    took: str = ""


@dataclass(frozen=True)
class Group:
    """Hosts that belong together: a wave with its span, its outcome (good, bad, open) and a note; or all of a fleet."""

    title: str
    lines: tuple[Line, ...]
    note: str = ""
    outcome: str = "open"
    span: Optional[Span] = None


def grid(groups: tuple[Group, ...], palette, axis: Optional[Axis]):
    """Return the table of all hosts, or a sentence where there are none."""
    title = xml.element("h2", {"id": "hosts"}, "Hosts and guests")
    shown = [group for group in groups if group.lines]
    if not shown:
        return xml.element("section", {"aria-labelledby": "hosts"}, title, xml.element("p", None, "There are no hosts."))
    heads = [xml.element("th", {"scope": "col", "class": name.lower()}, name) for name in ("Host", "Guests")]
    if axis:
        heads.append(xml.element("th", {"scope": "col", "class": "took"}, "Moved in"))
        heads.append(head_of(axis))
    numbers = iter(range(1, 1 + sum(len(group.lines) for group in shown)))
    bodies = [_body(group, palette, axis, numbers, len(heads)) for group in shown]
    head = xml.element("thead", None, xml.element("tr", None, *heads))
    kind = "hosts timed" if axis else "hosts"
    return xml.element("section", {"aria-labelledby": "hosts"}, title, xml.element("table", {"class": kind}, head, *bodies))


def _body(group: Group, palette, axis: Optional[Axis], numbers, width: int):
    rows = []
    if group.title:
        note = xml.element("span", {"class": "note"}, group.note) if group.note else None
        name = xml.element("span", {"class": "name"}, group.title)
        label = xml.element("span", {"class": "count"}, counted(len(group.lines), "host"))
        head = xml.inline("th", {"scope": "rowgroup", "colspan": width}, name, label, note)
        rows.append(xml.element("tr", {"class": f"group {group.outcome}"}, head))
    rows += [_row(line, palette, axis, next(numbers)) for line in group.lines]
    return xml.element("tbody", None, *rows)


def _row(line: Line, palette, axis: Optional[Axis], number: int):
    host = xml.element("th", {"scope": "row", "class": "host", "id": f"h{number}"}, xml.element("bdi", None, line.host))
    cells = [host, xml.element("td", {"class": "guests"}, _error(line), _guests(line, palette))]
    if axis:
        cells.append(xml.element("td", {"class": "took"}, line.took))
        cells.append(xml.element("td", {"class": "line"}, row(line.spans, axis, palette) if line.spans else None))
    return xml.element("tr", {"class": "bad"} if line.error else None, *cells)


def _error(line: Line):
    if line.error is None:
        return None
    sign = xml.element("span", {"class": "sign", "aria-hidden": "true"}, "⚠")
    return xml.inline("p", {"class": "silent"}, sign, xml.element("bdi", None, line.error))


def _guests(line: Line, palette):
    if line.cells:
        return xml.element("ul", None, *(_cell(cell, palette) for cell in line.cells))
    return None if line.error else xml.element("span", {"class": "none"}, "no guests")


def _cell(cell: Cell, palette):
    sign, word, shown = MARKS[cell.mark]
    version = palette.label(cell.image, cell.version) if cell.version is not None else "–"
    words = [cell.words] if cell.words else []
    notes = ". ".join(text for text in (f"{cell.guest}: {word}", *words, *cell.notes))
    parts = [
        xml.element("span", {"class": "sign", "aria-hidden": "true"}, sign),
        xml.element("bdi", {"class": "name"}, cell.guest),
        xml.element("bdi", {"class": "version"}, version),
        xml.element("span", {"class": "word" if shown else "unseen"}, word),
        *(xml.element("span", {"class": "word"}, text) for text in words),
    ]
    classes = f"chip {palette.colour(cell.image, cell.version)} m-{cell.mark}"
    return xml.inline("li", {"class": classes, "title": notes}, *parts)
