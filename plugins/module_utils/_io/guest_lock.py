# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock on one guest, for as long as a play moves it: it ends with the process, and leaves no file.

It is a Unix socket with an abstract name (unix(7)), which only one can have. It is seen in one network namespace, so
plays on two machines, which reach the same daemon, do not see each other; the lease in the guest's record is for them.
Where there are no such names (they are Linux's), there is no lock.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import struct
import sys
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from .._core.errors import ImageError
from .connection import Connection, doing

# Those who ask who holds it wait in its queue for ever: it is never served.
QUEUE = 64
SYSTEM_FOLDER = "/run/libvirt"
CREDENTIALS = struct.Struct("3i")


def hold_guest(name: str, uuid: str, connection: Connection) -> None:
    """Hold a guest to the end of the call; raise ImageError where another play does."""
    connection.locks.hold(f"guest {uuid}", guest_lock(name, uuid, connection))


@contextmanager
def guest_lock(name: str, uuid: str, connection: Connection):
    """Hold a guest alone; raise ImageError at once where another play does."""
    if not sys.platform.startswith("linux"):
        yield
        return
    address = _address(uuid, connection)
    # Python's sockets are not inherited by what we start (PEP 446), such as qemu-img.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        try:
            lock.bind(address)
            # So that who comes can ask who holds it.
            lock.listen(QUEUE)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ImageError(f"cannot lock guest {name}: {error.strerror}") from None
            who = _holder(address)
            raise ImageError(f"another play works on it{who}; run again when it has ended") from None
        yield


def _address(uuid: str, connection: Connection) -> str:
    digest = hashlib.sha256("\n".join([*_daemon(connection), uuid.lower()]).encode("utf-8", "surrogateescape"))
    return f"\0virt.image/guest/{digest.hexdigest()}"


def _daemon(connection: Connection) -> list[str]:
    """Return what tells a daemon from others, however its URI is written: on this machine, the folder of its socket."""
    with doing("read the connection's URI"):
        # Not the one that was asked for: an empty one means the user's default.
        parts = urlsplit(connection.link.getURI())
    said = parse_qs(parts.query).get("socket", [""])[-1]
    driver = parts.scheme.partition("+")[0]
    if not connection.is_local:
        return [driver, (parts.hostname or "").lower(), str(parts.port or ""), parts.path, said]
    if said:
        # Where each driver has a daemon of its own, their sockets are in one folder.
        folder = os.path.dirname(said)
    elif connection.is_session:
        # Source: glib's g_get_user_runtime_dir.
        own = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(own, "libvirt")
    else:
        folder = SYSTEM_FOLDER
    return [driver, parts.path if driver == "test" else "", os.path.realpath(folder)]


def _holder(address: str) -> str:
    """Return who holds a lock, as far as the system tells."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.setblocking(False)
            asking.connect(address)
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    except OSError:
        return ""
    process, user, _group = CREDENTIALS.unpack(told)
    # 0: a process of another container.
    return f" (process {process} of user {user})" if process else ""
