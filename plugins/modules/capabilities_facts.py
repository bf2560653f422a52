#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a host can run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: capabilities_facts
short_description: Tell what a host can run
version_added: 0.1.0
description:
  - Returns the kinds of guests that libvirt on this host can run, as a fact.
  - The filter P(virt.image.match_boots#filter) judges images against it, now or later.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes.info
  - virt.image._connection
options:
  domain_capabilities:
    description:
      - Whether to ask also what each emulator offers for its default machine (firmware, devices, CPU modes).
    type: bool
    default: false
seealso:
  - module: virt.image.match_info
"""

EXAMPLES = r"""
---
- name: Ask the host
  virt.image.capabilities_facts:

- name: Tell the architectures of its guests
  ansible.builtin.debug:
    msg: "{{ ansible_facts.virt_capabilities.guests | map(attribute='arch') | unique }}"
"""

RETURN = r"""
---
ansible_facts:
  description: The facts to add.
  returned: success
  type: dict
  contains:
    virt_capabilities:
      description: The host.
      type: dict
      contains:
        arch:
          description: The host's architecture.
          type: str
        uuid:
          description: The host's UUID.
          type: str
        guests:
          description: The kinds of guests, with os_type, arch, wordsize, features and domains.
          type: list
          elements: dict
        cpu:
          description: The host's CPU, with model, vendor and features.
          type: dict
        domain_capabilities:
          description: What the emulators offer, if O(domain_capabilities=true).
          type: list
          elements: dict
"""

from ..module_utils._io import options
from ..module_utils._io.inform import capabilities_facts
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.CAPABILITIES, capabilities_facts)


if __name__ == "__main__":
    main()
