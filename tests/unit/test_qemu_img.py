# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-img within its limits: what it is to do it does, and whatever it does too much of ends in words."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import qemu_img
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.qemu_img import GIB, Limits, commit, convert, create, flatten, grow
from ansible_collections.virt.image.tests.unit import disks
from ansible_collections.virt.image.tests.unit.support import message, until

MIB = 2**20
FORMATS = ["raw", "qcow", "qcow2", "vmdk", "vdi"]
# Data, zeros, text, zeros: what each format stores in another way.
CONTENT = random.Random(1).randbytes(MIB) + bytes(MIB) + b"text" * (MIB // 4) + bytes(2 * MIB)


@pytest.fixture(name="real")
def _real(tmp_path, monkeypatch):
    """A folder with a raw disk, for a real qemu-img."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    return tmp_path


@pytest.fixture(name="near")
def _near(real, monkeypatch):
    """The same in a folder with a short path: what a message says of a path is cut."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.move("disk.raw", folder)
        monkeypatch.chdir(folder)
        yield


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path, monkeypatch):
    """Give a shell script for qemu-img: one that goes wrong as it is told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    (tmp_path / "bin").mkdir()

    def set_up(script):
        (tmp_path / "bin" / "qemu-img").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / "qemu-img").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        return tmp_path

    return set_up


def run(*arguments):
    return subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True).stdout


def watched():
    """Return jobs that somebody looks at."""
    jobs = Jobs()
    jobs.watched = True
    return jobs


def content(path, format):
    run("convert", "-f", format, "-O", "raw", path, f"{path}.content")
    with open(f"{path}.content", "rb") as file:
        return file.read()


def info(path, format):
    return json.loads(run("info", "--output=json", "-f", format, path))


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


def test_a_percentage_that_is_cut_off_is_not_taken_for_another():
    """What qemu-img has written when it is looked at may end anywhere."""
    with watched().share("work") as job, qemu_img._Percentage(job) as told:
        assert job.look() is None
        pieces = {b"    (0.00/100%)\r": 0, b"  (12.50/100%)\r    (99": 12.5, b".25/100%)\r": 99.25, b"x" * 999: 99.25}
        for written, seen in pieces.items():
            os.write(told.output, written)
            assert until(lambda end=written[-9:]: told._told.endswith(end)) and job.look() == seen


# As commit does at 0 %: far more than a pipe holds.
TALKATIVE = """#!/usr/bin/python3
import sys
sys.stdout.write("    (0.00/100%)\\r" * 65536 + "    (50.00/100%)\\r")
sys.stdout.flush()
open({words!r}, "w").write(" ".join(sys.argv[1:]))
"""


@pytest.mark.parametrize("looked_at", [True, False])
def test_what_it_tells_never_holds_it_up(tmp_path, monkeypatch, looked_at):
    """Nobody looks while it runs; it is asked to tell only where somebody might."""
    tool, words = tmp_path / "qemu-img", tmp_path / "words"
    tool.write_text(TALKATIVE.format(words=str(words)))
    tool.chmod(0o755)
    (tmp_path / "a").write_bytes(bytes(512))
    monkeypatch.setattr(shutil, "which", lambda _name: str(tool))
    monkeypatch.setattr(qemu_img, "LONG", (10, 10))
    threads = threading.active_count()
    with (watched() if looked_at else Jobs()).share("work") as job:
        convert(str(tmp_path / "a"), "raw", str(tmp_path / "b"), "raw", job)
        assert ("-p" in words.read_text().split()) == looked_at
        assert (job.look() == 50.0) if looked_at else (job.look is None)
    assert threading.active_count() == threads


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


def chain():
    """Make base.raw, with middle on it and top on that, and something of its own in each."""
    os.rename("disk.raw", "base.raw")
    create("middle", "qcow2", 6 * MIB, ("base.raw", "raw"))
    create("top", "qcow2", 7 * MIB, ("middle", "qcow2"))
    for name, number, place in (("middle", 1, 1), ("top", 2, 6)):
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {number} {place}M 1M", name], check=True, timeout=60)
    return CONTENT[:MIB] + b"\1" * MIB + CONTENT[2 * MIB :] + bytes(MIB) + b"\2" * MIB


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


@pytest.mark.parametrize("format", ["raw", "qcow2", "vmdk", "vdi", "qcow"])
def test_qemu_img_is_told_all_that_it_may_open(stand_in, format):
    folder = stand_in("printf '%s\\n' \"$@\" > told; echo $LC_ALL $MALLOC_ARENA_MAX > environment")
    made = {"raw": b"", "qcow2": disks.qcow2(), "vmdk": disks.vmdk(), "vdi": disks.vdi(), "qcow": disks.qcow()}
    (folder / "a").write_bytes(made[format])
    convert("a", format, "b", "qcow2")
    told = (folder / "told").read_text().splitlines()
    node = {"driver": format, "file": {"driver": "file", "filename": f"{folder}/a"}}
    if format not in ("raw", "vdi"):
        node["backing"] = None
    assert told[:3] + told[4:] == ["convert", "-O", "qcow2", f"{folder}/b"]
    assert json.loads(told[3].partition("json:")[2]) == node
    assert (folder / "environment").read_text() == "C 1\n"


def test_limits_are_set(stand_in):
    folder = stand_in("for one in v t f s c; do ulimit -$one; done > limits")
    create("a", "raw", 4 * GIB)
    limits = (folder / "limits").read_text().split()
    assert limits[:2] == ["1048576", "30"]
    assert int(limits[2]) in ((4 * GIB + 16 * MIB + 64 * MIB) // block for block in (512, 1024))
    assert limits[3:] == ["8192", "0"]


def test_limits_grow_with_the_disk():
    assert Limits.of(MIB, True) == Limits(GIB, MIB + 4096 + 64 * MIB, 300, 3600)
    assert Limits.of(100 * GIB, True).processor == 3300
    assert Limits.of(100 * GIB, True).clock == 15600
    assert Limits.of(100 * GIB, False).processor == 30
    assert Limits.of(2**53, True).clock == Limits.of(2**53, True).processor == 24 * 3600


def gone(folder):
    """Return whether the stand-in, which wrote its process' number down, is no more, and its file neither."""
    return not os.path.exists("b") and not os.path.exists(f"/proc/{(folder / 'pid').read_text().strip()}")


