# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors: each good one gives exactly its value, each bad one exactly its lines."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.image import (
    Boot,
    Disk,
    Drive,
    Image,
    check_image,
    parse_image,
)
from ansible_collections.virt.image.plugins.module_utils._core.offline import render_offline
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
# An image from elsewhere than a descriptor, which a descriptor could give.
BOOT = Boot("hvm", "x86_64", {"pae": "on", "acpi": "off"}, None, "hd", None, None, None, (Drive("a", "vda"), Drive("b")))
DISK = Disk("a", "../a", "user", None, "qcow2", {})
WHOLE = Image("web", None, None, None, None, (BOOT, BOOT), 1, None, 0, False, (DISK, replace(DISK, id="b", file=None)))
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


def test_by_default_files_stay_and_what_is_unknown_is_a_warning():
    storage = '<storage><disk file="{}"/></storage><icon/>'
    descriptor = f"<image><name>a</name>{PARTS['DOMAIN']}{storage}</image>"
    assert len(parse_image(descriptor.format("a")).warnings) == 1
    for file in ("../a", "/a"):
        assert "image.xml:1: <disk file=" in message(parse_image, descriptor.format(file))


@pytest.mark.parametrize("count, more", [(50, None), (51, 1), (53, 3)])
def test_fifty_are_told(count, more):
    last = [] if more is None else [f"image.xml: and {more} more like these"]
    descriptor = f"<image><name>a</name>{PARTS['DOMAIN']}{{}}</image>"
    warnings = parse_image(descriptor.format("\n<a/>" * count)).warnings
    assert [line.split(":")[1] for line in warnings[:50]] == [str(line) for line in range(2, 52)]
    assert list(warnings[50:]) == last
    told = message(parse_image, descriptor.format("\n<label/>" * (count + 1))).splitlines()
    assert told[50:] == last


@pytest.mark.parametrize("length, end", [(300, "a"), (301, "...")])
def test_three_hundred_characters_of_each_are_told(length, end):
    disk = "d" * (length - len('<drive disk=""> names no disk in <storage>; it has a'))
    boot = f'<boot type="hvm"><guest><arch>i686</arch></guest><drive disk="{disk}"/></boot>'
    (line,) = message(
        parse_image, f'<image><name>a</name><domain>{boot}</domain><storage><disk file="a"/></storage></image>'
    ).splitlines()
    told = line.removeprefix("image.xml:1: ").removesuffix(" [/image/domain/boot/drive]")
    assert (len(told), told.endswith(end)) == (300, True)


def test_an_image_that_a_descriptor_could_give():
    for image in (WHOLE, replace(WHOLE, interfaces=256)):
        assert check_image(image) is image


@pytest.mark.parametrize(
    "change, told",
    [
        ({"name": "a/b"}, "name holds '/', which no guest's name can have"),
        ({"boots": ()}, "boots is empty; there is one for each way to start the guest"),
        ({"interfaces": 257}, "interfaces is 257, out of 0 to 256"),
        ({"interfaces": -1}, "interfaces is -1, out of 0 to 256"),
    ],
)
def test_an_image_that_no_descriptor_gives(change, told):
    assert message(check_image, replace(WHOLE, **change)) == f"image: {told}"


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "change, told",
    [
        ({"use": "data"}, "use data is none of system, user, scratch"),
        ({"format": "vhd"}, "format vhd is none of raw, iso, qcow, qcow2, vmdk, vdi"),
        ({"file": "a/"}, "file names a folder; a file was expected"),
    ],
)
def test_a_disk_that_no_descriptor_gives(change, told, index):
    disks = [replace(disk, **change) if index == at else disk for at, disk in enumerate(WHOLE.disks)]
    assert message(check_image, replace(WHOLE, disks=tuple(disks))) == f"image: disk {'ab'[index]}: {told}"


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "change, told",
    [
        ({"type": "uml"}, "type uml is none of hvm, xen"),
        ({"dev": "fd"}, "dev fd is none of hd, cdrom"),
        ({"features": {"acpi": "on", "smm": "on"}}, "feature smm=on is unknown"),
        ({"features": {"smm": "on", "acpi": "on"}}, "feature smm=on is unknown"),
        ({"features": {"acpi": "maybe"}}, "feature acpi=maybe is unknown"),
        ({"drives": (Drive("a"), Drive("c"))}, "drive c names no disk"),
        ({"drives": (Drive("c"), Drive("a"))}, "drive c names no disk"),
        (
            {"drives": (Drive("a", "C:"),)},
            "drive target C: is no device name; it is a prefix (hd, sd, vd, xvd, fd, ubd) and letters, such as vda",
        ),
    ],
)
def test_a_boot_that_no_descriptor_gives(change, told, index):
    boots = [replace(BOOT, **change) if index == at else replace(BOOT, dev=None) for at in range(2)]
    assert message(check_image, replace(WHOLE, boots=tuple(boots))) == f"image: boots[{index}]: {told}"


def test_every_mistake_of_an_image_is_told():
    told = message(check_image, replace(WHOLE, name="", boots=(), disks=(replace(DISK, use="x", format="y"),)))
    assert len(told.splitlines()) == 4
