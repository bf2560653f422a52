# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugin tells a host of the images on the control node."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

from ansible_collections.virt.image.plugins.action.guests import ActionModule
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
