# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as doors: what is no image, host or guest is refused in words, and the options reach the core."""

from __future__ import annotations

import re

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.changes import FilterModule as ChangesModule
from ansible_collections.virt.image.plugins.filter.image import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.plugin_utils.door import door
from ansible_collections.virt.image.tests.unit.support import text

FILTERS = {**FilterModule().filters(), **ChangesModule().filters()}
MANUAL, QEMU = text("descriptors/manual.xml"), text("capabilities/qemu.xml")

# A plain image need not come from our own filter, and may be years old.
IMAGE_LIES = [
    ("boots.0.drives.0.disk", "gone"),
    ("boots.0.drives.0.target", "C:"),
    ("boots.0.type", "uml"),
    ("boots.0.features", {"acpi": "maybe"}),
    ("disks.0.format", "vhd"),
    ("name", "../x"),
    ("boots", []),
]


def planted(plain, path, value):
    """Return a plain value with another value at a path like boots.0.type."""
    *way, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    place = plain
    for key in way:
        place = place[key]
    place[last] = value
    return plain


def image():
    return FILTERS["from_descriptor"](MANUAL)


def host():
    return FILTERS["from_capabilities"](QEMU)


def refused(name, *arguments, **options):
    """Return what a filter says; it must be our own words, not Python's of a type that did not fit."""
    with pytest.raises(AnsibleFilterError) as caught:
        FILTERS[name](*arguments, **options)
    assert isinstance(caught.value.__cause__, ImageError), caught.value
    return str(caught.value)


def test_names():
    assert sorted(FILTERS) == [
        "domain_changes",
        "from_capabilities",
        "from_descriptor",
        "from_domain_xml",
        "from_ovf",
        "match_boots",
        "to_descriptor",
        "to_domain_xml",
    ]


@pytest.mark.parametrize("path, value", IMAGE_LIES, ids=[path for path, _value in IMAGE_LIES])
def test_no_image_that_no_descriptor_gives(path, value):
    assert refused("to_domain_xml", planted(image(), path, value), host()).startswith("virt.image.to_domain_xml: ")


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize("value", [None, 1, [], {}, True, ["x"], {"name": "x"}], ids=repr)
def test_wrong_first_argument(name, value):
    more = {"match_boots": [host()], "to_domain_xml": [host()], "domain_changes": ["<domain/>"]}
    refused(name, value, *more.get(name, []))


@pytest.mark.parametrize(
    "options",
    [
        {"guest": "web"},
        {"guest": ["web"]},
        {"guest": {"vcpus": "x"}},
        {"guest": {"xml": "<cpu>"}},
        {"guest": {"memroy": "1 GiB"}},
        {"folder": 1},
        {"folder": "relative"},
        {"session": "no"},
    ],
    ids=repr,
)
def test_wrong_options_of_to_domain_xml(options):
    refused("to_domain_xml", image(), host(), **options)


@pytest.mark.parametrize(
    "options",
    [{"boot": 7}, {"boot": -1}, {"virt_type": 3}, {"machine": ["pc"]}, {"unlisted_features": "of"}],
    ids=repr,
)
def test_wrong_options_of_match_boots(options):
    refused("match_boots", image(), host(), **options)


@pytest.mark.parametrize("value", [1, None, "<domainCapabilities/>", ["<x/>"], [1]], ids=repr)
def test_wrong_domain_capabilities(value):
    refused("from_capabilities", QEMU, domain_capabilities=value)


@pytest.mark.parametrize("value", [1, 0, None, "true", "no", [], {}], ids=repr)
@pytest.mark.parametrize("option", ["strict", "allow_outside_files"])
def test_wrong_options_of_from_descriptor(option, value):
    assert f"{option} must be true or false" in refused("from_descriptor", MANUAL, **{option: value})


def test_what_the_format_does_not_know_is_a_mistake_with_strict():
    unknown = MANUAL.replace("<image>", '<image color="blue">', 1)
    assert "color" in FILTERS["from_descriptor"](unknown)["warnings"][0]
    assert "color" in refused("from_descriptor", unknown, strict=True)


