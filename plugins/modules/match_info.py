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
  - virt.image._fetch
  - virt.image._files
  - virt.image._match
  - virt.image._probe
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

from ..module_utils._io import guest_options, options
from ..module_utils._io.inform import match_info
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(guest_options.MATCH_INFO, match_info, **options.ONE_DESCRIPTOR)


if __name__ == "__main__":
    main()
