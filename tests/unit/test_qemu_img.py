# SPDX-License-Identifier: GPL-3.0-or-later
"""The real qemu-img: what it is to do it does, and what it is not to open it does not."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import qemu_img
from ansible_collections.virt.image.plugins.module_utils._io.qemu_img import GIB, commit, convert, create, flatten, grow
from ansible_collections.virt.image.tests.unit import disks
from ansible_collections.virt.image.tests.unit.qemu_tool import (  # pylint: disable=unused-import  # fixtures
    CONTENT,
    MIB,
    _near,
    _real,
    chain,
    content,
    info,
    run,
    watched,
)
from ansible_collections.virt.image.tests.unit.support import message

FORMATS = ["raw", "qcow", "qcow2", "vmdk", "vdi"]


@pytest.mark.parametrize("moves", ["convert", "flatten", "commit"])
def test_what_moves_data_tells_how_far_it_is(real, monkeypatch, moves):
    run("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "below")
    run("create", "-f", "qcow2", "-b", str(real / "below"), "-F", "qcow2", "top")
    arguments = {
        "convert": (convert, "disk.raw", "raw", "made", "vmdk"),
        "flatten": (flatten, [("top", "qcow2"), ("below", "qcow2")], "made"),
        "commit": (commit, "top", "below", "qcow2"),
    }[moves]
    commands, launched = [], qemu_img._launched
    monkeypatch.setattr(qemu_img, "_launched", lambda *told: (commands.append(told[0]), launched(*told))[1])
    with watched().share("work") as job:
        arguments[0](*arguments[1:], job)
        assert job.look() == 100.0 and "-p" in commands[0]
    made = "below" if moves == "commit" else "made"
    assert content(made, "vmdk" if moves == "convert" else "qcow2") == CONTENT


@pytest.mark.parametrize("source, target", list(itertools.product(FORMATS, repeat=2)))
def test_convert(real, source, target):
    run("convert", "-f", "raw", "-O", source, "disk.raw", "a")
    convert("a", source, "b", target)
    assert content("b", target) == CONTENT
    assert info("b", target)["format"] == target


@pytest.mark.parametrize(
    "options",
    [
        "-O qcow2 -c",
        "-O qcow2 -c -o compression_type=zstd",
        "-O qcow2 -o cluster_size=2M",
        "-O qcow2 -o extended_l2=on",
        "-O qcow2 -o compat=0.10",
        "-O vmdk -o subformat=streamOptimized",
        "-O vdi -o static=on",
    ],
)
def test_convert_variants(real, options):
    run("convert", "-f", "raw", *options.split(), "disk.raw", "a")
    convert("a", options.split()[1], "b", "qcow2")
    assert content("b", "qcow2") == CONTENT


def test_convert_a_stream(real):
    (real / "a").write_bytes(disks.stream(CONTENT))
    convert("a", "vmdk", "b", "qcow2")
    assert content("b", "qcow2") == CONTENT


@pytest.mark.parametrize(
    "format, size", [("qcow2", "16T"), ("vmdk", "10G"), ("vdi", "1T"), ("raw", "1T"), ("qcow", "1G")]
)
def test_the_memory_is_enough_for_large_disks(real, format, size):
    run("create", "-q", "-f", format, "a", size)
    convert("a", format, "b", "qcow2")
    assert info("b", "qcow2")["virtual-size"] == info("a", format)["virtual-size"]


# What json and qemu-img's own syntax would make something else of.
NAMES = ["-x", "json:{}", "nbd:1", "a,b=c", 'a"b', "a b", "a\\b", "a:b", "ü", "a%20b", "a\nb"]


@pytest.mark.parametrize("name", NAMES)
def test_names(real, name):
    os.rename("disk.raw", name)
    convert(name, "raw", f"{name}2", "qcow2")
    grow(f"{name}2", "qcow2", 8 * MIB)
    create(f"{name}3", "qcow2", 8 * MIB, (f"{name}2", "qcow2"))
    flatten([(f"{name}3", "qcow2"), (f"{name}2", "qcow2")], f"{name}4")
    os.rename(f"{name}4", "end")
    assert content("end", "qcow2") == CONTENT + bytes(3 * MIB)


@pytest.mark.parametrize(
    "data, format, words",
    [
        (disks.qcow2(backing=b"disk.raw"), "qcow2", "a: builds on another file; what is converted stands alone"),
        (disks.qcow2(incompatible=4), "qcow2", "a: is a qcow2 that keeps its data in another file"),
        (disks.vmdk(descriptor=disks.DESCRIPTOR + b'parentFileNameHint="disk.raw"'), "vmdk", "builds on another file"),
        (disks.stream()[:-1], "vmdk", "a: is a stream-optimised VMDK that is cut off"),
        (disks.vdi(), "qcow2", "a: is vdi; qcow2 was expected"),
        (b"", "qcow2", "a: is raw; qcow2 was expected"),
    ],
)
def test_convert_refuses(real, data, format, words):
    (real / "a").write_bytes(data)
    assert words in message(convert, "a", format, "b", "qcow2")
    assert not os.path.exists("b")


def test_what_is_no_file(real):
    os.mkfifo("fifo")
    assert message(convert, "fifo", "raw", "b", "qcow2") == "fifo: is no plain file"
    assert message(convert, "none", "raw", "b", "qcow2") == "none: cannot read: No such file or directory"
    assert "cannot read: Is a directory" in message(convert, ".", "raw", "b", "qcow2")


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-io is not on this machine")
def test_flatten(real):
    whole = chain()
    flatten([("top", "qcow2"), ("middle", "qcow2"), ("base.raw", "raw")], "flat")
    assert "backing-filename" not in info("flat", "qcow2")
    os.unlink("base.raw")
    assert content("flat", "qcow2") == whole


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-io is not on this machine")
@pytest.mark.parametrize(
    "layers, words",
    [
        (["top"], "/middle', and is number 1 of 1 files to flatten"),
        (["top", "middle"], "/base.raw', and is number 2 of 2 files to flatten"),
        (["base.raw", "base.raw"], "base.raw: builds on no other file, and is number 1 of 2 files to flatten"),
        (["top", "none"], "none: cannot read: No such file or directory"),
    ],
)
def test_flatten_takes_a_whole_chain(near, layers, words):
    chain()
    formats = {"base.raw": "raw"}
    assert words in message(flatten, [(name, formats.get(name, "qcow2")) for name in layers], "flat")
    assert not os.path.exists("flat")


def test_create(real):
    create("a.raw", "raw", 3 * GIB)
    create("a", "qcow2", 3 * GIB)
    # A backing file is not looked at: it may be another user's, or not be there yet.
    create("b", "qcow2", 5 * GIB, ("/none", "raw"))
    assert os.path.getsize("a.raw") == info("a", "qcow2")["virtual-size"] == 3 * GIB
    told = info("b", "qcow2")
    assert (told["virtual-size"], told["backing-filename"]) == (5 * GIB, "/none")
    assert told["backing-filename-format"] == "raw"


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_grow(real, format):
    convert("disk.raw", "raw", "a", format)
    grow("a", format, 9 * MIB)
    assert content("a", format) == CONTENT + bytes(4 * MIB)
    assert "Use the --shrink option" in message(grow, "a", format, MIB)
    assert os.path.exists("a")


def test_grow_a_raw_disk_whose_guest_wrote_a_header_into_it(real):
    (real / "a").write_bytes(disks.qcow2(backing=b"/etc/shadow"))
    grow("a", "raw", MIB)
    assert os.path.getsize("a") == MIB


@pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-io is not on this machine")
def test_grow_an_overlay(real):
    whole = chain()
    grow("top", "qcow2", 9 * MIB)
    assert content("top", "qcow2") == whole + bytes(2 * MIB)


def test_what_is_new_in_an_overlay_is_empty(real):
    create("a", "qcow2", MIB, ("disk.raw", "raw"))
    grow("a", "qcow2", 5 * MIB)
    assert content("a", "qcow2") == CONTENT[:MIB] + bytes(4 * MIB)


@pytest.mark.parametrize(
    "backing, format, words",
    [
        (b"disk.raw", b"raw", ""),
        (b"disk.raw", None, "a: builds on 'disk.raw' without saying its format; qemu-img rebase -u -F writes it down"),
        (b"disk.raw", b"vmdk", "disk.raw: is raw; vmdk was expected"),
        (b"a", b"qcow2", "a: builds on 'a' without saying its format"),
        (b"nbd://localhost/x", b"raw", "nbd://localhost/x: cannot read: No such file or directory"),
        (b'json:{"driver": "nbd"}', b"raw", "cannot read: No such file or directory"),
    ],
)
def test_grow_opens_what_the_header_says_and_only_files(real, backing, format, words):
    extensions = disks.extension(0xE2792ACA, format) if format else b""
    (real / "a").write_bytes(disks.qcow2(backing=backing, extensions=extensions))
    told = message(grow, "a", "qcow2", 2 * MIB)
    assert words in told and ("cannot grow" in told or words)


def test_a_null_character(real):
    assert message(create, "a\0", "raw", 1) == "cannot create a\\x00: a name holds a null character"
    assert message(grow, "a\0", "raw", 1) == "a\\x00: cannot read: embedded null byte"


@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_an_overlay_is_written_into_the_file_right_below(real, format):
    """With what is in the overlay, also where it is larger; the file below that, and the overlay, stay as they are."""
    convert("disk.raw", "raw", "bottom.qcow2", "qcow2")
    below = f"below.{format}"
    if format == "raw":
        convert("disk.raw", "raw", below, format)
    else:
        create(below, format, os.stat("disk.raw").st_size, ("bottom.qcow2", "qcow2"))
    create("top.qcow2", "qcow2", 2 * os.stat("disk.raw").st_size, (below, format))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 7 64k 128k", "top.qcow2"], check=True)
    wanted, bottom, top = content("top.qcow2", "qcow2"), (real / "bottom.qcow2").read_bytes(), (real / "top.qcow2").read_bytes()
    for _again in range(2):
        commit("top.qcow2", below, format)
        assert content(below, format) == wanted
        assert (real / "bottom.qcow2").read_bytes() == bottom
        assert (real / "top.qcow2").read_bytes() == top


def test_an_overlay_on_another_file_is_not_written(real):
    create("top.qcow2", "qcow2", MIB, ("disk.raw", "raw"))
    (real / "other.raw").write_bytes(CONTENT)
    assert message(commit, "top.qcow2", "other.raw", "raw").startswith("top.qcow2: builds on ")
    assert "other.raw (raw) was expected" in message(commit, "top.qcow2", "other.raw", "raw")
    assert "(raw), and disk.raw (qcow2) was expected" in message(commit, "top.qcow2", "disk.raw", "qcow2")
    create("alone.qcow2", "qcow2", MIB)
    assert "builds on 'no other file' (None)" in message(commit, "alone.qcow2", "disk.raw", "raw")
    assert "is raw; qcow2 was expected" in message(commit, "disk.raw", "other.raw", "raw")
    assert (real / "other.raw").read_bytes() == CONTENT
