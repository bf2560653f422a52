# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds in which the rows of a table take turns, and the table."""

from __future__ import annotations

import random
import statistics
import time
from typing import Callable, Iterable, Optional

LEAST_ROUNDS = 5


def take_turns(rows: Iterable[str], rounds: int, measure: Callable[[str], object], warm: bool = True) -> dict[str, list]:
    """Return what `measure(row)` gave in each round, after one round that only warms up.

    The rows take turns, so that a machine that is busy for a while is so for all of them; in another order each time,
    as what one leaves behind may slow down the next.
    """
    rows = list(rows)
    taken: dict[str, list] = {row: [] for row in rows}
    for turn in range(rounds + warm):
        for row in random.Random(turn).sample(rows, len(rows)):
            found = measure(row)
            if turn >= warm:
                taken[row].append(found)
    return taken


def seconds_of(act: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def ratio(taken: list[float], first: list[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(taken, first))


def table(heads: list[str], rows: Iterable[list]) -> str:
    """Render a table in Markdown, the first column to the left, the others to the right."""
    cells = [heads, *([show(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(heads))]
    lines = ["| " + " | ".join(_fit(cell, place, widths) for place, cell in enumerate(line)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if not place else ":") for place, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _fit(cell: str, place: int, widths: list[int]) -> str:
    return cell.rjust(widths[place]) if place else cell.ljust(widths[place])


def show(value: Optional[object]) -> str:
    """Render a cell: numbers with three digits that count."""
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value < 0.1 else f"{value:.2f}"
    return "" if value is None else str(value)
