# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors: each good one gives exactly its value, each bad one exactly its lines."""

from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.image import Image, parse_image
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import render_offline
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.support import HERE, ROOT, guest, host, message, table, text

GOOD = sorted(path.stem for path in (HERE / "descriptors").glob("*.xml"))
# In the rows of rules.yml, what stands for the parts that are right.
PARTS = {
    "GUEST": "<guest><arch>x86_64</arch></guest>",
    "BOOT": '<boot type="hvm"><guest><arch>x86_64</arch></guest></boot>',
    "DOMAIN": '<domain><boot type="hvm"><guest><arch>x86_64</arch></guest></boot></domain>',
}
PARTS["BOOTS"] = PARTS["BOOT"] * 257
PARTS["LONG"] = "a" * 129
ENCODINGS = ("utf-8", "iso-8859-1", "us-ascii", "utf-16", "utf-7", "euc-jp", "shift_jis", "gb18030", "utf-32", "cp037")


@pytest.mark.parametrize("name", GOOD)
def test_good_descriptor(name):
    assert to_plain(parse_image(text(f"descriptors/{name}.xml"))) == yaml.safe_load(text(f"descriptors/{name}.yml"))


@pytest.mark.parametrize("name", GOOD)
def test_plain_form_and_back(name):
    image = parse_image(text(f"descriptors/{name}.xml"))
    assert from_plain(Image, to_plain(image), "image") == image


@pytest.mark.parametrize("name", GOOD)
def test_bytes_and_text_are_the_same(name):
    descriptor = text(f"descriptors/{name}.xml")
    assert parse_image(descriptor.encode()) == parse_image(descriptor)


def descriptor_of(row):
    """Return the descriptor of a row of rules.yml."""
    return re.sub("@([A-Z]+)@", lambda found: PARTS[found[1]], row["descriptor"])


def at(plain, path):
    """Return what stands in a plain value at a path like disks.0.use."""
    for key in path.split("."):
        plain = plain[int(key) if key.isdecimal() else key]
    return plain


def found_in(domain, path):
    """Return the text or attribute at a path of a domain, or None."""
    place, _slash, key = path.partition("/@")
    node = domain.find(place)
    if node is None:
        return None
    return node.get(key) if key else xml.text(node)


@pytest.mark.parametrize("row", table("rules.yml"))
def test_rule(row):
    rules = {"strict": row.get("strict", False), "outside": row.get("outside", False)}
    if "errors" in row:
        assert message(parse_image, descriptor_of(row), **rules).splitlines() == row["errors"]
        return
    image = parse_image(descriptor_of(row), **rules)
    assert list(image.warnings) == row.get("warnings", [])
    plain = to_plain(image)
    assert {path: at(plain, path) for path in row.get("image", {})} == row.get("image", {})
    if "domain" in row:
        boot = {"boot": len(image.boots) - 1, "memory": None if image.memory_kib else "1 GiB"}
        rendered = xml.parse(render_offline(image, host(), guest(**boot), "/pool", False), "domain")
        assert {path: found_in(rendered, path) for path in row["domain"]} == row["domain"]


def test_every_rule_is_documented_and_tested():
    told = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "descriptor.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == {row.values[0]["rule"] for row in table("rules.yml")}


@pytest.mark.parametrize("kind", [bytes, str])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_lets_a_document_type_in(encoding, kind):
    body = '<!DOCTYPE image [<!ENTITY a "boo">]><image><name>&a;</name></image>'
    descriptor = f'<?xml version="1.0" encoding="{encoding}"?>{body}'
    raw = descriptor.encode(encoding) if kind is bytes else descriptor
    with pytest.raises(ImageError):
        xml.parse(raw, "image.xml")


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_bytes_say_their_encoding(encoding):
    text_ = f'<?xml version="1.0" encoding="{encoding}"?><image><name>Büro</name>{PARTS["DOMAIN"]}</image>'
    assert parse_image(text_.encode(encoding)).name == "Büro"


def test_a_text_has_no_encoding():
    assert (
        parse_image(
            f'<?xml version="1.0" encoding="iso-8859-1"?><image><name>Büro</name>{PARTS["DOMAIN"]}</image>'
        ).name
        == "Büro"
    )


def test_too_long_is_refused_before_it_is_parsed():
    assert message(parse_image, b"<" * (xml.MAX_BYTES + 1)) == "image.xml: has 1048577 bytes; at most 1048576 are read"


def test_the_name_of_the_file_is_in_each_line():
    told = message(parse_image, "<image/>", "/srv/web/image.xml").splitlines()
    assert told and all(line.startswith("/srv/web/image.xml:1: ") for line in told)


@pytest.mark.parametrize(
    "count, told",
    [(256, ""), (257, "image.xml:1: <interface> is there 257 times; at most 256 are read [/image/domain/devices]")],
)
def test_interfaces_are_bounded(count, told):
    devices = f"<devices>{'<interface/>' * count}</devices>"
    descriptor = f"<image><name>a</name><domain>{PARTS['BOOT']}{devices}</domain></image>"
    assert message(parse_image, descriptor) == told
