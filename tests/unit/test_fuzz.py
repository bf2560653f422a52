# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever XML comes in, what comes out is a value or an error in words, never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
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
from ansible_collections.virt.image.tests.unit.support import HERE, WORDS, text, value_or_words

DESCRIPTORS = [text(f"descriptors/{path.name}") for path in sorted((HERE / "descriptors").glob("*.xml"))]
CAPABILITIES = [text(f"capabilities/{name}.xml") for name in ("libvirt-0.4.0", "qemu")]
LIVE = text("live/web1.xml")


@st.composite
def mutated_bytes(draw, originals):
    """Bytes of an original with some of them changed, cut out or doubled."""
    raw = bytearray(draw(st.sampled_from(originals)).encode())
    for _time in range(draw(st.integers(1, 5))):
        at, kind = draw(st.integers(0, max(len(raw) - 1, 0))), draw(st.integers(0, 3))
        if kind == 0:
            raw[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
        elif kind == 1:
            del raw[at : at + draw(st.integers(1, 40))]
        elif kind == 2:
            raw[at:at] = raw[at : at + draw(st.integers(1, 200))]
        else:
            raw[at:at] = draw(
                st.sampled_from(
                    [b"<", b"&a;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"<?x y?>", b"xmlns='u:x'"]
                )
            )
    return bytes(raw)


@st.composite
def mutated_tree(draw, originals):
    """An original with some of its elements dropped, doubled, moved, renamed, or given other values."""
    root = xml.etree.fromstring(draw(st.sampled_from(originals)).encode())
    for _time in range(draw(st.integers(1, 5))):
        nodes = [node for node in root.iter() if isinstance(node.tag, str)]
        node, other = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        kind, word = draw(st.integers(0, 5)), xml.text_of(draw(WORDS))
        if kind == 0 and node is not root:
            node.getparent().remove(node)
        elif kind == 1:
            other.append(xml.etree.fromstring(xml.etree.tostring(node, with_tail=False)))
        elif kind == 2:
            node.text = word
        elif kind == 3:
            node.set(draw(st.sampled_from([*node.keys(), "id", "state", "target"])), word)
        elif kind == 4:
            node.tag = other.tag
        else:
            for key in node.keys():
                del node.attrib[key]
    return xml.etree.tostring(root)


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@settings(max_examples=300)
def test_descriptors(mutation, data):
    image = value_or_words(Image, parse_image, data.draw(mutation(DESCRIPTORS)))
    if image:
        assert from_plain(Image, to_plain(image), "image") == image
        for boot in image.boots:
            assert image.disks_of(boot) is not None


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@settings(max_examples=150)
def test_capabilities(mutation, data):
    made = value_or_words(Host, parse_capabilities, data.draw(mutation(CAPABILITIES)))
    if made:
        assert from_plain(Host, to_plain(made), "host") == made


@given(mutated_tree([text("capabilities/domain-qemu.xml")]))
def test_domain_capabilities(raw):
    value_or_words(object, parse_domain_capabilities, raw)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_bytes_and_text(raw):
    value_or_words(Image, parse_image, raw)


@given(mutated_tree([LIVE]))
@settings(max_examples=50)
def test_live_domains(raw):
    root = xml.etree.fromstring(raw)
    value_or_words(object, read_record, root)
    wanted = xml.parse(text("live/web1.wanted.xml"), "wanted")
    live = raw.decode()
    found = definition.redefine(wanted, live, read_record(xml.parse(LIVE, "live")))
    again = definition.redefine(wanted, found.xml, read_record(xml.parse(LIVE, "live")))
    assert again.changes == ()
