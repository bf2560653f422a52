# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says how a guest is stopped."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that says how a guest is stopped."""

    DOCUMENTATION = r"""
options:
  shutdown:
    description:
      - How a running guest is stopped. Its agent is asked first, where it has one, then the power button is pressed, again every
        five seconds.
    type: dict
    suboptions:
      timeout:
        description:
          - How many seconds the guest has to shut down when it is asked to.
        type: int
        default: 60
      force:
        description:
          - Whether the guest is powered off after that. If not, the task fails.
        type: bool
        default: false
"""
