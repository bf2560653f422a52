# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that is shut off becomes the folder of an image, and its own disks stay as they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._io import capture as captures
from ansible_collections.virt.image.plugins.module_utils._io import carry_capture, connection, piece
from ansible_collections.virt.image.plugins.module_utils._io.capture import capture
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.tests.unit.captures import (
    DISK,
    MIB,
    OTHER,
    SCRATCH_ADDED,
    contents,
    made,
    params,
    plan_of,
    write,
)
from ansible_collections.virt.image.tests.unit.support import message

DOMAIN = """<domain type='qemu'><name>old</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{path}'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
    assert piece.facts_of(piece.piece_of("new/vda.qcow2"), "vda.qcow2", Jobs()).sight.arch == "aarch64"
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
    for before, after in (SCRATCH_ADDED, ("<checksum ", f'<checksum type="sha512">{"0" * 128}</checksum><checksum ')):
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
    write("new/image.xml", OTHER)
    assert "describes other disks" in message(capture, params(domain="old", folder="new"))
    made(domain="old", folder="new", replace=True)
