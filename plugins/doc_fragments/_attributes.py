# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say of check mode, diff mode and repeated runs."""

from __future__ import annotations


class ModuleDocFragment:
    """What the modules say of check mode, diff mode and repeated runs."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and tell what a real run would do.
    support: full
  diff_mode:
    description: Returns what differs, in diff mode.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Can run in check mode and tell what a real run would do.
    support: full
  diff_mode:
    description: Returns what differs, in diff mode.
    support: N/A
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""
