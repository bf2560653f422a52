# SPDX-License-Identifier: GPL-3.0-or-later
"""An OVF, in a folder or an archive, becomes the folder of an image; none that is odd or hostile does."""

from __future__ import annotations

import hashlib
import os

import pytest

from ansible_collections.virt.image.plugins.module_utils._io.capture import capture
from ansible_collections.virt.image.tests.unit.captures import DISK, MIB, Heard, archive, contents, made, params, plan_of, write
from ansible_collections.virt.image.tests.unit.support import message, text

OVF = text("ovf/vmware.ovf")
DISKS = {"web-disk1.vmdk": DISK, "web-disk2.vmdk": bytes(2 * MIB)}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def manifest(**changed):
    files = {"web.ovf": OVF.encode(), **DISKS}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return "".join(f"SHA256({name})= {digest}\n" for name, digest in {**sums, **changed}.items()).encode()


def test_reading_what_is_packed_tells_how_far_it_is():
    write("web.ova", archive({"web.ovf": OVF.encode(), "web.mf": manifest(), **DISKS}))
    heard = Heard()
    capture(params(ovf="web.ova", folder="new"), heard)
    sizes = {"web.ovf": len(OVF.encode()), **{name: len(content) for name, content in DISKS.items()}}
    assert heard.all == [(f"read {name} for its SHA-256", size, size) for name, size in sizes.items()]


@pytest.mark.parametrize("packed", [True, False])
def test_ovf(packed):
    # Raw disks under another name: the file knows its format best.
    files = {"web.ovf": OVF.encode(), "web.mf": manifest(), **DISKS}
    for name, content in files.items():
        write(f"in/{name}", content)
    write("web.ova", archive(files))
    told = made(ovf="web.ova" if packed else "in/web.ovf", folder="new")
    found = contents("new")
    assert {name: found[name] for name in DISKS} == DISKS
    assert [disk["format"] for disk in told["image"]["disks"]] == ["raw", "raw"]
    assert told["image"]["boots"][0]["arch"] == "aarch64" and told["firmware"] == "efi"


def test_beside_the_ovf():
    for name, content in {"web.ovf": OVF.encode(), **DISKS}.items():
        write(f"in/{name}", content)
    assert len(made(ovf="in/web.ovf")["actions"]) == 1


@pytest.mark.parametrize(
    "files, words",
    [
        ({}, "is no tar archive"),
        ({"x.txt": b""}, "has no .ovf in it; it has x.txt"),
        ({"web.ovf": OVF.encode()}, "names web-disk1.vmdk, which is not in it"),
        ({"web.ovf": OVF.encode(), "web.mf": b"nonsense"}, "web.mf:1: is no line of a manifest"),
        ({"web.ovf": b"<Envelope/>", "web.mf": manifest()}, "web.ovf has the sha256 checksum"),
        ({"web.ovf": OVF.encode(), "web.mf": manifest(**{"web-disk2.vmdk": "0" * 64}), **DISKS}, "web-disk2.vmdk has the sha256"),
        ({"web.ovf": OVF.encode(), **DISKS, "web-disk1.vmdk": b""}, "web-disk1.vmdk, which is empty"),
        ({"../web.ovf": OVF.encode()}, "leaves the descriptor's folder"),
    ],
)
def test_wrong_archives(files, words):
    write("web.ova", archive(files))
    assert words in message(capture, params(ovf="web.ova", folder="new"))


@pytest.mark.parametrize(
    "name, words",
    [
        ("image.xml", "image.xml would go there too"),
        ("./image.xml", "image.xml would go there too"),
        (".image.xml.part", "begins with a dot"),
        (".image.xml.part/x", "begins with a dot"),
        ("image.xml/x", "is a folder to one of them"),
        ("web-disk2.vmdk/x", "is a folder to one of them"),
    ],
)
def test_disks_in_one_place(name, words):
    write("web.ova", archive({"web.ovf": OVF.replace("web-disk1.vmdk", name).encode(), **DISKS, name: DISK}))
    for anew in (False, True):
        assert words in message(capture, params(ovf="web.ova", folder="new", replace=anew))
    assert not os.path.exists("new")


