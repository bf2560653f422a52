# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes: one table of units, the same that libvirt has (https://libvirt.org/formatdomain.html#memory-allocation)."""

from __future__ import annotations

import re

from .errors import ImageError

UNITS = {
    "b": 1,
    "bytes": 1,
    "kb": 10**3,
    "k": 2**10,
    "kib": 2**10,
    "mb": 10**6,
    "m": 2**20,
    "mib": 2**20,
    "gb": 10**9,
    "g": 2**30,
    "gib": 2**30,
    "tb": 10**12,
    "t": 2**40,
    "tib": 2**40,
}
KIB = 2**10
MIB = 2**20
# What disk images grow by.
BLOCK = 4096
# 2^53: beyond it neither a real disk nor every JSON reader follows.
LARGEST = 2**53


def parse_size(text: str, what: str) -> int:
    """Return the bytes of a size with its unit (`512 MiB`, `2G`); raise ImageError for anything else."""
    match = re.fullmatch(r"\s*([0-9]{1,19})\s*([A-Za-z]*)\s*", str(text))
    if not match:
        raise ImageError(f"{what}: {text!r} is no size; write a whole number and a unit, such as 512 MiB or 2 GiB")
    number, unit = int(match[1]), match[2].lower()
    if not unit and number:
        raise ImageError(f"{what}: {text} has no unit; write {text} MiB, {text} KiB, or what you mean")
    if unit and unit not in UNITS:
        raise ImageError(f"{what}: {match[2]!r} is no unit; known are B, KiB, MiB, GiB, TiB, KB, MB, GB, TB")
    size = number * UNITS[unit or "b"]
    if not 0 < size <= LARGEST:
        raise ImageError(f"{what}: {text} is out of bounds; sizes go from 1 B to {LARGEST} B")
    return size


def show_size(size: int) -> str:
    """Return bytes in the largest binary unit that gives a whole number."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = UNITS[unit.lower()]
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def whole_blocks(size: int) -> int:
    """Return the size rounded up as QEMU's formats round it, so that a re-run finds what it asked for."""
    return -(-size // BLOCK) * BLOCK
