# SPDX-License-Identifier: GPL-3.0-or-later
"""Values to their plain form and back, and what is said of a plain form that is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError, Problem, Problems
from ansible_collections.virt.image.plugins.module_utils._core.host import Host
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.support import host, message


@dataclass(frozen=True)
class Leaf:
    """A value in a value."""

    number: int
    flag: bool = False


@dataclass(frozen=True)
class Tree:
    """A value with every kind of field."""

    name: str
    leaf: Optional[Leaf]
    leaves: tuple[Leaf, ...]
    words: dict[str, tuple[str, ...]]
    extra: dict[str, str] = field(default_factory=dict)


TREE = Tree("a", Leaf(1, True), (Leaf(2), Leaf(3)), {"x": ("y", "z")})
PLAIN = {
    "name": "a",
    "leaf": {"number": 1, "flag": True},
    "leaves": [{"number": 2, "flag": False}, {"number": 3, "flag": False}],
    "words": {"x": ["y", "z"]},
    "extra": {},
}


class Marked(str):
    """Text as Ansible marks it."""


def test_plain():
    assert to_plain(TREE) == PLAIN


def test_back():
    assert from_plain(Tree, PLAIN, "tree") == TREE


def test_defaults_may_be_left_out():
    assert from_plain(Leaf, {"number": 1}, "leaf") == Leaf(1, False)


def test_marked_text_becomes_plain_text():
    assert not isinstance(from_plain(Tree, {**PLAIN, "name": Marked("a")}, "tree").name, Marked)


@pytest.mark.parametrize(
    "key, value, told",
    [
        ("name", 1, "tree.name: must be text, is 1"),
        ("name", None, "tree.name: must be text, is None"),
        ("leaf", "x", "tree.leaf: must be a dictionary (leaf), is 'x'"),
        ("leaf", {}, "tree.leaf: has no key number"),
        ("leaf", {"number": True}, "tree.leaf.number: must be a number, is True"),
        ("leaf", {"number": "1"}, "tree.leaf.number: must be a number, is '1'"),
        ("leaf", {"number": 1, "flag": 1}, "tree.leaf.flag: must be true or false, is 1"),
        ("leaves", {}, "tree.leaves: must be a list, is {}"),
        ("leaves", "ab", "tree.leaves: must be a list, is 'ab'"),
        ("leaves", [{"number": 1}, 2], "tree.leaves[1]: must be a dictionary (leaf), is 2"),
        ("words", [], "tree.words: must be a dictionary, is []"),
        ("words", {"x": ["y", 2]}, "tree.words.x[1]: must be text, is 2"),
    ],
)
def test_wrong_shape(key, value, told):
    assert message(from_plain, Tree, {**PLAIN, key: value}, "tree") == told


def test_host_with_a_wrong_machine():
    plain = to_plain(host())
    plain["guests"][0]["domains"][0]["machines"] = "pc"
    assert message(from_plain, Host, plain, "host") == "host.guests[0].domains[0].machines: must be a list, is 'pc'"


@pytest.mark.parametrize(
    "problem, line",
    [
        (Problem("is bad"), "is bad"),
        (Problem("is bad", "a.xml"), "a.xml: is bad"),
        (Problem("is bad", "a.xml", 3), "a.xml:3: is bad"),
        (Problem("is bad", None, 3), "line 3: is bad"),
        (Problem("is bad", "a.xml", 3, "/a/b"), "a.xml:3: is bad [/a/b]"),
    ],
)
def test_a_problem_is_one_line(problem, line):
    assert str(problem) == line


def test_problems_are_collected():
    problems = Problems()
    problems.raise_any()
    problems.add(Problem("one"))
    problems.extend(ImageError("two", "x"))
    with pytest.raises(ImageError) as caught:
        problems.raise_any()
    assert str(caught.value) == "one\nx: two"
    assert str(caught.value.about("guest a")) == "guest a: one\nx: two"
