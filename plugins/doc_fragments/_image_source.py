# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says where images are read."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that says where images are read."""

    DOCUMENTATION = r"""
options:
  image_source:
    description:
      - Where the descriptors and their disk files are. From the V(controller), disks are copied to a host only if it lacks
        their content.
    type: str
    choices: [host, controller]
    default: host
  _deliveries:
    description:
      - For the action plugin, which tells the module here what it read on the control node. Not to be set in a playbook.
    type: list
    elements: dict
    default: []
"""
