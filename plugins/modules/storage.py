#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make or remove the volumes of a guest, or remove from a pool what no guest needs."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: storage
short_description: Make or remove the volumes of a guest, or prune a pool
version_added: 0.1.0
description:
  - Brings the disks of an image into a pool, and makes the volumes of one guest from them.
  - A system disk enters a pool once, as a base volume named by its SHA-256. User and scratch disks that the image does not
    contain are made empty. A volume that exists is never overwritten or made smaller.
  - Or prunes a pool (O(state=pruned)), which removes the base volumes that nothing needs any more.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._connection
  - virt.image._fetch
  - virt.image._files
  - virt.image._match
  - virt.image._place
  - virt.image._progress
  - virt.image._trust
options:
  name:
    description:
      - The guest's name. By default the image's.
    type: str
  image:
    description:
      - The path of the descriptor on the host, or its URL (http, https). Its disk files are relative to it.
      - Required for O(state=present) and O(state=absent).
    type: str
  flatten:
    description:
      - Whether the guest's overlays become volumes that need no other file. What is below them is brought into them, by a
        block job where the guest runs.
      - An overlay that was flattened stays so.
    type: bool
    default: false
  state:
    description:
      - V(absent) removes the volumes that O(remove) says; the guest's domain must be gone.
      - V(pruned) is about the whole O(pool), and takes none of the options that are about a guest. It removes base
        volumes, seeds of guests that are gone, and what killed runs left in the pool's folder, and nothing else.
      - What a domain, its snapshots, checkpoints or saved state name stays, what its record names, and what any volume
        of any pool builds on, whether or not that volume has a domain.
      - The guests of another connection (such as a user's V(qemu:///session)) are seen only while they run, and
        overlays that are neither in a pool nor a disk of a domain only while a guest has them.
      - Where something cannot be seen that could build on a base volume, such as the volumes of a pool that is not
        active, nothing is removed, and the error says what it is. A pool that other hosts can have too (type V(netfs),
        or a folder on a network file system) is not pruned.
      - Guests may run, and other plays may deploy. A play that brings volumes to the folder is waited for, a minute at
        most. A pool that is no folder of this machine cannot be locked, so there no play must bring volumes meanwhile,
        and what killed runs left in it stays.
    type: str
    choices: [present, absent, pruned]
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

- name: Remove the base volumes that no guest of this host needs any more
  virt.image.storage:
    pool: default
    state: pruned
"""

RETURN = r"""
---
volumes:
  description: The volumes of the guest.
  returned: O(state=present) or O(state=absent)
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
removed:
  description: The volumes that were removed from the pool, or would be.
  returned: O(state=pruned)
  type: list
  elements: dict
  contains:
    name:
      description: The volume's name.
      type: str
    path:
      description: The volume's path on the host.
      type: str
    kind:
      description: What it is, V(base), V(seed), or V(leftover) of a killed run.
      type: str
    size:
      description: The bytes that it takes in the pool.
      type: int
kept:
  description: The volumes of these kinds that stay.
  returned: O(state=pruned)
  type: list
  elements: dict
  contains:
    name:
      description: The volume's name.
      type: str
    path:
      description: The volume's path on the host.
      type: str
    kind:
      description: What it is, as in RV(removed[].kind).
      type: str
    size:
      description: The bytes that it takes in the pool.
      type: int
    used_by:
      description: What needs it, such as V(domain web1) or V(volume web1-root.qcow2 of pool default).
      type: list
      elements: str
"""

from ..module_utils._io import carry, guest_options
from ..module_utils._io.provision import storage
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    needs_image = [("state", "present", ("image",)), ("state", "absent", ("image",))]
    run(guest_options.STORAGE, storage, carry, required_if=needs_image)


if __name__ == "__main__":
    main()
