# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its answer: answers that are none, redirects, logins, proxies, https; real servers (web.py)."""

from __future__ import annotations

import socket

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io.fetch import download, read_whole
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.tests.unit import web
from ansible_collections.virt.image.tests.unit.fetching import (  # pylint: disable=unused-import  # fixtures
    CONTENT,
    QUICK,
    TAG,
    _alone,
    _authority,
    _server,
    fetched,
    refusal,
    served,
)
from ansible_collections.virt.image.tests.unit.support import message
from ansible_collections.virt.image.tests.unit.web import Page, running

BROKEN = {"breaks": (100_000, 250_000, None)}
LOGIN = "has a login in it, which would end up in logs; give it as username and password of the option fetch"
HOST = "names no host; a URL is https://HOST/PATH or https://HOST:PORT/PATH"


# --- Answers that are none


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ((500,), ""),
        ((502, 503, 504, 429, 408), ""),
        ((None,), ""),
        ((503,) * 6, "HTTP 503 Service Unavailable"),
        ((None,) * 6, "the connection broke"),
        ((403,), "HTTP 403 Forbidden"),
        ((401,), "HTTP 401 Unauthorized; give username and password in the option fetch"),
        ((599,), "HTTP 599"),
        ((304,), "HTTP 304 Not Modified"),
        ((302,), "HTTP 302 Found"),
        ((204,), "HTTP 204 No Content"),
    ],
)
def test_the_first_answer(server, first, told):
    url = served(server, first=first)
    assert refusal(url) == told if told else fetched(url) == CONTENT


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what comes is no HTTP (BadStatusLine)"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "what comes is no HTTP (BadStatusLine)"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "what comes is no HTTP (HTTPException)"),
        (b"HTTP/1.1 200 " + b"x" * 70000, "what comes is no HTTP (LineTooLong)"),
        (
            b"HTTP/1.1 206 P\r\nContent-Range: bytes 5-9/10\r\n\r\n56789",
            "the server sends another part of the file than it was asked for",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_answers_that_are_none(server, raw, told):
    assert refusal(served(server, raw=raw)) == told


@pytest.mark.parametrize(
    "raw",
    [
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcdefghijk",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 70000,
        b"Content-Length: 5\r\n\r\nabc",
    ],
    ids=lambda value: str(value[:50]),
)
def test_bodies_that_are_none(server, raw):
    url = served(server, raw=b"HTTP/1.1 200 OK\r\n" + raw)
    assert refusal(url) != ""
    with download(url, QUICK, "x") as stream:
        assert message(lambda: [stream.readinto(bytearray(2)) for number in range(9)])


def test_chunks_and_a_length(server):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert fetched(served(server, raw=raw)) == b"abc"


@pytest.mark.parametrize(
    "raw", [b"Content-Length: -5\r\n\r\nabc", b"Content-Length: 9" + b"9" * 30 + b"\r\n\r\nabc", b"\r\nabc"]
)
def test_lengths_that_are_none(server, raw):
    assert fetched(served(server, raw=b"HTTP/1.1 200 OK\r\n" + raw)) == b"abc"


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}/x") == "the connection was refused"


def test_a_name_that_nobody_has(monkeypatch):
    def nowhere(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    told = "the host's name cannot be resolved (Name or service not known)"
    assert refusal("http://nobody.invalid/x") == told


@pytest.mark.parametrize("host", ["ü" * 70, "a..b", "[1:2]"])
def test_a_host_that_is_none(host):
    assert message(fetched, f"http://{host}/x")


def test_a_server_that_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        assert refusal(url, Access(timeout=0.1)) == "no answer within 0.1 s"


# --- Redirects


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server, code):
    served(server, breaks=(100_000, None))
    server.pages["/moved"] = Page(status=(code,), headers={"Location": "/disk.raw"})
    assert fetched(f"{server.url}/moved") == CONTENT
    # What broke is asked for where it came from.
    assert server[":path"] == ["/moved", "/disk.raw", "/disk.raw"]


