# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report over many hosts: which version each of their guests is on."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Optional

WIDTH = 96
HEADS = ("HOST", "GUEST", "IMAGE", "VERSION", "GENERATION", "STATE", "AGE")
BACK = " was rolled back"
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Row:
    """What is known of one guest; `error` tells why its host gave no answer, a host without guests has one row of its own.

    `notes` are of other generations. `state` is libvirt's, `since` when its generation became active, `age` how many seconds ago that was.
    """

    host: str
    guest: Optional[str] = None
    image: Optional[str] = None
    version: Optional[str] = None
    release: Optional[str] = None
    generation: Optional[int] = None
    state: Optional[str] = None
    generation_state: Optional[str] = None
    since: Optional[str] = None
    age: Optional[int] = None
    error: Optional[str] = None
    notes: tuple[str, ...] = ()

    @property
    def bad(self) -> tuple[str, ...]:
        """Return the notes of versions that were rolled back."""
        return tuple(note for note in self.notes if BACK in note)


# Those that guest_info tells, under the same names.
TOLD = ("image", "version", "release", "generation", "state", "generation_state", "since")


def rows_of(host: str, guests, ages) -> list[Row]:
    """Return the rows of a host, from what guest_info told of its guests, and their ages."""
    return [_row(host, guest, age) for guest, age in zip(guests, ages)] or [Row(host)]


def _row(host: str, guest: dict, age: Optional[int]) -> Row:
    return Row(host, guest.get("name"), **{key: guest.get(key) for key in TOLD}, age=age, notes=tuple(_notes(guest)))


def _notes(guest: dict):
    """Give what matters of generations that are not active: one that is staged, and what was bad since the active one."""
    for one in guest.get("generations") or ():
        name = f"version {one['version']}" if one.get("version") else f"generation {one.get('number')}"
        if one.get("state") == "staged":
            yield f"{name} is staged"
        elif one.get("state") == "bad" and (one.get("number") or 0) > (guest.get("generation") or 0):
            yield f"{name}{BACK}" + (f": {one['reason']}" if one.get("reason") else "")


def unknown(host: str, error: str) -> Row:
    """Return the row of a host that gave no answer."""
    return Row(host, error=" ".join(error.split()))


def table(rows: tuple[Row, ...]) -> list[str]:
    """Return the report for people, line by line."""
    lines = [HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(cells[place]) for cells in lines) for place in range(len(HEADS))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() for cells in lines]
    report = shown[:1]
    for row, line in zip(rows, shown[1:]):
        report.append(line)
        for note in (*([row.error] if row.error else []), *row.notes):
            report += textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)
    guests, hosts = sum(row.guest is not None for row in rows), len({row.host for row in rows})
    return [*report, f"{counted(guests, 'guest')} on {counted(hosts, 'host')}, {counted(_silent(rows), 'host')} without an answer"]


def _silent(rows: tuple[Row, ...]) -> int:
    return sum(row.error is not None for row in rows)


def counted(number: int, noun: str) -> str:
    """Return a number of things, with their noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _cells(row: Row) -> tuple[str, ...]:
    if row.error:
        return (row.host, "?", *[""] * (len(HEADS) - 2))
    if row.guest is None:
        return (row.host, "-", *[""] * (len(HEADS) - 2))
    version = version_of(row.version, row.release)
    generation = "" if row.generation is None else str(row.generation)
    if row.generation_state not in (None, "confirmed"):
        generation = f"{generation} {row.generation_state}".strip()
    return (row.host, row.guest, row.image or "-", version or "-", generation or "-", row.state or "-", show_age(row.age))


def version_of(version: Optional[str], release: Optional[str]) -> Optional[str]:
    """Return a version with its release, or None where there is neither."""
    return "-".join(part for part in (version, release) if part) or None


def show_age(seconds: Optional[int]) -> str:
    """Return how long ago something was, in one unit."""
    if seconds is None:
        return "-"
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    return f"{seconds // size} {unit}"