def test_files_elsewhere_where_the_user_allows_them():
    outside = MANUAL.replace('file="isos', 'file="../isos')
    assert "leaves the descriptor's folder" in refused("from_descriptor", outside)
    assert FILTERS["from_descriptor"](outside, allow_outside_files=True)["disks"][1]["file"].startswith("../")


def test_domain_capabilities_reach_the_host():
    told = FILTERS["from_capabilities"](QEMU, domain_capabilities=[text("capabilities/domain-qemu.xml")])
    assert [one["machine"] for one in told["domain_capabilities"]] == ["pc-i440fx-7.2"]


def test_the_host_s_default_for_unlisted_features():
    told = FILTERS["match_boots"](image(), host(), unlisted_features="host_default")
    assert told["verdicts"][0]["features"] == {"pae": False, "acpi": True, "apic": True}
    # YAML 1.1 reads off as false.
    told = FILTERS["match_boots"](image(), host(), unlisted_features=False)
    assert told["verdicts"][0]["features"] == {"pae": False, "acpi": False, "apic": True}


@pytest.mark.parametrize("arguments, options", [((), {}), ((1, 2, 3, 4), {}), ((MANUAL,), {"stirct": True})], ids=repr)
def test_options_that_a_filter_has_not(arguments, options):
    with pytest.raises(AnsibleFilterError, match="virt.image.from_descriptor: (missing a required|too many|got an unexpected)"):
        FILTERS["from_descriptor"](*arguments, **options)


def test_a_defect_is_no_mistake_of_the_user():
    def broken(_value):
        return "1" + 1

    with pytest.raises(TypeError):
        door(broken)("x")


def test_the_same_bytes_each_time():
    assert FILTERS["to_domain_xml"](image(), host()) == FILTERS["to_domain_xml"](image(), host())


WANTED, LIVE = text("live/web1.wanted.xml"), text("live/web1.xml")


def test_what_differs_between_wanted_and_live():
    assert FILTERS["domain_changes"](WANTED, LIVE) == []
    assert FILTERS["domain_changes"](WANTED.replace("<vcpu>4<", "<vcpu>2<"), LIVE) == [
        {"path": "vcpu", "before": "4", "after": "2"}
    ]


def test_what_was_applied_and_is_not_wanted_differs_where_there_is_a_record():
    less = WANTED.replace("<title>A small Linux</title>", "")
    assert [change["path"] for change in FILTERS["domain_changes"](less, LIVE)] == ["title"]
    strangers = re.sub(r"(?s)<metadata>.*</metadata>", "", LIVE)
    assert FILTERS["domain_changes"](less, strangers) == []


def test_changes_show_no_secrets():
    cookie = "<cookies><cookie name='a'>s3cret</cookie></cookies></source>"
    wanted = WANTED.replace("<graphics ", "<graphics passwd='s3cret' ").replace("</source>", cookie)
    wanted = re.sub(r"(<source file=[^>]*)/>", rf"\1>{cookie}", wanted, count=1)
    told = FILTERS["domain_changes"](wanted, LIVE)
    assert [change["path"] for change in told] == ["devices/disk[vda]/source/cookies", "devices/graphics[vnc]/@passwd"]
    assert "s3cret" not in repr(told)
    assert told[1] == {"path": "devices/graphics[vnc]/@passwd", "before": None, "after": "********"}


@pytest.mark.parametrize("value", [None, 1, [], "", "<network/>", "<domain>"], ids=repr)
def test_wrong_live_domain(value):
    assert "live domain" in refused("domain_changes", WANTED, value)


def test_an_image_is_written_as_it_was_read():
    assert FILTERS["from_descriptor"](FILTERS["to_descriptor"](image())) == image()


def test_what_comes_from_elsewhere_is_written_with_its_remarks():
    for name, given in (("from_domain_xml", text("live/web1.xml")), ("from_ovf", text("ovf/vmware.ovf"))):
        made = FILTERS[name](given)
        written = FILTERS["to_descriptor"](made)
        assert made["warnings"] and all(remark in written for remark in made["warnings"])
        assert FILTERS["from_descriptor"](written) == {**made, "warnings": []}
