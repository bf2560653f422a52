# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of an image: whole or not at all, nothing overwritten unasked, and the same again changes nothing."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._io import carry_capture, describe
from ansible_collections.virt.image.plugins.module_utils._io.capture import capture
from ansible_collections.virt.image.tests.unit.captures import (
    DISK,
    MIB,
    OTHER,
    SCRATCH_ADDED,
    Heard,
    archive,
    contents,
    made,
    params,
    plan_of,
    write,
)
from ansible_collections.virt.image.tests.unit.support import message


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_beside_the_disk():
    write("cloud/disk.raw", DISK)
    told = made(disk="cloud/disk.raw")
    image = parse_image(contents("cloud")["image.xml"])
    assert told["firmware"] == "efi" and image.boots[0].arch == "aarch64"
    assert image.disks[0].checksums == {"sha256": hashlib.sha256(DISK).hexdigest()}
    assert list(contents("cloud")) == ["disk.raw", "image.xml"]


def test_copied_with_its_holes():
    write("disk.raw", DISK + bytes(30 * MIB))
    made(disk="disk.raw", folder="new/deep")
    assert contents("new/deep")["disk.raw"] == DISK + bytes(30 * MIB)
    assert os.stat("new/deep/disk.raw").st_blocks * 512 < 8 * MIB


def test_a_compressed_disk_stays_as_it_is():
    write("disk.img.gz", gzip.compress(DISK))
    told = made(disk="disk.img.gz", folder="new")
    image = parse_image(told["descriptor"])
    assert (image.disks[0].file, image.disks[0].format, image.disks[0].size_mib) == ("disk.img.gz", "raw", None)
    assert "a guess, as nothing tells it" in told["descriptor"]


@pytest.mark.parametrize("format", ["qcow2", "vmdk", "vdi"])
def test_other_formats_are_looked_into(format):
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    write("disk.raw", DISK)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format, "disk.raw", f"disk.{format}"], check=True)
    told = made(disk=f"disk.{format}", folder="new")
    assert told["firmware"] == "efi" and told["image"]["boots"][0]["arch"] == "aarch64"
    assert told["image"]["disks"][0]["format"] == format


def test_without_qemu_img_nothing_is_seen(monkeypatch):
    head = bytearray(open_qcow2())
    write("disk.qcow2", bytes(head))
    monkeypatch.setenv("PATH", "/nowhere")
    told = made(disk="disk.qcow2", folder="new")
    assert told["firmware"] is None and "was not looked at: cannot read" in told["descriptor"]


def open_qcow2():
    """Return the header of an empty qcow2 of 1 MiB."""
    import struct

    head = bytearray(MIB)
    struct.pack_into(">4sIQIIQIIQQIIQ", head, 0, b"QFI\xfb", 3, 0, 0, 16, MIB, 0, 1, 65536, 131072, 1, 0, 0)
    struct.pack_into(">QQQII", head, 72, 0, 0, 0, 4, 104)
    return head


def test_what_was_edited_stays():
    write("disk.raw", DISK)
    made(disk="disk.raw")
    edited = contents(".")["image.xml"].decode().replace("<vcpu>1<", "<vcpu>4<")
    write("image.xml", edited.encode())
    assert plan_of(disk="disk.raw").steps == ()
    assert capture(params(disk="disk.raw")).plans[0].after == edited
    made(disk="disk.raw", replace=True)
    assert b"<vcpu>1<" in contents(".")["image.xml"]


def test_what_is_there_stays():
    write("disk.raw", DISK)
    write("new/disk.raw", b"mine")
    assert "is another file; replace: true" in message(capture, params(disk="disk.raw", folder="new"))
    write("new/image.xml", OTHER)
    said = message(capture, params(disk="disk.raw", folder="new"))
    assert "describes other disks" in said and len(said.splitlines()) == 2
    assert contents("new")["disk.raw"] == b"mine"
    made(disk="disk.raw", folder="new", replace=True)
    assert contents("new")["disk.raw"] == DISK


