# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, as libvirt's guests have them in their records and as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError


def time_of(text, where: str) -> datetime:
    """Return the moment that an ISO time names; raise ImageError."""
    moment = parse_time(text)
    if moment is None:
        raise ImageError(f"{text!r:.80} is no time; it is as in 2026-01-31T12:00:00+00:00", where)
    return moment


def parse_time(text):
    """Return the moment that an ISO time names, UTC where it names no zone, or None."""
    try:
        # Python's older versions do not know the letter.
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def show_time(moment: datetime, before: float = 0) -> str:
    """Return the moment so many seconds before another one, to the second, in UTC, for people; a year 0 is no year."""
    try:
        moment -= timedelta(seconds=before)
    except OverflowError:
        return "at an unknown time"
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
