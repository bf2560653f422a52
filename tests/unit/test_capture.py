# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of an image: whole or not at all, nothing overwritten unasked, and the same again changes nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._io import capture as captures
from ansible_collections.virt.image.plugins.module_utils._io import carry_capture, connection, describe, piece
from ansible_collections.virt.image.plugins.module_utils._io.capture import capture
from ansible_collections.virt.image.tests.unit import platters
from ansible_collections.virt.image.tests.unit.support import message, text

MIB = 2**20
DISK = platters.gpt((platters.ESP, platters.fat(loader="BOOTAA64")))
OVF = text("ovf/vmware.ovf")
DOMAIN = """<domain type='qemu'><name>old</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{path}'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def params(**given):
    usual = {"disk": None, "domain": None, "ovf": None, "folder": None, "name": None, "version": None, "replace": False}
    return {**usual, "descriptor": "image.xml", "uri": "qemu:///system", **given}


def plan_of(**given):
    return capture(params(**given)).plans[0]


def made(**given):
    """Make an image; return what was done, once check mode said the same and a repeat does nothing."""
    outcome = capture(params(**given))
    before = sorted(os.walk("."))
    said = [str(step) for step in capture(params(**given)).plans[0].steps]
    assert sorted(os.walk(".")) == before
    done = carry_capture.carry_out(outcome, None)
    if done[0].error:
        raise ImageError(done[0].error)
    told = outcome.report(done)
    assert told["actions"] == said
    assert not [name for _folder, _folders, names in os.walk(".") for name in names if name.endswith(".part")]
    assert plan_of(**{**given, "replace": False}).steps == ()
    return told


def contents(folder):
    return {name: open(os.path.join(folder, name), "rb").read() for name in sorted(os.listdir(folder))}


def write(name, content):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "wb") as file:
        file.write(content)


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
    write("new/image.xml", write_other())
    said = message(capture, params(disk="disk.raw", folder="new"))
    assert "describes other disks" in said and len(said.splitlines()) == 2
    assert contents("new")["disk.raw"] == b"mine"
    made(disk="disk.raw", folder="new", replace=True)
    assert contents("new")["disk.raw"] == DISK


def write_other():
    return b'<image><name>x</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest></boot></domain></image>'


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


@pytest.mark.parametrize("folder", [None, "out"])
@pytest.mark.parametrize("name, words", [("image.xml", "would go there too"), (".image.xml.part", "begins with a dot")])
def test_a_disk_in_the_place_of_the_descriptor(folder, name, words):
    write(f"src/{name}", DISK)
    for anew in (False, True):
        assert words in message(capture, params(disk=f"src/{name}", folder=folder, replace=anew))
    assert contents("src") == {name: DISK}


EDITS = [
    ("</storage>", '<disk file="more.raw" use="scratch" size="8" format="raw"/></storage>'),
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


# OVF

DISKS = {"web-disk1.vmdk": DISK, "web-disk2.vmdk": bytes(2 * MIB)}


def manifest(**changed):
    files = {"web.ovf": OVF.encode(), **DISKS}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return "".join(f"SHA256({name})= {digest}\n" for name, digest in {**sums, **changed}.items()).encode()


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


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


# Domains


@pytest.fixture(name="domain")
def _domain(monkeypatch):
    """A domain of a libvirt that is not there: its state and its XML can be set."""
    told = SimpleNamespace(state="shutoff", xml="", saved=False, is_local=True)

    class Link:
        def __init__(self, _uri):
            self.is_local = told.is_local

        def __enter__(self):
            return self

        def __exit__(self, *_exception):
            pass

        def live(self, name):
            return Live(name, told.xml, told.state, False, saved=told.saved) if name == "old" else None

        def volume_path(self, _pool, volume):
            return os.path.abspath(volume) if os.path.exists(volume) else None

    monkeypatch.setattr(connection, "Connection", Link)
    monkeypatch.setattr(captures, "require", lambda *_names: None)
    return told


def given_domain(domain, format="raw", path="disk.raw"):
    domain.xml = DOMAIN.format(format=format, path=os.path.abspath(path))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"state": "running"}, "is running, so that its disks are not whole"),
        ({"state": "paused"}, "is paused"),
        ({"saved": True}, "is saved"),
        ({"is_local": False}, "is another host"),
    ],
    ids=str,
)
def test_domain_that_cannot_be_captured(domain, change, words):
    write("disk.raw", DISK)
    given_domain(domain)
    for key, value in change.items():
        setattr(domain, key, value)
    assert words in message(capture, params(domain="old", folder="new"))


@pytest.mark.parametrize(
    "before, after, words",
    [
        ("file='", "file='/gone", "cannot read"),
        ("<source file='", "<source protocol='rbd' name='", "disk vda: is of type network (rbd)"),
        ("type='raw'", "type='qcow2'", "is raw; qcow2 was expected"),
        ("<source file='", "<source pool='p' volume='gone' x='", "is of type volume"),
    ],
)
def test_disk_that_cannot_be_captured(domain, before, after, words):
    write("disk.raw", DISK)
    given_domain(domain)
    domain.xml = domain.xml.replace(before, after)
    if "protocol" in after:
        domain.xml = domain.xml.replace("<disk type='file'", "<disk type='network'")
    if "pool" in after:
        domain.xml = domain.xml.replace("<disk type='file'", "<disk type='volume'")
    assert words in message(capture, params(domain="old", folder="new"))


def test_no_domain(domain):
    assert "domain gone does not exist" in message(capture, params(domain="gone", folder="new"))


@pytest.fixture(name="chain")
def _chain(domain):
    """The domain's disk is an overlay, and libvirt was not told what is below it."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    write("disk.raw", DISK)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "disk.raw", "-F", "raw", "top.qcow2"], check=True)
    given_domain(domain, "qcow2", "top.qcow2")
    return domain


