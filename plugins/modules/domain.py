#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define, start, stop or remove one domain."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: domain
short_description: Define, start, stop or remove one domain
version_added: 0.1.0
description:
  - Keeps one libvirt domain as its XML says. What the XML names is compared with what libvirt holds, and written only
    where something differs. What libvirt or others added elsewhere stays.
  - What an earlier run of this module wrote and O(xml) no longer holds is taken away.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._connection
  - virt.image._keep
  - virt.image._shutdown
  - virt.image._wait
options:
  name:
    description:
      - The domain's name. By default the one in O(xml).
    type: str
  xml:
    description:
      - The domain XML. Without it only the state of an existing domain is changed.
      - libvirt judges it when it is written, so check mode does not find what libvirt refuses.
    type: str
  autostart:
    description:
      - Whether libvirt starts the domain with the host. By default it is left as it is.
    type: bool
  adopt:
    description:
      - Whether a domain of that name that was not made by this collection is taken over, or may go. If not, the task fails.
    type: bool
    default: false
  state:
    description:
      - V(started) and V(stopped) say whether the domain runs. V(present) leaves that as it is.
      - V(absent) undefines the domain, with its NVRAM, TPM state, saved state, and the metadata of its snapshots and
        checkpoints; RV(actions) tells which there were. Its disks stay, and so do the files of external snapshots.
        A guest with recorded volumes is left to M(virt.image.guests).
      - V(restarted) is an action. It stops and starts the domain each time, and so always changes; a domain that does not
        run is started.
    type: str
    choices: [present, started, stopped, absent, restarted]
    default: present
seealso:
  - module: virt.image.guests
  - module: virt.image.domain_xml_info
"""

EXAMPLES = r"""
---
- name: Keep a domain as its XML says
  virt.image.domain:
    xml: "{{ lookup('ansible.builtin.template', 'web1.xml.j2') }}"
    state: started

- name: Stop it, and power it off if it does not stop within ten seconds
  virt.image.domain:
    name: web1
    state: stopped
    shutdown:
      timeout: 10
      force: true

- name: Start it again, and wait until it takes connections
  virt.image.domain:
    name: web1
    state: restarted
    wait:
      tcp: 80
"""

RETURN = r"""
---
domain:
  description: The domain.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    state:
      description: Its state.
      type: str
    restart_required:
      description: Whether it runs with another configuration than the one that is defined now.
      type: bool
changes:
  description: Each place of an existing domain that differs.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The place, such as V(devices/disk[vda]/source/@file).
      type: str
    before:
      description: What stood there.
      type: str
    after:
      description: What stands there now.
      type: str
drift:
  description: Each place that someone else had changed, with what was applied and what was found.
  returned: success
  type: list
  elements: dict
pending:
  description: Each place where the running domain stays other than it is defined until it is started anew.
  returned: success
  type: list
  elements: dict
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

from ..module_utils._io import carry, guest_options
from ..module_utils._io.define import domain
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(guest_options.DOMAIN, domain, carry, required_one_of=[("name", "xml")])


if __name__ == "__main__":
    main()
