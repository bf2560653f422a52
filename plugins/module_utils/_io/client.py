# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request for a file, made as ansible.builtin.get_url makes it, and its answer.

Proxies, certificates, logins and netrc are ansible.module_utils.urls'. Redirects are followed here: it would go to ftp
too, and take all headers along, the login too, to whichever host.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from functools import lru_cache
from http.cookiejar import http2time
from netrc import NetrcParseError
from time import sleep
from typing import Optional
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ansible.module_utils.urls import Request, make_context

from .._core.errors import ImageError
from .._core.names import plain
from .url import Access, check_url, encoded, origin, redirected, shown, url_mistake

PIECE = 256 * 1024
PAUSES = (0.2, 0.4, 0.8, 1.6, 2.0)
REDIRECTS = 10
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]*")
PROXY = re.compile("([^/?#]*://)?[^/?#]*")
OURS = ("accept-encoding", "range", "if-range")
LENGTH = re.compile(r"[0-9]{1,18}")
RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
# RFC 9110, 8.8.3 and 5.6.7: an entity tag that is strong; a date, as all servers write it today.
STRONG = re.compile(r'"[!#-~]{0,200}"')
DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
STAMP = re.compile(rf"{STRONG.pattern}|{DATE.pattern} [0-9]{{1,18}}")
# Web servers often tell that such a file is "encoded"; it is meant as it is.
ENDINGS = {"gzip": (".gz", ".tgz"), "bzip2": (".bz2",), "xz": (".xz",), "zstd": (".zst",), "compress": (".Z",)}
MOVED, GONE, BUSY, NO_SUCH_RANGE = (301, 302, 303, 307, 308), (404, 410), (408, 429, 500, 502, 503, 504), 416
HINTS = {401: "; give username and password in the option fetch", 407: "; give the login in the proxy's URL"}
# When to ask again: never; when a transfer was under way (the server may be starting again); at the first request too.
NEVER, UNDER_WAY, ALWAYS = range(3)
# The first row whose class fits. None of them shows what we sent, such as headers.
REASONS = (
    (
        ssl.SSLCertVerificationError,
        "the server's certificate cannot be verified ({error.verify_message}); name the certificate of its authority "
        "in ca_path, or say validate_certs: false",
        NEVER,
    ),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), "the connection broke", ALWAYS),
    (socket.timeout, "no answer within {timeout} s", UNDER_WAY),
    (ssl.SSLError, "TLS fails ({error.reason})", UNDER_WAY),
    (socket.gaierror, "the host's name cannot be resolved ({error.strerror})", UNDER_WAY),
    (ConnectionRefusedError, "the connection was refused", UNDER_WAY),
    (ConnectionError, "the connection broke", ALWAYS),
    (http.client.IncompleteRead, "the connection broke", ALWAYS),
    (http.client.InvalidURL, "the proxy's URL is wrong", NEVER),
    (http.client.HTTPException, "what comes is no HTTP ({error.__class__.__name__})", UNDER_WAY),
    (NetrcParseError, "the netrc file is wrong in line {error.lineno}, or others than its owner may read it", NEVER),
    (UnicodeError, "its host's name is none that can be looked up", NEVER),
    (ValueError, "the server wants a login that is neither basic nor digest, or the proxy's URL is wrong", NEVER),
    (Exception, "{told}", UNDER_WAY),
)


class Failure(Exception):
    """What went wrong with one request: why, where, when to ask again, and with which HTTP status."""

    def __init__(self, text: str, place: str, again: int = NEVER, status: Optional[int] = None) -> None:
        super().__init__(text)
        self.text, self.place, self.again, self.status = text, place, again, status


