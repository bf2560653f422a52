# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever XML comes in, what comes out is a value or an error in words, never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import definition, xml
from ansible_collections.virt.image.plugins.module_utils._core.host import (
    Host,
    parse_capabilities,
    parse_domain_capabilities,
)
from ansible_collections.virt.image.plugins.module_utils._core.image import Image, parse_image
from ansible_collections.virt.image.plugins.module_utils._core.record import read_record
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.mutations import mutated_bytes, mutated_tree
from ansible_collections.virt.image.tests.unit.support import HERE, examples, text, value_or_words

DESCRIPTORS = [text(f"descriptors/{path.name}") for path in sorted((HERE / "descriptors").glob("*.xml"))]
SAVED = sorted(path.name for path in (HERE / "capabilities").glob("*.xml"))
CAPABILITIES = [text(f"capabilities/{name}") for name in SAVED if not name.startswith("domain-")]
OFFERS = [text(f"capabilities/{name}") for name in SAVED if name.startswith("domain-")]
LIVE = text("live/web1.xml")


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@examples(300)
def test_descriptors(mutation, data):
    image = value_or_words(Image, parse_image, data.draw(mutation(DESCRIPTORS)))
    if image:
        assert from_plain(Image, to_plain(image), "image") == image
        for boot in image.boots:
            assert image.disks_of(boot) is not None


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@examples(150)
def test_capabilities(mutation, data):
    made = value_or_words(Host, parse_capabilities, data.draw(mutation(CAPABILITIES)))
    if made:
        assert from_plain(Host, to_plain(made), "host") == made


@given(mutated_tree(OFFERS))
@examples(50)
def test_domain_capabilities(raw):
    value_or_words(object, parse_domain_capabilities, raw)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
@examples(100)
def test_any_bytes_and_text(raw):
    value_or_words(Image, parse_image, raw)


@given(mutated_tree([LIVE]))
@examples(50)
def test_live_domains(raw):
    root = xml.etree.fromstring(raw)
    value_or_words(object, read_record, root)
    wanted = xml.parse(text("live/web1.wanted.xml"), "wanted")
    live = raw.decode()
    found = definition.redefine(wanted, live, read_record(xml.parse(LIVE, "live")))
    again = definition.redefine(wanted, found.xml, read_record(xml.parse(LIVE, "live")))
    assert again.changes == ()
