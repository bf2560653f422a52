# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are not the image's: whose they are, however they are named."""

from __future__ import annotations

import os

import pytest

from ansible_collections.virt.image.tests.unit.disks import qcow2
from ansible_collections.virt.image.tests.unit.stand_in import Libvirt, guests, perform
from ansible_collections.virt.image.tests.unit.support import message

TAKEN = "is a disk of domain a too, or below one; two guests do not share what they write"
FRAGMENT = "<devices><disk type='{}' device='disk'>{}<source {}/><target dev='vdx' bus='virtio'/></disk></devices>"


@pytest.fixture(name="libvirt")
def _libvirt(tmp_path):
    """Return a host with guest a, another file, and a link to the folder of its pool."""
    libvirt = Libvirt(tmp_path)
    perform(guests(libvirt, {"name": "a"}), libvirt)
    os.symlink(libvirt.folder, tmp_path / "link")
    (libvirt.folder / "mine.qcow2").write_bytes(qcow2())
    (libvirt.folder / "over.qcow2").write_bytes(qcow2(backing=b"mine.qcow2"))
    return libvirt


def fragment(source, type="file", flag=""):
    return {"xml": FRAGMENT.format(type, flag, source)}


def extra(**disk):
    return {"extra_disks": [disk]}


OTHERS = {
    "file": extra(source="{pool}/a-data.raw"),
    "way around": extra(source="{pool}/../pool/a-data.raw"),
    "link": extra(source="{pool}/../link/a-data.raw"),
    "volume": extra(type="volume", pool="default", source="a-data.raw"),
    "fragment": fragment("file='{pool}/a-data.raw'"),
    "fragment around": fragment("file='{pool}/../link/a-data.raw'"),
    "volume of a fragment": fragment("pool='default' volume='a-data.raw'", "volume"),
}


def fill(asked, libvirt):
    """Return options with the pool's path in them."""
    if isinstance(asked, dict):
        return {key: fill(value, libvirt) for key, value in asked.items()}
    if isinstance(asked, list):
        return [fill(value, libvirt) for value in asked]
    return asked.format(pool=libvirt.folder) if isinstance(asked, str) else asked


def told(libvirt, asked, name="b"):
    return message(guests, libvirt, {"name": name, **fill(asked, libvirt)}).replace(str(libvirt.folder), "POOL")


