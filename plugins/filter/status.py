# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that report over the guests of many hosts; the playbook virt.image.rollout_status is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Optional

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.page import render
from ansible_collections.virt.image.plugins.module_utils._core.status import Row, rows_of, table, unknown
from ansible_collections.virt.image.plugins.module_utils._core.status_page import status_page as page_of
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.plugin_utils.door import door, text_of
from ansible_collections.virt.image.plugins.plugin_utils.page_file import check_target
from ansible_collections.virt.image.plugins.plugin_utils.time import parse_time, show_time, time_of


def status_rows(answers, now) -> list:
    if not isinstance(answers, dict):
        raise ImageError(f"a dictionary of hosts and their answers is needed, not {type(answers).__name__}")
    moment = time_of(now, "now")
    return [to_plain(row) for host, answer in answers.items() for row in _rows(str(host), answer, moment)]


def _rows(host: str, answer, now: datetime) -> list:
    told = answer if isinstance(answer, dict) else {}
    guests = told.get("guests")
    if isinstance(guests, list) and all(isinstance(guest, dict) for guest in guests):
        return rows_of(host, guests, [_age(guest.get("since"), now) for guest in guests])
    return [unknown(host, str(told.get("msg") or "no answer").removeprefix("Task failed: "))]


def _age(since, now: datetime) -> Optional[int]:
    moment = parse_time(since)
    # Clocks differ.
    return None if moment is None else max(0, int((now - moment).total_seconds()))


def status_table(rows) -> list:
    return table(from_plain(tuple[Row, ...], rows, "rows"))


def status_page(rows, now, path=None) -> str:
    if path is not None:
        check_target(text_of(path, "the path of a page"), "report")
    return render(page_of(from_plain(tuple[Row, ...], rows, "rows"), show_time(time_of(now, "now"))))


class FilterModule:
    """The filters of the playbook virt.image.rollout_status."""

    def filters(self) -> dict:
        return {function.__name__: door(function) for function in (status_rows, status_table, status_page)}
