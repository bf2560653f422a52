# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an image: those of the descriptor's folder and no others, with the checksums that it says."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.action import guests as action
from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._core.trust import Trust
from ansible_collections.virt.image.plugins.module_utils._io import source
from ansible_collections.virt.image.plugins.module_utils._io.source import Delivery, Folder, stamp_of
from ansible_collections.virt.image.tests.unit.support import message

DOMAIN = '<domain><boot type="hvm"><guest><arch>i686</arch></guest></boot></domain>'
TEXT = f'<?xml version="1.0" encoding="{{}}"?><image><name>Büro</name>{DOMAIN}</image>'


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "image.xml").write_text("<image/>")
    (tmp_path / "image" / "disk.raw").write_bytes(b"disk")
    (tmp_path / "secret").write_bytes(b"secret")
    return Folder(str(tmp_path / "image" / "image.xml"))


def timely(call, *arguments):
    """Return what a call says; a call that hangs is a failure, not a hang."""
    told = []

    def work():
        try:
            told.append(message(call, *arguments))
        except Exception as error:  # pylint: disable=broad-exception-caught
            told.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert told, "hangs"
    assert isinstance(told[0], str), repr(told[0])
    return told[0]


def test_a_file(folder):
    file = folder.file("disk.raw")
    assert (file.label, file.size, file.header, file.digest) == ("disk.raw", 4, Header("raw", 4), None)
    assert file.path == os.path.realpath(os.path.dirname(folder.path)) + "/disk.raw"


def test_a_file_in_a_folder(folder, tmp_path):
    (tmp_path / "image" / "isos").mkdir()
    (tmp_path / "image" / "isos" / "a.iso").write_bytes(b"iso")
    assert folder.file("isos/a.iso").size == 3


@pytest.mark.parametrize("name", ["gone.raw", "gone/disk.raw"])
def test_a_missing_file_is_none(folder, name):
    assert folder.file(name) is None


def test_a_link_within_the_folder(folder, tmp_path):
    os.symlink("disk.raw", tmp_path / "image" / "link.raw")
    assert folder.file("link.raw").size == 4


@pytest.mark.parametrize("target", ["../secret", "{}/secret", "up/secret", "loop"])
def test_a_link_out_of_the_folder_is_refused(folder, tmp_path, target):
    os.symlink("..", tmp_path / "image" / "up")
    os.symlink("loop", tmp_path / "image" / "loop")
    os.symlink(target.format(tmp_path), tmp_path / "image" / "link.raw")
    told = timely(folder.file, "link.raw")
    if target == "loop":
        assert "cannot read link.raw: Too many levels of symbolic links" in told
    else:
        assert (
            told
            == f"{folder.path}: link.raw leads to {tmp_path}/secret, out of the descriptor's folder; put the file there, "
            "or say allow_outside_files: true"
        )
        assert Folder(folder.path, outside=True).file("link.raw").size == 6


@pytest.mark.parametrize("swapped", ["disk.raw", "isos"])
def test_what_becomes_a_link_while_we_look_is_refused(folder, tmp_path, swapped):
    (tmp_path / "image" / "isos").mkdir()
    (tmp_path / "image" / "isos" / "disk.raw").write_bytes(b"disk")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "disk.raw").write_bytes(b"secret")
    seen = folder.file("isos/disk.raw" if swapped == "isos" else "disk.raw")
    os.rename(tmp_path / "image" / swapped, tmp_path / "image" / "old")
    os.symlink("../elsewhere" if swapped == "isos" else "../secret", tmp_path / "image" / swapped)
    told = message(folder.digest, seen, {})
    assert told.startswith(f"{seen.path}: cannot read ")
    assert Folder(folder.path, outside=True).digest(seen, {}) == hashlib.sha256(b"secret").hexdigest()


def test_a_folder_that_is_a_link_itself(tmp_path, folder):
    os.symlink("image", tmp_path / "alias")
    assert Folder(str(tmp_path / "alias" / "image.xml")).file("disk.raw").size == folder.file("disk.raw").size


def test_a_fifo_is_refused_without_waiting(folder, tmp_path):
    os.mkfifo(tmp_path / "image" / "fifo")
    assert timely(folder.file, "fifo").endswith("fifo is no plain file")


def test_a_folder_is_refused(folder, tmp_path):
    (tmp_path / "image" / "sub").mkdir()
    assert timely(folder.file, "sub").endswith("sub is no plain file")


def test_a_descriptor_that_is_a_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "image.xml")
    assert timely(Folder(str(tmp_path / "image.xml")).descriptor)


@pytest.mark.parametrize(
    "name, words",
    [("gone.xml", "cannot read the descriptor: No such file or directory"), ("", "the descriptor is no plain file")],
)
def test_a_descriptor_that_cannot_be_read(tmp_path, name, words):
    told = message(Folder(str(tmp_path / name)).descriptor)
    assert told == f"{tmp_path / name}: {words}"


