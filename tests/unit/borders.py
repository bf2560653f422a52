# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors with values near the borders of what is right: each of them once, and as many as hypothesis wants."""

from __future__ import annotations

import itertools
import re

from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import names, xml
from ansible_collections.virt.image.plugins.module_utils._core.descriptor import KNOWN
from ansible_collections.virt.image.plugins.module_utils._core.image import DIGEST_LENGTHS, FORMATS, USES

# A right descriptor, in which each element and attribute is there.
WHOLE = f"""<image><name version="1" release="2">a</name><label>a</label><description>a</description><domain>
<boot type="hvm"><guest><arch>i686</arch><features><pae state="on"/><acpi state="on"/><apic state="off"/></features>
</guest>
<os><loader dev="hd"/><kernel>k</kernel><initrd>i</initrd><cmdline>c</cmdline></os><drive disk="a" target="vda"/></boot>
<devices><vcpu>1</vcpu><memory>1</memory><interface/><graphics/></devices></domain><storage>
<disk id="a" file="f" use="user" size="1" format="raw">
<checksum type="md5">{"0" * 32}</checksum></disk></storage></image>"""

# What stands at each side of a border of the characters that can be printed.
BORDERS = [
    chr(code + step)
    for code in (*range(0x20, 0xD800), *range(0xE000, 0xFFFD))
    if bool(names.UNPRINTABLE.match(chr(code))) != bool(names.UNPRINTABLE.match(chr(code + 1)))
    for step in (0, 1)
    if code + step != 0xD800
]
LETTERS = st.sampled_from([*"ab.-/ \t\n\r", *BORDERS, "é", "\U0001f600", "\U000e0001", "\U0010ffff"])
# White space that XML calls so, and other.
AROUND = st.sampled_from(["", "", "", "", "", "", " ", "\n\t ", "\r", "\r\n", "\xa0", "\x85", "\u2028", "\u3000"])
TEXTS = ["a", "a b", "a  b", "é\U0001f600", "a\tb", "a\nb", "a\rb", "a\xa0b", "", "a\xadb", "a\U000f0000b"]
GUESTS = ["web", "web 1", "a  b", "a.-b", "_", "web.", "a" * 128, "\U0001f600" * 128, "a" + " " * 126 + "b"]
NO_GUESTS = [".a", "-a", "a/b", "/", "", "a" * 129, "\U0001f600" * 129, "a" + " " * 127 + "b", "a\nb", "a\u200bb", "-"]
FILES = ["a", "a/b.raw", "./isos//a..b/..c.iso", "...", "..a", ".a", "a/...", "a/ .", "a/ ..", "a/.. /b"]
FILES += ["a b", ".. /a", "a/./b", ". /a", "a/. b", " .a", "a" * 200, "\\a", "~", "a//b"]
NO_FILES = ["", "/", "/a", ".", "..", "a/", "a/.", "a/..", "../a", "a/../b", "a/..//b", "./..", "./", "a/. ", "a/.. "]
NO_FILES += ["a\n/b", "//a", " ../a", " / a", "a/\u2029", ". ", ".. ", "a/ "]
ARCHES = ["x86_64", "i686", "X86-64", "a", "9.a", "a" * 32]
NO_ARCHES = ["", "x86 64", "-a", "_a", ".a", "é", "a" * 33, "a\u0661", "K", "a\n"]
TARGETS = ["vda", "hdzz", "xvda15", "sda999", "fda", "ubda", "sdaa0"]
NO_TARGETS = ["", "vd", "vdA", "vdaaa", "sda1000", "VDA", "C:", "da", "vda\u0661", "xvd", "xxvda", "v da"]
NO_NUMBERS = ["", "0", "00", "-1", "+1", "1.0", "1e3", "0x1", "1 2", "\u0661", "²", "1_0", "1" * 19, "0" * 19 + "1"]
NO_NUMBERS += ["0" * 19, "1" * 20, "99999999999999999999999999"]


def number(largest):
    """Return whole numbers and others, near the borders of what is read."""
    return ["1", "01", str(largest), str(largest - 1), "0" * 18 + "1"], [*NO_NUMBERS, str(largest + 1)]


def word(*known):
    """Return the words of a closed set, and others that look like them."""
    others = [one.upper() for one in known] + [one + "x" for one in known]
    return list(known), ["", *others, " ".join(known), known[0][0] + "\u0131" + known[0][1:]]


