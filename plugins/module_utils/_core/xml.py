# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door in for XML (untrusted), and the one door out."""

from __future__ import annotations

import codecs
import re
from typing import Optional
from xml.parsers import expat

from .errors import ImageError, Problem

# Checked by _io.requirements before any work: a host without lxml gets one line, not a traceback.
try:
    from lxml import etree
except ImportError:
    etree = None

MAX_BYTES = 1024 * 1024
# What every XML reader knows alike; a declaration of another encoding is a mistake or a trick.
ENCODINGS = ("utf-8", "utf8", "utf-8-sig", "utf-16", "iso-8859-1", "latin-1", "us-ascii", "ascii")
DECLARATION = re.compile(r"\ufeff?<\?xml\s[^>]{0,400}\?>")
TOLD_ENCODING = re.compile(rb"<\?xml\s[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


class _PrologSeen(Exception):
    """The root element has begun, so no document type can follow."""


def parse(data, where: str):
    """Return the root element of strangers' XML (bytes or str).

    No DTD, entity, network access or processing instruction gets through; at most MAX_BYTES are read.
    Raises ImageError with the line.
    """
    raw = _as_utf8(data, where)
    _refuse_doctype(raw, where)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or None
        raise ImageError(f"is not well-formed XML: {error.msg}", where, line) from None
    except ValueError as error:
        raise ImageError(f"is not XML: {error}", where) from None


def _as_utf8(data, where: str) -> bytes:
    """Return the document in UTF-8 without its XML declaration, so that all who read it read the same.

    A parser with more encodings than the one that looks for a DTD would let one through.
    """
    length = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "replace"))
    if length > MAX_BYTES:
        raise ImageError(f"has {length} bytes; at most {MAX_BYTES} are read", where)
    text = data if isinstance(data, str) else decode(data, where)
    if not text.strip():
        raise ImageError("is empty; an XML document was expected", where)
    declaration = DECLARATION.match(text)
    if declaration:
        text = "\n" * declaration[0].count("\n") + text[declaration.end() :]
    return text.encode("utf-8", "replace")


def decode(raw: bytes, where: str) -> str:
    """Return a document's text; raise ImageError for an encoding that is not read."""
    told = TOLD_ENCODING.match(raw[:256])
    name = told[1].decode("ascii") if told else "utf-8"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    elif raw.startswith(codecs.BOM_UTF8):
        name = "utf-8-sig"
    if name.lower() not in ENCODINGS:
        raise ImageError(f"has the encoding {name}; UTF-8 is read, and UTF-16 and ISO-8859-1", where, 1)
    try:
        return raw.decode(name)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ImageError(f"is not {name.upper()}: byte {error.start} is {raw[error.start]:#04x}", where, line) from None


def _refuse_doctype(raw: bytes, where: str) -> None:
    """Raise ImageError if the document declares a DTD; its entities would be expanded in attributes."""
    reader = expat.ParserCreate("utf-8")

    def doctype(*_arguments):
        raise ImageError(
            "has a document type (<!DOCTYPE>); descriptors and domains have none", where, reader.CurrentLineNumber
        )

    def root(*_arguments):
        raise _PrologSeen

    reader.StartDoctypeDeclHandler = doctype
    reader.StartElementHandler = root
    try:
        reader.Parse(raw, True)
    except (_PrologSeen, expat.ExpatError):
        # What expat cannot read, lxml reports with better words.
        return


def element(tag: str, attributes: Optional[dict] = None, *children):
    """Return an element; attributes and children that are None are left out.

    A child is an element, text, a number, or None.
    """
    made = etree.Element(tag)
    for key, value in (attributes or {}).items():
        if value is not None:
            made.set(key, text_of(value))
    for child in children:
        if child is None:
            continue
        if isinstance(child, (str, int)):
            made.text = text_of(child)
        else:
            made.append(child)
    return made


def leaf(tag: str, value):
    """Return <tag>value</tag>, or None for None."""
    return None if value is None else element(tag, None, value)


def text_of(value) -> str:
    """Return the text that stands for a value in XML; characters that XML forbids become `?`."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", str(value))


def to_text(root) -> str:
    """Return an element as indented text, the same bytes for the same tree."""
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode").rstrip() + "\n"


def xpath(node) -> str:
    """Return where an element stands, as an XPath from the root."""
    return node.getroottree().getpath(node)


def text(node) -> str:
    """Return an element's text without the white space around it."""
    return (node.text or "").strip()


def problem(message: str, node, where: str) -> Problem:
    """Return a problem at an element."""
    return Problem(message, where, node.sourceline, xpath(node))
