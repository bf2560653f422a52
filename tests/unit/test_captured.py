# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain as an image: rendered from a descriptor and captured, it is the same; what is lost is said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.captured import Captured, capture_domain
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish, match
from ansible_collections.virt.image.plugins.module_utils._core.offline import render_offline
from ansible_collections.virt.image.plugins.module_utils._core.writer import write_image
from ansible_collections.virt.image.tests.unit.mutations import mutated_bytes, mutated_tree
from ansible_collections.virt.image.tests.unit.support import HERE, examples, guest, host, message, text, value_or_words

LIVE = text("live/web1.xml")
GOOD = sorted(path.stem for path in (HERE / "descriptors").glob("*.xml"))
# Devices and elements that no descriptor can say, beside some that guests have without asking.
FOREIGN = """
<domain type='kvm'>
  <name>old/web</name>
  <title>An old one</title>
  <memory unit='GiB'>2</memory>
  <vcpu current='2'>4</vcpu>
  <memoryBacking><hugepages/></memoryBacking>
  <os firmware='efi'>
    <type arch='x86_64' machine='q35'>hvm</type>
    <firmware><feature enabled='yes' name='secure-boot'/></firmware>
    <boot dev='network'/>
  </os>
  <features><acpi/><pae state='off'/></features>
  <devices>
    <disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/vg/root'/>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/a.qcow2'/>
      <target dev='sda' bus='usb'/></disk>
    <disk type='file' device='disk'><source file='/srv/shared.raw'/><target dev='vdc'/><shareable/></disk>
    <disk type='file' device='cdrom'><source file='/srv/x.iso'/><target dev='hdc' bus='ide'/></disk>
    <disk type='file' device='cdrom'><target dev='hdd' bus='ide'/></disk>
    <disk type='file' device='floppy'><source file='/srv/f.img'/><target dev='fda'/></disk>
    <interface type='bridge'><source bridge='br0'/></interface>
    <hostdev mode='subsystem' type='usb'/>
    <tpm/><video/><graphics type='vnc'/>
  </devices>
</domain>
"""


# One of these runs the first alternative of each descriptor of the tests.
HOSTS = ("mixed", "qemu", "xen", "armv7l", "libvirt-0.4.0")


def host_of(image):
    """Return the name of the first host that runs an image's first alternative."""
    return next(name for name in HOSTS if match(image, host(name), Wish(boot=0)).chosen == 0)


def rendered(image, name):
    """Return the tree of the domain that a guest of an image would have on a host, without what names it."""
    options = {"name": "x", "memory": None if image.memory_kib else "1 GiB", "boot": 0}
    return xml.parse(render_offline(image, host(name), guest(**options), "/pool", False), "domain")


def told(tree):
    """Return what of a domain must come back: all but the files and formats of its disks."""
    for disk in tree.iter("disk"):
        for tag in ("source", "driver", "backingStore"):
            for node in disk.findall(tag):
                disk.remove(node)
    for tag in ("os/kernel", "os/initrd"):
        if tree.find(tag) is not None:
            tree.find(tag).text = "x"
    return xml.to_text(tree)


@pytest.mark.parametrize("name", GOOD)
def test_a_rendered_domain_comes_back(name):
    image = parse_image(text(f"descriptors/{name}.xml"), outside=True)
    where = host_of(image)
    found = capture_domain(xml.to_text(rendered(image, where)), "domain x").image
    again = parse_image(write_image(found))
    assert told(rendered(again, where)) == told(rendered(image, where))


def test_a_record_knows_ids_and_uses():
    found = capture_domain(LIVE, "domain web1")
    assert found.image.name == "web" and found.image.version == "1.0" and found.image.release == "2"
    assert found.image.disks[0].id == "root" and found.image.disks[0].use == "system"


