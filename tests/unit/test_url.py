# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs: which are fetched, how they are shown, and what lies beside them."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._io.url import check_url, is_url, join
from ansible_collections.virt.image.plugins.module_utils._io.url import shown as url_shown
from ansible_collections.virt.image.tests.unit.support import message


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("http://h/x", True),
        ("HTTPS://h/x", True),
        ("file:///x", True),
        ("git+ssh://h/x", True),
        ("/srv/image.xml", False),
        ("image.xml", False),
        ("C:/x", False),
        ("./a://b", False),
        ("://x", False),
        ("", False),
    ],
)
def test_what_is_a_url(text, is_one):
    assert is_url(text) is is_one


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://h/",
        "HTTPS://Example.org:8443/a/b.xml?x=1#y",
        "http://[2001:db8::1]:80/x",
        "http://127.0.0.1/a@b",
        "http://bücher.example/ü",
        "http://under_score/x",
    ],
)
def test_urls_that_are_taken(url):
    assert message(check_url, url, "guest web1") == ""


KIND = "is no http or https URL; no other kind is fetched"
LOGIN = "has a login in it, which would end up in logs; give it as username and password of the option fetch"
UNPRINTABLE = "holds a space or a character that cannot be printed; in a URL a space is %20"
HOST = "names no host; a URL is https://HOST/PATH or https://HOST:PORT/PATH"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///etc/passwd", f"file:///etc/passwd {KIND}"),
        ("ftp://h/x", f"ftp://h/x {KIND}"),
        ("http:/h/x", f"http:/h/x {KIND}"),
        ("", f" {KIND}"),
        ("http://", f"http:// {HOST}"),
        ("http:///x", f"http:///x {HOST}"),
        ("http://:80/x", f"http://:80/x {HOST}"),
        ("http://h:70000/x", f"http://h:70000/x {HOST}"),
        ("http://h:port/x", f"http://h:port/x {HOST}"),
        ("http://h\\x/", f"http://h\\x/ {HOST}"),
        ("http://[x/", f"http://[x/ {HOST}"),
        ("http://u:secret@h/x", f"http://h/x {LOGIN}"),
        ("http://u@h/x", f"http://h/x {LOGIN}"),
        ("http://u:sec@ret@h/x", f"http://h/x {LOGIN}"),
        ("http://u:sec/ret@h/x", f"http://h/x {LOGIN}"),
        ("http://h/a b", f"http://h/a b {UNPRINTABLE}"),
        ("http://h/a\r\nX: y", f"http://h/a\\r\\nX: y {UNPRINTABLE}"),
        ("http://[zz]/", f"http://[zz]/ {HOST}"),
        ("http://h/\ud800", f"http://h/\\ud800 {UNPRINTABLE}"),
        ("http://h/\u202e", f"http://h/\\u202e {UNPRINTABLE}"),
    ],
)
def test_urls_that_are_refused(url, told):
    assert message(check_url, url, "guest web1") == f"guest web1: {told}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/x", "http://h/x"),
        ("http://h/x?X-Amz-Signature=secret", "http://h/x?***"),
        ("http://h?secret#secret", "http://h?***"),
        ("http://h/x#secret?secret", "http://h/x"),
        ("http://u:secret@h/x@y", "http://h/x@y"),
        ("http://h/x@y", "http://h/x@y"),
        ("http://[2001:db8::1]/x@y", "http://[2001:db8::1]/x@y"),
        ("u:secret@proxy:3128", "proxy:3128"),
        ("proxy:3128", "proxy:3128"),
        ("http://[secret@x", "http://x"),
        ("http://h/\x1b[31m", "http://h/\\x1b[31m"),
    ],
)
def test_how_urls_are_shown(url, shown):
    assert url_shown(url) == shown


BASE = "https://h:8443/images/web/image.xml?token=1#x"


@pytest.mark.parametrize(
    ("name", "outside", "url"),
    [
        ("root.raw", False, "https://h:8443/images/web/root.raw"),
        ("disks/root.raw", False, "https://h:8443/images/web/disks/root.raw"),
        ("./disks//root.raw", False, "https://h:8443/images/web/disks/root.raw"),
        ("a b#c?d%20&e+f.raw", False, "https://h:8443/images/web/a%20b%23c%3Fd%2520%26e%2Bf.raw"),
        ("größe.raw", False, "https://h:8443/images/web/gr%C3%B6%C3%9Fe.raw"),
        ("http://evil/x", False, "https://h:8443/images/web/http%3A/evil/x"),
        ("a:b", False, "https://h:8443/images/web/a%3Ab"),
        ("..\\x", False, "https://h:8443/images/web/..%5Cx"),
        ("%2e%2e/x", False, "https://h:8443/images/web/%252e%252e/x"),
        ("a..b", False, "https://h:8443/images/web/a..b"),
        ("../other/root.raw", True, "https://h:8443/images/other/root.raw"),
        ("../../../../x", True, "https://h:8443/x"),
        ("/pool/x y", True, "https://h:8443/pool/x%20y"),
        ("//evil/x", True, "https://h:8443/evil/x"),
    ],
)
def test_files_beside_a_descriptor(name, outside, url):
    assert join(BASE, name, outside) == url
    assert message(check_url, url) == ""


@pytest.mark.parametrize("base", ["http://h", "http://h/", "http://h/image.xml", "http://h?a/b"])
def test_a_descriptor_at_the_root(base):
    assert join(base, "x") == "http://h/x"
    assert join(base, "../x", outside=True) == "http://h/x"


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("../x", "../x leaves the descriptor's folder"),
        ("a/../../x", "a/../../x leaves the descriptor's folder"),
        ("/etc/x", "/etc/x is an absolute path; file names are relative to the descriptor"),
        ("//evil/x", "//evil/x is an absolute path; file names are relative to the descriptor"),
        ("", " names a folder; a file was expected"),
        ("a/", "a/ names a folder; a file was expected"),
        ("a\nb", "a\\nb holds characters that cannot be printed"),
        ("\ud800", "\\ud800 holds characters that cannot be printed"),
    ],
)
def test_files_out_of_the_folder(name, mistake):
    told = message(join, BASE, name)
    assert told == f"https://h:8443/images/web/image.xml?***: the file name {mistake}"