# place -> right values, wrong values. Not all in the second list are wrong, and not all in the first stay right with
# white space around them: the parser says which.
ANY = (TEXTS, ["\x85", "\u2028"])
VALUES = {
    "name": (GUESTS, NO_GUESTS),
    "name/@version": (["1", "", "1 2"], TEXTS),
    "name/@release": (["1", "", "1 2"], TEXTS),
    "label": ANY,
    "description": ANY,
    "boot/@type": word("hvm", "xen"),
    "arch": (ARCHES, NO_ARCHES),
    **{f"{feature}/@state": word("on", "off") for feature in ("pae", "acpi", "apic")},
    "loader": (["", "pygrub"], ["grub", "Pygrub", "pygrub pygrub"]),
    "loader/@dev": word("hd", "cdrom"),
    "kernel": (FILES, NO_FILES),
    "initrd": (FILES, NO_FILES),
    "cmdline": ANY,
    "drive/@disk": (["a", "b", "é \U0001f600"], TEXTS),
    "drive/@target": (TARGETS, NO_TARGETS),
    "vcpu": number(65536),
    "memory": number(2**43),
    "disk/@id": (["a", "b", "a b"], TEXTS),
    "disk/@file": (FILES, NO_FILES),
    "disk/@use": word(*USES),
    "disk/@size": number(2**33),
    "disk/@format": word(*FORMATS),
    "checksum/@type": (list(DIGEST_LENGTHS), ["", "md4", "sha 1", "MD5", "Sha256", "\u017fha1", "sha-1"]),
    "checksum": (["a" * length for length in DIGEST_LENGTHS.values()], ["", "a" * 31, "g" * 32, "0" * 33, "A0" * 16]),
}
# Children that a right element has, as (name, how often at least, at most); of <os> and <checksum>: see below.
CHILDREN = {
    "image": [("name", 1, 1), ("label", 0, 1), ("description", 0, 1), ("domain", 1, 1), ("storage", 0, 1)],
    "domain": [("boot", 1, 2), ("devices", 0, 1)],
    "boot": [("guest", 1, 1), ("os", 0, 1), ("drive", 0, 2)],
    "guest": [("arch", 1, 1), ("features", 0, 1)],
    "features": [("pae", 0, 1), ("acpi", 0, 1), ("apic", 0, 1)],
    "devices": [("vcpu", 0, 1), ("memory", 0, 1), ("interface", 0, 2), ("graphics", 0, 1)],
    "storage": [("disk", 1, 2)],
    "disk": [("checksum", 0, 2)],
}
NEEDED = ("type", "disk", "file")
STARTS = {
    "hvm": [(), ("loader",), ("kernel",), ("initrd", "kernel"), ("cmdline", "loader", "kernel", "initrd")],
    "xen": [("loader",), ("kernel",), ("kernel", "cmdline"), ("initrd", "cmdline", "kernel")],
}


def value(draw, place, right):
    """Return a value for a place: mostly right, or anything."""
    good, bad = VALUES.get(place, ([""], TEXTS))
    if right:
        return draw(st.sampled_from(good))
    core = draw(st.one_of(st.sampled_from(bad), st.sampled_from(good), st.text(LETTERS, max_size=6)))
    return draw(AROUND) + core + draw(AROUND)


def element(draw, tag):
    """Return an element with right values and children, in any order."""
    made = xml.etree.Element(tag)
    for key in KNOWN[tag][0]:
        if key in NEEDED or draw(st.booleans()):
            made.set(key, value(draw, f"{tag}/@{key}", True))
    if tag in VALUES:
        made.text = value(draw, tag, True)
    children = [name for name, least, most in CHILDREN.get(tag, ()) for _each in range(draw(st.integers(least, most)))]
    for child in draw(st.permutations(children)):
        made.append(element(draw, child))
    if tag == "boot":
        start_of(draw, made)
    if tag == "checksum":
        made.text = "a" * DIGEST_LENGTHS[made.get("type")]
    return made


def start_of(draw, boot):
    """Give a boot an <os> that is right for its type."""
    for old in boot.findall("os"):
        boot.remove(old)
    system = xml.etree.Element("os")
    for tag in draw(st.sampled_from(STARTS[boot.get("type")])):
        system.append(element(draw, tag))
        if tag == "loader" and boot.get("type") == "xen":
            system.replace(system[-1], xml.element("loader", None, "pygrub"))
        elif tag == "loader":
            system[-1].text = None
    boot.insert(draw(st.integers(0, len(boot))), system)


