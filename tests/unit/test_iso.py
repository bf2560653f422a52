# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images made with the tools that this machine has, and with stand-ins for those that fail; read back here."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io import files as io_files
from ansible_collections.virt.image.plugins.module_utils._io import iso
from ansible_collections.virt.image.plugins.module_utils._io import workspace
from ansible_collections.virt.image.tests.unit.support import message

SECTOR = 2048
PRIMARY, JOLIET = 1, 2
SECRET = "tops3cret"
FILES = {
    "user-data": f"#cloud-config\npassword: {SECRET}\nnote: é\n".encode(),
    "meta-data": b"instance-id: web1\n",
    # More than one sector.
    "network-config": b"version: 2\n" + b"# x\n" * 2000,
}
TOOLS = ("xorriso", "genisoimage", "mkisofs")


def descriptor(image, kind):
    """Return the volume descriptor of a kind (ECMA-119, 8)."""
    for start in range(16 * SECTOR, len(image), SECTOR):
        found = image[start : start + SECTOR]
        assert found[1:6] == b"CD001"
        if found[0] == kind:
            return found
        assert found[0] != 255, "there is none"
    raise AssertionError("no end of descriptors")


def entries(image, kind):
    """Return the records of the root directory (ECMA-119, 9.1): name, content, the rest of the record."""
    start, size = record(descriptor(image, kind)[156:])
    folder = image[start : start + size]
    found, position = [], 0
    while position < size and folder[position]:
        one = folder[position : position + folder[position]]
        position += len(one)
        end = 33 + one[32]
        if one[33:end] not in (b"\0", b"\1"):
            where, length = record(one)
            found.append((one[33:end], image[where : where + length], one[end + 1 - one[32] % 2 :]))
    return found


def record(one):
    sector, size = struct.unpack_from("<I4xI", one, 2)
    return sector * SECTOR, size


def joliet(image):
    """Return the files as Windows sees them."""
    return {name.decode("utf-16-be").split(";")[0]: content for name, content, _rest in entries(image, JOLIET)}


def rock_ridge(image):
    """Return the files as others see them: name -> (content, mode, user, group) from the fields NM and PX."""
    found = {}
    for _name, content, rest in entries(image, PRIMARY):
        fields = {}
        while len(rest) > 4 and rest[2]:
            fields[rest[:2]] = rest[4 : rest[2]]
            rest = rest[rest[2] :]
        mode, user, group = (struct.unpack_from("<I", fields[b"PX"], 8 * place)[0] for place in (0, 2, 3))
        found[fields[b"NM"][1:].decode()] = (content, mode, user, group)
    return found


