# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers of http and https on 127.0.0.1, whose manners are data, and a proxy that passes requests on."""

from __future__ import annotations

import base64
import datetime
import http.client
import ipaddress
import re
import select
import socket
import socketserver
import ssl
import struct
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OLD = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass
class Page:
    """How a path is answered. Where a tuple stands, it is one for each answer with a body; the last one stays."""

    content: tuple = (b"",)
    etag: tuple = (None,)
    modified: tuple = (OLD,)
    ranges: bool = True
    # After how many bytes of the body the answer breaks, and how: close, reset, stall.
    breaks: tuple = (None,)
    how: str = "close"
    # What is answered before all else, one after the other: a status, or None for hanging up at once.
    first: tuple = ()
    # What takes the place of all that comes after the server's own thinking.
    status: tuple = (None,)
    head: Optional[int] = None
    headers: dict = field(default_factory=dict)
    # Headers of parts only; whether If-Range is heeded; how long a part is at most.
    part: dict = field(default_factory=dict)
    condition: bool = True
    most: Optional[int] = None
    framing: str = "length"
    login: Optional[str] = None
    raw: Optional[bytes] = None
    served: int = 0


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict


class Server(ThreadingHTTPServer):
    """Serves `pages`; remembers what it was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler, tls: Optional[ssl.SSLContext] = None, **traits) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self.tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        vars(self).update(traits)

    def server_bind(self):
        """Bind without asking for this machine's name, which takes time."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def finish_request(self, request, client_address):
        if not self.tls:
            super().finish_request(request, client_address)
            return
        with self.tls.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request, client_address):
        """Say nothing: clients hang up, on purpose."""

    def __getitem__(self, key: str) -> list:
        """Return a header of each request, or (`:method`, `:path`) what it was."""
        return [vars(asked).get(key[1:]) if key[0] == ":" else asked.headers.get(key) for asked in self.asked]


class Pages(BaseHTTPRequestHandler):
    """Answers from the server's pages."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers)))
        page = self.server.pages.get(self.path)
        if not page:
            self._bare(404)
        elif page.first:
            status, *page.first = page.first
            self._bare(status)
        elif page.raw is not None:
            self.wfile.write(page.raw)
            self.close_connection = True
        elif page.login and not self._logged_in(page.login):
            self._bare(401, {"WWW-Authenticate": page.headers.get("WWW-Authenticate", 'Basic realm="r"')})
        elif self.command == "HEAD" and page.head:
            self._bare(page.head)
        else:
            self._page(page)

    do_HEAD = do_GET

    def _logged_in(self, login: str) -> bool:
        return self.headers.get("Authorization") == "Basic " + base64.b64encode(login.encode()).decode()

    def _bare(self, status: Optional[int], headers=None) -> None:
        self.close_connection = True
        if status is None:
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self, page: Page) -> None:
        number, page.served = page.served, page.served + (self.command == "GET")
        content, etag, modified, breaks, status = (
            values[min(number, len(values) - 1)]
            for values in (page.content, page.etag, page.modified, page.breaks, page.status)
        )
        start, end = self._range(page, len(content), etag, modified)
        if start is not None and start >= len(content):
            self._bare(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start or 0 : end]
        self.send_response(status or (200 if start is None else 206))
        told = {"ETag": etag, "Last-Modified": modified, **page.headers}
        if start is not None:
            told.update({"Content-Range": f"bytes {start}-{end - 1}/{len(content)}", **page.part})
        if page.framing == "length":
            told["Content-Length"] = len(body)
        elif page.framing == "chunked":
            told["Transfer-Encoding"] = "chunked"
        for name, value in told.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.close_connection = True
        if self.command == "GET":
            self._body(page, body, breaks)

    def _range(self, page: Page, length: int, etag, modified) -> tuple:
        asked = re.fullmatch("bytes=([0-9]+)-([0-9]*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range") if page.condition else None
        if not asked or not page.ranges or condition not in (None, etag, modified):
            return None, length
        start, end = int(asked[1]), int(asked[2] or length - 1) + 1
        return start, min(end, length, start + (page.most or length))

    def _body(self, page: Page, body: bytes, breaks: Optional[int]) -> None:
        part = body if breaks is None else body[:breaks]
        if page.framing == "chunked":
            for at in range(0, len(part), 1000):
                piece = part[at : at + 1000]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if breaks is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(part)
        if breaks is not None and page.how == "stall":
            self.server.over.wait(5)
        if breaks is not None and page.how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Nothing that the client has not taken would come; what it has taken would be lost with the rest.
            self.server.over.wait(0.25)

    def log_message(self, format, *args):
        """Say nothing."""


class Endless(Pages):
    """Sends a body without an end, to whoever takes it."""

    def do_GET(self):
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers)))
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(bytes(65536))

    do_HEAD = do_GET


class Proxy(Pages):
    """Passes requests on; with `login` (user:password), only of those who have it."""

    def do_GET(self):
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers)))
        if not self._allowed():
            return
        host, slash, path = self.path.partition("://")[2].partition("/")
        with closing(http.client.HTTPConnection(host, timeout=30)) as link:
            link.request(self.command, f"/{path}", headers=dict(self.headers))
            answer = link.getresponse()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
        self.close_connection = True

    do_HEAD = do_GET

    def do_CONNECT(self):
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers)))
        if not self._allowed():
            return
        host, colon, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as there:
            self.send_response(200)
            self.end_headers()
            ends = {there: self.connection, self.connection: there}
            while True:
                for end in select.select(list(ends), [], [], 5)[0]:
                    data = end.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[end].sendall(data)

    def _allowed(self) -> bool:
        login = getattr(self.server, "login", None)
        told = self.headers.get("Proxy-Authorization")
        if login is None or told == "Basic " + base64.b64encode(login.encode()).decode():
            return True
        self._bare(407, {"Proxy-Authenticate": 'Basic realm="p"'})
        return False


@contextmanager
def running(handler=Pages, tls: Optional[ssl.SSLContext] = None, **traits):
    """Run a server in a thread."""
    with Server(handler, tls, **traits) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.001,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


class Authority:
    """A certificate authority: what it signs lies in a folder, in PEM form."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])
        self.path = self._write("authority", self._sign(self._name, self._key, ca=True), None)

    def issue(self, name: str, address: str = "127.0.0.1") -> str:
        """Return the path of a new certificate with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name, self._sign(subject, key, address=address), key)

    def server_context(self, path: str, ask_client: bool = False) -> ssl.SSLContext:
        """Return the context of a server with a certificate, which asks its clients for theirs or not."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if ask_client:
            context.load_verify_locations(self.path)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(self, subject, key, ca: bool = False, address: str = "127.0.0.1"):
        now = datetime.datetime.now(datetime.timezone.utc)
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(own, False)
        )
        if ca:
            # The sixth is key_cert_sign, without which newer Pythons take it for no authority.
            usage = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate, key) -> str:
        path = self.folder / f"{name}.pem"
        pem = serialization.Encoding.PEM
        data = certificate.public_bytes(pem)
        if key:
            plain = serialization.NoEncryption()
            data = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + data
        path.write_bytes(data)
        return str(path)
