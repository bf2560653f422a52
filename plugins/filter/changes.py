# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that tells what differs between a domain that is wanted and one that libvirt holds."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.definition import find_changes
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.secrets import masked
from ansible_collections.virt.image.plugins.plugin_utils.door import door, text_of


def domain_changes(desired, live) -> list:
    wanted, held = (_domain(text, where) for text, where in ((desired, "desired domain"), (live, "live domain")))
    return [masked(change) for change in find_changes(wanted, held)]


def _domain(text, where: str):
    tree = xml.parse(text_of(text, f"the XML of a {where}"), where)
    if tree.tag != "domain":
        raise ImageError(f"<{tree.tag}> is no domain XML; its root element is <domain>", where, tree.sourceline)
    return tree


class FilterModule:
    """The filters over the XML of domains."""

    def filters(self) -> dict:
        return {"domain_changes": door(domain_changes)}
