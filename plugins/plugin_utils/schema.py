# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of image descriptors, and what it says of one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import Problem

GRAMMAR = Path(__file__).with_name("image.rng")


@lru_cache(maxsize=None)
def grammar(path: Path = GRAMMAR):
    """Return the compiled grammar of a file."""
    return xml.etree.RelaxNG(xml.etree.parse(str(path)))


def mistakes(text, where: str = "descriptor", path: Path = GRAMMAR) -> tuple[Problem, ...]:
    """Return what the grammar refuses in a descriptor (bytes or str); nothing where it is right.

    The words and lines are libxml2's, often those of an element around the mistake; the parser's are better.
    Raises ImageError for what is no XML, or none that is safe to read.
    """
    root = xml.parse(text, where)
    judge = grammar(path)
    if judge.validate(root):
        return ()
    # libxml2 refuses some documents without a word.
    told = [Problem(entry.message, where, entry.line or None) for entry in judge.error_log]
    return tuple(told) or (Problem("is not what the grammar describes", where),)
