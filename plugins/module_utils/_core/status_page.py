# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report over many hosts as a page."""

from __future__ import annotations

from .page import Page, Trouble
from .page_grid import Cell, Group, Line
from .status import Row, counted, show_age, version_of

# What is told of a generation that is active, but not for good.
UNSETTLED = ("pending", "merging")


def status_page(rows: tuple[Row, ...], written: str) -> Page:
    """Return the page of these rows; `written` is when that was, in words."""
    hosts: dict[str, list[Row]] = {}
    for row in rows:
        hosts.setdefault(row.host, []).append(row)
    lines = tuple(_line(host, told) for host, told in hosts.items())
    troubles = tuple(trouble for row in rows for trouble in _troubles(row))
    silent = sum(line.error is not None for line in lines)
    unsettled = sum(cell.mark in UNSETTLED for line in lines for cell in line.cells)
    guests = counted(sum(len(line.cells) for line in lines), "guest")
    verdict = [f"{guests} on {counted(len(lines), 'host')}"]
    verdict += [f"{counted(silent, 'host')} without an answer"] if silent else []
    verdict += [f"{counted(unsettled, 'guest')} between two versions"] if unsettled else []
    outcome = "bad" if silent else "open" if unsettled else "good"
    lead = (f"Which version each guest is on. Asked at {written}.",)
    return Page("report", "Guests and their versions", outcome, ", ".join(verdict), lead, (Group("", lines),), troubles)


def _line(host: str, rows: list[Row]) -> Line:
    error = next((row.error for row in rows if row.error is not None), None)
    cells = tuple(_cell(row) for row in rows if row.guest is not None)
    return Line(host, cells, "no answer" if error is not None else None)


def _cell(row: Row) -> Cell:
    version = version_of(row.version, row.release)
    age = [f"since {show_age(row.age)}"] if row.age is not None else []
    generation = [f"generation {row.generation}"] if row.generation is not None else []
    words = [*generation, *age, *([row.state] if row.state else [])]
    notes = tuple([", ".join(words)] if words else []) + row.notes
    state = row.state if row.state not in (None, "running") else ""
    return Cell(row.guest or "", row.image, version, _mark(row), state or "", notes)


def _mark(row: Row) -> str:
    """Return what is told of a guest first: how its active generation is, then what is beside it."""
    if row.generation_state in UNSETTLED:
        return row.generation_state or ""
    if row.image is None:
        return "own"
    return "returned" if row.bad else "staged" if row.notes else "confirmed"


def _troubles(row: Row):
    if row.error is not None:
        yield Trouble(row.host, None, row.error)
    for text in row.bad:
        yield Trouble(row.host, row.guest, text)