def test_a_redirect_that_is_good_for_once(server):
    server.pages["/once1"] = Page((CONTENT,), (TAG,), breaks=(100_000,), status=(None, 403))
    server.pages["/once2"] = Page((CONTENT,), (TAG,))
    server.pages["/moved"] = Page(status=(302,))
    server.pages["/moved"].headers = {"Location": "/once1"}
    with download(f"{server.url}/moved", QUICK, "x") as stream:
        server.pages["/moved"].headers = {"Location": "/once2"}
        assert stream.read() == CONTENT
    assert server[":path"] == ["/moved", "/once1", "/once1", "/moved", "/once2"]
    assert server["Range"][-1] == "bytes=100000-"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("ftp://h/x", "it is redirected to ftp://h/x, which is no http or https URL; no other kind is fetched"),
        ("file:///etc/x", "it is redirected to file:///etc/x, which is no http or https URL; no other kind is fetched"),
        ("http://u:secret@h/x", f"it is redirected to http://h/x, which {LOGIN}"),
        ("http://:1/x", f"it is redirected to http://:1/x, which {HOST}"),
        ("http://[x", None),
        ("/moved", "it is redirected more than 10 times"),
    ],
)
def test_redirects_that_are_refused(server, location, told):
    server.pages["/moved"] = Page(status=(302,), headers={"Location": location})
    found = refusal(f"{server.url}/moved")
    assert found == told if told else found
    assert len(server.asked) == (11 if location == "/moved" else 1)


def test_a_redirect_is_told_with_what_went_wrong(server):
    server.pages["/moved"] = Page(status=(302,), headers={"Location": "/gone?token=secret"})
    assert refusal(f"{server.url}/moved") == f"redirected to {server.url}/gone?***: HTTP 404 Not Found"


def test_a_location_with_odd_characters(server):
    server.pages["/moved"] = Page(status=(302,), headers={"Location": "/größe x".encode().decode("latin-1")})
    server.pages["/gr%C3%B6%C3%9Fe%20x"] = Page((b"found",))
    assert fetched(f"{server.url}/moved") == b"found"
    assert fetched(f"{server.url}/größe%20x#part") == b"found"


@pytest.mark.parametrize(
    "access",
    [
        Access(username="u", password="p", force_basic_auth=True),
        Access(username="u", password="p"),
        Access(headers={"Authorization": "Basic dTpw", "PRIVATE-TOKEN": "t"}),
    ],
    ids=["forced", "asked for", "headers"],
)
def test_another_host_gets_no_login(server, access):
    with running() as other:
        for there in (server, other):
            there.pages["/disk.raw"] = Page((CONTENT,), login="u:p")
            there.pages["/moved"] = Page(status=(302,), headers={"Location": f"{other.url}/disk.raw"})
        assert "HTTP 401" in refusal(f"{server.url}/moved", access)
        assert set(other["Authorization"] + other["Private-Token"]) == {None}
        other.asked.clear()
        # The same host is not another one.
        assert fetched(f"{other.url}/moved", access) == CONTENT


def test_cookies_are_kept_on_the_way(server):
    served(server)
    server.pages["/moved"] = Page(status=(302,), headers={"Location": "/disk.raw", "Set-Cookie": "a=b"})
    assert fetched(f"{server.url}/moved") == CONTENT
    assert server["Cookie"] == [None, "a=b"]


# --- Logins


@pytest.mark.parametrize("force", [True, False])
def test_a_login(server, force):
    url = served(server, login="u:pä", **BROKEN)
    assert fetched(url, Access(username="u", password="pä", force_basic_auth=force)) == CONTENT
    assert (server["Authorization"][0] is None) is not force


@pytest.mark.parametrize("challenge", ['Basic realm="r"', 'Digest realm="r", nonce="n", qop="auth"', "Negotiate", "x"])
def test_a_login_that_does_not_fit(server, challenge):
    url = served(server, login="u:p", headers={"WWW-Authenticate": challenge})
    told = refusal(url, Access(username="u", password="secret"))
    assert "secret" not in told
    assert told in (
        "HTTP 401 Unauthorized; give username and password in the option fetch",
        "the server wants a login that is neither basic nor digest, or the proxy's URL is wrong",
    )