def test_disks_in_one_place_by_a_link():
    ovf = OVF.replace("web-disk1", "sub/web-disk2")
    write("web.ova", archive({"web.ovf": ovf.encode(), **DISKS, "sub/web-disk2.vmdk": DISK}))
    os.makedirs("new")
    os.symlink(".", "new/sub")
    assert "web-disk2.vmdk would go there too" in message(capture, params(ovf="web.ova", folder="new"))


@pytest.mark.parametrize("packed", [True, False])
def test_a_disk_with_two_names(packed):
    ovf = OVF.replace("web-disk1.vmdk", "a.raw").replace("web-disk2.vmdk", "./a.raw")
    files = {"web.ovf": ovf.encode(), ".//a.raw" if packed else "a.raw": DISK}
    files["web.mf"] = f"SHA256(./a.raw)= {hashlib.sha256(DISK).hexdigest()}\nSHA256(web.ovf)= {sha256(ovf)}\n".encode()
    for name, content in files.items():
        write(f"in/{name}", content)
    write("web.ova", archive(files))
    told = made(ovf="web.ova" if packed else "in/web.ovf", folder="new")
    assert [disk["file"] for disk in told["image"]["disks"]] == ["a.raw"]
    assert "manifest" not in told["descriptor"]
    assert contents("new")["a.raw"] == DISK


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_files_that_the_manifest_does_not_list():
    listed = manifest().replace(b"web-disk2.vmdk", b"web-disk3.vmdk")
    write("web.ova", archive({"web.ovf": OVF.encode(), "web.mf": listed, **DISKS}))
    assert "not in the manifest: web-disk2.vmdk" in plan_of(ovf="web.ova", folder="new").warnings[0]
    assert "not in the manifest: web-disk2.vmdk" in made(ovf="web.ova", folder="new")["descriptor"]
    write("web.ova", archive({"web.ovf": OVF.encode(), "web.mf": b"", **DISKS}))
    told = plan_of(ovf="web.ova", folder="other").warnings[0]
    assert "not in the manifest: web.ovf, web-disk1.vmdk, web-disk2.vmdk" in told


def test_a_disk_that_is_empty_in_the_ovf():
    write("web.ova", archive({"web.ovf": OVF.replace('ovf:fileRef="file1"', "").encode(), **DISKS}))
    told = made(ovf="web.ova", folder="new")
    assert [(disk["file"], disk["use"], disk["size_mib"]) for disk in told["image"]["disks"]] == [
        ("empty-1.qcow2", "user", 8192),
        ("web-disk2.vmdk", "system", 2),
    ]
    assert list(contents("new")) == ["image.xml", "web-disk2.vmdk"]


def test_an_ovf_of_nothing_but_an_empty_disk():
    ovf = OVF.replace('ovf:fileRef="file1"', "").replace('ovf:fileRef="file2"', "")
    write("web.ova", archive({"web.ovf": ovf.encode()}))
    assert "has no disk with a file" in message(capture, params(ovf="web.ova", folder="new"))


def test_an_archive_is_not_replaced_by_what_is_in_it():
    write("new/web.ova", archive({"web.ovf": OVF.replace("web-disk1.vmdk", "web.ova").encode(), **DISKS, "web.ova": DISK}))
    assert "is itself what is copied" in message(capture, params(ovf="new/web.ova", folder="new", replace=True))


def test_an_archive_needs_a_folder():
    write("web.ova", archive({"web.ovf": OVF.encode(), **DISKS}))
    assert message(capture, params(ovf="web.ova")).startswith("folder: ")


def test_a_disk_that_is_a_link_out_of_the_folder():
    write("in/web.ovf", OVF.encode())
    os.symlink("/etc/hostname", "in/web-disk1.vmdk")
    assert "out of the descriptor's folder" in message(capture, params(ovf="in/web.ovf"))
