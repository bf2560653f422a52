# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of descriptors: the same parser as the filters and modules, and the grammar."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.plugin_utils.door import door, flag_of, text_of
from ansible_collections.virt.image.plugins.plugin_utils.schema import mistakes


def valid_descriptor(text, strict=False, allow_outside_files=False) -> bool:
    # A wrong type is a mistake of the playbook, which `false` would hide.
    descriptor = text_of(text, "a descriptor")
    rules = flag_of(strict, "strict"), flag_of(allow_outside_files, "allow_outside_files")
    try:
        parse_image(descriptor, "descriptor", *rules)
        # The grammar knows of no files elsewhere; where the user allows them, the parser judges alone.
        return allow_outside_files or not strict or not mistakes(descriptor)
    except ImageError:
        return False


class TestModule:
    """The tests of virt.image."""

    def tests(self) -> dict:
        return {"valid_descriptor": door(valid_descriptor)}
