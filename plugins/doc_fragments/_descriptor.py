# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name one descriptor."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that name one descriptor."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - The path of the descriptor on the host, or its URL (http, https).
      - Exactly one of O(path) and O(descriptor) is needed.
    type: path
  descriptor:
    description:
      - The text of the descriptor.
    type: str
  strict:
    description:
      - Whether elements, attributes and texts that the format does not know are mistakes.
      - By default they are warnings.
    type: bool
    default: false
"""
