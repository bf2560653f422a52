# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say where a guest's volumes are, and how they are made."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that say where a guest's volumes are, and how they are made."""

    DOCUMENTATION = r"""
options:
  pool:
    description:
      - The storage pool for the guest's volumes. It is active, and its volumes are files (type V(dir), V(fs) or
        V(netfs)).
    type: str
    default: default
  clone:
    description:
      - How a system disk is made from the image's.
      - V(linked) is an overlay on the shared base volume, made in no time.
      - V(full) is a copy that needs no other file.
    type: str
    choices: [linked, full]
    default: linked
  disks:
    description:
      - What differs from the descriptor for single disks.
    type: list
    elements: dict
    suboptions:
      id:
        description:
          - The disk's id in the descriptor.
        type: str
        required: true
      size:
        description:
          - The disk's size with its unit, such as V(10 GiB).
          - A disk that exists grows to it, also while its guest runs. It is never made smaller.
        type: str
      pool:
        description:
          - Another pool for this disk.
        type: str
"""