def test_netrc(server, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p\n")
    assert fetched(served(server, login="u:p")) == CONTENT
    server.asked.clear()
    assert fetched(served(server), Access(headers={"authorization": "Bearer t"})) == CONTENT
    assert server["Authorization"] == ["Bearer t"]


def test_netrc_that_is_wrong(server, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u secret p\n")
    assert refusal(served(server)) == "the netrc file is wrong in line 1, or others than its owner may read it"


# --- Proxies


def test_a_proxy(server, monkeypatch, authority):
    context = authority.server_context(authority.issue("behind"))
    with running(web.Proxy, login="me:secret") as proxy, running(tls=context) as secure:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:secret@127.0.0.1:{proxy.server_port}")
        assert fetched(served(server)) == CONTENT
        assert fetched(served(secure), Access(ca_path=authority.path)) == CONTENT
        assert proxy[":method"] == ["GET", "CONNECT"]
        assert fetched(served(server), Access(use_proxy=False)) == CONTENT
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert fetched(served(server)) == CONTENT
        assert refusal(f"{server.url}/gone") == "HTTP 404 Not Found"
        assert len(proxy.asked) == 2


def test_a_proxy_that_refuses(server, monkeypatch, authority):
    with running(web.Proxy, login="me:secret") as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:wrong@127.0.0.1:{proxy.server_port}")
        through = f" (through the proxy {proxy.url})"
        told = refusal(served(server))
        assert told == f"HTTP 407 Proxy Authentication Required; give the login in the proxy's URL{through}"
        told = refusal("https://127.0.0.1/x", Access(ca_path=authority.path))
        assert told == f"Tunnel connection failed: 407 Proxy Authentication Required{through}"


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("http://me:secret@127.0.0.1:1", "the connection was refused (through the proxy http://127.0.0.1:1)"),
        ("127.0.0.1:1", "the connection was refused (through the proxy 127.0.0.1:1)"),
        ("socks5://me:secret@h:1", "unknown url type: socks5 (through the proxy socks5://h:1)"),
        ("http:///me:secret", None),
        ("http://me:sec/ret@h:1", None),
        ("http://me:secret@h:x", None),
    ],
)
def test_a_proxy_that_is_not_there(server, monkeypatch, proxy, told):
    monkeypatch.setenv("http_proxy", proxy)
    found = refusal(served(server))
    assert found == told if told else "secret" not in found and "ret@" not in found


# --- https


def test_https(authority):
    with running(tls=authority.server_context(authority.issue("good"))) as server:
        url = served(server, **BROKEN)
        assert fetched(url, Access(ca_path=authority.path)) == CONTENT
        assert fetched(url, Access(validate_certs=False)) == CONTENT
        told = refusal(url)
        assert told.startswith("the server's certificate cannot be verified (")
        assert told.endswith("); name the certificate of its authority in ca_path, or say validate_certs: false")
        assert refusal(url.replace("https:", "http:")) == "the connection broke"


def test_a_certificate_of_another_host(authority):
    with running(tls=authority.server_context(authority.issue("bad", "127.0.0.2"))) as server:
        told = refusal(served(server), Access(ca_path=authority.path))
        assert "cannot be verified (IP address mismatch, certificate is not valid for '127.0.0.1'" in told


def test_https_where_there_is_http(server, authority):
    told = refusal(served(server).replace("http:", "https:"), Access(ca_path=authority.path))
    assert told.startswith("TLS fails (")


def test_a_client_certificate(authority):
    path = authority.issue("client")
    with running(tls=authority.server_context(authority.issue("asking"), ask_client=True)) as server:
        url = served(server, **BROKEN)
        assert fetched(url, Access(ca_path=authority.path, client_cert=path, client_key=path)) == CONTENT
        assert fetched(url, Access(ca_path=authority.path, client_cert=path)) == CONTENT
        assert refusal(url, Access(ca_path=authority.path, retries=1)) in (
            "TLS fails (TLSV13_ALERT_CERTIFICATE_REQUIRED)",
            "the connection broke",
        )


@pytest.mark.parametrize("option", ["ca_path", "client_cert", "client_key"])
def test_files_of_https_that_are_wrong(server, authority, tmp_path, option):
    url, path = served(server), tmp_path / "cert.pem"
    options = {"client_cert": authority.issue("fine")} if option == "client_key" else {}
    told = message(fetched, url, Access(**{**options, option: str(path)}))
    assert told == f"{path}: cannot read the {option}: No such file or directory"
    path.write_text("nonsense")
    told = message(fetched, url, Access(**{**options, option: str(path)}))
    assert told.startswith("no certificates and keys in PEM form that fit: ")
    assert f"{option} {path}" in told


def test_nothing_but_our_error_comes_out(server):
    """A hundred broken answers, made from a good one by cutting and turning."""
    good = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "x"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    )
    for number in range(100):
        turned = bytearray(good[: len(good) - number // 2])
        turned[number * 7 % len(turned)] ^= 1 << number % 8
        url = served(server, raw=bytes(turned))
        try:
            read_whole(url, Access(timeout=1, retries=1), "x", 10)
        except ImageError as error:
            assert str(error)


def test_what_is_no_url_is_not_asked_for():
    assert message(download, "file:///etc/passwd", QUICK, "x") == (
        "x: file:///etc/passwd is no http or https URL; no other kind is fetched"
    )