def change(draw, root):
    """Make one place of a descriptor another than it was; it need not be wrong then."""
    nodes = list(root.iter())
    node, other = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
    places = [place for place in VALUES if place.partition("/@")[0] == node.tag]
    kind = draw(st.sampled_from(["value", "value", "value", "value", "drop", "twice", "less", "stray", "alien"]))
    if kind == "value" and places:
        place = draw(st.sampled_from(places))
        key, new = place.partition("/@")[2], value(draw, place, False)
        node.set(key, new) if key else setattr(node, "text", new)
    elif kind == "drop" and node is not root:
        node.getparent().remove(node)
    elif kind == "twice":
        other.append(xml.etree.fromstring(xml.etree.tostring(node, with_tail=False)))
    elif kind == "less" and node.keys():
        del node.attrib[draw(st.sampled_from(node.keys()))]
    elif kind == "stray":
        where = draw(st.sampled_from(["text", "tail"])) if node is not root else "text"
        setattr(node, where, draw(AROUND) + draw(st.sampled_from(["", "x", "\xa0"])))
    elif kind == "alien":
        node.set(draw(st.sampled_from(["id", "unit", "{http://www.w3.org/XML/1998/namespace}lang"])), "1")


@st.composite
def descriptors(draw):
    """Descriptors of every element and attribute, with up to three changes; as text, comments in it."""
    root = element(draw, "image")
    for _each in range(draw(st.integers(0, 3))):
        change(draw, root)
    written = xml.etree.tostring(root, encoding="unicode")
    # White space and comments mean nothing, wherever they stand.
    return re.sub("(?<=>)(?=<[a-z])", draw(st.sampled_from(["", "\n  ", "<!-- a -->", "\t<?x y?>"])), written)


def planted(place, new):
    """Return a right descriptor of every element, in which one value is another."""
    root = xml.etree.fromstring(WHOLE)
    tag, _at, key = place.partition("/@")
    node = next(root.iter(tag))
    node.set(key, new) if key else setattr(node, "text", new)
    return root


def cases():
    """Return a descriptor for each value at each place, each thing left out, added or doubled, each way to start."""
    made = [xml.etree.fromstring(WHOLE)]
    for place, (good, bad) in VALUES.items():
        made += [planted(place, new) for new in (*good, *bad)]
        made += [planted(place, f"{space}{new}{space}") for new in (good[0], bad[-1]) for space in " \n\t\r\xa0\x85"]
    for place in ("name", "disk/@id", "disk/@file"):
        made += [planted(place, f"a{letter}b") for letter in BORDERS]
    for at, node in enumerate(made[0].iter()):
        for edit in (drop, double, stray_text, stray_tail, alien_attribute, alien_element, *map(without, node.keys())):
            root = xml.etree.fromstring(WHOLE)
            edit(list(root.iter())[at])
            made.append(root)
    for tag, (_attributes, children) in KNOWN.items():
        if children:
            root = xml.etree.fromstring(WHOLE)
            node = next(root.iter(tag))
            node[:] = reversed(node)
            made.append(root)
    texts = [xml.etree.tostring(root, encoding="unicode") for root in made]
    parts = ("", "<kernel>k</kernel>", "<initrd>i</initrd>", "<cmdline>c</cmdline>", "<kernel>k</kernel><cmdline/>")
    loaders = ("", "<loader/>", '<loader dev="hd"/>', "<loader>pygrub</loader>", '<loader dev="hd">pygrub</loader>')
    systems = [f"<os>{loader}{part}</os>" for loader in loaders for part in parts]
    for kind, system in itertools.product(("hvm", "xen"), ["", *systems]):
        guest = f'<boot type="{kind}"><drive disk="a"/><guest><arch>i686</arch></guest>{system}</boot>'
        texts.append(f"<image><name>a</name><domain>{guest}</domain></image>")
    for kind, digits in DIGEST_LENGTHS.items():
        sums = [f'<checksum type="{kind}">{"0" * (digits + more)}</checksum>' for more in (-1, 0, 1)]
        texts += [WHOLE.replace("<checksum", f"{one}<checksum") for one in sums]
    return list(dict.fromkeys(texts))


def drop(node):
    if node.getparent() is not None:
        node.getparent().remove(node)


def double(node):
    if node.getparent() is not None:
        node.addnext(xml.etree.fromstring(xml.etree.tostring(node, with_tail=False)))


def stray_text(node):
    node.text = "x"


def stray_tail(node):
    if node.getparent() is not None:
        node.tail = "\x85"


def alien_attribute(node):
    node.set("unit", "1")


def alien_element(node):
    node.append(xml.element("icon"))


def without(key):
    return lambda node: node.attrib.pop(key)
