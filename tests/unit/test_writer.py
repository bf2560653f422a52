# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written as a descriptor reads back as the same image, whatever its texts hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.image import (
    BOOT_DEVICES,
    FEATURES,
    FORMATS,
    STATES,
    USES,
    Boot,
    Disk,
    Drive,
    Image,
    parse_image,
)
from ansible_collections.virt.image.plugins.module_utils._core.names import file_mistake, name_mistake
from ansible_collections.virt.image.plugins.module_utils._core.writer import PLACES, write_image
from ansible_collections.virt.image.tests.unit.support import HERE, examples, message, text

GOOD = sorted(path.stem for path in (HERE / "descriptors").glob("*.xml"))
DISK = Disk("a", "a", "system", None, "raw", {})
BOOT = Boot("hvm", "x86_64", {}, None, "hd", None, None, None, (Drive("a", "vda"),))
SMALL = Image("web", None, None, None, None, (BOOT,), 1, None, 0, False, (DISK,))

LINES = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
TEXTS = st.text(max_size=20).map(lambda told: xml.strip(xml.text_of(told)) or None)
FILES = LINES.filter(lambda told: not file_mistake(told))


@st.composite
def images(draw):
    """An image that a descriptor can say."""
    ids = draw(st.lists(LINES, min_size=1, max_size=3, unique=True))
    disks = tuple(
        Disk(
            one,
            draw(FILES),
            draw(st.sampled_from(USES)),
            draw(st.none() | st.integers(1, 2**33)),
            draw(st.sampled_from(FORMATS)),
            draw(st.just({}) | st.just({"sha256": "a" * 64, "md5": "0" * 32})),
        )
        for one in ids
    )
    kernel = draw(st.none() | FILES)
    boot = Boot(
        draw(st.sampled_from(["hvm", "xen"])),
        draw(st.sampled_from(["x86_64", "aarch64"])),
        draw(st.dictionaries(st.sampled_from(FEATURES), st.sampled_from(STATES))),
        None,
        draw(st.none() | st.sampled_from(BOOT_DEVICES)),
        kernel,
        draw(FILES) if kernel else None,
        draw(TEXTS) if kernel else None,
        tuple(Drive(one, draw(st.none() | st.just(f"vd{letter}"))) for one, letter in zip(ids, "abc")),
    )
    return Image(
        name=draw(LINES.filter(lambda told: not name_mistake(told))),
        version=draw(st.none() | LINES),
        release=draw(st.none() | LINES),
        label=draw(TEXTS),
        description=draw(TEXTS),
        boots=tuple(draw(st.lists(st.just(boot), min_size=1, max_size=3))),
        vcpu=draw(st.integers(1, 65536)),
        memory_kib=draw(st.none() | st.integers(1, 2**43)),
        interfaces=draw(st.integers(0, 3)),
        graphics=draw(st.booleans()),
        disks=disks,
        warnings=tuple(draw(st.lists(st.text(max_size=20) | st.sampled_from([f"{place}: x" for place in PLACES]), max_size=3))),
    )


@pytest.mark.parametrize("name", GOOD)
def test_descriptors_come_back(name):
    image = parse_image(text(f"descriptors/{name}.xml"), outside=True)
    assert replace(parse_image(write_image(image), outside=True), warnings=()) == replace(image, warnings=())


@given(images())
@examples(60)
def test_images_come_back(image):
    written = write_image(image)
    assert replace(parse_image(written, outside=True), warnings=()) == replace(image, warnings=())
    assert write_image(image) == written


@pytest.mark.parametrize("remark", ["-->", "--", "-", "a-", "<!-- x -->", "]]>", "\n\u2028", "\x00\ud800", "memory:--><boom/>"])
def test_no_remark_leaves_its_comment(remark):
    written = write_image(replace(SMALL, warnings=(remark,)))
    assert written.count("<!--") == 1 and written.count("-->") == 1
    assert parse_image(written, strict=True) == SMALL


def test_remarks_stand_where_they_belong():
    lines = write_image(replace(SMALL, memory_kib=1024, warnings=("memory: a", "arch: b", "other: c", "storage: d"))).splitlines()

    def after(remark):
        return next(lines[at + 1].strip() for at, line in enumerate(lines) if f"<!-- {remark} -->" in line)

    assert after("memory: a") == "<memory>1024</memory>"
    assert after("arch: b") == "<arch>x86_64</arch>"
    assert after("other: c") == "<name>web</name>"
    assert after("storage: d") == "<storage>"


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": " x "},
        {"label": ""},
        {"vcpu": 0},
        {"memory_kib": -1},
        {"boots": ()},
        {"interfaces": 300},
        {"boots": (replace(BOOT, arch="no arch"),)},
        {"boots": (replace(BOOT, arch="amd64"),)},
        {"boots": (replace(BOOT, cmdline="x"),)},
        {"disks": (DISK, DISK)},
        {"disks": (replace(DISK, checksums={"md4": "x"}),)},
        {"version": "a\nb"},
    ],
    ids=str,
)
def test_what_no_descriptor_can_say_is_refused(wrong):
    assert message(write_image, replace(SMALL, **wrong))