@pytest.mark.parametrize("name", ["disk.raw", "image.xml"])
def test_a_folder_is_not_replaced(name):
    write("disk.raw", DISK)
    os.makedirs(f"new/{name}")
    assert "is a folder, and a file would go there" in message(capture, params(disk="disk.raw", folder="new", replace=True))


def test_a_link_is_not_followed():
    write("disk.raw", DISK)
    os.makedirs("new")
    os.symlink("/etc/hostname", "new/disk.raw")
    assert "is another file" in message(capture, params(disk="disk.raw", folder="new"))
    made(disk="disk.raw", folder="new", replace=True)
    assert not os.path.islink("new/disk.raw")


@pytest.mark.parametrize("content", [b"", b"\x7fELF"[:0], open_qcow2()[:100]], ids=["empty", "nothing", "cut off"])
def test_no_disk(content):
    write("disk.raw", bytes(content))
    assert message(capture, params(disk="disk.raw"))


@pytest.mark.parametrize("disk", ["gone.raw", ".", "/dev/null", "a\0b", "/dev/zero"])
def test_no_file(disk):
    assert message(capture, params(disk=disk))


def test_a_disk_on_another_is_refused():
    head = open_qcow2()
    head[8:20] = (1024).to_bytes(8, "big") + (11).to_bytes(4, "big")
    head[1024:1035] = b"/etc/shadow"
    write("disk.qcow2", bytes(head))
    assert "builds on '/etc/shadow'" in message(capture, params(disk="disk.qcow2"))


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
def test_an_archive_is_no_disk(packing):
    write("disk.img", packing(archive({"disk.raw": DISK})))
    assert "is a tar archive; unpack it" in message(capture, params(disk="disk.img"))


def test_what_begins_as_no_disk_is_asked_about():
    write("notes.txt", b"Buy milk.\n" * 100)
    assert "is it one?" in made(disk="notes.txt")["descriptor"]


@pytest.mark.parametrize("name", ["../x", "", "a/b", "-x", "x" * 200])
def test_wrong_name(name):
    write("disk.raw", DISK)
    said = message(capture, params(disk="disk.raw", name=name))
    assert bool(said) == bool(name)


def test_no_room(monkeypatch):
    write("disk.raw", DISK)
    monkeypatch.setattr(carry_capture, "room", lambda _path: 1000)
    with pytest.raises(ImageError, match="1000 B are free"):
        made(disk="disk.raw", folder="new")
    assert contents("new") == {}


def test_a_copy_that_breaks_leaves_nothing(monkeypatch):
    write("disk.raw", DISK)
    plan = capture(params(disk="disk.raw", folder="new"))
    write("disk.raw", DISK[:5000])
    assert "became shorter" in carry_capture.carry_out(plan, None)[0].error
    assert contents("new") == {}


def test_what_came_meanwhile_stays():
    write("disk.raw", DISK)
    outcome = capture(params(disk="disk.raw", folder="new"))
    write("new/disk.raw", b"mine")
    assert "came there meanwhile" in carry_capture.carry_out(outcome, None)[0].error
    assert contents("new") == {"disk.raw": b"mine"}


def test_a_folder_that_cannot_be():
    write("disk.raw", DISK)
    write("file", b"")
    assert "cannot look there: Not a directory" in message(capture, params(disk="disk.raw", folder="file/new"))
    assert "null character" in message(capture, params(disk="disk.raw", folder="a\0b"))
    assert "cannot write" in carry_capture.carry_out(capture(params(disk="disk.raw", folder="/proc/new")), None)[0].error


def test_a_descriptor_alone():
    write("disk.raw", DISK)
    told = describe.descriptor_info({"disk": "disk.raw"}).report([])
    assert told["firmware"] == "efi" and parse_image(told["descriptor"]).disks[0].file == "disk.raw"
    assert os.listdir(".") == ["disk.raw"]


def test_reading_a_disk_to_plan_with_tells_how_far_it_is():
    write("disk.raw", DISK)
    read = ("read disk.raw for its SHA-256", len(DISK), len(DISK))
    heard = Heard()
    describe.descriptor_info({"disk": "disk.raw"}, heard)
    assert heard.all == [read]
    heard = Heard()
    capture(params(disk="disk.raw", folder="new"), heard)
    assert heard.all == [read]
    # A copy that is there is read, too.
    made(disk="disk.raw", folder="new")
    heard = Heard()
    capture(params(disk="disk.raw", folder="new"), heard)
    assert heard.all == [read, read]