@pytest.mark.parametrize(
    "hang", ["kill -STOP $$", "exec cat fifo", "trap '' TERM INT HUP; while :; do sleep 0.01; done"]
)
def test_too_much_time(stand_in, monkeypatch, hang):
    folder = stand_in(f"echo $$ > pid; echo begun > b; {hang}")
    os.mkfifo("fifo")
    monkeypatch.setattr(qemu_img, "LONG", (300, 1.5))
    told = message(convert, "disk.raw", "raw", "b", "qcow2")
    assert told == "cannot convert disk.raw from raw to qcow2: qemu-img took more than 1.5 s"
    assert gone(folder)


def test_too_much_processor_time(stand_in, monkeypatch):
    folder = stand_in("echo $$ > pid; echo begun > b; while :; do :; done")
    monkeypatch.setattr(qemu_img, "LONG", (1, 60))
    told = message(convert, "disk.raw", "raw", "b", "qcow2")
    assert told == "cannot convert disk.raw from raw to qcow2: qemu-img took more than 1 s of processor time"
    assert gone(folder)


# Far too little: with some more it depends on how many of its threads live at once.
@pytest.mark.parametrize("memory", [30, 40])
def test_too_much_memory(real, monkeypatch, memory):
    monkeypatch.setattr(qemu_img, "MEMORY", memory * MIB)
    told = message(convert, "disk.raw", "raw", "b", "qcow2")
    assert told.startswith(
        f"cannot convert disk.raw from raw to qcow2: qemu-img needs more than {memory} MiB of memory ("
    )
    assert not os.path.exists("b")


@pytest.mark.parametrize(
    "make", [lambda: convert("disk.raw", "raw", "b", "qcow2"), lambda: create("b", "raw", 5 * MIB)]
)
def test_too_large_a_file(real, monkeypatch, make):
    monkeypatch.setattr(qemu_img, "ENDS", -4 * MIB)
    assert "qemu-img wrote more than 1044 KiB, which no disk of that size needs" in message(make)
    assert not os.path.exists("b")


def test_an_interruption_leaves_nothing(stand_in):
    folder = stand_in("echo $$ > pid; echo begun > b; kill -INT $PPID; exec sleep 9")
    # What a shell runs in the background ignores it, and so does all that it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            convert("disk.raw", "raw", "b", "qcow2")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not os.path.exists("b")
    # After a Ctrl-C some versions of Python leave it to others to collect what was killed.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(int((folder / "pid").read_text()), 0)
    assert gone(folder)


@pytest.mark.parametrize(
    "script, words",
    [
        ("echo 'qemu-img: no\n  such thing' >&2; exit 1", "qemu-img: no such thing"),
        ("printf '\\377\\n' >&2; exit 1", "\ufffd"),
        ("exit 3", "qemu-img ended with 3"),
        ("kill -SEGV $$", "qemu-img ended with -11"),
    ],
)
def test_qemu_img_s_own_words(stand_in, script, words):
    stand_in(script)
    assert message(convert, "disk.raw", "raw", "b", "qcow2") == f"cannot convert disk.raw from raw to qcow2: {words}"


def test_only_what_was_made_is_removed(stand_in):
    stand_in("exit 1")
    os.symlink("disk.raw", "b")
    assert message(convert, "disk.raw", "raw", "b", "qcow2")
    assert os.path.lexists("b") and os.path.exists("disk.raw")
    assert message(grow, "disk.raw", "raw", 9 * MIB)
    assert os.path.exists("disk.raw")


def test_missing(monkeypatch, tmp_path):
    (tmp_path / "d").write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = "qemu-img is missing on this host; install qemu-utils (qemu-img)"
    assert message(grow, f"{tmp_path}/d", "raw", 1) == f"cannot grow {tmp_path}/d: {words}"


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
