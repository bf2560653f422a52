# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar says what the strict parser says, but for what no grammar can say; the test plugin asks both."""

from __future__ import annotations

import random
import re
import time

import pytest
from ansible.errors import AnsibleError
from hypothesis import given, settings

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.descriptor import KNOWN, WITH_TEXT
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.plugin_utils import schema
from ansible_collections.virt.image.plugins.test import image as plugin
from ansible_collections.virt.image.tests.unit.borders import VALUES, cases, descriptors, planted
from ansible_collections.virt.image.tests.unit.mutations import mutated_tree
from ansible_collections.virt.image.tests.unit.support import FACTOR, HERE, examples, table, text
from ansible_collections.virt.image.tests.unit.test_image import descriptor_of

is_valid = plugin.TestModule().tests()["valid_descriptor"]
DESCRIPTORS = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("**/*image.xml"))]
DESCRIPTORS += [path.read_text(encoding="utf-8") for path in sorted((HERE / "descriptors").glob("*.xml"))]
MANUAL = text("descriptors/manual.xml")
# What relates two places: each with its rule in docs/descriptor.md.
UNSAYABLE = {
    "disk-id": r'<disk id=".*"> is there twice; line \d+ has it too',
    "drive-disk": r'<drive disk=".*"> (names no disk in <storage>; it has .*|is there twice in one <boot>; .*)',
    "drive-target": r'<drive target=".*"> is taken by another drive of this <boot>',
    "checksum": r'<checksum type="\w+"> is there twice, and the two differ',
    "collect": r"<\w+> is there \d+ times; at most 256 are read",
}


def told(descriptor):
    """Return the mistakes of the strict parser."""
    try:
        parse_image(descriptor, strict=True)
    except ImageError as error:
        return [one.message for one in error.problems]
    return []


def sayable(descriptor):
    """Return those mistakes that a grammar can tell."""
    unsayable = "|".join(UNSAYABLE.values())
    return [message for message in told(descriptor) if not re.fullmatch(unsayable, message, re.DOTALL)]


def refused(descriptor, path=schema.GRAMMAR):
    """Return what the grammar, or the door before it, says of a descriptor."""
    try:
        return list(map(str, schema.mistakes(descriptor, path=path)))
    except ImageError as error:
        return [str(error)]


def agree(descriptor, path=schema.GRAMMAR):
    """Return whether the grammar accepts what the parser accepts, and nothing else."""
    grammar, parser = bool(refused(descriptor, path)), bool(sayable(descriptor))
    # A disk that is there twice is not looked at a second time: what else is wrong with it the grammar alone tells.
    return grammar == parser or (grammar and bool(told(descriptor)))


def expect_agreement(descriptor):
    assert agree(descriptor), (sayable(descriptor), refused(descriptor))


@given(descriptors())
@examples(100)
def test_grammar_and_parser_agree(descriptor):
    expect_agreement(descriptor)


@given(mutated_tree(DESCRIPTORS))
@examples(50)
def test_they_agree_on_mutated_descriptors(raw):
    expect_agreement(raw)


CASES = cases()


def test_they_agree_on_every_value_near_a_border():
    assert [one for one in CASES if not agree(one)] == []


@pytest.mark.parametrize("row", [row for row in table("rules.yml") if not row.values[0].get("outside")])
def test_they_agree_on_the_rules(row):
    expect_agreement(descriptor_of(row))


def test_they_agree_on_our_descriptors():
    assert len(DESCRIPTORS) > 20
    for descriptor in DESCRIPTORS:
        expect_agreement(descriptor)


def test_what_no_grammar_can_say_is_a_rule():
    assert set(UNSAYABLE) <= {row.values[0]["rule"] for row in table("rules.yml")}


def test_every_place_has_values():
    places = {f"{tag}/@{key}" for tag, (attributes, _children) in KNOWN.items() for key in attributes}
    assert places | set(WITH_TEXT) == set(VALUES)


def test_accepted_and_refused_are_both_tried():
    verdicts = []

    @settings(max_examples=100, database=None, derandomize=True)
    @given(descriptors())
    def collect(descriptor):
        verdicts.append(not refused(descriptor))

    collect()
    assert 0.2 < sum(verdicts) / len(verdicts) < 0.8
    assert 0.2 < sum(map(bool, map(refused, CASES))) / len(CASES) < 0.9


LONG = ["a" * 40000, " " * 40000 + "a", "a" + " " * 40000, "a " * 20000, "a/" * 20000, "." * 40000, "./" * 20000]
LONG += ["a/.. " * 8000 + "b", " " * 40000, "a\n" * 20000, "9" * 40000]
LONG += [" " * 40000 + "\x85", "/" * 40000, "../" * 20000]


