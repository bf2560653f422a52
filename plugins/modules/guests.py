#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring guests from their image descriptors to the state that is asked for."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: guests
short_description: Bring guests from their image descriptors to the state that is asked for
version_added: 0.1.0
description:
  - Takes a list of guests the whole way, in one call and one connection. Each descriptor is matched with the host, its
    disks are brought, the domain is defined, the guest started.
  - All guests are planned before anything is touched, so that a mistake in one changes none.
  - A second run changes nothing. What differs is repaired, and only that.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._connection
  - virt.image._fetch
  - virt.image._guests
  - virt.image._image_source
  - virt.image._progress
seealso:
  - module: virt.image.storage
  - module: virt.image.domain
  - module: virt.image.match_info
"""

EXAMPLES = r"""
---
- name: Two guests of one image
  virt.image.guests:
    guests:
      - name: web1
        image: /srv/images/web/image.xml
      - name: web2
        image: /srv/images/web/image.xml
        memory: 1 GiB
        networks:
          - type: bridge
            source: br0
        wait:
          agent: true

- name: A guest is to go, its user disks too
  virt.image.guests:
    guests:
      - name: web2
        state: absent
        remove: all
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
      description: Each place of an existing domain that differs, with path, before and after.
      type: list
      elements: dict
    drift:
      description: Each place that someone else had changed, with path, before (what was applied) and after (what was found).
      type: list
      elements: dict
    pending:
      description: Each place where the running guest stays other than it is defined until it is started anew.
      type: list
      elements: dict
    restart_required:
      description: Whether the guest runs with another configuration than the one that is defined now.
      type: bool
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
    error:
      description: Why the guest failed, if it did.
      type: str
"""

from ..module_utils._io import carry, guest_options
from ..module_utils._io.deploy import guests
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(guest_options.GUESTS, guests, carry)


if __name__ == "__main__":
    main()
