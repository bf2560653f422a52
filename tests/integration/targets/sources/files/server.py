# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves a folder over http and https until it is killed: server.py FOLDER CERTIFICATE KEY STATE.

The first part of a path says how: /plain/ knows no ranges and tells nothing of the file's version; /ranges/ does both;
/breaks/ hangs up in the middle of what is asked for from its beginning; /stalls/ falls silent there; /private/ wants the
login integ:open-sesame. The folder STATE gets `log`, a line of JSON for each request, `pid`, and at last `ports`.
"""

import base64
import hashlib
import json
import os
import re
import select
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

FOLDER, CERTIFICATE, KEY, STATE = sys.argv[1:]
LOGIN = "Basic " + base64.b64encode(b"integ:open-sesame").decode()
SILENT_SECONDS = 60


class Handler(BaseHTTPRequestHandler):
    """Answers one client."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request."""
        manner, file = re.fullmatch("/([a-z]+)/(.*)", self.path).groups()
        path = os.path.join(FOLDER, unquote(file))
        if manner == "private" and self.headers.get("Authorization") != LOGIN:
            self.answer(401, {"WWW-Authenticate": 'Basic realm="images"'})
        elif not os.path.isfile(path):
            self.answer(404, {})
        else:
            with open(path, "rb") as opened:
                self.send_file(manner, opened.read())

    def send_file(self, manner: str, content: bytes) -> None:
        """Send a file or the part of it that is asked for, in the manner of its path."""
        stamp = f'"{hashlib.sha256(content).hexdigest()}"'
        asked = re.fullmatch("bytes=([0-9]+)-", self.headers.get("Range", ""))
        headers = {} if manner == "plain" else {"ETag": stamp, "Accept-Ranges": "bytes"}
        if asked and manner != "plain" and self.headers.get("If-Range", stamp) == stamp:
            start, size = int(asked[1]), len(content)
            if start >= size:
                self.answer(416, {"Content-Range": f"bytes */{size}"})
            else:
                self.answer(206, {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}, content[start:])
            return
        if manner not in ("breaks", "stalls") or self.path.endswith(".xml"):
            self.answer(200, headers, content)
            return
        self.answer(200, {**headers, "Content-Length": len(content)}, content[: len(content) // 2], whole=False)
        if manner == "stalls":
            # Until the client has gone.
            select.select([self.connection], [], [], SILENT_SECONDS)
        self.close_connection = True

    def answer(self, status: int, headers: dict, body: bytes = b"", whole: bool = True) -> None:
        """Log the request and send an answer."""
        told = {"path": self.path, "range": self.headers.get("Range"), "status": status}
        with open(os.path.join(STATE, "log"), "a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items() if whole else headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        """Nothing else."""


class Server(ThreadingHTTPServer):
    """A server that does not complain of clients who leave early."""

    daemon_threads = True

    def handle_error(self, _request, _address) -> None:
        """They have what they wanted."""


def main() -> None:
    """Serve."""
    servers = {kind: Server(("127.0.0.1", 0), Handler) for kind in ("http", "https")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    # Handshakes take place in the thread of the client.
    secure = servers["https"]
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    for server in servers.values():
        threading.Thread(target=server.serve_forever).start()
    for name, told in (("pid", os.getpid()), ("ports.new", {kind: one.server_port for kind, one in servers.items()})):
        with open(os.path.join(STATE, name), "w", encoding="utf-8") as file:
            print(json.dumps(told), file=file)
    os.rename(os.path.join(STATE, "ports.new"), os.path.join(STATE, "ports"))


main()
