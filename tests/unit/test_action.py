# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugin tells a host of the images on the control node."""

from __future__ import annotations

import errno
import hashlib
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError

from ansible_collections.virt.image.plugins.action import guests
from ansible_collections.virt.image.plugins.action.guests import ActionModule
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io.source import Folder
from ansible_collections.virt.image.tests.unit.support import text


def test_what_was_brought_for_one_item_of_a_loop_is_not_there_for_the_next(tmp_path):
    """Items of a loop share a process, and each has a temporary folder of its own on the host."""
    image = tmp_path / "image.xml"
    image.write_text(text("descriptors/manual.xml"))
    (tmp_path / "isos").mkdir()
    (tmp_path / "isos" / "systemrescuecd.iso").write_bytes(bytes(0x8000) + b"\x01CD001" + bytes(100))
    arguments = {"image_source": "controller", "guests": [{"image": str(image)}]}
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(args=arguments, async_val=0)  # pylint: disable=protected-access
    action._find = lambda path: path  # pylint: disable=protected-access

    def told():
        (delivery,) = action._deliveries()  # pylint: disable=protected-access
        return delivery["files"]["isos/systemrescuecd.iso"]

    first = told()
    content = (tmp_path / "isos" / "systemrescuecd.iso").read_bytes()
    assert first["digests"]["sha256"] == hashlib.sha256(content).hexdigest()
    first["brought"] = "/tmp/of-the-first-item"
    assert "brought" not in told()


def test_a_path_begins_at_the_playbook_then_in_the_current_folder(tmp_path, monkeypatch):
    """A playbook of a collection has no images beside it."""
    action = ActionModule.__new__(ActionModule)

    def needle(_folder, path):
        if path == "beside.xml":
            return "/playbooks/beside.xml"
        raise AnsibleError("not there")

    action._find_needle = needle  # pylint: disable=protected-access
    monkeypatch.chdir(tmp_path)
    for name in ("beside.xml", "here.xml"):
        (tmp_path / name).write_text("<image/>")
    assert action._find("beside.xml") == "/playbooks/beside.xml"  # pylint: disable=protected-access
    assert action._find("here.xml") == str(tmp_path / "here.xml")  # pylint: disable=protected-access
    with pytest.raises(ImageError, match="^nowhere.xml: is not on the control node; .* or the current folder$"):
        action._find("nowhere.xml")  # pylint: disable=protected-access


def test_a_file_is_read_once_for_all_hosts(tmp_path, monkeypatch):
    """Each host has a process of its own: what one of them read, the others find."""
    monkeypatch.setattr(guests.C, "DEFAULT_LOCAL_TMP", str(tmp_path), raising=False)
    content = tmp_path / "root.raw"
    content.write_bytes(b"a disk")
    read = []

    def digests(kinds):
        folder = Folder(str(tmp_path / "image.xml"))
        monkeypatch.setattr(folder, "digests", lambda *one: read.append(one[0].stamp) or Folder.digests(folder, *one))
        return guests._digests(folder, folder.file("root.raw"), kinds)  # pylint: disable=protected-access

    first = digests({"sha256"})
    assert first == digests({"sha256"}) == {"sha256": hashlib.sha256(b"a disk").hexdigest()}
    assert digests(set()) == {}
    assert len(read) == 1
    # What is asked for is more, or the file is another.
    assert sorted(digests({"sha256", "md5"})) == ["md5", "sha256"]
    content.write_bytes(b"another disk")
    assert digests({"sha256"}) != first
    assert len(read) == 3


@pytest.mark.parametrize("trouble", ["no folder", "a partial file", "no locks"])
def test_without_a_place_to_keep_digests_each_host_reads(tmp_path, monkeypatch, trouble):
    monkeypatch.setattr(guests.C, "DEFAULT_LOCAL_TMP", str(tmp_path / "gone" if trouble == "no folder" else tmp_path))
    (tmp_path / "root.raw").write_bytes(b"a disk")
    folder = Folder(str(tmp_path / "image.xml"))
    file = folder.file("root.raw")
    if trouble == "no locks":
        monkeypatch.setattr(guests.fcntl, "flock", failing_lock)
    for _host in range(2):
        found = guests._digests(folder, file, {"sha256"})  # pylint: disable=protected-access
        assert found == {"sha256": hashlib.sha256(b"a disk").hexdigest()}
        for kept in tmp_path.glob("virt.image-*") if trouble == "a partial file" else ():
            kept.write_text('{"sha')


def failing_lock(*_arguments):
    raise OSError(errno.ENOLCK, "No locks available")