@pytest.mark.parametrize("folder", [None, "out"])
@pytest.mark.parametrize("name, words", [("image.xml", "would go there too"), (".image.xml.part", "begins with a dot")])
def test_a_disk_in_the_place_of_the_descriptor(folder, name, words):
    write(f"src/{name}", DISK)
    for anew in (False, True):
        assert words in message(capture, params(disk=f"src/{name}", folder=folder, replace=anew))
    assert contents("src") == {name: DISK}


EDITS = [
    SCRATCH_ADDED,
    ("<checksum ", f'<checksum type="sha512">{hashlib.sha512(DISK).hexdigest()}</checksum><checksum '),
    (f'<checksum type="sha256">{hashlib.sha256(DISK).hexdigest()}</checksum>', ""),
    ('file="disk.raw"', 'id="root" file="./disk.raw"'),
    ('drive disk="disk.raw"', 'drive disk="root"'),
]


@pytest.mark.parametrize("edits", [EDITS[:1], EDITS[1:2], EDITS[2:3], EDITS[3:]], ids=["scratch", "sha512", "none", "id"])
def test_usual_edits_stay(edits):
    write("disk.raw", DISK)
    edited = made(disk="disk.raw")["descriptor"]
    for before, after in edits:
        assert before in edited
        edited = edited.replace(before, after)
    write("image.xml", edited.encode())
    assert plan_of(disk="disk.raw").steps == ()
    assert capture(params(disk="disk.raw")).plans[0].after == edited


def test_a_disk_that_changed_is_told():
    write("disk.raw", DISK)
    made(disk="disk.raw")
    write("disk.raw", DISK + bytes(MIB))
    assert "has another SHA-256 for disk.raw" in message(capture, params(disk="disk.raw"))
    made(disk="disk.raw", replace=True)


def test_a_second_image_in_the_folder():
    write("one.raw", DISK)
    write("two.raw", DISK)
    made(disk="one.raw")
    said = message(capture, params(disk="two.raw"))
    assert "describes other disks than two.raw; " in said
    assert said.index("another folder") < said.index("replace: true")
    told = made(disk="two.raw", descriptor="two.xml")
    assert told["descriptor_file"].endswith("/two.xml") and sorted(contents(".")) == ["image.xml", "one.raw", "two.raw", "two.xml"]


@pytest.mark.parametrize("name", ["", " ", "../x.xml", "/x.xml", "a/b.xml", ".x.xml", "a\0b", "disk.raw"])
def test_no_name_of_a_descriptor(name):
    write("disk.raw", DISK)
    said = message(capture, params(disk="disk.raw", descriptor=name, replace=True))
    assert "is no name of a file" in said or name == "disk.raw" and "disk.raw would go there too" in said


def test_a_descriptor_in_another_encoding():
    write("disk.raw", DISK)
    told = made(disk="disk.raw")["descriptor"]
    edited = told.replace("UTF-8", "ISO-8859-1").replace("</name>", "</name><label>Bär</label>")
    write("image.xml", edited.encode("latin-1"))
    outcome = capture(params(disk="disk.raw"))
    assert outcome.plans[0].steps == ()
    assert outcome.report(carry_capture.carry_out(outcome, None))["image"]["label"] == "Bär"
    assert outcome.plans[0].after == edited


def test_an_empty_descriptor_is_none():
    write("disk.raw", DISK)
    write("image.xml", b"")
    assert "image.xml" in message(capture, params(disk="disk.raw"))
    made(disk="disk.raw", replace=True)


@pytest.mark.parametrize("mode, copied", [(0o600, 0o600), (0o640, 0o640), (0o666, 0o644), (0o444, 0o444)])
def test_a_copy_is_open_to_no_more_than_its_source(mode, copied):
    write("disk.raw", DISK)
    os.chmod("disk.raw", mode)
    made(disk="disk.raw", folder="new")
    assert os.stat("new/disk.raw").st_mode & 0o777 == copied
