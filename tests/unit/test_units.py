# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes: every unit of the table, and what is no size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.units import LARGEST, UNITS, parse_size, show_size
from ansible_collections.virt.image.tests.unit.support import message

# Of libvirt's table: https://libvirt.org/formatdomain.html#memory-allocation
SIZES = [
    ("1 B", 1),
    ("1 bytes", 1),
    ("1 KB", 1000),
    ("1 k", 1024),
    ("1 KiB", 1024),
    ("1MB", 10**6),
    ("1M", 2**20),
    ("1 MiB", 2**20),
    ("512 MiB", 512 * 2**20),
    ("1 GB", 10**9),
    ("2G", 2 * 2**30),
    ("2 gib", 2 * 2**30),
    ("1 TB", 10**12),
    ("1 T", 2**40),
    ("8192 TiB", LARGEST),
    ("  007   MiB ", 7 * 2**20),
]


@pytest.mark.parametrize("text, size", SIZES)
def test_size(text, size):
    assert parse_size(text, "memory") == size


def test_every_unit_is_tested():
    assert {text.split()[-1].lstrip("0123456789").lower() for text, _size in SIZES} >= set(UNITS) - {"kb"} - {"tib"}


@pytest.mark.parametrize(
    "text, told",
    [
        ("512", "memory: 512 has no unit; write 512 MiB, 512 KiB, or what you mean"),
        (512, "memory: 512 has no unit; write 512 MiB, 512 KiB, or what you mean"),
        ("512 mebibytes", "memory: 'mebibytes' is no unit; known are B, KiB, MiB, GiB, TiB, KB, MB, GB, TB"),
        ("much", "memory: 'much' is no size; write a whole number and a unit, such as 512 MiB or 2 GiB"),
        ("1.5 GiB", "memory: '1.5 GiB' is no size; write a whole number and a unit, such as 512 MiB or 2 GiB"),
        ("-1 GiB", "memory: '-1 GiB' is no size; write a whole number and a unit, such as 512 MiB or 2 GiB"),
        ("１ GiB", "memory: '１ GiB' is no size; write a whole number and a unit, such as 512 MiB or 2 GiB"),
        ("", "memory: '' is no size; write a whole number and a unit, such as 512 MiB or 2 GiB"),
        ("0 GiB", "memory: 0 GiB is out of bounds; sizes go from 1 B to 9007199254740992 B"),
        ("8193 TiB", "memory: 8193 TiB is out of bounds; sizes go from 1 B to 9007199254740992 B"),
    ],
)
def test_no_size(text, told):
    assert message(parse_size, text, "memory") == told


@pytest.mark.parametrize(
    "size, text",
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1536 B"),
        (2**20, "1 MiB"),
        (5 * 2**30, "5 GiB"),
        (2**50, "1024 TiB"),
    ],
)
def test_show(size, text):
    assert show_size(size) == text


@given(st.integers(1, LARGEST))
def test_what_is_shown_can_be_read(size):
    assert parse_size(show_size(size), "size") == size
