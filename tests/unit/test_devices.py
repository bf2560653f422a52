# SPDX-License-Identifier: GPL-3.0-or-later
"""Device names on machines without IDE: another bus, the same letters where they are free."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.devices import assign_devices
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish, choose
from ansible_collections.virt.image.tests.unit.support import host, image, message


def devices(arch, machine, targets, kinds="", at="qemu-only", boot="", **more):
    """Return `target bus` for drives with these targets (- is none); a disk whose kind is i is an ISO."""
    words = targets.split()
    drives = "".join(
        f'<drive disk="d{index}"' + ("/>" if word == "-" else f' target="{word}"/>') for index, word in enumerate(words)
    )
    disks = "".join(
        f'<disk id="d{index}" file="{index}" format="{"iso" if kinds[index : index + 1] == "i" else "raw"}"/>'
        for index, _word in enumerate(words)
    )
    kind, os = ("xen", "<os><loader>pygrub</loader></os>") if boot == "xen" else ("hvm", "")
    made = image(f'<boot type="{kind}"><guest><arch>{arch}</arch></guest>{os}{{drives}}</boot>', disks, drives)
    verdict = choose(made, host(at), Wish(machine=machine))
    return ", ".join(f"{device.target} {device.bus}" for device in assign_devices(made, made.boots[0], verdict, **more))


@pytest.mark.parametrize(
    "arch, machine, targets, kinds, told",
    [
        ("x86_64", "pc", "hda -", "", "hda ide, hdb ide"),
        ("x86_64", "q35", "hda", "", "sda sata"),
        ("x86_64", "q35", "hda hdb -", "", "sda sata, sdb sata, sdc sata"),
        ("x86_64", "q35", "hda -", "di", "sda sata, sdb sata"),
        ("x86_64", "q35", "vda hda", "", "vda virtio, sda sata"),
        ("x86_64", "q35", "fda hda -", "", "fda fdc, sda sata, vda virtio"),
        ("x86_64", "q35", "hdb sdb hda", "", "sdc sata, sdb sata, sda sata"),
        ("x86_64", "q35", "- hda", "", "sdb sata, sda sata"),
        ("aarch64", "virt", "hda hdb", "", "vda virtio, vdb virtio"),
        ("aarch64", "virt", "hda hdc", "di", "vda virtio, sdc scsi"),
        ("aarch64", "virt", "hda vda -", "", "vdb virtio, vda virtio, vdc virtio"),
        ("aarch64", "virt", "hde", "", "vde virtio"),
    ],
)
def test_ide_names_where_there_is_no_ide(arch, machine, targets, kinds, told):
    assert devices(arch, machine, targets, kinds) == told


@pytest.mark.parametrize(
    "targets, kinds, boot, told",
    [
        ("vda -", "", "hvm", "xvda xen, xvdb xen"),
        # Xen shows xvda to a BIOS as hda.
        ("vda hda", "di", "hvm", "xvdb xen, hda ide"),
        ("hda vda", "id", "hvm", "hda ide, xvdb xen"),
        ("xvda hda", "di", "hvm", "xvda xen, hdb ide"),
        ("vda hdc", "di", "hvm", "xvda xen, hdc ide"),
        # A disk and its partition; partitions alone are disks to Xen.
        ("vda xvda1", "", "hvm", "xvdb xen, xvda1 xen"),
        ("vda xvda1", "", "xen", "xvdb xen, xvda1 xen"),
        ("xvda1 xvda2", "", "xen", "xvda1 xen, xvda2 xen"),
        ("vda xvda", "", "xen", "xvdb xen, xvda xen"),
        ("vda xvda vdb", "", "xen", "xvdc xen, xvda xen, xvdb xen"),
    ],
)
def test_names_that_are_one_disk_to_xen(targets, kinds, boot, told):
    assert devices("x86_64", None, targets, kinds, "xen", boot) == told


@pytest.mark.parametrize(
    "targets, kinds, boot, had, told",
    [
        ("xvda -", "", "hvm", {"d1": "hdb"}, "xvda xen, hdb ide"),
        ("hda -", "", "hvm", {"d1": "xvdb"}, "hda ide, xvdb xen"),
        # Its place is another's now; it has no such place; a CD-ROM drive is on IDE.
        ("xvdb -", "", "hvm", {"d1": "hdb"}, "xvdb xen, xvda xen"),
        ("xvda -", "", "hvm", {"d1": "sdb"}, "xvda xen, xvdb xen"),
        ("xvda -", "di", "hvm", {"d1": "xvdd"}, "xvda xen, hdb ide"),
        ("xvda -", "", "xen", {"d1": "hdb"}, "xvda xen, xvdb xen"),
    ],
)
def test_a_guest_of_xen_keeps_the_names_that_it_has(targets, kinds, boot, had, told):
    assert devices("x86_64", None, targets, kinds, "xen", boot, had=had) == told


@pytest.mark.parametrize(
    "targets, kinds, more, disk, way",
    [
        ("vda vdb vdc vdd", "", {"seed": True}, "the seed", "d3 (xvdd) another target, such as xvde"),
        ("xvda xvdb xvdc xvdd xvde -", "dddddi", {}, "d5", "d3 (xvdd) another target, such as xvdf"),
        ("hda hdb xvdc hdd -", "", {}, "d4", "d2 (xvdc) another target, such as xvde"),
    ],
)
def test_disks_of_xen_that_take_all_places_of_ide(targets, kinds, more, disk, way):
    assert message(devices, "x86_64", None, targets, kinds, "xen", **more) == (
        f"{disk} is to be on IDE, which has no place left: of Xen's disks the first four, xvda to xvdd, take those of hda to "
        f"hdd. Give {way}"
    )


def test_a_disk_of_xen_that_takes_no_place_of_ide():
    told = devices("x86_64", None, "vda vdb vdc vde", at="xen", seed=True)
    assert told == "xvda xen, xvdb xen, xvdc xen, xvde xen, hdd ide"
