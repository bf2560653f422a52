# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that report over the guests of many hosts; the playbook virt.image.rollout_status is made of them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Optional

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.status import Row, rows_of, table, unknown
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.plugin_utils.door import door


def status_rows(answers, now) -> list:
    if not isinstance(answers, dict):
        raise ImageError(f"a dictionary of hosts and their answers is needed, not {type(answers).__name__}")
    moment = parse_time(now)
    if moment is None:
        raise ImageError(f"{now!r:.80} is no time; it is as in 2026-01-31T12:00:00+00:00", "now")
    return [to_plain(row) for host, answer in answers.items() for row in _rows(str(host), answer, moment)]


def _rows(host: str, answer, now: datetime) -> list:
    told = answer if isinstance(answer, dict) else {}
    guests = told.get("guests")
    if isinstance(guests, list) and all(isinstance(guest, dict) for guest in guests):
        return rows_of(host, guests, [_age(guest.get("since"), now) for guest in guests])
    return [unknown(host, str(told.get("msg") or "no answer").removeprefix("Task failed: "))]


def parse_time(text) -> Optional[datetime]:
    """Return the moment that an ISO time names, UTC where it names no zone, or None."""
    try:
        # Python's older versions do not know the letter.
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _age(since, now: datetime) -> Optional[int]:
    moment = parse_time(since)
    # Clocks differ.
    return None if moment is None else max(0, int((now - moment).total_seconds()))


def status_table(rows) -> list:
    return table(from_plain(tuple[Row, ...], rows, "rows"))


class FilterModule:
    """The filters of the playbook virt.image.rollout_status."""

    def filters(self) -> dict:
        return {function.__name__: door(function) for function in (status_rows, status_table)}