class Answer:
    """What a server sends: the bytes of a file from `start` to before `end` (None: until it ends), and what it tells.

    `start` is None where it is none of the file's parts.
    """

    def __init__(self, response, place: str, timeout: float) -> None:
        headers = response.headers
        self.place = place
        self._response, self._timeout = response, timeout
        if response.status == 206:
            self.start, self.end, self.size = _part(headers.get("Content-Range", ""))
        elif response.status == 200:
            length = None if "Transfer-Encoding" in headers else LENGTH.fullmatch(headers.get("Content-Length", ""))
            self.start, self.end = 0, int(length[0]) if length else None
            self.size = self.end
        else:
            raise Failure(_status_text(response.status), place, status=response.status)
        self.position = self.start
        self.stamp = _stamp(headers, self.size)
        encoding = headers.get("Content-Encoding", "identity").strip().lower()
        own = ENDINGS.get(encoding[2:] if encoding.startswith("x-") else encoding, ())
        if encoding not in ("", "identity") and not urlsplit(place).path.endswith(own):
            # To ask again would not help, as we have asked not to; to decode would leave no ranges to go on with.
            raise Failure(f"the server sends it in the encoding {plain(encoding)[:20]}, which it must not", place)

    def read(self, most: int) -> bytes:
        """Return some of the next bytes, none at the end; raise Failure where the transfer breaks."""
        most = min(most, PIECE, self.end - self.position if self.end is not None else PIECE)
        if not most:
            return b""
        try:
            piece = self._response.read1(most)
        except (OSError, http.client.HTTPException) as error:
            raise _failure(error, self.place, self._timeout) from None
        # http.client does not mind a body that is short, nor a chunk of negative length.
        if len(piece) > most or (not piece and self.end is not None):
            raise Failure("the connection broke", self.place, ALWAYS)
        self.position += len(piece)
        return piece

    def close(self) -> None:
        self._response.close()


def _part(content_range: str) -> tuple:
    """Return start, end and the whole size; all None where a header tells no part of a file."""
    found = RANGE.fullmatch(content_range)
    start, last, size = (None if told == "*" else int(told) for told in found.groups()) if found else (None, None, None)
    fits = found and start <= last and (size is None or last < size)
    return (start, last + 1, size) if fits else (None, None, None)


def _stamp(headers, size: Optional[int]) -> Optional[str]:
    """Return the entity tag, or else the time of change and the length, or None.

    A weak entity tag is no such thing: it does not promise the same bytes. Nor is the present second: the file may
    change once more in it (RFC 9110, 8.8.2.2).
    """
    tag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    if STRONG.fullmatch(tag):
        return tag
    if size is None or not DATE.fullmatch(modified):
        return None
    changed, now = http2time(modified), http2time(headers.get("Date", ""))
    return None if changed is None or (now is not None and now <= changed) else f"{modified} {size}"


def range_of(start: int, stamp: Optional[str]) -> dict[str, str]:
    """Return the headers that ask for the rest of a file, if it is still the same."""
    if not start:
        return {}
    # Without a stamp it may be another file's rest; the caller finds out by the checksum.
    condition = {"If-Range": stamp if stamp.startswith('"') else stamp.rpartition(" ")[0]} if stamp else {}
    return {"Range": f"bytes={start}-", **condition}