def test_a_digest(folder):
    kinds = ("md5", "sha1", "sha256", "sha512")
    right = {kind: hashlib.new(kind, b"disk").hexdigest() for kind in kinds}
    assert folder.digest(folder.file("disk.raw"), right) == right["sha256"]
    assert folder.digest(folder.file("disk.raw"), {}) == right["sha256"]
    assert folder.digest(folder.file("disk.raw"), {"md5": right["md5"]}) == right["sha256"]


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_wrong_checksum(folder, kind):
    found, wrong = hashlib.new(kind, b"disk").hexdigest(), hashlib.new(kind, b"other").hexdigest()
    assert message(folder.digest, folder.file("disk.raw"), {kind: wrong}) == (
        f"{folder.path}: disk.raw has the {kind} checksum {found}, and {wrong} was told; it is not the file that was "
        "meant, or it is damaged"
    )


def test_a_file_that_changed_has_another_stamp(folder, tmp_path):
    before = folder.file("disk.raw").stamp
    assert folder.file("disk.raw").stamp == before
    (tmp_path / "image" / "disk.raw").write_bytes(b"disc")
    os.utime(tmp_path / "image" / "disk.raw", (1, 1))
    assert folder.file("disk.raw").stamp != before


def test_a_delivery():
    header = {"format": "raw", "capacity": 4, "backing": None}
    told = {"size": 4, "digests": {"sha256": "d", "md5": "m"}, "header": header, "packing": None}
    delivery = Delivery(
        {"path": "/c/image.xml", "descriptor": "<image/>", "files": {"a": told, "b": {**told, "brought": "/tmp/b"}}}
    )
    assert delivery.descriptor() == "<image/>"
    assert delivery.file("gone") is None
    assert (delivery.file("a").path, delivery.file("b").path) == (None, "/tmp/b")
    assert (delivery.file("a").stamp, delivery.digest(delivery.file("a"), {"md5": "m"})) == (None, "d")
    assert message(delivery.digest, delivery.file("a"), {"md5": "n"}).startswith("/c/image.xml: a has the md5 checksum m,")


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_a_delivered_descriptor_is_the_one_that_was_read(tmp_path, encoding):
    (tmp_path / "image.xml").write_bytes(TEXT.format(encoding).encode(encoding))
    told = action._read(str(tmp_path / "image.xml"), False, action._Trusts([Trust()]))  # pylint: disable=protected-access
    assert parse_image(Delivery(told).descriptor()).name == "Büro"


def test_a_descriptor_that_is_too_long_is_refused_not_cut(folder):
    with open(folder.path, "wb") as file:
        file.write(TEXT.format("utf-8").encode().ljust(xml.MAX_BYTES + 1))
    assert message(parse_image, folder.descriptor()) == "image.xml: has 1048577 bytes; at most 1048576 are read"


def test_what_is_refused_is_closed(folder, tmp_path):
    (tmp_path / "image" / "sub").mkdir()
    before = os.listdir("/proc/self/fd")
    for _time in range(3):
        assert message(folder.file, "sub").endswith("sub is no plain file")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_weak_checksums_where_only_strong_ones_are_for_security(folder, monkeypatch):
    """As Python does where FIPS 140 is on."""
    new = hashlib.new

    def strict(kind, *data, usedforsecurity=True):
        if usedforsecurity and kind in ("md5", "sha1"):
            raise ValueError("[digital envelope routines] unsupported")
        return new(kind, *data, usedforsecurity=usedforsecurity)

    right = {kind: new(kind, b"disk").hexdigest() for kind in ("md5", "sha1", "sha256")}
    monkeypatch.setattr(hashlib, "new", strict)
    assert folder.digest(folder.file("disk.raw"), right) == right["sha256"]


@pytest.mark.parametrize("key", ["st_size", "st_mtime_ns", "st_ino"])
def test_a_stamp_is_size_time_and_place(key):
    status = {"st_size": 4, "st_mtime_ns": 5, "st_ino": 6}
    assert stamp_of(SimpleNamespace(**status)) == "4-5-6"
    assert stamp_of(SimpleNamespace(**{**status, key: 7})) != "4-5-6"


@pytest.mark.parametrize("name", ["../secret", "../image2/secret", "{}/secret"])
def test_a_name_out_of_the_folder_is_refused(folder, tmp_path, name):
    (tmp_path / "image2").mkdir()
    (tmp_path / "image2" / "secret").write_bytes(b"secret")
    name = name.format(tmp_path)
    assert "out of the descriptor's folder" in message(folder.file, name)
    assert Folder(folder.path, outside=True).file(name).size == 6


def test_a_file_below_a_file(folder):
    assert message(folder.file, "disk.raw/a").endswith("cannot read disk.raw/a: Not a directory")


def test_a_file_that_may_not_be_read_is_not_missing(folder, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(source, "opened", refuse)
    assert message(folder.file, "disk.raw").endswith("cannot read disk.raw: Permission denied")


def test_a_path_from_here(folder, monkeypatch):
    monkeypatch.chdir(os.path.dirname(folder.path))
    assert Folder("image.xml").path == folder.path


def test_a_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "image.xml").write_text("<image/>")
    home = Folder("~/image.xml")
    assert (home.path, home.where, home.descriptor()) == (str(tmp_path / "image.xml"), "image.xml", b"<image/>")
