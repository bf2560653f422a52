# SPDX-License-Identifier: GPL-3.0-or-later
"""The door for XML: which encodings are read, where its limits lie, and which line is told."""

from __future__ import annotations

import codecs

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.tests.unit.support import message

XINCLUDE = "http://www.w3.org/2001/XInclude"


def said(document):
    """Return what is wrong with a document, or an empty text."""
    return message(xml.parse, document, "a.xml")


def nested(depth):
    return "<a>" * depth + "</a>" * depth


@pytest.mark.parametrize("told", ["utf-8", "utf8", "UTF-8", "iso-8859-1", "ISO-8859-1", "latin-1", "us-ascii", "ascii"])
def test_encodings(told):
    assert xml.parse(f'<?xml version="1.0" encoding="{told}"?><a>b</a>'.encode(), "a.xml").text == "b"


@pytest.mark.parametrize(
    "told", ['encoding="iso-8859-1"', "encoding='iso-8859-1'", "encoding\n =\t'latin-1' standalone='yes'"]
)
def test_a_declaration_in_other_words(told):
    assert xml.parse(f"<?xml version='1.0' {told}?><a>é</a>".encode("iso-8859-1"), "a.xml").text == "é"


@pytest.mark.parametrize("told", ["windows-1252", "utf-7", "x" * 40])
def test_other_encodings_are_refused(told):
    raw = f'<?xml version="1.0" encoding="{told}"?><a/>'.encode()
    assert said(raw) == f"a.xml:1: has the encoding {told}; UTF-8 is read, and UTF-16 and ISO-8859-1"


@pytest.mark.parametrize(
    "mark, encoding",
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_mark_tells_the_encoding(mark, encoding):
    assert xml.parse(mark + "<a>é</a>".encode(encoding), "a.xml").text == "é"
    # It is right where the declaration is not, and stays right where it is.
    declared = '<?xml version="1.0" encoding="us-ascii"?><a>é</a>'
    assert xml.parse(mark + declared.encode(encoding), "a.xml").text == "é"


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_a_mark_alone_is_empty(mark):
    assert said(mark) == "a.xml: is empty; an XML document was expected"


@pytest.mark.parametrize(
    "mark, encoding", [(codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")]
)
def test_no_utf_32(mark, encoding):
    told = "a.xml:1: has the encoding utf-32; UTF-8 is read, and UTF-16 and ISO-8859-1"
    assert said(mark + "<a/>".encode(encoding)) == told


@pytest.mark.parametrize(
    "raw, told",
    [
        (b"\n<a>\n\xff</a>", "a.xml:3: is not UTF-8: byte 5 is 0xff"),
        (b"\xff<a/>\n\n", "a.xml:1: is not UTF-8: byte 0 is 0xff"),
        (b'<?xml version="1.0" encoding="us-ascii"?>\n\xe9', "a.xml:2: is not US-ASCII: byte 42 is 0xe9"),
    ],
)
def test_a_wrong_byte_and_its_line(raw, told):
    assert said(raw) == told


@pytest.mark.parametrize("encode", [str, str.encode])
def test_a_declaration_of_two_lines_is_two_lines(encode):
    document = encode('<?xml version="1.0"\nencoding="utf-8"\n?>\n<a>\n<b/></a>')
    assert xml.parse(document, "a.xml")[0].sourceline == 5


def test_a_text_may_declare_any_encoding():
    assert xml.parse('<?xml version="1.0" encoding="x-evil"?><a>é</a>', "a.xml").text == "é"


def test_a_half_of_a_character_is_one_that_is_not_known():
    assert xml.parse("<a>\ud800</a>", "a.xml").text == "?"


@pytest.mark.parametrize("kind", [str, str.encode])
def test_how_long(kind):
    assert said(kind("<a/>".ljust(xml.MAX_BYTES))) == ""
    assert said(kind("<a/>".ljust(xml.MAX_BYTES + 1))) == "a.xml: has 1048577 bytes; at most 1048576 are read"
    assert said(kind("é" * (xml.MAX_BYTES // 2 + 1))) == "a.xml: has 1048578 bytes; at most 1048576 are read"


@pytest.mark.parametrize(
    "document, told",
    [
        (nested(240), ""),
        (f"<a>\n{nested(240)}</a>", "a.xml:2: is nested more than 240 elements deep"),
        (f"<a>{'<b/>' * 300}{nested(239)}</a>", ""),
        (f"<a>{'<b/>' * 300}{nested(240)}</a>", "a.xml:1: is nested more than 240 elements deep"),
        (f"<{'b' * 256}/>", ""),
        (f"<{'b' * 257}/>", f"a.xml:1: has a name of 257 characters, {'b' * 20}...; at most 256 are read"),
        (f"<a {'b' * 256}=''/>", ""),
        (f"<a c='' {'b' * 257}=''/>", f"a.xml:1: has a name of 257 characters, {'b' * 20}...; at most 256 are read"),
        (f"<a b='{'c' * 65536}'/>", ""),
        (f"<a d='' b='{'c' * 65537}'/>", "a.xml:1: has an attribute b of 65537 characters; at most 65536 are read"),
        (
            f"<a b='' xmlns='{XINCLUDE}'/>",
            "a.xml:1: has XInclude in it; descriptors and domains are whole in themselves",
        ),
        (f"<a b='{XINCLUDE}'/>", ""),
    ],
    ids=range(12),
)
def test_limits(document, told):
    assert said(document) == told


@pytest.mark.parametrize("inside", ["", f' xmlns:x="{XINCLUDE}"'])
def test_what_only_one_of_the_two_readers_takes_is_refused(inside):
    """Expat, which looks for what is hostile, has the names of XML 1.0's fourth edition, libxml2 those of the fifth."""
    assert said(f"<a>\n<\u0370{inside}/></a>").startswith(
        "a.xml:2: is not well-formed XML: not well-formed (invalid token)"
    )


def test_a_tree_and_its_text():
    made = xml.element("a", {"b": 1, "c": None, "d": "\0&"}, xml.element("e"), None, xml.leaf("f", None), xml.leaf("g", 0))
    assert xml.to_text(made) == '<a b="1" d="?&amp;">\n  <e/>\n  <g>0</g>\n</a>\n'
    kept = "\t\n\r \ud7ff\ue000\ufffd\U00010000\U0010ffff"
    assert xml.text_of(f"{kept}\x0b\ufffe\ud800") == f"{kept}???"
