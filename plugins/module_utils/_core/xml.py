# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door in for XML (untrusted), and the one door out."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Optional
from xml.parsers import expat

from .errors import ImageError, Problem
from .names import plain

# Checked by _io.requirements before any work: a host without lxml gets one line, not a traceback.
try:
    from lxml import etree
except ImportError:
    etree = None

MAX_BYTES = 1024 * 1024
# What every XML reader knows alike; a declaration of another encoding is a mistake or a trick.
ENCODINGS = ("utf-8", "utf8", "utf-8-sig", "utf-16", "iso-8859-1", "latin-1", "us-ascii", "ascii")
DECLARATION = re.compile(r"\ufeff?<\?xml\s+version\s*=[^>]{0,400}\?>")
TOLD_ENCODING = re.compile(rb"<\?xml\s[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


# libvirt's longest documents are nested backing chains, of at most 200 layers.
MAX_DEPTH = 240
MAX_NAME = 256
MAX_ATTRIBUTE = 64 * 1024
# lxml takes time with the square of their number.
MAX_ATTRIBUTES = 256
# What XML allows and HTML does not: control characters, and the last two of each plane, which are no characters.
NO_CHARACTERS = "".join(chr(plane << 16 | end) for plane in range(1, 17) for end in (0xFFFE, 0xFFFF))
CONTROL = re.compile(f"[\r\x7f-\x9f\ufdd0-\ufdef{NO_CHARACTERS}]")
XINCLUDE = "http://www.w3.org/2001/XInclude"


def parse(data, where: str):
    """Return the root element of strangers' XML (bytes or str).

    No DTD, entity, XInclude, network access or processing instruction gets through; size, depth and attributes are
    bounded. Raises ImageError with the line.
    """
    raw = _as_utf8(data, where)
    why, line, mistake = _inspect(raw)
    if why:
        raise ImageError(why, where, line)
    try:
        root = etree.fromstring(raw, _parser())
    except etree.XMLSyntaxError as error:
        # libxml2's words may have a line break, and end with the line.
        said = re.sub(r"[\s,]*, line [0-9]+, column ([0-9]+)$", r", column \1", " ".join(error.msg.split()))
        raise ImageError(f"is not well-formed XML: {said}", where, error.lineno or None) from None
    except ValueError as error:
        raise ImageError(f"is not XML: {error}", where) from None
    if mistake:
        # Two readers that do not agree: what the first could not read was not guarded.
        raise ImageError(f"is not well-formed XML: {mistake}", where, mistake.lineno)
    return root


@lru_cache(maxsize=None)
def _parser():
    """Return the parser; to make one takes as long as to read a small document."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


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
    told = TOLD_ENCODING.match(raw[:512])
    name = told[1].decode("ascii") if told else "utf-8"
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        name = "utf-32"
    elif raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
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


class _Hostile(Exception):
    """What ends the reading of a document: why, and the line."""


# The definition of a domain is read in several places; to look at each element takes as long as all else together.
@lru_cache(maxsize=1024)
def _inspect(raw: bytes) -> tuple[Optional[str], Optional[int], Optional[expat.ExpatError]]:
    """Return what a descriptor has no use for and a reader could choke on, before a tree is built.

    That is why a document is refused, with the line, or the mistake that ended the reading; all None for a good one.
    Source: https://docs.python.org/3/library/xml.html#xml-security
    """
    reader = expat.ParserCreate("utf-8")
    depth = 0

    def refuse(why: str) -> None:
        raise _Hostile(why, reader.CurrentLineNumber)

    def doctype(*_arguments) -> None:
        # Its entities would be expanded in attributes.
        refuse("has a document type (<!DOCTYPE>); descriptors and domains have none")

    def start(name: str, attributes: dict) -> None:
        nonlocal depth
        depth += 1
        why = f"is nested more than {MAX_DEPTH} elements deep" if depth > MAX_DEPTH else _hostility(name, attributes)
        if why:
            refuse(why)

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    reader.StartDoctypeDeclHandler, reader.StartElementHandler, reader.EndElementHandler = doctype, start, end
    try:
        reader.Parse(raw, True)
    except _Hostile as refused:
        return (*refused.args, None)
    except expat.ExpatError as mistake:
        # lxml reports it with better words.
        return None, None, mistake
    return None, None, None


def _hostility(name: str, attributes: dict) -> Optional[str]:
    """Return why an element is not read, or None."""
    if len(attributes) > MAX_ATTRIBUTES:
        return f"has an element of {len(attributes)} attributes; at most {MAX_ATTRIBUTES} are read"
    for key, value in ((name, ""), *attributes.items()):
        if len(key) > MAX_NAME:
            return f"has a name of {len(key)} characters, {key[:20]}...; at most {MAX_NAME} are read"
        if len(value) > MAX_ATTRIBUTE:
            return f"has an attribute {key} of {len(value)} characters; at most {MAX_ATTRIBUTE} are read"
        if value == XINCLUDE and key.startswith("xmlns"):
            return "has XInclude in it; descriptors and domains are whole in themselves"
    return None


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


def inline(tag: str, attributes: Optional[dict] = None, *children):
    """Return an element whose children are elements of one line of text, with a space between them."""
    made = element(tag, attributes, *children)
    for child in made[:-1]:
        child.tail = " "
    return made


def leaf(tag: str, value):
    """Return <tag>value</tag>, or None for None."""
    return None if value is None else element(tag, None, value)


def comment(value: str):
    """Return a comment of one line; what would end it, or be no text, is written otherwise."""
    line = re.sub("-(?=-)", "- ", plain(value))
    # As an element of the tree: lxml puts no space around what it says.
    return etree.Comment(f" {text_of(line)} ")


def text_of(value) -> str:
    """Return the text that stands for a value in XML; characters that XML forbids become `?`."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", str(value))


def to_text(root) -> str:
    """Return an element as indented text, the same bytes for the same tree."""
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode").rstrip() + "\n"


def to_html(root) -> str:
    """Return the element <html> as an HTML5 document; control characters, which HTML forbids, become `?`."""
    shown = etree.tostring(root, method="html", encoding="unicode", doctype="<!DOCTYPE html>")
    return CONTROL.sub("?", shown) + "\n"


def xpath(node) -> str:
    """Return where an element stands, as an XPath from the root."""
    return node.getroottree().getpath(node)


def text(node) -> str:
    """Return an element's text without the white space around it."""
    return strip(node.text)


def strip(value: Optional[str]) -> str:
    """Return a text without what XML calls white space around it, the same in every reader and grammar."""
    return (value or "").strip(" \t\r\n")


def problem(message: str, node, where: str) -> Problem:
    """Return a problem at an element."""
    return Problem(message, where, node.sourceline, xpath(node))