def assert_holds(path, content):
    image = path.read_bytes()
    assert image[0x8028 : 0x8028 + 32] == b"cidata".ljust(32)
    assert descriptor(image, JOLIET)[40:52].decode("utf-16-be") == "cidata"
    assert joliet(image) == content
    assert rock_ridge(image) == {name: (one, 0o100400, 0, 0) for name, one in content.items()}


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(autouse=True)
def generous():
    """Let every new file be readable by all, unless we see to it that it is not."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Return the folder that holds the temporary ones."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(workspace, "CACHE", str(folder))
    return folder


@pytest.fixture
def path(tmp_path, scratch):
    """Return a path for an image; look that nothing is left behind."""
    folder = tmp_path / "pool"
    folder.mkdir()
    yield folder / "seed.iso"
    assert os.listdir(scratch) == []
    assert set(os.listdir(folder)) <= {"seed.iso"}


@pytest.fixture
def only(tmp_path, monkeypatch):
    """Return a function that leaves one tool on the PATH, a stand-in where it is given a script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    real = {name: shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") for name in TOOLS}

    def leave(name, script=None):
        if script is not None:
            (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\nREAL={real.get(name)}\n{script}")
            (folder / name).chmod(0o755)
        elif real[name]:
            (folder / name).symlink_to(real[name])
        else:
            pytest.skip(f"{name} is not installed")

    return leave


@pytest.fixture(params=TOOLS)
def tool(request, only):
    only(request.param)
    return request.param


@pytest.fixture(params=TOOLS)
def installed(request):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return request.param


def test_image_of_each_tool(tool, path):
    iso.make_iso(str(path), FILES)
    assert_holds(path, FILES)
    assert mode(path) == 0o600


def test_an_image_that_was_there_is_replaced(tool, path):
    path.write_bytes(b"x" * 5_000_000)
    path.chmod(0o644)
    inode = path.stat().st_ino
    iso.make_iso(str(path), {"a": b"b"})
    assert_holds(path, {"a": b"b"})
    assert (mode(path), path.stat().st_ino) == (0o600, inode)
    assert path.stat().st_size < 1_000_000


def test_an_empty_file(tool, path):
    iso.make_iso(str(path), {"a": b"", "b": b"c"})
    assert joliet(path.read_bytes()) == {"a": b"", "b": b"c"}


def test_an_arriving_image(tool, path):
    with io_files.arriving(str(path), 0o400) as part:
        iso.make_iso(part, FILES)
        assert mode(part) == 0o600
    assert_holds(path, FILES)
    assert mode(path) == 0o400


def test_xorriso_makes_the_same_of_the_same(only, path):
    only("xorriso")
    images = []
    for unused in range(2):
        iso.make_iso(str(path), FILES)
        images.append(path.read_bytes())
        # Dates on an image have hundredths of a second.
        subprocess.run(["/bin/sleep", "0.02"], check=True)
    assert images[0] == images[1]


def test_pycdlib_where_there_is_no_tool(only, path):
    pytest.importorskip("pycdlib", reason="pycdlib is not installed")
    iso.make_iso(str(path), FILES)
    assert_holds(path, FILES)
    assert mode(path) == 0o600
    with pytest.raises(ImageError, match="cannot make an ISO image: pycdlib: "):
        iso.make_iso(str(path), FILES, label="x" * 33)


def test_no_tool_at_all(only, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycdlib", None)
    assert message(lambda: iso.make_iso(str(path), FILES)) == (
        "cannot make an ISO image: this host has none of xorriso, genisoimage, mkisofs and Python's pycdlib; install "
        "xorriso (Debian, Ubuntu, Fedora, RHEL, SUSE), or genisoimage (Debian, Ubuntu)"
    )
    assert not path.exists()


def test_the_first_tool_is_taken(only, path):
    only("mkisofs", "exit 3")
    only("genisoimage", "exit 4")
    assert message(lambda: iso.make_iso(str(path), FILES)) == (
        "cannot make an ISO image: genisoimage failed (4): no word"
    )
    only("xorriso", "exit 5")
    assert message(lambda: iso.make_iso(str(path), FILES)) == "cannot make an ISO image: xorriso failed (5): no word"


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_tool_sees(only, path, tmp_path, name):
    seen = tmp_path / "seen"
    only(
        name,
        f"""exec >'{seen}'
echo "$@"
stat -c '%a %n' . * files/*
env | grep -E '^(LC_ALL|TZ|SOURCE_DATE_EPOCH|GENISOIMAGERC|MKISOFSRC)=' | sort
umask
cat >image.iso
stat -c '%a %n' image.iso
pwd
""",
    )
    iso.make_iso(str(path), FILES)
    *lines, folder = seen.read_text().splitlines()
    first = "-no_rc -as mkisofs " if name == "xorriso" else ""
    assert lines == [
        f"{first}-quiet -J -R -uid 0 -gid 0 -dir-mode 0555 -file-mode 0400 -V cidata -o image.iso files",
        "700 .",
        "700 files",
        "600 files/meta-data",
        "600 files/network-config",
        "600 files/user-data",
        "GENISOIMAGERC=/dev/null",
        "LC_ALL=C",
        "MKISOFSRC=/dev/null",
        "SOURCE_DATE_EPOCH=946684800",
        "TZ=UTC",
        "0077",
        "600 image.iso",
    ]
    assert os.path.basename(folder).startswith("work-")
    assert path.read_bytes() == b""


def test_a_real_tool_shows_nothing_meanwhile(installed, only, path, scratch, tmp_path):
    seen = tmp_path / "seen"
    only(installed, f'"$REAL" "$@" || exit\nstat -c "%a %n" . * >\'{seen}\'')
    iso.make_iso(str(path), FILES)
    assert seen.read_text() == "700 .\n700 files\n600 image.iso\n"
    assert_holds(path, FILES)


@pytest.mark.parametrize("before", [None, 0o644])
def test_the_image_is_private_before_it_is_filled(only, path, monkeypatch, before):
    only("xorriso", "echo image >image.iso")
    if before:
        path.write_bytes(b"old")
        path.chmod(before)
    seen = []
    fchmod = os.fchmod

    def watch(descriptor, value):
        seen.append((mode(path), path.read_bytes()))
        fchmod(descriptor, value)
        seen.append((mode(path), path.read_bytes()))

    monkeypatch.setattr(os, "fchmod", watch)
    iso.make_iso(str(path), FILES)
    old = b"old" if before else b""
    assert seen == [(before or 0o600, old), (0o600, old)]
    assert (mode(path), path.read_bytes()) == (0o600, b"image\n")


def test_a_link_is_not_followed(only, path, tmp_path):
    only("xorriso", ": >image.iso")
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    path.symlink_to(target)
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        iso.make_iso(str(path), FILES)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "script, expected",
    [
        ("echo one; echo ' two\tthree' >&2; exit 1", "failed (1): one two three"),
        ("printf 'a\\033[1mb\\377'; exit 1", "failed (1): a\\x1b[1mb\\ufffd"),
        ("printf %01000d 7; exit 1", f"failed (1): {'0' * 499}7"),
        ("kill -9 $$", "failed (-9): no word"),
    ],
)
def test_a_tool_that_fails(only, path, script, expected):
    only("xorriso", script)
    assert message(lambda: iso.make_iso(str(path), FILES)) == f"cannot make an ISO image: xorriso {expected}"
    assert not path.exists()


def test_a_real_tool_that_fails(installed, only, path):
    """The words of a tool hold no content."""
    only(installed, 'mkdir image.iso; "$REAL" "$@"')
    found = message(lambda: iso.make_iso(str(path), FILES))
    assert found.startswith(f"cannot make an ISO image: {installed} failed (")
    assert "image.iso" in found and "\n" not in found and SECRET not in found


def test_a_tool_that_hangs(only, path, monkeypatch):
    only("xorriso", "exec sleep 60")
    monkeypatch.setattr(iso, "SECONDS", 0.2)
    assert message(lambda: iso.make_iso(str(path), FILES)) == "cannot make an ISO image: xorriso took more than 0.2 s"


def test_a_tool_that_makes_nothing(only, path):
    only("xorriso", "exit 0")
    found = message(lambda: iso.make_iso(str(path), FILES))
    assert found.endswith("/image.iso: cannot make an ISO image with xorriso: No such file or directory")


def test_a_tool_that_cannot_run(only, path, tmp_path):
    only("xorriso", "")
    (tmp_path / "bin" / "xorriso").write_bytes(b"\x7fELF")
    assert message(lambda: iso.make_iso(str(path), FILES)) == (
        f"{tmp_path}/bin/xorriso: cannot make an ISO image with xorriso: Exec format error"
    )


def test_no_room_for_the_temporary_folder(only, path, monkeypatch):
    only("xorriso", "")
    with monkeypatch.context() as patch:
        patch.setattr(workspace, "CACHE", "/proc/nowhere")
        found = message(lambda: iso.make_iso(str(path), FILES))
    assert found == "/proc/nowhere: cannot make the folder: No such file or directory"


def test_an_interrupt_leaves_nothing(only, path, monkeypatch):
    only("xorriso", "")

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(iso.subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        iso.make_iso(str(path), FILES)


def mounts_iso():
    """Return whether this machine mounts ISO images by a loop device."""
    with open("/proc/filesystems", encoding="ascii") as kinds:
        return os.geteuid() == 0 and "iso9660" in kinds.read() and os.path.exists("/dev/loop-control")


@pytest.mark.skipif(not mounts_iso(), reason="no root, no loop devices, or a kernel that does not know iso9660")
def test_linux_mounts_it(installed, only, path, tmp_path, monkeypatch):
    only(installed)
    iso.make_iso(str(path), FILES)
    monkeypatch.undo()
    point = tmp_path / "point"
    point.mkdir()
    subprocess.run(["mount", "-o", "loop,ro", str(path), str(point)], check=True)
    try:
        assert {one.name: one.read_bytes() for one in point.iterdir()} == FILES
        assert {mode(one) for one in point.iterdir()} == {0o400}
    finally:
        subprocess.run(["umount", str(point)], check=True)
