#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether a host can run an image, and why not."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: match_info
short_description: Tell whether a host can run an image, and why not
version_added: 0.1.0
description:
  - Judges every boot alternative of an image against this host.
  - An alternative fits when the host runs guests of its type and architecture, and can give the features that it names.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes.info
  - virt.image._connection
  - virt.image._descriptor
  - virt.image._files
  - virt.image._match
options:
  probe_kvm:
    description:
      - Whether to find out if KVM really runs a guest here, and not only if libvirt lists it. On some hosts (nested
        virtualisation without the CPU's help) KVM can be opened, and no guest runs on it.
      - Where it does not, V(kvm) is an obstacle. Where that was not seen in time, as on a busy host, it is none.
      - For a moment a guest of 64 MiB without disk and network is started, and its firmware's first byte on the console
        is the proof. It has the CPU that guests on KVM get from this collection.
      - On architectures for which QEMU brings no firmware (ARM, RISC-V) the guest has 512 MiB, and UEFI must be
        installed.
      - The answer comes within 2 seconds, in check mode too. libvirt's clean-up may take a little longer.
      - Nothing is left behind, but for QEMU's log of the guest
        (V(/var/log/libvirt/qemu/virt-image-probe-*.log)) where the host is reached through a remote O(uri), or where
        the user may not remove it.
    type: bool
    default: false
seealso:
  - module: virt.image.descriptor_info
  - module: virt.image.capabilities_facts
"""

EXAMPLES = r"""
---
- name: Can this host run the image?
  virt.image.match_info:
    path: /srv/images/web/image.xml
  register: fit

- name: If not, say why
  ansible.builtin.debug:
    msg: "{{ fit.verdicts | map(attribute='obstacles') | flatten }}"
  when: fit.chosen is none

- name: Would it also run on this host's KVM?
  virt.image.match_info:
    path: /srv/images/web/image.xml
    virt_type: kvm
    probe_kvm: true
"""

RETURN = r"""
---
chosen:
  description: The index of the alternative that would be taken, or null where none fits.
  returned: success
  type: int
verdicts:
  description: The judgement on each alternative, in the descriptor's order.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: The alternative's index.
      type: int
    type:
      description: Its type, V(hvm) or V(xen).
      type: str
    arch:
      description: Its architecture.
      type: str
    fits:
      description: Whether this host can run it.
      type: bool
    obstacles:
      description: Why not, in sentences.
      type: list
      elements: str
    virt_type:
      description: The hypervisor that would run it.
      type: str
    emulator:
      description: The emulator that would run it.
      type: str
    machine:
      description: The machine that it would get.
      type: str
    os_type:
      description: libvirt's name of the kind of guest.
      type: str
    loader:
      description: The firmware that capabilities name, if any.
      type: str
    features:
      description: How the features would be set.
      type: dict
"""

from ..module_utils._io import options
from ..module_utils._io.inform import match_info
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.MATCH_INFO, match_info, **options.ONE_DESCRIPTOR)


if __name__ == "__main__":
    main()
