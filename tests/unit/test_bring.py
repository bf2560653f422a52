# SPDX-License-Identifier: GPL-3.0-or-later
"""What is brought into a folder: whole, verified and unpacked, or not there at all; begun ones are taken up."""

from __future__ import annotations

import gzip
import hashlib
import os
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.steps import ImportBase
from ansible_collections.virt.image.plugins.module_utils._core.volume import PLAIN, Pool, Source
from ansible_collections.virt.image.plugins.module_utils._io.bring import import_base
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.tests.unit.fetching import (  # pylint: disable=unused-import  # fixtures
    CONTENT,
    TAG,
    _alone,
    _server,
    served,
)
from ansible_collections.virt.image.tests.unit.support import message


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def step(folder, path, digest, packing=None, size=1, stamp=None, checksums=(), format="raw"):
    pool = Pool("none", str(folder), 2**40, PLAIN)
    told = Source(str(path), "root.raw", size, stamp, digest, Header("raw", 0), "image.xml", checksums, packing)
    return ImportBase(pool, "base.raw", told, format, format)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "pool").mkdir()
    return tmp_path / "pool"


@pytest.fixture(name="path")
def _path(tmp_path):
    (tmp_path / "root.raw").write_bytes(CONTENT)
    return tmp_path / "root.raw"


def bring(*arguments, **options):
    import_base(step(*arguments, **options), SimpleNamespace(jobs=Jobs()), Access(timeout=30))


def test_a_file(folder, path):
    bring(folder, path, sha256(CONTENT))
    assert os.listdir(folder) == ["base.raw"]
    assert (folder / "base.raw").read_bytes() == CONTENT
    assert (folder / "base.raw").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("content", [CONTENT, b"QFI\xfb" + CONTENT, gzip.compress(CONTENT, 1)])
def test_a_kernel_is_what_it_is(folder, path, content):
    path.write_bytes(content)
    bring(folder, path, sha256(content), format="boot")
    assert (folder / "base.raw").read_bytes() == content


def test_a_packed_file(folder, path):
    packed = gzip.compress(CONTENT, 1)
    path.write_bytes(packed)
    bring(folder, path, sha256(packed), packing="gz")
    assert (folder / "base.raw").read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [{"digest": "0" * 64}, {"checksums": (("md5", "0" * 32),)}])
def test_another_content_leaves_nothing(folder, path, wrong):
    told = message(bring, folder, path, **{"digest": sha256(CONTENT), **wrong})
    assert "root.raw has the " in told and "0 was told; it is not the file that was meant, or it is damaged" in told
    assert os.listdir(folder) == []


def test_another_content_from_a_server_leaves_nothing(folder, server):
    told = message(bring, folder, served(server), "0" * 64, size=len(CONTENT), stamp=TAG)
    assert "0 was told" in told
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    "left, asked",
    [
        (CONTENT[:100_000], [("bytes=100000-", TAG)]),
        # Another file's beginning: all of it comes again.
        (b"x" * 100_000, [("bytes=100000-", TAG), (None, None)]),
        (b"", [(None, None)]),
    ],
)
def test_what_a_killed_run_left_is_taken_up(folder, server, left, asked):
    (folder / ".base.raw.part").write_bytes(left)
    bring(folder, served(server), sha256(CONTENT), size=len(CONTENT), stamp=TAG)
    assert (folder / "base.raw").read_bytes() == CONTENT
    assert list(zip(server["Range"], server["If-Range"])) == asked
    assert os.listdir(folder) == ["base.raw"]


def test_a_transfer_that_breaks_off_is_kept_for_the_next_run(folder, server):
    url = served(server, breaks=(600_000, *[0] * 20))
    assert message(bring, folder, url, sha256(CONTENT), size=len(CONTENT), stamp=TAG)
    assert os.listdir(folder) == [".base.raw.part"]
    left = (folder / ".base.raw.part").read_bytes()
    assert 0 < len(left) <= 600_000 and CONTENT.startswith(left)
