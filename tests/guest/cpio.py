# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes cpio archives (newc), which the kernel unpacks as its first file system; no root and no cpio needed."""

from __future__ import annotations

import stat


class Archive:
    """Collects files of a guest and renders them, always in the same order and with the same times."""

    def __init__(self, mtime: int) -> None:
        self._mtime = mtime
        self._entries: dict[str, tuple[int, bytes]] = {}

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file at a path relative to the root; its folders are added too."""
        self._add(path, stat.S_IFREG | mode, data)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def folder(self, path: str) -> None:
        """Add an empty folder."""
        self._add(path, stat.S_IFDIR | 0o755, b"")

    def _add(self, path: str, mode: int, data: bytes) -> None:
        parent = path.rpartition("/")[0]
        if parent and parent not in self._entries:
            self.folder(parent)
        self._entries[path] = (mode, data)

    def render(self) -> bytes:
        """Return the archive; sorting puts each folder before what it holds, as the kernel needs it."""
        entries = sorted(self._entries.items())
        parts = [self._record(inode, path, *entry) for inode, (path, entry) in enumerate(entries, 1)]
        parts.append(self._record(0, "TRAILER!!!", 0, b""))
        return b"".join(parts)

    def _record(self, inode: int, path: str, mode: int, data: bytes) -> bytes:
        name = path.encode() + b"\0"
        # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check:
        # Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
        fields = (inode, mode, 0, 0, 1, self._mtime, len(data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields)
        return _padded(head + name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
