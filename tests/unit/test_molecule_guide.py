# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the guide for molecule are those of the example, which script/test molecule runs."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "docsite" / "rst" / "guide_molecule.rst"
BLOCK = re.compile(r"^\.\. code-block:: yaml\n   :caption: (.+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
BLOCKS = dict(BLOCK.findall(GUIDE.read_text(encoding="utf-8")))


def test_there_are_some():
    assert len(BLOCKS) == 5


@pytest.mark.parametrize("name", BLOCKS)
def test_a_file_is_that_of_the_example(name):
    example = (ROOT / "examples" / "molecule" / name).read_text(encoding="utf-8")
    # Without the line of its licence, which a reader does not need.
    assert example.split("---\n", 1)[1] == dedent(BLOCKS[name]).rstrip("\n") + "\n"
