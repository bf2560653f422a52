# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the playbooks molecule_create, molecule_destroy and molecule_reset."""

from __future__ import annotations

from copy import deepcopy

import yaml

from ansible_collections.virt.image.plugins.module_utils._core import molecule
from ansible_collections.virt.image.plugins.plugin_utils.door import door


class Loader(yaml.SafeLoader):
    """Reads YAML with its dates as the text that they are."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def molecule_guests(config, place, defaults=None, key=None) -> list:
    config, defaults = deepcopy(config), deepcopy(defaults)
    platforms = config.get("platforms") if isinstance(config, dict) else None
    for platform in platforms if isinstance(platforms, list) else ():
        _read_user_data(platform.get("guest") if isinstance(platform, dict) else None)
    _read_user_data(defaults)
    return molecule.molecule_guests(config, place, defaults, key)


def _read_user_data(guest) -> None:
    """Put the mapping that cloud-init's configuration is in the place of its text; what is no such text stays."""
    seed = guest.get("seed") if isinstance(guest, dict) else None
    text = seed.get("user_data") if isinstance(seed, dict) else None
    if isinstance(text, str) and text.startswith("#cloud-config"):
        try:
            seed["user_data"] = yaml.load(text, Loader) or {}
        except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, ValueError):
            # Of a wrong !!int, !!bool or !!timestamp, PyYAML passes on Python's own. The core says what is needed instead.
            pass


class FilterModule:
    """The filters of the playbooks for molecule."""

    def filters(self) -> dict:
        return {function.__name__: door(function) for function in (molecule_guests, molecule.molecule_instances)}
