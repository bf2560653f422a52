# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of all that reads a descriptor which names files."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of all that reads a descriptor which names files."""

    DOCUMENTATION = r"""
options:
  allow_outside_files:
    description:
      - Whether the descriptor may name files that are not in its own folder (absolute paths, C(..), and symbolic links
        where the files are read).
      - By default they are refused, because a descriptor may come from a stranger.
    type: bool
    default: false
"""
