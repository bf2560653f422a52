# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever options and values come in, what comes out is a value or an error in words, never a traceback."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.filter.image import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.guest import OPTIONS, Guest, parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.tests.unit.support import HERE, WORDS, host, text, value_or_words

FILTERS = FilterModule().filters()
DESCRIPTORS = [text(f"descriptors/{path.name}") for path in sorted((HERE / "descriptors").glob("*.xml"))]
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), WORDS, st.binary(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, st.integers()), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = list(OPTIONS)


@given(st.one_of(st.dictionaries(st.one_of(st.sampled_from(KEYS), WORDS), PLAIN, max_size=8), PLAIN))
@settings(max_examples=300)
@example({"networks": [{"type": {}, "mac": 1}]})
@example({"disks": [{"id": []}]})
def test_guests(options):
    value_or_words(Guest, parse_guest, options)


def filtered(name, *arguments, **options):
    try:
        return FILTERS[name](*arguments, **options)
    except AnsibleFilterError as error:
        assert str(error).startswith("virt.image."), error
        return None


@given(PLAIN, PLAIN)
@settings(max_examples=150)
def test_filters_of_anything(first, second):
    filtered("from_descriptor", first)
    filtered("from_capabilities", first, domain_capabilities=second)
    filtered("match_boots", first, second)
    filtered("to_domain_xml", first, second, {})


def planted(data, plain):
    """Put anything at some place of a plain value."""
    place = plain
    while isinstance(place, (dict, list)) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.integers(0, 3)) == 0:
            place[key] = data.draw(PLAIN)
            return plain
        place = place[key]
    return plain


@given(st.data())
@settings(max_examples=300)
def test_filters_of_a_wrong_image(data):
    image = planted(data, FILTERS["from_descriptor"](data.draw(st.sampled_from(DESCRIPTORS))))
    filtered("match_boots", image, to_plain(host()))
    made = filtered("to_domain_xml", image, to_plain(host("xen")), {"memory": "1 GiB"})
    assert made is None or xml.parse(made, "made").tag == "domain"


@given(st.data())
@settings(max_examples=150)
def test_filters_of_a_wrong_host(data):
    seen, image = planted(data, to_plain(host())), FILTERS["from_descriptor"](text("descriptors/manual.xml"))
    filtered("match_boots", image, seen)
    made = filtered("to_domain_xml", image, seen, {})
    assert made is None or xml.parse(made, "made").tag == "domain"
