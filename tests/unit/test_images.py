# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken for known of an image's files: what a record of another version says counts only by a stamp."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.record import Generation, RecordedDisk
from ansible_collections.virt.image.plugins.module_utils._core.volume import Found, Pool
from ansible_collections.virt.image.plugins.module_utils._io.images import Images, Wanted
from ansible_collections.virt.image.plugins.module_utils._io.source import File
from ansible_collections.virt.image.plugins.module_utils._io.survey import Survey
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.tests.unit.support import guest

HEADER = Header("raw", 2**20)
POOL = Pool("default", "/pool", 2**40)
HAD = "a" * 64


def recorded(stamp, digest=HAD, path="/pool/web1-root.qcow2"):
    return RecordedDisk("root", "system", "default", "web1-root.qcow2", path, False, "qcow2", digest, stamp)


def source(stamp, another, had, checksums=None, there=True):
    """Return what is known of the file of an image on a server that gives it this stamp; the pool has all bases."""
    volumes = SimpleNamespace(has_base=lambda _pool, digest, _format: bool(digest), base=lambda *_one: Found(HEADER, True))
    images, asked = Images(volumes, (), Access()), guest(name="web1", image="https://h/image.xml")
    file = File("https://h/root.raw", "root.raw", 2**20, stamp, HEADER, packing=None) if there else None
    images._folders[asked.image, asked.allow_outside_files] = SimpleNamespace(file=lambda *_one: file, path="https://h")
    return images.source(asked, Wanted("root.raw", "raw", checksums or {}, POOL, had, another=another))


@pytest.mark.parametrize(
    "stamp, another, digest",
    [("s", False, HAD), ("s", True, HAD), ("other", False, None), ("other", True, None), (None, False, HAD), (None, True, None)],
)
def test_what_a_record_says_of_a_file_on_a_server(stamp, another, digest):
    assert source(stamp, another, recorded("s" if stamp else None)).digest == digest


def test_a_file_that_is_gone_is_not_that_of_another_version():
    assert source(None, False, recorded("s"), there=False).digest == HAD
    assert source(None, True, recorded("s"), there=False) is None


def test_a_base_does_not_get_the_stamp_of_another_file():
    assert source("s", True, recorded("s"), {"sha256": "b" * 64}).stamp is None
    assert source("s", False, recorded("s"), {"sha256": HAD}).stamp == "s"


@pytest.mark.parametrize(
    "version, known, others",
    [("1", "/old", {"/new"}), ("2", "/new", {"/old"}), ("3", "/new", {"/old", "/new"}), (None, "/new", {"/old", "/new"})],
)
def test_what_the_same_version_brought_counts_before_others(version, known, others):
    survey = Survey.__new__(Survey)
    old = Generation(1, "former", "web", "1", None, disks=(recorded(None, path="/old"),))
    new = Generation(2, "staged", "web", version and "2", None, disks=(recorded(None, path="/new"),))
    survey.learn(SimpleNamespace(version=version, release=None), (old, new))
    assert survey.known["root"].path == known and survey.others == others
