# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How filters and tests stand at the door of the core: their errors, and the options that several of them have."""

from __future__ import annotations

from functools import wraps

from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish


def door(function):
    """Return the function as a plugin, whose errors name it and say what is wrong."""

    @wraps(function)
    def call(*arguments, **options):
        if xml.etree is None:
            raise AnsibleFilterError("the control node's Python has no lxml, which this filter needs: pip install lxml")
        try:
            return function(*arguments, **options)
        except (ImageError, TypeError) as error:
            raise AnsibleFilterError(f"virt.image.{function.__name__}: {error}") from error

    return call


def wish_of(boot=None, virt_type="auto", machine=None, unlisted_features="off") -> Wish:
    """Return what a user fixes in a match; raise ImageError for what is no such option."""
    told = {"boot": boot, "virt_type": virt_type, "machine": machine, "unlisted_features": unlisted_features}
    return parse_guest({"image": "image", **told}, "match").wish
