# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a page may be written, on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.page import KINDS, REPLACES, kind_of

# The mark of a page stands well before that.
START = 1024


def check_target(path: str, kind: str) -> None:
    """Refuse a path where a page of this kind (a key of KINDS) cannot be, or whose file it may not replace; raise ImageError."""
    if "\0" in path:
        raise ImageError(f"{path!r} has a character that no path can have", "rollout_page")
    try:
        target = Path(path).expanduser()
        if not target.parent.is_dir():
            raise ImageError(f"the folder of {path:.200} does not exist", "rollout_page")
        if not target.exists():
            return
        if not target.is_file():
            raise ImageError(f"{path} is no file; it names the file that the page is to be", "rollout_page")
        with target.open("rb") as file:
            start = file.read(START)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path:.200} cannot be looked at: {reason}", "rollout_page") from None
    if start.strip():
        _check_kind(path, kind, kind_of(start.decode("utf-8", "replace")))


def _check_kind(path: str, kind: str, there: Optional[str]) -> None:
    if there is None:
        raise ImageError(f"{path} is there already, and is no page of a fleet: name another path, or remove it", "rollout_page")
    if there not in REPLACES[kind]:
        told = f"is the page of {KINDS[there]}, which that of {KINDS[kind]} does not replace"
        raise ImageError(f"{path} {told}: name another path, or remove it", "rollout_page")
