#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make or remove the volumes of a guest."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: storage
short_description: Make or remove the volumes of a guest
version_added: 0.1.0
description:
  - Brings the disks of an image into a pool, and makes the volumes of one guest from them.
  - A system disk enters a pool once, as a base volume named by its SHA-256. User and scratch disks that the image does not
    contain are made empty. A volume that exists is never overwritten or resized.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._connection
  - virt.image._files
  - virt.image._match
  - virt.image._place
options:
  name:
    description:
      - The guest's name. By default the image's.
    type: str
  image:
    description:
      - The path of the descriptor on the host. Its disk files are relative to it.
    type: str
    required: true
  state:
    description:
      - V(absent) removes the volumes that O(remove) says; the guest's domain must be gone.
    type: str
    choices: [present, absent]
    default: present

  remove:
    description:
      - Which volumes go with the guest for O(state=absent). Base volumes, which guests share, stay.
      - V(disposable) are the system and scratch disks, V(all) the user disks too.
    type: str
    choices: [none, disposable, all]
    default: disposable
seealso:
  - module: virt.image.guests
"""

EXAMPLES = r"""
---
- name: Make the volumes of a guest
  virt.image.storage:
    name: web1
    image: /srv/images/web/image.xml
    disks:
      - id: data
        size: 20 GiB
"""

RETURN = r"""
---
volumes:
  description: The volumes of the guest.
  returned: success
  type: list
  elements: dict
  contains:
    disk:
      description: The disk's id in the descriptor.
      type: str
    use:
      description: What the disk is for, V(system), V(user) or V(scratch).
      type: str
    pool:
      description: The volume's pool.
      type: str
    name:
      description: The volume's name.
      type: str
    path:
      description: The volume's path on the host.
      type: str
    format:
      description: The volume's format.
      type: str
    capacity:
      description: The volume's capacity in bytes.
      type: int
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

from ..module_utils._io import options
from ..module_utils._io.deploy import storage
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.STORAGE, storage)


if __name__ == "__main__":
    main()