@pytest.mark.parametrize("place", "name arch kernel vcpu drive/@target disk/@id disk/@size checksum".split())
def test_long_texts_are_judged_at_once(place):
    descriptors_ = [xml.etree.tostring(planted(place, long), encoding="unicode") for long in LONG]
    begun = time.process_time()
    assert [one[:500] for one in descriptors_ if not agree(one)] == []
    # It takes a tenth of that; a pattern in which a reader has to try again for each character takes minutes.
    assert time.process_time() - begun < 5


def judges_of_broken_grammars():
    """Give a compiled grammar for each part of ours that can be left out, with the name of that part."""
    kinds = "param value optional zeroOrMore oneOrMore attribute ref element except".split()
    kinds = [f"{{*}}{kind}" for kind in kinds]
    for at in range(len(list(xml.etree.parse(str(schema.GRAMMAR)).iter(kinds)))):
        tree = xml.etree.parse(str(schema.GRAMMAR))
        node = list(tree.iter(kinds))[at]
        node.getparent().remove(node)
        try:
            yield f"{xml.etree.QName(node).localname} of line {node.sourceline}", xml.etree.RelaxNG(tree)
        except xml.etree.RelaxNGParseError:
            # What is left is no grammar, which anyone notices.
            continue


@pytest.mark.fuzz
@pytest.mark.skipif(FACTOR == 1, reason="it takes seconds: script/test fuzz")
def test_a_grammar_without_any_of_its_parts_is_noticed():
    expected = [(xml.parse(one, "case"), not sayable(one)) for one in CASES]
    random.Random(1).shuffle(expected)
    # What is accepted is judged faster, and notices most.
    expected.sort(key=lambda case: not case[1])
    broken = dict(judges_of_broken_grammars())
    assert len(broken) > 80
    assert [
        part for part, judge in broken.items() if all(judge.validate(root) == right for root, right in expected)
    ] == []


def test_mistakes_are_told_with_a_line():
    told = schema.mistakes(MANUAL.replace("<memory>", "<memory> much "))
    assert any(one.line and one.message for one in told)
    assert all(str(one).startswith("descriptor:") for one in told)
    assert schema.mistakes(MANUAL) == ()
    with pytest.raises(ImageError, match="document type"):
        schema.mistakes("<!DOCTYPE image><image/>")


OUTSIDE = MANUAL.replace('file="isos', 'file="../isos')
UNKNOWN = MANUAL.replace("<image>", '<image color="blue">', 1)


@pytest.mark.parametrize(
    "descriptor, options, verdict",
    [
        (MANUAL, {}, True),
        (MANUAL, {"strict": True}, True),
        ("", {}, False),
        ("no XML", {}, False),
        ("<image/>", {}, False),
        ("<!DOCTYPE image><image/>", {"strict": True}, False),
        (UNKNOWN, {}, True),
        (UNKNOWN, {"strict": True}, False),
        (UNKNOWN, {"strict": True, "allow_outside_files": True}, False),
        (OUTSIDE, {}, False),
        (OUTSIDE, {"strict": True}, False),
        (OUTSIDE, {"allow_outside_files": True}, True),
        (OUTSIDE, {"strict": True, "allow_outside_files": True}, True),
    ],
)
def test_valid_descriptor(descriptor, options, verdict):
    assert is_valid(descriptor, **options) is verdict


@pytest.mark.parametrize("row", table("rules.yml"))
def test_valid_descriptor_is_true_where_the_filter_reads(row):
    rules = {"strict": row.get("strict", False), "allow_outside_files": row.get("outside", False)}
    assert is_valid(descriptor_of(row), **rules) is ("errors" not in row)


def test_strictly_valid_means_that_the_grammar_accepts_too(monkeypatch):
    monkeypatch.setattr(plugin, "mistakes", lambda _text: ("refused",))
    assert is_valid(MANUAL)
    assert not is_valid(MANUAL, strict=True)
    assert is_valid(MANUAL, strict=True, allow_outside_files=True)


@pytest.mark.parametrize("wrong", [None, 1, True, [], {}, b"<image/>"], ids=repr)
def test_what_is_no_text_is_an_error(wrong):
    with pytest.raises(AnsibleError, match="valid_descriptor: a descriptor as text is needed, not "):
        is_valid(wrong)


@pytest.mark.parametrize("option", ["strict", "allow_outside_files"])
@pytest.mark.parametrize("wrong", [None, 1, "yes", []], ids=repr)
def test_options_are_true_or_false(option, wrong):
    with pytest.raises(AnsibleError, match=f"{option} must be true or false"):
        is_valid(MANUAL, **{option: wrong})


def test_without_lxml(monkeypatch):
    monkeypatch.setattr(xml, "etree", None)
    with pytest.raises(AnsibleError, match="needs lxml, which the control node"):
        is_valid(MANUAL)
