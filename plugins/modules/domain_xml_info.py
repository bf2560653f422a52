#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the domain XML of a guest."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: domain_xml_info
short_description: Render the domain XML of a guest
version_added: 0.1.0
description:
  - Renders the domain XML that the guest would have on this host, and changes nothing.
  - An existing guest's UUID, MAC addresses and whatever libvirt or its user added are in it.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes.info
  - virt.image._connection
  - virt.image._extra_disks
  - virt.image._fetch
  - virt.image._files
  - virt.image._hardware
  - virt.image._match
  - virt.image._place
  - virt.image._shape
  - virt.image._trust
seealso:
  - module: virt.image.domain
  - module: virt.image.guests
"""

EXAMPLES = r"""
---
- name: What would be defined?
  virt.image.domain_xml_info:
    image: /srv/images/web/image.xml
    memory: 1 GiB
  register: web
"""

RETURN = r"""
---
xml:
  description: The domain XML, without passwords.
  returned: success
  type: str
"""

from ..module_utils._io import guest_options
from ..module_utils._io.preview import domain_xml_info
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(guest_options.DOMAIN_XML, domain_xml_info)


if __name__ == "__main__":
    main()
