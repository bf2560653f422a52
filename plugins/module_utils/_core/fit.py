# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report over many hosts: which of them can run an image, and why the others cannot."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Optional

from .match import Match

WIDTH = 96
COLUMNS = "{:{width}}  {:4}  {:<4}  {:10}  {}"


@dataclass(frozen=True)
class Obstacle:
    """An alternative that a host cannot run, by its index `boot`, and why not."""

    boot: int
    type: str
    arch: str
    obstacles: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What became of one host; `error` tells why there is no judgement on it."""

    host: str
    fits: bool
    boot: Optional[int] = None
    type: Optional[str] = None
    arch: Optional[str] = None
    virt_type: Optional[str] = None
    machine: Optional[str] = None
    emulator: Optional[str] = None
    obstacles: tuple[Obstacle, ...] = ()
    error: Optional[str] = None


def judged(host: str, match: Match) -> Row:
    """Return the row of a host that was judged."""
    lost = tuple(Obstacle(one.index, one.type, one.arch, one.obstacles) for one in match.verdicts if not one.fits)
    if match.chosen is None:
        return Row(host, False, obstacles=lost)
    best = match.verdict
    return Row(host, True, best.index, best.type, best.arch, best.virt_type, best.machine, best.emulator, lost)


def unknown(host: str, error: str) -> Row:
    """Return the row of a host that gave no answer."""
    return Row(host, False, error=" ".join(error.split()))


def table(rows: tuple[Row, ...]) -> list[str]:
    """Return the report for people, line by line."""
    width = max([4, *(len(row.host) for row in rows)])
    lines = [COLUMNS.format("HOST", "FITS", "BOOT", "HYPERVISOR", "MACHINE", width=width)]
    for row in rows:
        cells = ("yes", row.boot, row.virt_type, row.machine or "-") if row.fits else ("?" if row.error else "no", *3 * [""])
        lines.append(COLUMNS.format(row.host, *cells, width=width).rstrip())
        for reason in () if row.fits else _reasons(row):
            lines += textwrap.wrap(
                reason, WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False
            )
    return [*lines, f"{sum(row.fits for row in rows)} of {len(rows)} fit"]


def _reasons(row: Row) -> list[str]:
    lost = [f"boot {one.boot} ({one.type} {one.arch}): {'; '.join(one.obstacles)}" for one in row.obstacles]
    return lost + [row.error] if row.error else lost
