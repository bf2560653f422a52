# SPDX-License-Identifier: GPL-3.0-or-later
"""From real folders to plans and to nothing left to do; only libvirt is a stand-in."""

from __future__ import annotations

import hashlib
import os
import struct

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.aim import Aim
from ansible_collections.virt.image.plugins.module_utils._core.generation import plan_generation
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.steps import CopyVolume
from ansible_collections.virt.image.plugins.module_utils._io.generations import GenerationSurvey
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.plugins.module_utils._io.volumes import mark_origin
from ansible_collections.virt.image.tests.unit.disks import stream
from ansible_collections.virt.image.tests.unit.stand_in import MIB, Libvirt, guests, perform
from ansible_collections.virt.image.tests.unit.support import message


@pytest.fixture(name="libvirt")
def _libvirt(tmp_path):
    return Libvirt(tmp_path)


def test_once_and_again(libvirt):
    made = perform(guests(libvirt, {"name": "a"}, {"name": "b"}), libvirt)
    digest = hashlib.sha256((libvirt.image / "root.raw").read_bytes()).hexdigest()
    assert made == [
        f"import root.raw (1 MiB) into pool default as sha256-{digest}.raw",
        "create overlay a-root.qcow2 in pool default",
        "create empty 1 MiB volume a-data.raw in pool default",
        "create empty 1 MiB volume a-tmp.raw in pool default",
        "define domain a",
        "create overlay b-root.qcow2 in pool default",
        "create empty 1 MiB volume b-data.raw in pool default",
        "create empty 1 MiB volume b-tmp.raw in pool default",
        "define domain b",
    ]
    assert perform(guests(libvirt, {"name": "a"}, {"name": "b"}), libvirt) == []


def test_a_scratch_volume_that_is_gone_is_made_again_and_nothing_else(libvirt):
    perform(guests(libvirt, {}), libvirt)
    os.unlink(libvirt.folder / "web-tmp.raw")
    assert perform(guests(libvirt, {}), libvirt) == ["create empty 1 MiB volume web-tmp.raw in pool default"]
    assert perform(guests(libvirt, {}), libvirt) == []


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_image_s_file_may_be_gone_once_the_pool_has_it(libvirt, order):
    perform(guests(libvirt, {"name": "a"}), libvirt)
    os.unlink(libvirt.image / "root.raw")
    assert perform(guests(libvirt, {"name": "a"}), libvirt) == []
    # A guest that is new has no record of what the file was; that is not said of the other, whatever the order.
    told = message(guests, libvirt, *({"name": name} for name in order))
    assert told == "guest b: system disk root: the image has no file root.raw"


def test_a_changed_image_is_not_put_under_a_guest(libvirt):
    perform(guests(libvirt, {}), libvirt)
    (libvirt.image / "root.raw").write_bytes(b"other".ljust(MIB, b"\0"))
    assert message(guests, libvirt, {}).startswith("guest web: system disk root was made from sha256:")


def test_a_file_that_was_only_touched_is_the_same(libvirt):
    perform(guests(libvirt, {}), libvirt)
    os.utime(libvirt.image / "root.raw", (1, 1))
    assert [str(step) for plan in guests(libvirt, {}) for step in plan.steps] in ([], ["redefine domain web"])


