# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image on a server: the descriptor by its URL, and the files beside it."""

from __future__ import annotations

import posixpath
from typing import Optional
from urllib.parse import unquote, urlsplit

from .._core import xml
from .._core.errors import ImageError
from .._core.trust import Trust
from .fetch import download, read_whole
from .source import File, look_into, trusted
from .url import Access, check_url, join, shown


class Site:
    """The folder of a descriptor on a server; `outside`: its files may lie elsewhere on it."""

    def __init__(self, url: str, outside: bool, access: Access) -> None:
        check_url(url, "image")
        self.url = url
        self.path = shown(url)
        self.outside = outside
        self.where = unquote(posixpath.basename(urlsplit(url).path))
        self._access = access

    def descriptor(self, trust: Trust = Trust()) -> bytes:
        """Return the descriptor's bytes; raise ImageError where it cannot be had, or is not what the user trusts."""
        data = read_whole(self.url, self._access, "the descriptor", xml.MAX_BYTES)
        if data is None:
            raise ImageError("the server has no such descriptor (404)", self.path)
        return trusted(data, trust, self)

    def beside(self, name: str, most: int) -> Optional[bytes]:
        """Return a small file at a path relative to the descriptor, or None; raise ImageError."""
        return read_whole(join(self.url, name), self._access, name, most)

    def file(self, name: str, unpack: bool = True) -> Optional[File]:
        """Return a file that the descriptor names, or None where the server has none; its first bytes are fetched."""
        url = join(self.url, name, self.outside)
        found = download(url, self._access, name, missing=True)
        if found is None:
            return None
        with found:
            header, packing = look_into(found, found.size or 0, shown(url), unpack)
            return File(url, name, found.size or 0, found.stamp, header, packing=packing)
