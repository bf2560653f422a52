#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the folder of an image from a disk file, a domain, or an OVF."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: capture
short_description: Make an image of a disk, a domain or an OVF
version_added: 0.1.0
description:
  - Makes the folder of an image, with a descriptor (C(image.xml)) and the disk files, of what was not made by this collection.
  - What is seen, guessed, or not known is a comment in the descriptor, which is there to be edited. A later run leaves what
    was edited, as long as the descriptor has the files, with the SHA-256 that they have or with none.
  - Nothing that is in the folder is overwritten without O(replace). Files take their names when all of them are whole, and
    the descriptor comes last.
  - A copy is open to no more users than the file that it was made from. Copies of a domain's disks are their owner's only.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._progress
options:
  disk:
    description:
      - A disk file on the host, such as a cloud image. It is copied as it is, compressed or not.
      - It must stand alone, and not build on another file.
      - Exactly one of O(disk), O(domain) and O(ovf) is needed.
    type: path
  domain:
    description:
      - The name of a domain of this host's libvirt. It must be shut off, for its disks to be whole.
      - Each disk becomes a qcow2 that needs no other file, whatever it builds on. Files and block devices of this host are
        copied, and volumes that are such.
      - A scratch disk of a guest of this collection is not copied, as each guest has its own, empty. Seeds are left out, and
        so are CDs that the domain does not boot from, floppies, and disks that are shared.
      - With a domain that was captured already, nothing is done. A warning says if a file of its disks was written to after
        the copies; of block devices nobody knows.
      - The folder of the domain's own disks can be O(folder) only where no copy would have the name of one of them.
    type: str
  ovf:
    description:
      - An OVF of one virtual machine on the host, with its disks beside it, or an archive of all that, whose name ends with
        C(.ova).
      - The files are compared with the manifest (C(.mf)) if there is one; its signature (C(.cert)) is not read. A warning, and
        a comment in the descriptor, name files that it does not list.
      - A disk without a file is a user disk that each guest has empty.
    type: path
  folder:
    description:
      - The folder that the descriptor and the disks go to; it is made if it is not there.
      - By default, the folder that the disk or the OVF is in. Then the disks stay as they are, and a descriptor comes beside
        them.
      - Required with O(domain), and for an archive.
    type: path
  descriptor:
    description:
      - The file name of the descriptor in the folder. Another name keeps apart images whose disks are in one folder.
    type: str
    default: image.xml
  name:
    description:
      - The image's name. By default that of the file, the domain, or the machine in the OVF.
    type: str
  version:
    description:
      - The image's version. By default, a comment says that there is none.
    type: str
  replace:
    description:
      - Whether a descriptor and disk files that are there, and are others, give way. Without it, they are a mistake.
      - A domain is captured anew each time then. Its own disks give way to nothing.
    type: bool
    default: false
  uri:
    description:
      - The libvirt that has O(domain). It must be this host's, as the disks are read here.
    type: str
    default: qemu:///system
requirements:
  - lxml on the host
  - qemu-img, for all disks that are not raw
  - the Python bindings of libvirt on the host, with O(domain)
seealso:
  - module: virt.image.descriptor_info
  - plugin: virt.image.from_domain_xml
    plugin_type: filter
  - plugin: virt.image.from_ovf
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Write a descriptor beside a cloud image
  virt.image.capture:
    disk: /srv/images/debian/debian-12-genericcloud-amd64.qcow2
    name: debian
    version: "12.5"

- name: Make an image of a virtual machine that was exported elsewhere
  virt.image.capture:
    ovf: /srv/incoming/appliance.ova
    folder: /srv/images/appliance

- name: Make an image of a domain that is shut off
  virt.image.capture:
    domain: old-web
    folder: /srv/images/old-web
"""

RETURN = r"""
---
descriptor_file:
  description: The path of the descriptor.
  returned: success
  type: str
descriptor:
  description:
    - The text of the descriptor. In check mode, disks of a domain have no checksums in it.
  returned: success
  type: str
image:
  description: The image, like RV(virt.image.descriptor_info#module:image).
  returned: success
  type: dict
firmware:
  description:
    - The firmware that guests of the image need, for their option C(firmware), which no descriptor can say.
    - V(bios), V(efi), or null where nothing tells it.
  returned: success
  type: str
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
"""

from ..module_utils._io import carry_capture, options
from ..module_utils._io.capture import capture
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.CAPTURE, capture, carry_capture, connect=False, **options.ONE_ORIGIN)


if __name__ == "__main__":
    main()