@pytest.mark.parametrize(
    "head",
    [
        b"QFI\xfb",
        b"QFI\xfb" + struct.pack(">IQIIQ", 3, 0, 0, 16, MIB // 2) + bytes(80),
        b"KDMV",
        b"# Disk DescriptorFile\n",
    ],
    ids=["cut", "qcow2", "vmdk", "descriptor"],
)
def test_what_a_guest_writes_into_its_raw_disk_is_its_own(libvirt, head):
    """A raw volume is raw, whatever its guest makes its first bytes look like: else one guest stops the whole list."""
    perform(guests(libvirt, {}), libvirt)
    for name in ("web-data.raw", "web-tmp.raw"):
        with open(libvirt.folder / name, "r+b") as volume:
            volume.write(head)
    assert perform(guests(libvirt, {}), libvirt) == []
    assert (
        perform(guests(libvirt, {"state": "absent", "remove": "all", "name": "web"}), libvirt)[-1]
        == "undefine domain web"
    )


@pytest.mark.parametrize("head, seen", [(b"mine", "raw, or damaged"), (stream(), "vmdk")])
def test_what_is_in_the_place_of_an_overlay_is_said(libvirt, head, seen):
    (libvirt.folder / "old.img").write_bytes(head.ljust(MIB, b"\0"))
    told = message(guests, libvirt, {"name": "b", "disks": [{"id": "root", "volume": "old.img"}]})
    path = libvirt.folder / "old.img"
    assert told.startswith(f"guest b: volume {path} is no qcow2 image: it is {seen}, and was put there by someone else")
    assert "qemu-img convert -f" in told


def test_absent_keeps_what_is_the_user_s_and_takes_it_up_again(libvirt):
    perform(guests(libvirt, {}), libvirt)
    (libvirt.folder / "web-data.raw").write_bytes(b"mine".ljust(MIB, b"\0"))
    gone = perform(guests(libvirt, {"state": "absent"}), libvirt)
    assert gone == [
        "delete volume web-root.qcow2 of pool default",
        "delete volume web-tmp.raw of pool default",
        "undefine domain web",
    ]
    del libvirt.domains["web"]
    assert "create empty 1 MiB volume web-data.raw in pool default" not in perform(guests(libvirt, {}), libvirt)
    assert (libvirt.folder / "web-data.raw").read_bytes()[:4] == b"mine"


def test_what_cannot_be_done_from_afar_or_in_another_pool(libvirt):
    libvirt.kind = "rbd"
    assert (
        message(guests, libvirt, {"name": "a"})
        == "guest a: pool default is of type rbd; volumes are made in pools of type dir, fs, netfs, logical, zfs"
    )
    libvirt.is_local = False
    asked = {"name": "a", "pool": "none", "folder": str(libvirt.folder)}
    assert message(guests, libvirt, asked) == (
        "guest a: pool: none is a folder of the machine where the module runs, and qemu:///system is on another "
        "machine; name a pool there"
    )


def test_every_guest_s_mistakes_at_once(libvirt):
    told = message(
        guests,
        libvirt,
        {"name": "a", "vcpus": 0},
        {"name": "b", "pool": "no"},
        {"name": "c", "image": "/no.xml"},
        {"name": "d", "boot": 3},
    )
    assert told.splitlines() == [
        "a: vcpus: 0 must be a whole number from 1 to 65536",
        "guest b: pool no does not exist; this host has default",
        "/no.xml: cannot read the descriptor: No such file or directory",
        "guest d: boot: 3 is no boot alternative of image web; it has 1",
    ]
    assert os.listdir(libvirt.folder) == []


def staged(libvirt):
    """Return the steps that stage what the image has now, and take them."""
    asked = parse_guest({"name": "web", "image": str(libvirt.image / "image.xml"), "state": "present"}, "web")
    aim = Aim("staged", scratch="reset")
    plan = plan_generation(GenerationSurvey(libvirt, [], Access()).generation(asked, aim), aim)
    lines = perform([plan], libvirt)
    for step in plan.steps:
        if isinstance(step, CopyVolume):
            (libvirt.folder / step.name).write_bytes((libvirt.folder / os.path.basename(step.base)).read_bytes())
            mark_origin(str(libvirt.folder / step.name), step.digest)
    return [line.partition(" in ")[0] for line in lines if "web-" in line or not line.startswith("import")]


def test_what_was_staged_is_not_staged_again(libvirt):
    perform(guests(libvirt, {}), libvirt)
    descriptor = libvirt.image / "image.xml"
    descriptor.write_text(descriptor.read_text().replace("<name>web", "<version>2</version><name>web").replace('size="1"', 'size="2"'))
    (libvirt.image / "root.raw").write_bytes(b"other".ljust(MIB, b"\0"))
    scratch = libvirt.image / "tmp.raw"
    scratch.write_bytes(b"first".ljust(3 * MIB, b"\0"))
    made = staged(libvirt)
    assert "copy base volume into web-tmp-g2.raw of pool default" in made and len(made) == 3
    assert staged(libvirt) == []
    scratch.write_bytes(b"second".ljust(3 * MIB, b"\0"))
    made = staged(libvirt)
    assert made[0] == "delete volume web-tmp-g2.raw of pool default" and made[-1] == "copy base volume into web-tmp-g2.raw of pool default"
    assert (libvirt.folder / "web-tmp-g2.raw").read_bytes()[:6] == b"second" and staged(libvirt) == []