def test_foreign_domain():
    found = capture_domain(FOREIGN, "domain old")
    image = parse_image(write_image(found.image))
    assert (image.name, image.label, image.vcpu, image.memory_kib) == ("web", "An old one", 2, 2 * 2**20)
    assert [(disk.file, disk.use) for disk in image.disks] == [("vda.qcow2", "system"), ("sda.qcow2", "user")]
    assert image.boots[0].features == {"acpi": "on"} and image.graphics and image.interfaces == 1
    assert found.firmware == "efi"
    said = "\n".join(found.image.warnings)
    for words in (
        "devices of the domain: hostdev, tpm",
        "elements of the domain: memoryBacking",
        "boots from network first",
        "secure_boot: true",
        "cdrom hdc is not in it: the domain does not boot from it",
        "cdrom hdd is not in it: it has no medium",
        "disk vdc is not in it: it is shared",
        "floppy fda is not in it",
        "sda is on bus usb",
        "that vda is a system disk is a guess",
    ):
        assert words in said


def test_a_cd_that_is_booted_from_is_in_it():
    booting = FOREIGN.replace("<boot dev='network'/>", "<boot dev='cdrom'/>")
    image = capture_domain(booting, "domain old").image
    assert image.boots[0].dev == "cdrom"
    assert [(disk.file, disk.format, disk.use) for disk in image.disks][-1] == ("hdc.iso", "iso", "system")


def test_the_order_of_devices_is_heeded():
    ordered = FOREIGN.replace("<target dev='hdc' bus='ide'/>", "<target dev='hdc' bus='ide'/><boot order='1'/>")
    assert capture_domain(ordered, "domain old").image.boots[0].dev == "cdrom"


def test_a_kernel_goes_with_it():
    booting = FOREIGN.replace("<boot dev='network'/>", "<kernel>/boot/vmlinuz</kernel><cmdline>ro  quiet</cmdline>")
    found = capture_domain(booting, "domain old")
    assert found.files == {"kernel": "/boot/vmlinuz"}
    assert (found.image.boots[0].kernel, found.image.boots[0].initrd) == ("kernel", None)


def test_disks_beyond_the_last():
    one = "<disk type='file' device='disk'><source file='/srv/{0}.raw'/><target dev='vda{0}'/></disk>"
    disks = "".join(one.format(number) for number in range(300))
    found = capture_domain(f"<domain><os><type>hvm</type></os><devices>{disks}</devices></domain>")
    assert len(found.disks) == len(found.image.disks) == 256
    assert any("44 more disks are not in it" in remark for remark in found.image.warnings)


def test_disks_of_one_name():
    one = "<disk type='file' device='disk'><source file='/srv/{0}.raw'/><target dev='vda'/></disk>"
    found = capture_domain(f"<domain><os><type>hvm</type></os><devices>{one.format('a')}{one.format('b')}</devices></domain>")
    assert [one.source.chain[0].path for one in found.disks] == ["/srv/a.raw"]
    assert "storage: disk vda is not in it: another disk is called so" in found.image.warnings


def test_a_recorded_disk_under_two_names():
    disk = LIVE[LIVE.index("<disk ") : LIVE.index("</disk>") + len("</disk>")]
    twice = disk.replace("dev='vda'", "dev='vdx'").replace('dev="vda"', 'dev="vdx"')
    assert twice != disk
    found = capture_domain(LIVE.replace("</devices>", f"{twice}</devices>", 1))
    assert len({disk.id for disk in found.image.disks}) == len(found.image.disks) == 3
    assert replace(parse_image(write_image(found.image)), warnings=()) == replace(found.image, warnings=())


@pytest.mark.parametrize(
    "domain, words",
    [
        ("<network/>", "is no domain XML"),
        ("<domain/>", "is of type ''"),
        ("<domain><os><type>exe</type></os></domain>", "is of type 'exe'"),
        ("<domain><os><type>hvm</type></os></domain>", "has no disk"),
    ],
)
def test_refused(domain, words):
    assert words in message(capture_domain, domain, "domain x")


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@examples(50)
def test_any_domain(mutation, data):
    found = value_or_words(Captured, capture_domain, data.draw(mutation([LIVE, FOREIGN])), "domain x")
    if found:
        image = replace(found.image, warnings=())
        assert replace(parse_image(write_image(found.image)), warnings=()) == image
