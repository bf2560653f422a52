# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest says: the ends of files that grow, and expressions that are looked for in them."""

from __future__ import annotations

import time

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.lifecycle import serial_log
from ansible_collections.virt.image.plugins.module_utils._io import console
from ansible_collections.virt.image.tests.unit.support import message


def test_a_tail_begins_where_it_was_made(tmp_path):
    path = tmp_path / "log"
    path.write_text("before\n")
    tail = console.Tail(str(path))
    assert tail.text() == ""
    with path.open("a") as file:
        file.write("after\n")
    assert tail.text() == "after\n"
    # Turned: what is there now is new.
    path.write_text("new\n")
    assert tail.text() == "new\n"


def test_a_tail_of_what_comes_later_and_of_nothing(tmp_path):
    tail = console.Tail(str(tmp_path / "log"))
    assert tail.text() == ""
    (tmp_path / "log").write_bytes(b"\xff" + b"x" * 100000 + b"end")
    assert len(tail.text()) == console.KEPT_BYTES
    assert tail.text().endswith("xend")
    assert console.Tail(None).text() == ""


@pytest.mark.parametrize(
    "expression, text, found",
    [
        ("login: $", "web login: ", True),
        ("^login", "a\r\nlogin\r\n", True),
        ("ready$", "\x1b[1mis rea\x1b[0mdy\r\nmore", True),
        ("ready", "", False),
        ("READY", "ready", False),
        ("(?i)READY", "ready", True),
    ],
)
def test_an_expression_is_found(expression, text, found):
    assert console.is_said(expression, text) is found


def test_an_expression_that_takes_ages_is_given_up(monkeypatch):
    monkeypatch.setattr(console, "SEARCH_SECONDS", 0.2)
    begun = time.monotonic()
    told = message(console.is_said, "(a+)+$", "a" * 40 + "!")
    assert told.startswith("serial: '(a+)+$' takes more than 0.2 s to look for")
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    "devices, path",
    [
        ("<serial type='pty'><log file='/a' append='on'/></serial><serial><log file='/b'/></serial>", "/a"),
        # The second one is not what is asked for.
        ("<serial type='pty'/><serial><log file='/b'/></serial>", None),
        ("<console type='pty'><log file='/c'/></console>", "/c"),
        ("<serial type='pty'/><console type='pty'><log file='/c'/></console>", None),
        ("", None),
    ],
)
def test_the_first_serial_console_s_log(devices, path):
    assert serial_log(f"<domain><devices>{devices}</devices></domain>") == path
