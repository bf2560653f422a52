# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says what is waited for when a guest runs."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that says what is waited for when a guest runs."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - What is waited for when the guest runs. A guest that stops or pauses meanwhile fails the task, with the reason and
        the ends of QEMU's log and of its console.
    type: dict
    suboptions:
      settle:
        description:
          - For how many seconds a guest that was started has to run, without a reset, before its start counts.
          - One that does not is powered off, and an existing guest gets its former definition back. V(0) is not at all.
        type: int
        default: 1
      agent:
        description:
          - The guest agent answers. Guests of QEMU and KVM have one.
        type: bool
        default: false
      address:
        description:
          - An address of the guest is known, from its agent, the host's leases, or under Xen the host's ARP table. That may be one
            from before the guest was started; V(tcp) and V(serial) prove that it lives.
        type: bool
        default: false
      tcp:
        description:
          - A TCP port, or several, that take connections from the host at one of the guest's addresses.
        type: list
        elements: int
      serial:
        description:
          - A regular expression of Python for what a guest that was started writes on its first serial console.
          - It is looked for in the last 64 KiB, without the terminal's control sequences; C(^) and C($) match at each line.
          - A guest that runs already is not asked for it.
        type: str
      timeout:
        description:
          - How many seconds to wait at most, for all of it.
        type: int
        default: 120
"""
