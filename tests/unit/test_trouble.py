# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for a guest that did not stay: rows, and that no text from a guest gets through as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import trouble
from ansible_collections.virt.image.tests.unit.support import examples, table


@pytest.mark.parametrize("row", table("troubles.yml"))
def test_row(row):
    said = str(trouble.trouble_of(*row["trouble"]))
    told = trouble.explain(said, row.get("type"), row.get("log", ""), row.get("console", ""))
    assert told == row["told"]


@pytest.mark.parametrize(
    "words, blamed",
    [
        ("qemu: error: failed to set MSR 0x10a to 0x69 qemu: ../kvm.c:3183: kvm_buf_set_msrs: Assertion", "failed to set MSR 0x10a"),
        ("kvm_buf_set_msrs: Assertion `ret == n' failed.", "kvm_buf_set_msrs"),
        ("error: kvm run failed Bad address", "kvm run failed Bad address"),
        ("Could not access KVM kernel module: Permission denied", None),
        ("", None),
    ],
)
def test_kvm_is_blamed_for_its_own_words(words, blamed):
    told = trouble.blame_kvm(words)
    assert told == (blamed and f"this host's KVM does not run it ({blamed}); virt_type: qemu emulates it")


@examples(200)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_what_a_guest_writes_is_letters_and_bounded(text):
    told = trouble.explain("stopped", "qemu", text, text)
    assert not [letter for letter in told if ord(letter) < 32 and letter != "\n" or 127 <= ord(letter) < 160]
    assert len(told) <= (trouble.LOG_LINES + trouble.CONSOLE_LINES) * (trouble.WIDTH + 3) + 60