class Client:
    """Asks for one file; its cookies live as long, for servers that know their visitors by them."""

    def __init__(self, url: str, access: Access, what: str) -> None:
        check_url(url, what)
        self.url, self.access, self.what = encoded(url), access, what
        for name, value in {**access.headers, "User-Agent": access.http_agent}.items():
            if not HEADER.fullmatch(f"{name}: {value}"):
                raise ImageError(f"{what}: the header {plain(str(name))} cannot be sent; it is no line of Latin text")
        self._request = Request(
            use_proxy=access.use_proxy,
            timeout=access.timeout,
            http_agent=access.http_agent,
            force_basic_auth=access.force_basic_auth,
            follow_redirects="none",
            decompress=False,
            context=_context(access.validate_certs, access.ca_path, access.client_cert, access.client_key),
        )

    def error(self, failure: Failure) -> ImageError:
        """Return what is told of a failure; a redirect and a proxy too, since they may be the reason."""
        moved = f"redirected to {shown(failure.place)}: " if failure.place != self.url else ""
        place = urlsplit(failure.place)
        proxy = getproxies().get(place.scheme) if self.access.use_proxy else None
        through = (
            f" (through the proxy {PROXY.match(shown(proxy))[0]})" if proxy and not proxy_bypass(place.netloc) else ""
        )
        return ImageError(f"cannot fetch {self.what}: {shown(self.url)}: {moved}{failure.text}{through}")

    def ask_patiently(self, headers: dict[str, str]) -> Answer:
        """As ask, but a server that is busy or hangs up is asked again."""
        for tries in range(self.access.retries):
            try:
                return self.ask(headers)
            except Failure as failure:
                if failure.again != ALWAYS:
                    raise
            pause(tries)
        return self.ask(headers)

    def ask(self, headers: dict[str, str], place: Optional[str] = None) -> Answer:
        """Return the answer, after redirects; raise Failure where there is none, or none of use."""
        places = [place or self.url]
        while len(places) <= REDIRECTS + 1:
            try:
                response = self._open(headers, places[-1])
            except HTTPError as error:
                places.append(_moved(places[-1], error))
                continue
            try:
                return Answer(response, places[-1], self.access.timeout)
            except Failure:
                response.close()
                raise
        raise Failure(f"it is redirected more than {REDIRECTS} times", places[0])

    def _open(self, headers: dict[str, str], place: str):
        access = self.access
        # What the user gave may be a token under any name: another host gets none of it.
        own = origin(place) == origin(self.url)
        given = {name: str(value) for name, value in access.headers.items() if own and name.lower() not in OURS}
        try:
            return self._request.open(
                "GET",
                place,
                headers={**given, "Accept-Encoding": "identity", **headers},
                url_username=access.username if own else None,
                url_password=(access.password or "") if own else None,
                # It would replace the login that the user gave.
                use_netrc="authorization" not in map(str.lower, given),
            )
        except HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError, NetrcParseError) as error:
            raise _failure(error, place, access.timeout) from None


def _moved(place: str, error: HTTPError) -> str:
    """Return where a redirect leads; raise Failure where it is none, or none that we follow."""
    # The login that failed too often has no body, and cannot be closed.
    if error.fp:
        error.close()
    location = error.headers.get("Location")
    if error.code not in MOVED or not location:
        raise Failure(_status_text(error.code), place, ALWAYS if error.code in BUSY else NEVER, error.code)
    try:
        target = redirected(place, location)
    except ValueError:
        raise Failure("it is redirected to what is no URL", place) from None
    mistake = url_mistake(target)
    if mistake:
        raise Failure(f"it is redirected to {shown(target)}, which {mistake}", place)
    return target


def _status_text(status: int) -> str:
    return f"HTTP {status} {http.client.responses.get(status, '')}".rstrip() + HINTS.get(status, "")


def _failure(error: Exception, place: str, timeout: float) -> Failure:
    if isinstance(error, URLError):
        error = error.reason if isinstance(error.reason, Exception) else OSError(error.reason)
    told = plain(str(getattr(error, "strerror", None) or error))[:200]
    text, again = next((text, again) for kind, text, again in REASONS if isinstance(error, kind))
    return Failure(text.format(error=error, told=told, timeout=timeout), place, again)


@lru_cache(maxsize=None)
def _context(validate_certs: bool, ca_path: Optional[str], client_cert: Optional[str], client_key: Optional[str]):
    """Return get_url's TLS context; raise ImageError that names the files which are wrong."""
    files = {"ca_path": ca_path, "client_cert": client_cert, "client_key": client_key}
    named = {name: path for name, path in files.items() if path}
    for name, path in named.items():
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise ImageError(f"cannot read the {name}: {error.strerror}", path) from None
    try:
        return make_context(
            cafile=ca_path, validate_certs=validate_certs, client_cert=client_cert, client_key=client_key
        )
    except (OSError, ValueError) as error:
        told = ", ".join(f"{name} {path}" for name, path in named.items())
        reason = getattr(error, "reason", None) or "unreadable"
        raise ImageError(f"no certificates and keys in PEM form that fit: {told} ({reason})") from None


def pause(tries: int) -> None:
    """Wait before a server is asked again; longer each time."""
    sleep(PAUSES[min(tries, len(PAUSES) - 1)])