def test_a_chain_becomes_one_file(chain):
    told = made(domain="old", folder="new")
    assert [disk["file"] for disk in told["image"]["disks"]] == ["vda.qcow2"]
    assert told["image"]["disks"][0]["checksums"]["sha256"] == hashlib.sha256(contents("new")["vda.qcow2"]).hexdigest()
    assert told["image"]["disks"][0]["size_mib"] == len(DISK) // MIB
    assert os.stat("new/vda.qcow2").st_mode & 0o777 == 0o600
    assert piece.facts_of(piece.piece_of("new/vda.qcow2"), "vda.qcow2").sight.arch == "aarch64"
    # Captured as it is, it may run again.
    chain.state = "running"
    os.utime("new/image.xml", (1, 1))
    assert plan_of(domain="old", folder="new").warnings == ()
    os.utime("top.qcow2", (2**32, 2**32))
    # The descriptor is edited later than that.
    os.utime("new/image.xml", (2**33, 2**33))
    again = plan_of(domain="old", folder="new")
    assert again.steps == () and "was written to since" in again.warnings[0]


def test_an_edited_image_of_a_domain_stays(chain):
    assert chain
    edited = made(domain="old", folder="new")["descriptor"]
    for before, after in (EDITS[0], ("<checksum ", f'<checksum type="sha512">{"0" * 128}</checksum><checksum ')):
        edited = edited.replace(before, after)
    write("new/image.xml", edited.encode())
    assert plan_of(domain="old", folder="new").steps == ()
    os.unlink("new/vda.qcow2")
    os.symlink("/nowhere", "new/vda.qcow2")
    assert plan_of(domain="old", folder="new").steps == ()
    os.unlink("new/vda.qcow2")
    assert "vda.qcow2 is not there" in message(capture, params(domain="old", folder="new"))


@pytest.mark.parametrize("live", ["vda.qcow2", ".vda.qcow2.part", "image.xml", ".image.xml.part"])
@pytest.mark.parametrize("layer", ["top", "base"])
def test_the_disks_of_a_domain_are_not_replaced_by_their_copies(chain, live, layer):
    if layer == "base":
        os.rename("disk.raw", live)
        subprocess.run(["qemu-img", "rebase", "-u", "-b", live, "-F", "raw", "top.qcow2"], check=True)
        given_domain(chain, "qcow2", "top.qcow2")
    else:
        os.rename("top.qcow2", live)
        given_domain(chain, "qcow2", live)
    before = contents(".")
    for anew in (False, True):
        assert "is a disk of the domain" in message(capture, params(domain="old", folder=".", replace=anew))
    assert contents(".") == before


def test_a_cd_of_a_domain_is_not_opened_up(domain):
    write("x.iso", bytes(32769) + b"CD001" + bytes(MIB))
    os.chmod("x.iso", 0o600)
    given_domain(domain, "raw", "x.iso")
    domain.xml = domain.xml.replace("device='disk'", "device='cdrom'").replace("</os>", "<boot dev='cdrom'/></os>")
    made(domain="old", folder="new")
    assert os.stat("new/vda.iso").st_mode & 0o777 == 0o600


def test_a_cd_that_is_booted_from(domain):
    write("x.iso", bytes(32769) + b"CD001" + bytes(MIB))
    given_domain(domain, "raw", "x.iso")
    domain.xml = domain.xml.replace("device='disk'", "device='cdrom'").replace("</os>", "<boot dev='cdrom'/></os>")
    told = made(domain="old", folder="new")
    assert [(disk["file"], disk["format"]) for disk in told["image"]["disks"]] == [("vda.iso", "iso")]
    assert told["image"]["disks"][0]["checksums"]["sha256"] == hashlib.sha256(contents("new")["vda.iso"]).hexdigest()


def test_a_domain_that_starts_meanwhile(chain):
    plan = capture(params(domain="old", folder="new"))
    chain.state = "running"
    assert "is running now" in carry_capture.carry_out(plan, None)[0].error
    assert contents("new") == {}


def test_a_disk_below_without_its_format(chain):
    subprocess.run(["qemu-img", "rebase", "-u", "-b", "", "-f", "qcow2", "top.qcow2"], check=True)
    with open("top.qcow2", "r+b") as file:
        head = bytearray(file.read(65536))
        head[8:20] = (2048).to_bytes(8, "big") + (8).to_bytes(4, "big")
        head[2048:2056] = b"disk.raw"
        file.seek(0)
        file.write(head)
    assert "without saying its format" in message(capture, params(domain="old", folder="new"))


def test_files_of_others_stay(chain):
    assert chain
    write("new/vda.qcow2", b"mine")
    assert "is there; replace: true" in message(capture, params(domain="old", folder="new"))
    write("new/image.xml", write_other())
    assert "describes other disks" in message(capture, params(domain="old", folder="new"))
    made(domain="old", folder="new", replace=True)
