# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs: which are taken, how they are shown, and where the files beside a descriptor are."""

from __future__ import annotations

import posixpath
import re
import string
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import quote, urljoin, urlsplit

from .._core.errors import ImageError
from .._core.names import file_mistake, plain, text_mistake

PORTS = {"http": 80, "https": 443}
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
AUTHORITY = re.compile("[^/?#]*")
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[\w.-]+)(:([0-9]{1,5}))?")


@dataclass(frozen=True)
class Access:
    """How servers are asked: get_url's options; `retries`: how often a transfer that makes no progress is taken up."""

    username: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    validate_certs: bool = True
    ca_path: Optional[str] = None
    client_cert: Optional[str] = None
    client_key: Optional[str] = None
    use_proxy: bool = True
    force_basic_auth: bool = False
    timeout: float = 10
    http_agent: str = "ansible-httpget"
    retries: int = 5


def is_url(text: str) -> bool:
    """Return whether this is a URL, of whatever kind, and no path."""
    return bool(URL.match(text))


def check_url(url: str, where: Optional[str] = None) -> None:
    """Raise ImageError where this is no URL that we fetch."""
    mistake = url_mistake(url)
    if mistake:
        raise ImageError(f"{shown(url)} {mistake}", where)


def url_mistake(url: str) -> Optional[str]:
    """Return why we do not fetch this URL, or None."""
    scheme, mark, rest = url.partition("://")
    authority = AUTHORITY.match(rest)[0]
    host = HOST.fullmatch(authority)
    if scheme.lower() not in PORTS or not mark:
        return "is no http or https URL; no other kind is fetched"
    if "@" in authority or ("@" in rest and not host):
        return "has a login in it, which would end up in logs; give it as username and password of the option fetch"
    if text_mistake(url) or " " in url:
        return "holds a space or a character that cannot be printed; in a URL a space is %20"
    if not host or int(host[3] or 0) > 0xFFFF:
        return "names no host; a URL is https://HOST/PATH or https://HOST:PORT/PATH"
    try:
        urlsplit(url)
    except ValueError:
        return "has no IPv6 address in the brackets; one is [2001:db8::1]"
    return None


def shown(url: str) -> str:
    """Return a URL as it may be shown, whatever it is: without login, query and fragment, which may hold secrets."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    # A slash in a password ends what looks like the host.
    while "@" in rest and not HOST.fullmatch(AUTHORITY.match(rest)[0]):
        rest = rest.partition("@")[2]
    path, query, dropped = rest.partition("#")[0].partition("?")
    return plain(f"{scheme}{mark}{path}{'?***' if query else ''}")


def join(url: str, name: str, outside: bool = False) -> str:
    """Return the URL of a file that the descriptor at a URL names; raise ImageError for one out of its folder.

    The name is a path and no URL, so `#`, `?` and `%` are its own. The descriptor's query is not carried over: it is
    the descriptor's (a signature of its path, say), and would tell its token to whoever serves the files.
    """
    mistake = file_mistake(name, outside)
    if mistake:
        raise ImageError(f"the file name {plain(name)} {mistake}", shown(url))
    parts = urlsplit(url)
    folder = "" if name.startswith("/") else parts.path.rpartition("/")[0]
    if outside:
        path = posixpath.normpath(f"/{folder}/{quote(name)}")
    else:
        path = f"{folder}/{quote(posixpath.normpath(name))}"
    return f"{parts.scheme}://{parts.netloc}/{path.lstrip('/')}"


def origin(url: str) -> tuple:
    """Return what tells whether two URLs are the same server's."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def encoded(url: str) -> str:
    """Return a URL as it is sent: what is not ASCII in its path is encoded, and the fragment stays here."""
    scheme, mark, rest = url.partition("://")
    authority = AUTHORITY.match(rest)[0]
    path = rest[len(authority) :].partition("#")[0]
    return f"{scheme.lower()}{mark}{authority}{quote(path, safe=string.punctuation)}"


def redirected(url: str, location: str) -> str:
    """Return where a Location header leads; raise ValueError where that is no URL."""
    # Headers are read as Latin-1, and hold UTF-8 (as in urllib).
    return urljoin(url, quote(location, encoding="latin-1", safe=string.punctuation))
