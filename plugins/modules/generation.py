#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move guests between generations of their system disks: to the next version of their image, and back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: generation
short_description: Move guests to the next version of their image, and back
version_added: 0.1.0
description:
  - A generation is one set of system disks of a guest. This module brings those of another version of the guest's image
    beside the ones that it has, switches to them, and goes back.
  - User disks are the same in all generations. So is a scratch disk, unless it is reset.
  - All guests are planned before anything is touched, so that a mistake in one changes none.
  - What is written before the one definition that switches a guest only adds to what is there. The record of how far it is
    stands in the domain's metadata, so that a run that was killed can be finished from anywhere.
  - The role P(virt.image.rollout#role) does all of it, for a host or a fleet.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._connection
  - virt.image._fetch
  - virt.image._guests
  - virt.image._image_source
  - virt.image._progress
options:
  state:
    description:
      - V(staged) brings the base volumes of the version that O(guests[].image) is, makes the new system disks, and notes the
        generation in the record. A guest that runs does not notice.
      - V(active) stops the guest, switches to the new generation, starts it and waits as O(guests[].wait) says. It stages first
        what is not staged. The generation is pending then. A guest that is off stays off; its generation counts as confirmed.
      - V(confirmed) says that the pending generation is healthy.
      - V(rolled_back) goes back to the generation before, with the domain as it was, from one that is pending, or of O(version). A
        version that was left so is marked as bad.
      - V(pruned) removes generations that are not kept, with their volumes. Base volumes that nobody uses then are removed by
        M(virt.image.storage).
      - For V(confirmed), V(rolled_back) and V(pruned) only name, wait and shutdown of O(guests) matter. O(guests[].state) never does.
    type: str
    required: true
    choices: [staged, active, confirmed, rolled_back, pruned]
  user_disks:
    description:
      - With V(snapshot), what the guest writes to its user disks from the switch on is kept apart until the generation is
        confirmed, and dropped if it is rolled back. Files are put over the user's volumes for that time.
      - With V(keep), user disks stay as they are, in both directions.
    type: str
    choices: [keep, snapshot]
    default: keep
  scratch:
    description:
      - V(reset) gives each new generation scratch disks of its own.
      - V(keep) does so only where they are to have another size.
    type: str
    choices: [keep, reset]
    default: keep
  keep_generations:
    description:
      - How many former generations O(state=pruned) keeps.
    type: int
    default: 1
  retry:
    description:
      - Whether a version is tried again that was rolled back before. If not, the guest fails.
    type: bool
    default: false
  other_images:
    description:
      - What becomes of guests of an image with another name. V(skip) leaves them alone, with V(skipped) as their status.
    type: str
    choices: [refuse, skip]
    default: refuse
  owner:
    description:
      - Who moves the guests. While a generation of theirs is pending, others are refused until O(lease) ends.
    type: str
  lease:
    description:
      - For how many seconds a pending generation is its owner's, from the begin of the task on that switches to it.
    type: int
    default: 600
  takeover:
    description:
      - Whether to go on with a pending generation that is another owner's, whose run is no more.
    type: bool
    default: false
  version:
    description:
      - For O(state=rolled_back), the version that is to be left. A guest on another one stays where it is.
      - By default only a generation that is pending is rolled back. One that was confirmed is, if its version is named here.
    type: str
  reason:
    description:
      - Why the guests are rolled back. It stays in the record with the version that was bad.
    type: str
seealso:
  - module: virt.image.guests
  - module: virt.image.guest_info
  - module: virt.image.storage
"""

EXAMPLES = r"""
---
- name: Bring version 2 to the host, while the guest runs
  virt.image.generation:
    state: staged
    guests: &guests
      - name: web1
        image: /srv/images/web-2/image.xml
        wait:
          agent: true

- name: Switch to it
  virt.image.generation:
    state: active
    guests: *guests

- name: It is well
  virt.image.generation:
    state: confirmed
    guests: *guests

- name: Or it is not
  virt.image.generation:
    state: rolled_back
    reason: The shop does not answer
    guests:
      - name: web1

- name: Or that is found out later, on all guests that have it
  virt.image.generation:
    state: rolled_back
    version: "2.0"
    guests:
      - name: web1
      - name: web2
"""

RETURN = r"""
---
guests:
  description: What became of each guest, in the order of the call.
  returned: always, once all guests were planned
  type: list
  elements: dict
  contains:
    name:
      description: The guest's name.
      type: str
    status:
      description:
        - V(current) is a guest that has the asked version for good, and V(staged) one that is ready to be switched.
        - V(pending) is one that was switched, V(merging) one whose user disks are being merged after it was confirmed.
        - V(confirmed) and V(rolled_back) say what was done, and V(skipped) that the guest is of another image.
      type: str
    image:
      description: The name of its image.
      type: str
    version:
      description: The version that is active.
      type: str
    release:
      description: The release that is active.
      type: str
    generation:
      description: The number of the generation that is active.
      type: int
    state:
      description: Its state.
      type: str
    changed:
      description: Whether anything was done, or would be.
      type: bool
    actions:
      description: What was done, or would be, in order.
      type: list
      elements: str
    changes:
      description: Each place of the domain that differs, with path, before and after.
      type: list
      elements: dict
    boot:
      description: The index of the boot alternative.
      type: int
    virt_type:
      description: The hypervisor that runs the guest.
      type: str
    volumes:
      description: The guest's volumes, with disk, use, pool, name, path, format, and capacity in bytes.
      type: list
      elements: dict
    addresses:
      description: The guest's addresses, if they were waited for.
      type: list
      elements: str
    downtime:
      description: The seconds from the guest's end to its start, where it was stopped and started.
      type: float
    last_words:
      description:
        - For O(state=rolled_back) of a guest that ran, the ends of QEMU's log and of the log file of its console, as far as they
          are files of the machine where the module runs.
      type: str
    warnings:
      description: What its user should hear.
      type: list
      elements: str
    error:
      description: Why the guest failed, if it did.
      type: str
"""

from ..module_utils._io import carry, guest_options
from ..module_utils._io.generations import generation
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(guest_options.GENERATION, generation, carry)


if __name__ == "__main__":
    main()
