# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk shows of its architecture and firmware; a broken one shows less, and costs no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.drafting import DiskFacts, draft_of_disk, image_name
from ansible_collections.virt.image.plugins.module_utils._core.fat import list_folder
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._core.partitions import read_table
from ansible_collections.virt.image.plugins.module_utils._core.sight import Sight, arch_in_name, look_at
from ansible_collections.virt.image.plugins.module_utils._core.writer import write_image
from ansible_collections.virt.image.tests.unit import platters
from ansible_collections.virt.image.tests.unit.platters import BIOS_BOOT, ESP, LINUX, ROOT_ARM, reader
from ansible_collections.virt.image.tests.unit.support import examples

CODE = b"\xeb\x63\x90"
# name: (disk, table, architecture, firmware)
DISKS = {
    "nothing": (bytes(4096), None, None, None),
    "cut off": (b"\x55\xaa", None, None, None),
    "a file system without partitions": (platters.fat(), None, "x86_64", "efi"),
    "mbr with boot code": (platters.mbr((0x83, 2048, 4096), code=CODE), "mbr", None, "bios"),
    "mbr without": (platters.mbr((0x83, 2048, 4096)), "mbr", None, None),
    "mbr with a PReP partition": (platters.mbr((0x41, 2048, 4096)), "mbr", "ppc64le", None),
    "mbr with an ESP": (platters.mbr((0xEF, 1, 9999), disk=platters.fat(loader="BOOTAA64")), "mbr", "aarch64", "efi"),
    "a boot sector that is no table": (platters.mbr(code=CODE)[:446] + b"x" * 64 + b"\x55\xaa", None, None, "bios"),
    "gpt, EFI alone": (platters.gpt((LINUX, b""), (ESP, platters.fat())), "gpt", "x86_64", "efi"),
    "gpt, as Debian's cloud images": (
        platters.gpt((LINUX, b""), (BIOS_BOOT, b""), (ESP, platters.fat()), code=CODE), "gpt", "x86_64", "bios",
    ),
    "gpt for ARM with code": (platters.gpt((ESP, platters.fat(loader="BOOTAA64")), code=CODE), "gpt", "aarch64", "efi"),
    "gpt with a root partition": (platters.gpt((ROOT_ARM, b"")), "gpt", "aarch64", None),
    "gpt with an empty ESP": (platters.gpt((ESP, b"")), "gpt", None, "efi"),
    "gpt of large sectors": (platters.gpt((ESP, platters.fat()), sector=4096), "gpt", "x86_64", "efi"),
    "gpt of 32 bit": (platters.gpt((ESP, platters.fat(12, "BOOTIA32"))), "gpt", "i686", "efi"),
    "gpt with a long name": (platters.gpt((ESP, platters.fat(16, "BOOTRI~1"))), "gpt", "riscv64", "efi"),
    "gpt with FAT32": (platters.gpt((ESP, platters.fat(32))), "gpt", "x86_64", "efi"),
    "gpt of huge entries": (platters.gpt((ESP, platters.fat()), count=2**32 - 1, size=4096), "gpt", "x86_64", "efi"),
    "gpt of odd entries": (platters.gpt((ESP, platters.fat()))[:596] + b"\7\0\0\0" + bytes(4096), None, None, None),
}
NAMES = {
    "debian-12-genericcloud-amd64.qcow2": "x86_64",
    "Fedora-Cloud-Base-39-1.5.x86_64.qcow2": "x86_64",
    "jammy-server-cloudimg-arm64.img": "aarch64",
    "openSUSE-Leap.aarch64.raw.xz": "aarch64",
    "debian-ppc64el.raw": "ppc64le",
    "old-i386.img": "i686",
    "win-x64.vmdk": "x86_64",
    "harmony.qcow2": None,
    "amd64ish.raw": None,
}


