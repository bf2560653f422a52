# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest and its QEMU say: QEMU's log, and the first serial console, from its log file or from libvirt."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import Optional

from .._core.errors import ImageError
from .._core.lifecycle import compiled, serial_log
from .._core.trouble import clean, explain
from .connection import Connection
from .requirements import libvirt

# Of a text, the end is kept.
KEPT_BYTES = 65536
SEARCH_SECONDS = 2
LIBXL_LOG = "/var/log/libvirt/libxl/libxl-driver.log"


class Tail:
    """The end of what a file got since it was looked at first, or of all of it; no text where it is not ours to read."""

    def __init__(self, path: Optional[str], whole: bool = False) -> None:
        self.path = path
        try:
            self._start = os.stat(path).st_size if path and not whole else 0
        except OSError:
            self._start = 0

    def text(self) -> str:
        try:
            with open(self.path or "", "rb") as file:
                size = file.seek(0, os.SEEK_END)
                # It was truncated, or another began: libvirt's logs are taken turns with.
                start = self._start if self._start <= size else 0
                file.seek(max(start, size - KEPT_BYTES))
                return file.read(KEPT_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def close(self) -> None:
        """Do nothing; a console has something to close."""


class Console:
    """What a domain writes on its first console, through libvirt, from now on."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._watch = connection.watch
        self._said = b""
        self._lock = threading.Lock()
        self.refused: Optional[str] = None
        self._stream = None
        link = self._watch.begin()
        if link is None:
            self.refused = "this driver has no events"
            return
        try:
            self._stream = link.newStream(libvirt.VIR_STREAM_NONBLOCK)
            link.lookupByName(name).openConsole(None, self._stream, 0)
            events = libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
            self._stream.eventAddCallback(events, self._hear, None)
        except libvirt.libvirtError as error:
            self._stream = None
            self.refused = " ".join((error.get_error_message() or str(error)).split())

    def _hear(self, stream, events: int, _opaque) -> None:
        try:
            while True:
                piece = stream.recv(4096)
                if not isinstance(piece, bytes):
                    # Nothing more for now.
                    break
                if not piece:
                    # Its end.
                    events |= libvirt.VIR_STREAM_EVENT_HANGUP
                    break
                with self._lock:
                    self._said = (self._said + piece)[-KEPT_BYTES:]
        except libvirt.libvirtError:
            events |= libvirt.VIR_STREAM_EVENT_HANGUP
        if events & ~libvirt.VIR_STREAM_EVENT_READABLE:
            try:
                stream.eventRemoveCallback()
            except libvirt.libvirtError:
                # It was closed meanwhile.
                pass
        self._watch.ring()

    def text(self) -> str:
        with self._lock:
            return self._said.decode("utf-8", "replace")

    def close(self) -> None:
        if not self._stream:
            return
        for call in (self._stream.eventRemoveCallback, self._stream.abort):
            try:
                call()
            except libvirt.libvirtError:
                # It ended with the domain.
                pass
        self._stream = None


def console_log(name: str, domain_xml: str, connection: Connection) -> Optional[Tail]:
    """Return the log file of a domain's first serial console, where it has one on this machine."""
    path = serial_log(domain_xml) if connection.is_local else None
    return Tail(path) if path else None


def qemu_log(name: str, connection: Connection) -> Tail:
    """Return what the log of a domain's QEMU, or of libxl, will get from now on (src/qemu/qemu_conf.c has the folders)."""
    if not connection.is_local:
        return Tail(None)
    if connection.is_xen:
        # Of all guests: what libxl has against one that does not start is here alone, libvirt says only that it failed.
        return Tail(LIBXL_LOG)
    folder = "/var/log/libvirt/qemu"
    if connection.is_session:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(cache, "libvirt/qemu/log")
    return Tail(f"{folder}/{name}.log")


def last_words(name: str, domain_xml: str, connection: Connection) -> str:
    """Return the ends of what a guest and its QEMU have said, as far as files of this machine tell."""
    console = serial_log(domain_xml) if connection.is_local else None
    log = None if connection.is_xen else qemu_log(name, connection).path
    said = [Tail(path, whole=True).text() for path in (log, console)]
    return explain("", None, *said).strip()


def is_said(expression: str, text: str) -> bool:
    """Return whether a regular expression is found in a console's text; raise ImageError where that takes too long.

    Some expressions take ages over some texts; Python looks for signals while it matches.
    """
    with _alarm(f"serial: {expression!r:.80} takes more than {SEARCH_SECONDS} s to look for; a simpler one is needed"):
        return compiled(expression).search(clean(text)) is not None


@contextmanager
def _alarm(message: str):
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread hears signals.
        yield
        return

    def fail(_number, _frame):
        raise ImageError(message)

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, SEARCH_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
