# SPDX-License-Identifier: GPL-3.0-or-later
"""OVFs as VMware and VirtualBox write them, and as nobody should."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.image import Image, parse_image
from ansible_collections.virt.image.plugins.module_utils._core.ovf import Machine, parse_manifest, parse_ovf, read_unit
from ansible_collections.virt.image.plugins.module_utils._core.ovf_image import draft_of_ovf
from ansible_collections.virt.image.plugins.module_utils._core.writer import write_image
from ansible_collections.virt.image.tests.unit.mutations import mutated_bytes, mutated_tree
from ansible_collections.virt.image.tests.unit.support import examples, message, text, value_or_words

VMWARE, VIRTUALBOX = text("ovf/vmware.ovf"), text("ovf/virtualbox.ovf")
# What is put in the place of what, and what is said then.
MISTAKES = [
    ("<Envelope ", "<image ", "well-formed"),
    ('<?xml version="1.0" encoding="UTF-8"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', "document type"),
    ("web-disk1.vmdk", "../web.vmdk", "'../web.vmdk' leaves the descriptor's folder"),
    ("web-disk1.vmdk", "/etc/shadow", "'/etc/shadow' is an absolute path"),
    ("web-disk1.vmdk", "", "is missing"),
    ('ovf:id="file1" ', 'ovf:id="file1" ovf:chunkSize="1000" ', "in several pieces"),
    ('ovf:capacity="2147483648" ovf:diskId="vmdisk2" ovf:fileRef="file2"', 'ovf:diskId="vmdisk2"', "neither a file nor a"),
    ('ovf:fileRef="file1"', 'ovf:fileRef="file7"', "names 'file7', which is not in <References>"),
    ("web-disk1.vmdk", "web/./", "names a folder"),
    ('ovf:fileRef="file1"', 'ovf:fileRef="file1" ovf:parentRef="vmdisk2"', "builds on another one"),
    ("ovf:/disk/vmdisk1", "ovf:/disk/vmdisk7", "neither in <References> nor in <DiskSection>"),
    ("ovf:/disk/vmdisk1", "http://example.com/x", "neither in <References> nor in <DiskSection>"),
    ("byte * 2^20", "furlong", "unknown unit, 'furlong'"),
    ("<VirtualSystem ", "<VirtualSystem/><VirtualSystem ", "has 2 virtual systems"),
]
UNITS = {
    "byte * 2^30": 2**30,
    "byte*2^20": 2**20,
    "byte * 10^9": 10**9,
    "byte * 1024": 1024,
    "byte": 1,
    "bytes": 1,
    "": 1,
    "MegaBytes": 2**20,
    "GB": 2**30,
    "byte * 2^200": None,
    "byte * 9^9": None,
    "MegaHertz": None,
}


def image_of(ovf, **options):
    """Return the image of an OVF, once its descriptor was written and read."""
    image = draft_of_ovf(parse_ovf(ovf, "x.ovf"), {}, **options)
    assert parse_image(write_image(image)).name == image.name
    return image


def test_vmware():
    image = image_of(VMWARE)
    boot = image.boots[0]
    assert (image.name, image.version, image.label, image.description) == ("web", "3.1", "Web appliance", "Serves pages.")
    assert (image.vcpu, image.memory_kib, image.interfaces, image.graphics) == (4, 2 * 2**20, 1, True)
    assert [(disk.file, disk.use, disk.size_mib, disk.format) for disk in image.disks] == [
        ("web-disk1.vmdk", "system", 8192, "vmdk"),
        ("web-disk2.vmdk", "user", 2048, "vmdk"),
    ]
    assert [(drive.disk, drive.target) for drive in boot.drives] == [("web-disk1.vmdk", "sda"), ("web-disk2.vmdk", "sdb")]
    assert (boot.arch, boot.dev) == ("x86_64", "hd")
    said = "\n".join(image.warnings)
    for words in ("firmware: efi", "debian10_64Guest", "VM Network", "Sound Card, properties that a user sets", "the first disk"):
        assert words in said


def test_virtualbox():
    image = image_of(VIRTUALBOX)
    assert (image.name, image.version, image.vcpu, image.memory_kib, image.graphics) == ("old machine", None, 2, 2**19, True)
    assert [(disk.file, disk.use, disk.format) for disk in image.disks] == [
        ("old-disk001.vmdk", "system", "vmdk"),
        ("old-disk002.iso", "system", "iso"),
    ]
    assert [drive.target for drive in image.boots[0].drives] == ["hda", None]
    assert any("needs no option" in remark for remark in image.warnings)


def test_a_disk_without_a_file_is_made_empty():
    image = image_of(VMWARE.replace('ovf:fileRef="file1"', "").replace("web-disk2.vmdk", "empty-1.qcow2"))
    assert [(disk.file, disk.use, disk.size_mib, disk.format) for disk in image.disks] == [
        ("_empty-1.qcow2", "user", 8192, "qcow2"),
        ("empty-1.qcow2", "system", 2048, "vmdk"),
    ]
    assert any("_empty-1.qcow2 has no file in the OVF" in remark for remark in image.warnings)


@pytest.mark.parametrize("href", ["./web-disk1.vmdk", ".//web-disk1.vmdk", "././web-disk1.vmdk"])
def test_names_of_files_are_plain(href):
    assert image_of(VMWARE.replace("web-disk1.vmdk", href)) == image_of(VMWARE)
    assert list(parse_manifest(f"SHA1({href})={'0' * 40}".encode(), "x.mf")) == ["web-disk1.vmdk"]


def test_what_the_user_says_comes_first():
    image = image_of(VMWARE, name="mine", version="9")
    assert (image.name, image.version) == ("mine", "9")


@pytest.mark.parametrize("before, after, words", MISTAKES, ids=[words for _before, _after, words in MISTAKES])
def test_mistake(before, after, words):
    assert before in VMWARE
    said = message(parse_ovf, VMWARE.replace(before, after, 1), "x.ovf")
    assert words in said and said.startswith("x.ovf")


@pytest.mark.parametrize("told", sorted(UNITS))
def test_unit(told):
    assert read_unit(told) == UNITS[told]


def test_memory_without_bounds_is_not_known():
    image = image_of(VMWARE.replace(">2048<", f">{'9' * 19}<"))
    assert image.memory_kib is None and any("fill in <memory>" in remark for remark in image.warnings)


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@examples(50)
def test_any_ovf(mutation, data):
    machine = value_or_words(Machine, parse_ovf, data.draw(mutation([VMWARE, VIRTUALBOX])), "x.ovf")
    if machine:
        image = draft_of_ovf(machine, {})
        assert isinstance(image, Image)
        value_or_words(str, write_image, image)


def test_manifest():
    digest = hashlib.sha256(b"x").hexdigest()
    told = f"SHA256(web.ovf)= {digest.upper()}\n\nSHA1(a (b).vmdk)={'0' * 40}\n".encode()
    assert parse_manifest(told, "x.mf") == {"web.ovf": {"sha256": digest}, "a (b).vmdk": {"sha1": "0" * 40}}


@pytest.mark.parametrize("line", ["MD5(x)= 00", "SHA1(x)= 00", f"SHA256(x)= {'0' * 40}", f"SHA1(x)= {'g' * 40}", "nonsense"])
def test_wrong_manifest(line):
    assert message(parse_manifest, line.encode(), "x.mf").startswith("x.mf:1: ")


def test_endless_manifest():
    assert "no manifest needs" in message(parse_manifest, b"\n" * 300_000, "x.mf")
