# SPDX-License-Identifier: GPL-3.0-or-later
"""Files over http: that come whole, that break, and that an earlier process left in part; real servers (web.py)."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from email.utils import formatdate

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import client as client_module
from ansible_collections.virt.image.plugins.module_utils._io import fetch
from ansible_collections.virt.image.plugins.module_utils._io.fetch import download, read_whole
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.tests.unit import web
from ansible_collections.virt.image.tests.unit.fetching import (  # pylint: disable=unused-import  # fixtures
    CHANGED,
    CONTENT,
    DATED,
    LOST,
    NEXT,
    OTHER,
    PAUSES,
    QUICK,
    SIZE,
    TAG,
    _alone,
    _server,
    fetched,
    refusal,
    served,
)
from ansible_collections.virt.image.tests.unit.support import message
from ansible_collections.virt.image.tests.unit.web import OLD, Page, running

# --- A file that comes whole


@pytest.mark.parametrize(
    ("traits", "size", "stamp"),
    [
        pytest.param({}, SIZE, TAG, id="a tag"),
        pytest.param({"etag": (None,)}, SIZE, DATED, id="a date"),
        pytest.param({"etag": ('W/"v1"',)}, SIZE, DATED, id="a weak tag promises nothing"),
        pytest.param({"etag": ("v1",)}, SIZE, DATED, id="no tag, as it has no quotes"),
        pytest.param({"etag": ('"é"',)}, SIZE, DATED, id="a tag that is not ASCII"),
        pytest.param({"etag": ('"' + "x" * 300 + '"',)}, SIZE, DATED, id="a tag that is long"),
        pytest.param({"etag": (None,), "modified": (None,)}, SIZE, None, id="neither"),
        pytest.param({"etag": (None,), "modified": ("yesterday",)}, SIZE, None, id="no date"),
        pytest.param({"etag": (None,), "modified": ("Wed, 99 Oct 2015 07:28:00 GMT",)}, SIZE, None, id="no such day"),
        pytest.param(
            {"etag": (None,), "modified": ("Fri, 21 Oct 2095 07:28:00 GMT",)}, SIZE, None, id="still changing"
        ),
        pytest.param({"etag": (None,), "framing": "chunked"}, None, None, id="a date without a length"),
        pytest.param({"framing": "chunked"}, None, TAG, id="chunks"),
        pytest.param({"framing": "close"}, None, TAG, id="until the end"),
    ],
)
def test_what_a_server_tells(server, traits, size, stamp):
    url = served(server, **traits)
    with download(url, QUICK, "x") as stream:
        assert (stream.url, stream.offset, stream.size, stream.stamp) == (url, 0, size, stamp)
        assert stream.read() == CONTENT
        assert (stream.read(), stream.read(5)) == (b"", b"")


def test_the_present_second_is_no_stamp(server):
    url = served(server, etag=(None,), modified=(formatdate(usegmt=True),))
    with download(url, QUICK, "x") as stream:
        assert stream.stamp is None


def test_a_stream(server):
    url = served(server)
    with download(url, QUICK, "x") as stream:
        assert stream.readable() and not stream.closed
        assert stream.read(0) == b""
        assert stream.read(300_001) == CONTENT[:300_001]
        buffer = bytearray(10)
        assert stream.readinto(buffer) == 10
        assert buffer == CONTENT[300_001:300_011]
        assert stream.readinto(bytearray()) == 0
        assert io.BufferedReader(stream).read() == CONTENT[300_011:]
    assert stream.closed
    with pytest.raises(ValueError):
        stream.read(1)


def test_an_empty_file(server):
    url = served(server, content=(b"",))
    assert fetched(url) == b""


def test_memory_stays_small(server):
    url = served(server, content=(bytes(64 * 2**20),))
    with download(url, QUICK, "x") as stream:
        tracemalloc.start()
        try:
            assert sum(map(len, iter(lambda: stream.read(2**20), b""))) == 64 * 2**20
            assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
        finally:
            tracemalloc.stop()


def test_a_compressed_file_is_delivered_as_it_is(server):
    packed = gzip.compress(CONTENT)
    for ending, encoding in [
        ("/a.gz", "gzip"),
        ("/a.tgz", "x-gzip"),
        ("/a.xz", "xz"),
        ("/a", None),
        ("/b", "Identity"),
    ]:
        server.pages[ending] = Page((packed,), headers={"Content-Encoding": encoding})
        assert fetched(server.url + ending) == packed
    assert set(server["Accept-Encoding"]) == {"identity"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-gzip", "gzip, gzip"])
def test_another_encoding_is_refused(server, encoding):
    url = served(server, headers={"Content-Encoding": encoding})
    told = f"the server sends it in the encoding {encoding}, which it must not"
    assert refusal(url) == told
    assert len(server.asked) == 1


def test_the_users_headers(server):
    access = Access(
        headers={"X-Token": "t", "accept-encoding": "gzip", "RANGE": "bytes=1-", "X-Int": 1}, http_agent="me"
    )
    assert fetched(served(server), access) == CONTENT
    sent = server.asked[0].headers
    assert (sent["X-Token"], sent["X-Int"], sent["User-Agent"]) == ("t", "1", "me")
    assert sent["Accept-Encoding"] == "identity"
    assert not {"range", "if-range"} & {name.lower() for name in sent}


@pytest.mark.parametrize(
    ("access", "name"),
    [
        (Access(headers={"X-A": "secret\r\nX-B: y"}), "X-A"),
        (Access(headers={"X-A": "secret\n"}), "X-A"),
        (Access(headers={"X A": "secret"}), "X A"),
        (Access(headers={"": "secret"}), ""),
        (Access(headers={"X-A": "secret €"}), "X-A"),
        (Access(http_agent="secret\n"), "User-Agent"),
    ],
)
def test_headers_that_cannot_be_sent(server, access, name):
    told = message(fetched, served(server), access)
    assert told == f"disk disk.raw: the header {name} cannot be sent; it is no line of Latin text"


def test_secrets_are_not_shown():
    assert "secret" not in repr(Access(username="u", password="secret", headers={"A": "secret"}))


# --- Small files, facts


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize(("most", "fits"), [(11, True), (10, True), (9, False), (0, False)])
def test_small_files(server, framing, most, fits):
    url = served(server, content=(b"0123456789",), framing=framing)
    if fits:
        assert read_whole(url, QUICK, "x", most) == b"0123456789"
    else:
        told = f"cannot fetch x: {url}: it has more than {most} bytes, which is too much for it"
        assert message(read_whole, url, QUICK, "x", most) == told


def test_a_body_without_an_end_is_left():
    with running(web.Endless) as server:
        told = f"cannot fetch x: {server.url}/x: it has more than 1000 bytes, which is too much for it"
        assert message(read_whole, f"{server.url}/x", QUICK, "x", 1000) == told


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there(server, status):
    url = served(server, first=(status,) * 4)
    assert read_whole(url, QUICK, "x", 10) is None
    assert download(url, QUICK, "x", missing=True) is None
    assert refusal(url) == {404: "HTTP 404 Not Found", 410: "HTTP 410 Gone"}[status]


# --- Transfers that break

BROKEN = {"breaks": (100_000, 250_000, None)}


@pytest.mark.parametrize("how", ["close", "reset", "stall"])
@pytest.mark.parametrize(
    ("traits", "conditions"),
    [
        pytest.param({}, [TAG, TAG], id="a tag"),
        pytest.param({"etag": (None,)}, [OLD, OLD], id="a date"),
        pytest.param({"etag": ('W/"v1"',)}, [OLD, OLD], id="a weak tag is not sent"),
        pytest.param({"etag": (None,), "modified": (None,)}, [None, None], id="without a stamp the checksum decides"),
    ],
)
def test_a_transfer_is_taken_up(server, how, traits, conditions):
    url = served(server, **BROKEN, **traits, how=how)
    assert fetched(url, Access(timeout=0.5 if how == "stall" else 30)) == CONTENT
    assert server["Range"] == [None, "bytes=100000-", "bytes=350000-"]
    assert server["If-Range"] == [None, *conditions]


def test_broken_chunks_are_taken_up(server):
    # Their server tells the length only with the part.
    assert fetched(served(server, framing="chunked", breaks=(100_000, None), most=300_000)) == CONTENT
    assert server["Range"] == [None, "bytes=100000-", "bytes=400000-"]


def test_a_server_that_gives_less_than_asked_is_asked_on(server, monkeypatch):
    monkeypatch.setattr(fetch, "pause", None)
    assert fetched(served(server, most=300_000), Access(retries=0), offset=1, stamp=TAG) == CONTENT[1:]


def test_a_small_file_is_taken_up_too(server):
    url = served(server, content=(b"0123456789",), breaks=(3, None))
    assert read_whole(url, QUICK, "x", 10) == b"0123456789"


def test_a_server_without_ranges_sends_all_again(server):
    assert fetched(served(server, **BROKEN, ranges=False)) == CONTENT
    assert server.pages["/disk.raw"].served == 3


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        pytest.param({"etag": (TAG, NEXT), "content": (CONTENT, OTHER)}, CHANGED, id="another tag, all of it"),
        pytest.param({"etag": (TAG, NEXT), "ranges": False}, CHANGED, id="another tag, no ranges"),
        pytest.param({"etag": (None,), "modified": (OLD, "Thu, 22 Oct 2015 07:28:00 GMT")}, CHANGED, id="another date"),
        pytest.param({"etag": (None,), "content": (CONTENT, CONTENT + b"x")}, CHANGED, id="longer"),
        pytest.param({"content": (CONTENT, CONTENT[:-1])}, CHANGED, id="shorter, though the tag is the same"),
        pytest.param({"content": (CONTENT, CONTENT[:1000])}, CHANGED, id="shorter than what we have"),
        pytest.param({"etag": (TAG, None), "ranges": False}, CHANGED, id="no tag any more"),
        pytest.param({"etag": (None,), "modified": (None,), "ranges": False}, LOST, id="no stamp, no ranges"),
        pytest.param(
            {"part": {"Content-Range": f"bytes 5-{SIZE - 1}/{SIZE}"}},
            "the server sends another part of the file than it was asked for",
            id="another part",
        ),
        pytest.param(
            {"part": {"Content-Range": "lines 1-2/3"}},
            "the server sends another part of the file than it was asked for",
            id="no part",
        ),
        pytest.param(
            {"part": {"Content-Range": f"bytes 100000-{SIZE}/{SIZE}"}},
            "the server sends another part of the file than it was asked for",
            id="a part that ends behind the file",
        ),
        pytest.param({"etag": (TAG, NEXT), "condition": False}, CHANGED, id="another tag, and If-Range is not heeded"),
        pytest.param(
            {"part": {"Content-Range": f"bytes 100000-5/{SIZE}"}},
            "the server sends another part of the file than it was asked for",
            id="a part that ends before it begins",
        ),
        pytest.param(
            {"framing": "chunked", "ranges": False, "content": (CONTENT, CONTENT[:1000])},
            CHANGED,
            id="shorter than what we have, and no lengths",
        ),
        pytest.param({"status": (None, 404)}, "HTTP 404 Not Found", id="gone"),
    ],
)
def test_a_transfer_that_cannot_go_on(server, traits, told):
    url = served(server, breaks=(100_000, None), **traits)
    assert refusal(url) == told
    assert len(server.asked) == 2


def test_another_files_rest_without_a_stamp_is_the_checksums_to_see(server):
    url = served(server, content=(CONTENT, OTHER), etag=(None,), modified=(None,), breaks=(100_000, None))
    assert fetched(url) == CONTENT[:100_000] + OTHER[100_000:]


def test_a_server_that_hides_its_date_in_parts_is_believed(server):
    # RFC 9110, 15.3.7: such a part needs no other headers than those that we have asked by.
    url = served(server, etag=(None,), breaks=(100_000, None), part={"Last-Modified": None})
    assert fetched(url) == CONTENT
    assert server["If-Range"] == [None, OLD]


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        ({"breaks": (100_000, 0)}, "the connection broke, after 100000 bytes and 5 retries"),
        ({"breaks": (100_000, 0), "how": "reset"}, "the connection broke, after 100000 bytes and 5 retries"),
        ({"breaks": (100_000,), "ranges": False}, "the connection broke, after 100000 bytes and 5 retries"),
        ({"breaks": (0,)}, "the connection broke, after 0 bytes and 5 retries"),
        (
            {"breaks": (100_000, None), "status": (None, 503)},
            "HTTP 503 Service Unavailable, after 100000 bytes and 5 retries",
        ),
    ],
)
def test_a_transfer_that_makes_no_progress_is_given_up(server, traits, told):
    assert refusal(served(server, **traits)) == told
    assert len(server.asked) == 6


def test_progress_gives_new_tries(server):
    assert fetched(served(server, breaks=(100_000,)), Access(retries=1)) == CONTENT
    assert len(server.asked) == 7


def test_a_server_that_goes_away(server):
    url = served(server, breaks=(100_000,))
    with download(url, QUICK, "disk disk.raw") as stream:
        assert stream.read(100_000) == CONTENT[:100_000]
        server.shutdown()
        server.server_close()
        told = message(stream.read)
    assert told.endswith("/disk.raw: the connection was refused, after 100000 bytes and 5 retries")


def test_pauses_grow(server, monkeypatch):
    slept = []
    monkeypatch.setattr(client_module, "sleep", slept.append)
    monkeypatch.setattr(client_module, "PAUSES", PAUSES)
    assert "retries" in refusal(served(server, breaks=(1, 0)), Access(retries=7))
    assert refusal(served(server, first=(503,) * 8), Access(retries=7)) == "HTTP 503 Service Unavailable"
    assert slept == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0] * 2


# --- What an earlier process left


@pytest.mark.parametrize(
    ("traits", "offset", "stamp", "began"),
    [
        pytest.param({}, 1000, TAG, 1000, id="the same tag"),
        pytest.param({"etag": (None,)}, 1000, DATED, 1000, id="the same date"),
        pytest.param({}, 0, TAG, 0, id="nothing was left"),
        pytest.param({}, 1000, None, 0, id="no stamp"),
        pytest.param({}, 1000, NEXT, 0, id="another tag"),
        pytest.param({"etag": (None,)}, 1000, f"{OLD} 5", 0, id="another length"),
        pytest.param({"etag": (None,)}, 1000, TAG, 0, id="no tag any more"),
        pytest.param({"ranges": False}, 1000, TAG, 0, id="no ranges"),
        pytest.param({"part": {"Content-Range": "bytes 5-9/10"}}, 1000, TAG, 0, id="another part"),
        pytest.param({"part": {"Content-Range": "x"}}, 1000, TAG, 0, id="no part"),
        pytest.param({"part": {"ETag": None}}, 1000, TAG, 0, id="a part of who knows what"),
        pytest.param({"etag": (NEXT,), "condition": False}, 1000, TAG, 0, id="a server that heeds no If-Range"),
        pytest.param({}, SIZE, TAG, SIZE, id="it was whole"),
        pytest.param({"ranges": False}, SIZE, TAG, SIZE, id="it was whole, no ranges"),
        pytest.param({"etag": (None,), "modified": (None,)}, SIZE, None, 0, id="whole perhaps, who knows"),
        pytest.param({}, SIZE + 1, TAG, 0, id="more than there is"),
        pytest.param({}, 1000, "1234-5678-9", 0, id="a stamp of something else"),
        pytest.param({}, 1000, '"v1"\r\nX: y', 0, id="a stamp that is none"),
    ],
)
def test_what_was_left_is_gone_on_with(server, traits, offset, stamp, began):
    with download(served(server, **traits), QUICK, "x", offset=offset, stamp=stamp) as stream:
        assert (stream.offset, stream.size) == (began, SIZE)
        assert stream.read() == CONTENT[began:]


def test_what_was_left_breaks_once_more(server):
    url = served(server, breaks=(50_000, None))
    assert fetched(url, offset=1000, stamp=TAG) == CONTENT[1000:]
    assert server["Range"] == ["bytes=1000-", "bytes=51000-"]
