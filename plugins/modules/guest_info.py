#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what the guests on a host are."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: guest_info
short_description: Tell what the guests on a host are
version_added: 0.1.0
description:
  - Tells of each guest its image and version, its state, its disks with their backing chains, its addresses, and what
    became other than it was applied.
  - It only looks. No disk file is opened, no guest is asked, and libvirt keeps the passwords.
  - A domain that libvirt or this module cannot read is left out, with a warning.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes.info
  - virt.image._connection
options:
  names:
    description:
      - The guests to tell of. By default all of them.
      - A name that no guest has is no error. That guest is not in RV(guests).
    type: list
    elements: str
  all:
    description:
      - Whether to tell of the domains that this collection did not make, too. If not, they are not told of even where
        O(names) has them.
      - A clone of a guest that still has the guest's record counts as one of them.
    type: bool
    default: false
seealso:
  - module: virt.image.guests
  - plugin: virt.image.disk_chains
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Look at the guests
  virt.image.guest_info:
  register: here

- name: Which guests have another version than the newest?
  ansible.builtin.debug:
    msg: "{{ here.guests | rejectattr('version', 'eq', '2.0') | map(attribute='name') }}"

- name: Fail if someone edited a guest
  ansible.builtin.assert:
    that: here.guests | selectattr('drift') | length == 0

- name: The files of one domain's disks, base volumes too, whoever made it
  virt.image.guest_info:
    names: [db1]
    all: true
  register: db

- name: Show them
  ansible.builtin.debug:
    msg: "{{ db.guests | map(attribute='disks') | flatten | map(attribute='chain') | flatten | map(attribute='path') }}"
"""

RETURN = r"""
---
guests:
  description: The guests by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The guest's name.
      type: str
    uuid:
      description: The domain's UUID.
      type: str
    state:
      description: libvirt's name of its state, such as V(running), V(paused) or V(shutoff).
      type: str
    persistent:
      description: Whether it is defined beyond its end, or null where the driver does not tell.
      type: bool
    autostart:
      description: Whether it starts with the host, or null where the driver does not tell.
      type: bool
    virt_type:
      description: The hypervisor that runs it.
      type: str
    arch:
      description: Its architecture.
      type: str
    machine:
      description: Its machine, or null where the hypervisor has none.
      type: str
    owned:
      description: Whether this collection made it or took it over.
      type: bool
    image:
      description: The name of its image, or null where it is not owned, or was made from XML of one's own.
      type: str
    version:
      description: The version of its image, or null.
      type: str
    release:
      description: The release of its image, or null.
      type: str
    generation:
      description: The generation of its system disks that is active, or null where it is not owned.
      type: int
    generation_state:
      description:
        - V(confirmed), or V(pending) while it has not proved healthy, or V(merging) while its user disks are merged after that.
          Null where the guest is not owned.
      type: str
    since:
      description: When that generation became active (UTC, ISO 8601), or null where it is not known.
      type: str
    owner:
      description: Who moves the guest while the generation is pending, or null.
      type: str
    generations:
      description: The other generations that its record has.
      type: list
      elements: dict
      contains:
        number:
          description: Its number.
          type: int
        state:
          description: V(staged), V(former), or V(bad) for one that was rolled back.
          type: str
        version:
          description: The version of the image, or null.
          type: str
        release:
          description: The release of the image, or null.
          type: str
        since:
          description: When it became active, or null.
          type: str
        reason:
          description: Why it was rolled back, or null.
          type: str
        volumes:
          description: The volumes that it has. One that was pruned has none.
          type: list
          elements: str
    disks_from:
      description:
        - The XML that RV(guests[].disks) was read from.
        - It is V(active), what the guest runs with, where it runs. Under QEMU and KVM libvirt has then looked into the
          files, and chains are complete. Else it is V(inactive), and a chain is what was defined.
      type: str
    disks:
      description: Its disks.
      type: list
      elements: dict
      contains:
        target:
          description: The device's name, such as V(vda).
          type: str
        device:
          description: V(disk), V(cdrom), V(floppy) or V(lun).
          type: str
        bus:
          description: The bus, such as V(virtio), or null where it is not told.
          type: str
        readonly:
          description: Whether the guest can only read it.
          type: bool
        shareable:
          description: Whether other guests may have it at the same time.
          type: bool
        complete:
          description: Whether nothing is below what RV(guests[].disks[].chain) has. If not, it was not probed yet.
          type: bool
        chain:
          description:
            - The disk's levels from the top, which the guest writes to, down to the base. Empty for a drive without
              medium.
            - Each has C(index), C(type), C(format), and what its type has. P(virt.image.disk_chains#filter) tells all
              keys.
          type: list
          elements: dict
        id:
          description: The disk's id in the descriptor, or null where the record has no file of its chain.
          type: str
        use:
          description: What it is for, V(system), V(user) or V(scratch), or null.
          type: str
        pool:
          description: The storage pool of its volume, or null.
          type: str
        volume:
          description: The name of its volume, or null. External snapshots lie over it in the chain.
          type: str
        sha256:
          description: The SHA-256 of the image's file that it was made from, or null.
          type: str
    addresses:
      description:
        - The addresses that the host knows while the guest runs, from the leases of libvirt's networks and from its ARP
          table. The guest agent is not asked.
      type: list
      elements: str
    drift:
      description:
        - What this collection applied last and is no longer so in what is defined. Empty where all is as applied, null
          where the guest is not owned, or its record was broken.
        - A changed password is not seen.
      type: list
      elements: dict
      contains:
        path:
          description: The place.
          type: str
          sample: devices/disk[vda]/source/@file
        before:
          description: What was applied, as text or XML, or null where it was not there.
          type: str
        after:
          description: What is there now, or null.
          type: str
    restart_required:
      description: Whether the guest runs with another configuration than the one that is defined.
      type: bool
    pending:
      description: Each place where what runs is other than what is defined.
      type: list
      elements: dict
      contains:
        path:
          description: The place.
          type: str
        before:
          description: What runs, or null.
          type: str
        after:
          description: What is defined, or null.
          type: str
"""

from ..module_utils._io import options
from ..module_utils._io.look import guest_info
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.GUEST_INFO, guest_info)


if __name__ == "__main__":
    main()
