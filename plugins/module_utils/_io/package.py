# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an OVF: a folder with a descriptor and disks, or all of it in one archive (.ova)."""

from __future__ import annotations

import os
from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.ovf import MAX_MANIFEST, parse_manifest
from .._core.tar import read_members
from .jobs import Jobs
from .piece import Piece, digests, piece_of
from .source import Folder, compare


class Package:
    """An OVF and what is beside it; `files` are those of an archive, None in a folder."""

    def __init__(self, path: str, jobs: Jobs) -> None:
        self._jobs = jobs
        self.path = os.path.abspath(os.path.expanduser(path))
        self._whole = piece_of(self.path)
        self._files: Optional[dict[str, Piece]] = None
        self._folder = Folder(self.path)
        name = os.path.basename(self.path)
        if self.is_archive:
            with self._whole.opened() as reader:
                members = read_members(reader.read_at, self._whole.size, self.path)
            self._files = {one.name: Piece(self.path, one.name, one.begin, one.size) for one in members.values()}
            name = next((name for name in self._files if name.lower().endswith(".ovf")), "")
            if not name:
                raise ImageError(f"has no .ovf in it; it has {', '.join(list(self._files)[:8])}", self.path)
        self.name = name
        self.where = f"{self.path}/{name}" if self.is_archive else self.path
        manifest = self._piece(f"{name.rpartition('.')[0]}.mf")
        told = _content(manifest, MAX_MANIFEST) if manifest else b""
        self._has_manifest = manifest is not None
        self.manifest = parse_manifest(told, manifest.where) if manifest else {}

    @property
    def is_archive(self) -> bool:
        return self.path.lower().endswith(".ova")

    def unlisted(self, names) -> list[str]:
        """Return which of these files, and of the OVF itself, a manifest that is there does not tell of."""
        return [name for name in (self.name, *names) if self._has_manifest and name not in self.manifest]

    def descriptor(self) -> bytes:
        """Return the OVF's bytes; raise ImageError where the manifest says otherwise."""
        piece = self.file(self.name)
        told = self.manifest.get(self.name, {})
        compare(digests(piece, set(told), self._jobs), told, self.name, self.path)
        return _content(piece, xml.MAX_BYTES)

    def file(self, name: str) -> Piece:
        """Return a file that the OVF names; raise ImageError where it is not there, or leads out of the folder."""
        piece = self._piece(name)
        if piece is None:
            raise ImageError(f"names {name}, which is not {'in it' if self.is_archive else 'beside it'}", self.path)
        if not piece.size:
            raise ImageError(f"names {name}, which is empty", self.path)
        return piece

    def _piece(self, name: str) -> Optional[Piece]:
        if self._files is not None:
            return self._files.get(name)
        found = self._folder.file(name, unpack=False)
        return found and Piece(found.path, name, 0, found.size)


def _content(piece: Piece, most: int) -> bytes:
    with piece.opened() as reader:
        return reader.read(most + 1)
