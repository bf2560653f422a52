# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of one guest alone, as the storage module brings and removes them; only libvirt is a stand-in."""

from __future__ import annotations

import os

import pytest

from ansible_collections.virt.image.tests.unit.stand_in import IMAGE, Libvirt, perform, storage


@pytest.fixture(name="libvirt")
def _libvirt(tmp_path):
    return Libvirt(tmp_path)


def test_storage_makes_volumes_and_takes_them_away(libvirt):
    made = perform(storage(libvirt, name="a"), libvirt)
    assert [line.split()[0] for line in made] == ["import", "create", "create", "create"]
    assert perform(storage(libvirt, name="a"), libvirt) == []
    assert len(perform(storage(libvirt, name="a", state="absent"), libvirt)) == 2
    assert perform(storage(libvirt, name="a", state="absent"), libvirt) == []


def test_storage_needs_no_network_and_no_memory(libvirt):
    libvirt.nets = {}
    (libvirt.image / "image.xml").write_text(IMAGE.replace("<memory>131072</memory>", "").format("<interface/>"))
    assert perform(storage(libvirt, name="a"), libvirt)
    assert perform(storage(libvirt, name="a", state="absent"), libvirt)


def test_storage_is_taken_away_without_the_image_s_file(libvirt):
    perform(storage(libvirt, name="a"), libvirt)
    os.unlink(libvirt.image / "root.raw")
    assert len(perform(storage(libvirt, name="a", state="absent"), libvirt)) == 2
