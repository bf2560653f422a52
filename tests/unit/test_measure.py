# SPDX-License-Identifier: GPL-3.0-or-later
"""How the benchmark turns what it measured into tables."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.tests.benchmark import measure


def test_rows_take_turns_after_a_round_that_does_not_count():
    asked = []
    found = measure.take_turns(("a", "b", "c"), 5, lambda row: asked.append(row) or len(asked))
    rounds = [asked[start : start + 3] for start in range(0, 18, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    # One that always comes first would always find what the last one left.
    assert len({tuple(one) for one in rounds}) > 1
    assert {row: len(numbers) for row, numbers in found.items()} == {"a": 5, "b": 5, "c": 5}
    assert min(number for numbers in found.values() for number in numbers) == 4


def test_a_ratio_is_that_of_rounds():
    # In a slow round both are slow.
    assert measure.ratio([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2.0


@pytest.mark.parametrize(
    "value, shown",
    [(123.4, "123"), (1.234, "1.23"), (12.3, "12.30"), (0.04567, "0.0457"), (None, ""), (7, "7"), ("a", "a")],
)
def test_cells(value, shown):
    assert measure.show(value) == shown


def test_table():
    assert measure.table(["what", "s"], [["floor", 1.5], ["a longer name", 10]]) == (
        "| what          |    s |\n"
        "|---------------|-----:|\n"
        "| floor         | 1.50 |\n"
        "| a longer name |   10 |"
    )
