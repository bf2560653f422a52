# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner of the guides takes for commands, and for the output that they are to have."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.tests.guides import blocks, console

GUIDE = """
.. not run: it needs two hosts
.. code-block:: console

   $ one

.. fails: it is wrong
.. code-block:: console

   $ two

:ansplugin:`virt.image.guests#module` stands between.

.. A comment that is none of the runner's.
.. code-block:: yaml
   :caption: a/b.yml

   - one

   - two
"""


def commands(text):
    return [(one.line, one.text, one.output) for one in console.parse(text, 7)]


def test_a_guide(tmp_path):
    page = tmp_path / "guide.rst"
    page.write_text(GUIDE)
    first, second, third = blocks.read(page)
    assert (first.note, first.reason, first.line, first.text) == ("not run", "it needs two hosts", 5, "$ one\n")
    assert (second.note, second.reason, second.caption) == ("fails", "it is wrong", None)
    assert (third.note, third.caption, third.line, third.text) == (None, "a/b.yml", 18, "- one\n\n- two\n")


def test_a_note_has_a_reason(tmp_path):
    page = tmp_path / "guide.rst"
    page.write_text(GUIDE.replace(": it needs two hosts", ""))
    with pytest.raises(ValueError, match="guide.rst:5: .* gives no reason"):
        blocks.read(page)


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("code-block:: console", "code-block::", "guide.rst:3: .*1 argument"),
        (":caption:", ":kaption:", "guide.rst:15: .*kaption"),
        (":caption: a/b.yml", ":caption:", "guide.rst:15: .*caption"),
    ],
)
def test_a_block_that_is_none(tmp_path, old, new, told):
    page = tmp_path / "guide.rst"
    page.write_text(GUIDE.replace(old, new))
    with pytest.raises(ValueError, match=told):
        blocks.read(page)


def test_markdown(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```yaml\n- one\n```\n")
    (block,) = blocks.read(page)
    assert (block.line, block.language, block.text) == (4, "yaml", "- one\n")


def test_commands():
    assert commands("$ one\n\nout\n  put\n\n$ two \\\n    more\n$ three\n") == [
        (7, "one", ("out", "  put")),
        (12, "two \\\n    more", ()),
        (14, "three", ()),
    ]


def test_output_belongs_to_a_command():
    with pytest.raises(ValueError, match="line 7: .*'# one'"):
        console.parse("# one\n", 7)


@pytest.mark.parametrize(
    "expected, got, same",
    [
        ("one", "one\n", True),
        ("one", "\none  \n\n", True),
        ("one", "one\ntwo", False),
        ("one\n...", "one", True),
        ("one\n...\nthree", "one\n2\n2\nthree", True),
        ("one\n...\nthree", "one\n2\n2", False),
        ("a ... z", "a b c z", True),
        ("a ... z", "a b\nc z", False),
        ("a.b", "a-b", False),
        ("  ok", "ok", False),
    ],
)
def test_output(expected, got, same):
    assert console.matches(tuple(expected.split("\n")), got) is same
