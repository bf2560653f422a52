# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: each other name of an architecture, the limits of each kind of name, and the names of volumes."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.names import (
    ARCHES,
    arch_mistake,
    canonical_arch,
    file_mistake,
    name_mistake,
    target_mistake,
    text_mistake,
    volume_stem,
)

OTHER_NAMES = {
    "i686": ["i386", "i486", "i586", "x86"],
    "x86_64": ["amd64", "x86-64"],
    "aarch64": ["arm64"],
    "armv7l": ["arm", "armhf", "armv7", "armv7hl"],
    "ppc": ["powerpc", "PPC"],
    "ppc64": ["powerpc64"],
    "ppc64le": ["powerpc64le", "ppc64el"],
}
ALWAYS = "begins or ends with what a guest's name cannot (a dot, a dash, white space)"
# The first and the last of each range of characters that cannot be printed, and their neighbours, which can.
UNPRINTABLE = (
    "\0\x1f\x7f\xa0\xad\u1680\u2000\u200f\u2028\u202f\u205f\u206f\u3000\ud800\udfff\ue000\uf8ff\ufeff\ufff9\ufffe\uffff"
)
PRINTABLE = (
    " ~\xa1\xac\xae\u167f\u1681\u1fff\u2010\u2027\u2030\u205e\u2070\u2fff\u3001\ud7ff\uf900\ufefe\uff00\ufff8\U00010000"
)


@pytest.mark.parametrize("arch", OTHER_NAMES)
def test_other_names_of_an_architecture(arch):
    for name in (arch, arch.upper(), *OTHER_NAMES[arch]):
        assert canonical_arch(name) == arch


def test_every_other_name_is_tested():
    assert {name: arch for arch, names in OTHER_NAMES.items() for name in names if name.islower()} == ARCHES


@pytest.mark.parametrize(
    "name, told",
    [
        ("a" * 128, None),
        ("a" * 129, "has 129 characters; a guest's name has at most 128"),
        ("Xen", None),
        ("a.-b.-", None),
        (".web", f"'.web' {ALWAYS}"),
        ("-web", f"'-web' {ALWAYS}"),
        (" web", f"' web' {ALWAYS}"),
        ("web ", f"'web ' {ALWAYS}"),
    ],
)
def test_names_of_guests(name, told):
    assert name_mistake(name) == told


@pytest.mark.parametrize(
    "arch, shown", [("a" * 32, None), ("a" * 33, "a" * 33), ("9A_.-", None), ("_a", "_a"), ("a" * 41, "a" * 40)]
)
def test_names_of_architectures(arch, shown):
    told = None if shown is None else f"'{shown}' is no architecture; one is called x86_64, another aarch64"
    assert arch_mistake(arch) == told


@pytest.mark.parametrize(
    "file, outside, told",
    [
        ("a/b..c", False, None),
        ("/a", False, "is an absolute path; file names are relative to the descriptor"),
        ("a/../b", False, "leaves the descriptor's folder"),
        ("/a", True, None),
        ("a/../b", True, None),
        ("a/", True, "names a folder; a file was expected"),
        ("a/.", True, "names a folder; a file was expected"),
        ("a/..", True, "names a folder; a file was expected"),
        ("a\nb", True, "holds characters that cannot be printed"),
    ],
)
def test_names_of_files(file, outside, told):
    assert file_mistake(file, outside) == told


def test_files_stay_in_the_folder_by_default():
    assert file_mistake("/a") and file_mistake("../a")


@pytest.mark.parametrize("target", ["xvda", "vdb", "hdzz", "sda15", "fda", "ubda", "sda999", "vda0"])
def test_names_of_devices(target):
    assert target_mistake(target) is None


@pytest.mark.parametrize(
    "target", ["vd", "vdA", "vdaaa", "sda1000", "xxvda", "vda ", "nvme0n1", "da", "vda\n", "vda\u0661"]
)
def test_what_names_no_device(target):
    assert target_mistake(target)


@pytest.mark.parametrize("character", UNPRINTABLE, ids=ascii)
def test_what_cannot_be_printed(character):
    assert text_mistake(f"a{character}b") == "holds characters that cannot be printed"


@pytest.mark.parametrize("character", PRINTABLE, ids=ascii)
def test_what_can_be_printed(character):
    assert text_mistake(f"a{character}b") is None


@pytest.mark.parametrize(
    "disk, stem",
    [
        ("isos/root.raw", "web1-isos_root"),
        ("a/b/c", "web1-a_b_c"),
        *((f"a.{ending}", "web1-a") for ending in ("raw", "img", "iso", "qcow", "qcow2", "vmdk", "vdi", "QCOW2")),
        ("a.b.raw", "web1-a.b"),
        ("a.txt", "web1-a.txt"),
        (".raw", "web1-.raw"),
        ("raw", "web1-raw"),
    ],
)
def test_names_of_volumes(disk, stem):
    assert volume_stem("web1", disk) == stem
