# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are fetched before they can be planned with: nobody has told their SHA-256, which names their volumes.

They lie hidden in the pool's folder, or in the user's cache where the pool is elsewhere, under names that tell what
they are: `.fetch-KEY.part` while they come, `.fetch-KEY-SHA256.part` until they are brought. KEY stands for the URL and
the version of the file that the server tells.
"""

from __future__ import annotations

import glob
import hashlib
import os
from typing import Optional

from .._core.errors import ImageError
from .._core.volume import STREAMED, Pool, Source
from .files import PRIVATE, held, remove, room, settle, writing
from .jobs import Jobs
from .pump import FileWriter, pour
from .source import compare
from .url import Access, shown
from .workspace import cache

# What this run fetched, by folder and URL: a server that tells another version each time is not asked again.
_fetched: dict[tuple, tuple[str, str]] = {}


def find_spooled(pool: Pool, url: str, stamp: Optional[str]) -> Optional[tuple[str, str]]:
    """Return path and SHA-256 of a file that was fetched already, or None."""
    if (_folder(pool), url) in _fetched:
        return _fetched[_folder(pool), url]
    if not stamp:
        # It may be another file by now.
        return None
    head = os.path.join(_folder(pool), f".fetch-{_key(url, stamp)}-")
    for path in sorted(glob.glob(f"{glob.escape(head)}*.part")):
        digest = path[len(head) : -len(".part")]
        if len(digest) == 64:
            return path, digest
    return None


def spool(source: Source, pool: Pool, access: Access, jobs: Jobs) -> None:
    """Fetch a file whose digest is not known; raise ImageError. A transfer that broke is taken up by the next run."""
    # Late, as in source.folder_of.
    from .fetch import download

    folder = _folder(pool)
    kinds = {"sha256", *dict(source.checksums)}
    key = os.path.join(folder, f".fetch-{_key(source.path, source.stamp)}")
    part = f"{key}.part"
    with writing(part, part), held(part, resume=bool(source.stamp)):
        have = os.path.getsize(part)
        most = have + room(part)
        reader = download(source.path, access, source.label, have, source.stamp)
        with reader, open(part, "r+b", 0) as file, jobs.job(f"fetch {source.label}", source.size) as job:
            writer = FileWriter(file.fileno())
            found = pour(reader, writer, kinds, source.label, most, have=reader.offset, unpack=False, job=job)
        try:
            compare(found.digests, dict(source.checksums), source.label, shown(source.path))
        except ImageError:
            remove(part)
            raise
        whole = f"{key}-{found.digests['sha256']}.part"
        settle(part, whole, PRIVATE)
    _fetched[folder, source.path] = (whole, found.digests["sha256"])


def _folder(pool: Pool) -> str:
    return cache() if pool.kind in STREAMED else pool.path


def _key(url: str, stamp: Optional[str]) -> str:
    return hashlib.sha256(f"{url}\n{stamp or ''}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
