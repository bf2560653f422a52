# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that report over the guests of many hosts; the playbook virt.image.rollout_status is made of them."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.status import Row, rows_of, table, unknown
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.plugin_utils.door import door


def status_rows(answers, now) -> list:
    if not isinstance(answers, dict):
        raise ImageError(f"a dictionary of hosts and their answers is needed, not {type(answers).__name__}")
    return [to_plain(row) for host, answer in answers.items() for row in _rows(str(host), answer, now)]


def _rows(host: str, answer, now) -> list:
    told = answer if isinstance(answer, dict) else {}
    guests = told.get("guests")
    if isinstance(guests, list) and all(isinstance(guest, dict) for guest in guests):
        return rows_of(host, guests, now)
    return [unknown(host, str(told.get("msg") or "no answer").removeprefix("Task failed: "))]


def status_table(rows) -> list:
    return table(from_plain(tuple[Row, ...], rows, "rows"))


class FilterModule:
    """The filters of the playbook virt.image.rollout_status."""

    def filters(self) -> dict:
        return {function.__name__: door(function) for function in (status_rows, status_table)}
