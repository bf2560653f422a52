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
  - Returns the kinds of guests that libvirt on this host can run, as a fact, with libvirt's version, its pools and
    its networks.
  - The filter P(virt.image.match_boots#filter) judges images against it, now or later.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes.info
  - virt.image._connection
  - virt.image._probe
options:
  domain_capabilities:
    description:
      - Whether to ask also what each emulator offers for the machine that guests get (firmware, devices,
        CPU modes).
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

- name: Ask whether KVM really runs guests
  virt.image.capabilities_facts:
    probe_kvm: true

- name: Say why it does not
  ansible.builtin.debug:
    msg: "{{ ansible_facts.virt_capabilities.kvm.reason }}"
  when: ansible_facts.virt_capabilities.kvm.runs is false

- name: Tell the pools with 20 GiB left
  ansible.builtin.debug:
    msg: >-
      {{ ansible_facts.virt_capabilities.pools | selectattr('active')
      | selectattr('available_bytes', 'ge', 20 * 2 ** 30) | map(attribute='name') }}
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
        cells:
          description: The NUMA cells, with id, memory_kib, cpus and distances.
          type: list
          elements: dict
        security_models:
          description: The security drivers that confine guests, with model, doi and labels.
          type: list
          elements: dict
        migration:
          description: How guests can leave the host, with live and transports.
          type: dict
        kvm:
          description: What the probe showed, or null where O(probe_kvm=false).
          type: dict
          contains:
            runs:
              description: Whether a guest ran on KVM; null where that was not seen in time, as on a busy host.
              type: bool
            reason:
              description: Why it did not, or was not seen; else null.
              type: str
        libvirt_version:
          description: The version of libvirt's daemon.
          type: str
          sample: 9.0.0
        hypervisor:
          description: The hypervisor.
          type: dict
          contains:
            type:
              description: libvirt's name of its driver, such as V(QEMU) or V(Xen).
              type: str
            version:
              description: The hypervisor's own version, or null where the driver does not tell it.
              type: str
              sample: 7.2.22
        mode:
          description: Whether the daemon is the V(system)'s, or the user's own for one V(session).
          type: str
        pools:
          description: The storage pools by name, or an empty list where the driver has none.
          type: list
          elements: dict
          contains:
            name:
              description: The pool's name.
              type: str
            type:
              description: libvirt's type of the pool, such as V(dir).
              type: str
            active:
              description: Whether it is active.
              type: bool
            autostart:
              description: Whether it starts with libvirt.
              type: bool
            path:
              description: Its folder or device, or null.
              type: str
            capacity_bytes:
              description: Its size, or null while it is inactive.
              type: int
            allocation_bytes:
              description: What of it is used, or null while it is inactive.
              type: int
            available_bytes:
              description: What of it was free when libvirt last looked, or null while it is inactive.
              type: int
        networks:
          description: The virtual networks by name, or an empty list where the driver has none.
          type: list
          elements: dict
          contains:
            name:
              description: The network's name.
              type: str
            active:
              description: Whether it is active.
              type: bool
            autostart:
              description: Whether it starts with libvirt.
              type: bool
            bridge:
              description: Its bridge, or null.
              type: str
            forward:
              description: The mode in which it leads outside, such as V(nat), or null where it leads nowhere.
              type: str
"""

from ..module_utils._io import options
from ..module_utils._io.facts import capabilities_facts
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.CAPABILITIES, capabilities_facts)


if __name__ == "__main__":
    main()