@pytest.mark.parametrize("name", sorted(DISKS))
def test_disk(name):
    disk, table, arch, firmware = DISKS[name]
    found = look_at(reader(disk))
    assert (found.table, found.arch, found.firmware) == (table, arch, firmware)


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_folders_of_each_kind_of_fat(bits):
    disk = platters.fat(bits)
    assert list_folder(reader(disk), ("EFI", "BOOT")) == ("README.TXT", "BOOTX64.EFI")
    assert list_folder(reader(disk), ("EFI", "GONE")) == ()


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_a_folder_that_goes_round_in_circles_ends(bits):
    reads = []
    assert "BOOTX64.EFI" in list_folder(reader(platters.fat(bits, next_of={3: 4, 4: 3}), reads), ("EFI", "BOOT"))
    assert len(reads) < 12


def test_a_folder_without_end_is_read_so_far():
    reads = []
    disk = platters.fat(16, next_of={cluster: cluster + 1 for cluster in range(4, 4500)})
    list_folder(reader(disk, reads), ("EFI", "BOOT"))
    assert len(reads) < 300


@pytest.mark.parametrize("further", [0, 1, 2**32 - 1])
def test_logical_partitions_that_lead_nowhere(further):
    reads = []
    logical = platters.mbr((0x83, 63, 100), (0x05, further, 100))
    found = read_table(reader(platters.mbr((0x05, 1, 1000), disk=logical * 4000), reads))
    assert found.kind == "mbr" and len(found.partitions) <= 128 and len(reads) < 140


def test_tables_are_read_in_bounds():
    reads = []
    read_table(reader(platters.gpt((LINUX, b""), count=2**32 - 1, size=4096), reads))
    assert max(length for _offset, length in reads) <= 128 * 4096


@given(st.data())
@examples(50)
def test_any_disk(data):
    disk = bytearray(data.draw(st.sampled_from(sorted(DISKS.items())))[1][0][: 3 * 2**20])
    for _time in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.one_of(st.integers(0, 1200), st.integers(2**20, 2**20 + 30000)))
        disk[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    reads = []
    assert isinstance(look_at(reader(bytes(disk), reads)), Sight)
    assert len(reads) < 3000 and sum(length for _offset, length in reads) < 2**23


@pytest.mark.parametrize("name", sorted(NAMES))
def test_architecture_in_a_name(name):
    assert arch_in_name(name) == NAMES[name]


@pytest.mark.parametrize(
    "told, name",
    [
        ("debian-12.qcow2", "debian-12"),
        ("isos/rescue.iso.xz", "rescue"),
        (".raw", "image"),
        ("", "image"),
        ("a\u2028b", "a_b"),
        ("-x" * 100, ("x" + "-x" * 99)[:128]),
    ],
)
def test_name_of_an_image(told, name):
    assert image_name(told) == name


@pytest.mark.parametrize("format, dev, graphics", [("qcow2", "hd", False), ("iso", "cdrom", True)])
def test_draft_says_what_it_does_not_know(format, dev, graphics):
    facts = DiskFacts("x-arm64.img", Header(format, 5 * 2**20 + 512), "0" * 64, Sight("gpt", "x86_64", "its loader", "efi", "an ESP"))
    image = draft_of_disk(facts)
    text = write_image(image)
    assert parse_image(text).boots[0].dev == dev and image.graphics is graphics
    assert image.disks[0].size_mib == 5 and image.disks[0].checksums == {"sha256": "0" * 64}
    for comment in ("fill in a version", "firmware: efi", "seen on the disk (its loader)", "fill in <memory>"):
        assert comment in text


def test_what_is_told_is_no_guess():
    image = draft_of_disk(DiskFacts("disk.raw", Header("raw", 0)), "web", "1.0")
    assert (image.name, image.version, image.disks[0].size_mib) == ("web", "1.0", None)
    assert not [remark for remark in image.warnings if remark.startswith("name:")]
    assert any(remark.startswith("arch: a guess, as nothing tells it") for remark in image.warnings)
