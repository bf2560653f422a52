# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that report over many hosts; the playbook virt.image.fit is made of them."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.fit import Row, judged, table, unknown
from ansible_collections.virt.image.plugins.module_utils._core.host import Host, parse_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.image import Image
from ansible_collections.virt.image.plugins.module_utils._core.match import match
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.plugin_utils.door import door, image_of, wish_of


def fit_rows(answers, image, boot=None, virt_type="auto", machine=None, unlisted_features="off") -> list:
    if not isinstance(answers, dict):
        raise ImageError(f"a dictionary of hosts and their answers is needed, not {type(answers).__name__}")
    asked, wish = image_of(image), wish_of(boot, virt_type, machine, unlisted_features)
    # What is wrong with the question is no host's answer.
    match(asked, Host("none", ()), wish)
    return [to_plain(_row(str(host), answer, asked, wish)) for host, answer in answers.items()]


def _row(host: str, answer, image: Image, wish) -> Row:
    told = answer if isinstance(answer, dict) else {}
    # A registered result of capabilities_facts has the facts; else they are given as they are.
    facts = told.get("ansible_facts", {"virt_capabilities": told})
    facts = facts.get("virt_capabilities") if isinstance(facts, dict) else None
    try:
        if isinstance(answer, str):
            return judged(host, match(image, parse_capabilities(answer), wish))
        if isinstance(facts, dict) and "guests" in facts:
            return judged(host, match(image, from_plain(Host, facts, "host"), wish))
    except ImageError as error:
        return unknown(host, str(error))
    return unknown(host, str(told.get("msg") or "no answer").removeprefix("Task failed: "))


def fit_table(rows) -> list:
    return table(from_plain(tuple[Row, ...], rows, "rows"))


class FilterModule:
    """The filters of the playbook virt.image.fit."""

    def filters(self) -> dict:
        return {function.__name__: door(function) for function in (fit_rows, fit_table)}
