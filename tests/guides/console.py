# SPDX-License-Identifier: GPL-3.0-or-later
"""What a console block says: commands, and the output that each is to have."""

from __future__ import annotations

import re
from dataclasses import dataclass

PROMPT = "$ "
ANY = "..."


@dataclass(frozen=True)
class Command:
    """A command and the line of its page; `output` are the lines that it is to print, or () where the page shows none."""

    line: int
    text: str
    output: tuple[str, ...]


def parse(text: str, line: int) -> tuple[Command, ...]:
    """Return the commands of a console block that begins in that line of its page.

    A command goes on in the next line after a backslash. Raises ValueError where output comes before any command.
    """
    commands: list[tuple[int, list[str], list[str]]] = []
    goes_on = False
    for number, row in enumerate(text.rstrip("\n").split("\n"), line):
        if goes_on:
            commands[-1][1].append(row)
        elif row.startswith(PROMPT):
            commands.append((number, [row.removeprefix(PROMPT)], []))
        elif commands:
            commands[-1][2].append(row.rstrip())
            continue
        elif row.strip():
            raise ValueError(f"line {number}: a console block begins with a command, '{PROMPT}COMMAND'; this is {row!r}")
        else:
            continue
        goes_on = row.endswith("\\")
    return tuple(Command(number, "\n".join(rows), _trimmed(output)) for number, rows, output in commands)


def _trimmed(lines: list[str]) -> tuple[str, ...]:
    """Return the lines without the empty ones at both ends."""
    text = "\n".join(lines).strip("\n")
    return tuple(text.split("\n")) if text else ()


def matches(expected: tuple[str, ...], got: str) -> bool:
    """Return whether an output is the expected one, where "..." stands for any text of a line, or alone for any lines.

    White space at the ends of lines means nothing.
    """
    if not expected:
        return True
    rows = [r"(?:.*\n)*" if row.strip() == ANY else _row(row) for row in expected]
    lines = [line.rstrip() for line in got.strip("\n").split("\n")]
    return re.fullmatch("".join(rows), "\n".join(lines) + "\n") is not None


def _row(row: str) -> str:
    return ".*".join(re.escape(part) for part in row.split(ANY)) + r"\n"
