# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fuzz tests do to a good document."""

from __future__ import annotations

from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.tests.unit.support import WORDS


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
