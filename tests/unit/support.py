# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share: where the data lies, and short ways to the values that most of them begin with."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from hypothesis import settings
from hypothesis import strategies as st
from lxml import etree

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.host import parse_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCHEMA = "/usr/share/libvirt/schemas/domain.rng"
PLUGINS = ROOT / "plugins"
# How many times as many examples the tests over generated input try: script/test fuzz sets it.
FACTOR = int(os.environ.get("VIRT_IMAGE_FUZZ", "1"))
# Texts that have a meaning somewhere, or should have none anywhere; the fuzz tests plant them.
WORDS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "-1",
            "1",
            "hda",
            "xen",
            "hvm",
            "iso",
            "..",
            "/etc",
            "on",
            "pygrub",
            "9" * 30,
            "²",
            "é\u0000",
            "\ud800",
        ]
    ),
    st.text(max_size=12),
)


def examples(count):
    """Return the mark of a test over generated input: so many examples, or as many times more as is asked for."""

    def mark(test):
        return pytest.mark.fuzz(settings(max_examples=count * FACTOR)(test))

    return mark


@lru_cache(maxsize=None)
def schema():
    """Return libvirt's schema of domains, or None where it is not installed."""
    return etree.RelaxNG(etree.parse(SCHEMA)) if os.path.exists(SCHEMA) else None


def judged(domain_xml):
    """Return the XML of a domain that is to be defined; libvirt's schema accepts it, or the test fails."""
    rules = schema()
    if rules is not None:
        assert rules.validate(etree.fromstring(domain_xml)), f"{rules.error_log.last_error}\n{domain_xml}"
    return domain_xml


def untouched(live):
    """Return whether the tree of a live domain, which all share, is as it was read."""
    fresh = etree.fromstring(live.xml, etree.XMLParser(remove_comments=True, remove_pis=True))
    return etree.tostring(live.tree) == etree.tostring(fresh)


def text(name):
    """Return the text of a file of the test data."""
    return (HERE / name).read_text(encoding="utf-8")


def table(name):
    """Return the rows of a YAML table, ready for parametrize: each with its name."""
    return [pytest.param(row, id=row["name"]) for row in yaml.safe_load(text(name))]


def host(name="qemu"):
    """Return the host of a file in capabilities/."""
    return parse_capabilities(text(f"capabilities/{name}.xml"))


def guest(**options):
    """Return a guest with these options, and an image, which every guest needs."""
    return parse_guest({"image": "image.xml", "state": "present", **options})


def image(boots='<boot type="hvm"><guest><arch>x86_64</arch></guest>{drives}</boot>', disks="", drives="", name="web"):
    """Return a small image with these boots and disks."""
    return parse_image(
        f"<image><name>{name}</name><domain>{boots.format(drives=drives)}<devices><memory>524288</memory>"
        f"<interface/></devices></domain><storage>{disks}</storage></image>"
    )


def until(found, seconds=10):
    """Return what a function finds, once it does, or after a while."""
    end = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < end:
        time.sleep(0.005)
    return value


def message(call, *arguments, **options):
    """Return the text of the ImageError that a call raises, or an empty text where it raises none."""
    try:
        call(*arguments, **options)
    except ImageError as error:
        return str(error)
    return ""


def value_or_words(kind, call, *arguments):
    """Return what a call gives; it is of a kind, or the call raises our error with words in it."""
    try:
        made = call(*arguments)
    except ImageError as error:
        assert str(error).strip()
        return None
    assert isinstance(made, kind)
    return made
