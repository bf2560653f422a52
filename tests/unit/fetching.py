# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests that fetch share: a content, servers that have it, and short ways to fetch it or to be refused."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import client as client_module
from ansible_collections.virt.image.plugins.module_utils._io.fetch import download
from ansible_collections.virt.image.plugins.module_utils._io.url import Access, shown
from ansible_collections.virt.image.tests.unit import web
from ansible_collections.virt.image.tests.unit.support import message
from ansible_collections.virt.image.tests.unit.web import OLD, Page, running

# More than sockets hold at once.
CONTENT = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(20000))
SIZE = len(CONTENT)
OTHER = CONTENT[::-1]
TAG, NEXT = '"v1"', '"v2"'
DATED = f"{OLD} {SIZE}"
QUICK = Access(timeout=30)
PAUSES = client_module.PAUSES
CHANGED = "the file changed on the server while it was read; run again"
LOST = "the transfer broke, and the server neither goes on where it did nor tells whether the file is still the same"


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No pauses, no proxies but the test's own, and nobody's netrc."""
    monkeypatch.setattr(client_module, "PAUSES", (0,))
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture(name="server")
def _server():
    with running() as server:
        yield server


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory):
    return web.Authority(tmp_path_factory.mktemp("authority"))


def served(server, **traits):
    """Serve the content in this manner; return its URL."""
    server.pages["/disk.raw"] = Page(**{"content": (CONTENT,), "etag": (TAG,), **traits})
    return f"{server.url}/disk.raw"


def fetched(url, access=QUICK, **options):
    with download(url, access, "disk disk.raw", **options) as stream:
        return stream.read()


def refusal(url, access=QUICK, call=fetched, **options):
    """Return what is told of a failure, after the words that all of them begin with."""
    told = message(call, url, access, **options)
    head = f"cannot fetch disk disk.raw: {shown(url)}: "
    assert told.startswith(head), told
    assert "\n" not in told
    return told[len(head) :]