@pytest.mark.parametrize("asked", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_the_disk_of_another_is_refused(libvirt, asked, existing):
    if existing:
        perform(guests(libvirt, {"name": "b"}), libvirt)
    assert TAKEN in told(libvirt, asked)


@pytest.mark.parametrize("asked", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_its_own_disk_is_refused(libvirt, asked, existing):
    if not existing:
        del libvirt.domains["a"]
    heard = told(libvirt, asked, "a")
    assert "a-data.raw, which is disk data of this guest already" in heard or "a-data.raw would be two disks" in heard


@pytest.mark.parametrize(
    "asked",
    [
        extra(source="{pool}/mine.qcow2", format="qcow2"),
        extra(type="volume", pool="default", source="mine.qcow2", format="qcow2"),
        extra(source="{pool}/a-data.raw", readonly=True),
        extra(source="{pool}/a-data.raw", shareable=True),
        extra(type="volume", pool="default", source="a-data.raw", device="cdrom"),
        fragment("file='{pool}/mine.qcow2'"),
        fragment("file='{pool}/a-data.raw'", flag="<readonly/>"),
        fragment("pool='no' volume='no'", "volume"),
        fragment("protocol='rbd' name='p/x'", "network"),
    ],
    ids=str,
)
def test_what_nobody_else_writes_is_its(libvirt, asked):
    assert told(libvirt, asked) == ""
    perform(guests(libvirt, {"name": "b", **fill(asked, libvirt)}), libvirt)
    assert perform(guests(libvirt, {"name": "b", **fill(asked, libvirt)}), libvirt) == []


def test_a_disk_below_one_of_another_s(libvirt):
    perform(guests(libvirt, {"name": "c", **fill(extra(source="{pool}/over.qcow2", format="qcow2"), libvirt)}), libvirt)
    heard = told(libvirt, extra(source="{pool}/../link/mine.qcow2", format="qcow2"))
    assert "mine.qcow2 is a disk of domain c too, or below one" in heard


def test_what_its_own_disk_builds_on(libvirt):
    del libvirt.domains["a"]
    base = next(name for name in os.listdir(libvirt.folder) if name.startswith("sha256-"))
    assert told(libvirt, extra(type="volume", pool="default", source=base), "a") == (
        f"guest a: POOL/{base} would be disk vdd, and disk root of this guest builds on it"
    )


def test_one_file_by_two_names(libvirt):
    twice = [{"source": "{pool}/mine.qcow2"}, {"type": "volume", "pool": "default", "source": "mine.qcow2"}]
    assert told(libvirt, {"extra_disks": twice}) == (
        "guest b: extra_disks[1] is POOL/mine.qcow2, which is extra_disks[0] of this guest already"
    )
    asked = {**extra(source="{pool}/mine.qcow2"), **fragment("pool='default' volume='mine.qcow2'", "volume")}
    assert told(libvirt, asked) == (
        "guest b: POOL/mine.qcow2 would be two disks of the guest, vdd and vdx; both would be written"
    )


@pytest.mark.parametrize("asked", OTHERS.values(), ids=OTHERS)
def test_two_new_guests_of_one_call(libvirt, asked):
    """What the one is to get, no domain has yet."""
    del libvirt.domains["a"]
    plain = {"name": "b", **fill(extra(source="{pool}/a-data.raw"), libvirt)}
    heard = message(guests, libvirt, plain, {"name": "c", **fill(asked, libvirt)})
    assert heard.splitlines()[0] == f"guests b and c both have disk {libvirt.folder}/a-data.raw"


MISSING = {
    "extra_disks": [
        {"source": "{pool}/no.raw"},
        {"source": "{pool}"},
        {"type": "block", "source": "{pool}/mine.qcow2"},
        {"device": "cdrom"},
        {"device": "cdrom", "source": "{pool}/mine.qcow2/no.iso"},
    ],
    "filesystems": [{"source": "{pool}/www", "target": "a"}, {"source": "{pool}/mine.qcow2", "target": "b"}],
    "serial": {"log": "{pool}/log/b.log"},
}


def test_what_is_not_there_is_said_before_a_guest_is_touched(libvirt):
    assert told(libvirt, MISSING).splitlines() == [
        "guest b: extra_disks[0].source: POOL/no.raw does not exist",
        "guest b: extra_disks[1].source: POOL is a folder; a disk is a file or a block device",
        "guest b: extra_disks[2].source: POOL/mine.qcow2 is no block device; say type: file",
        "guest b: extra_disks[4].source: POOL/mine.qcow2/no.iso does not exist",
        "guest b: filesystems[0].source: the folder POOL/www does not exist; make it first",
        "guest b: filesystems[1].source: POOL/mine.qcow2 is no folder",
        "guest b: serial.log: the folder POOL/log does not exist; make it first",
    ]
    assert told(libvirt, {**MISSING, "state": "absent"}) == ""


def test_on_another_machine_nobody_can_look(libvirt):
    libvirt.is_local = False
    libvirt.domains.clear()
    for name in os.listdir(libvirt.folder):
        os.unlink(libvirt.folder / name)
    # A pool that is asked through libvirt has no room here.
    assert told(libvirt, MISSING).startswith("pool default has 0 B free")


def test_a_block_device_is_no_file(libvirt, monkeypatch):
    mode = os.stat_result((0o60600, *(0,) * 9))
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **more: mode if path == "/dev/x" else real(path, **more))
    assert told(libvirt, extra(source="/dev/x")) == (
        "guest b: extra_disks[0].source: /dev/x is a block device; say type: block"
    )
    assert told(libvirt, extra(source="/dev/x", type="block")) == ""


def test_what_this_user_cannot_see_may_be_there(libvirt, monkeypatch):
    real = os.stat

    def hidden(path, **more):
        if path == "/secret/disk.raw":
            raise PermissionError
        return real(path, **more)

    monkeypatch.setattr(os, "stat", hidden)
    assert told(libvirt, extra(source="/secret/disk.raw")) == ""


def test_a_folder_without_pool_must_be_there(libvirt):
    heard = told(libvirt, {"pool": "none", "folder": "{pool}/no"})
    assert heard == "guest b: the folder POOL/no of pool: none does not exist; make it first"


@pytest.mark.parametrize(
    "pool, source, heard",
    [
        ("no", "x", "pool no does not exist; this host has default"),
        ("default", "x", "pool default has no volume x; virsh pool-refresh default lets libvirt look again"),
    ],
)
def test_a_volume_that_is_not_there(libvirt, pool, source, heard):
    assert told(libvirt, extra(type="volume", pool=pool, source=source)) == f"guest b: extra_disks[0]: {heard}"
