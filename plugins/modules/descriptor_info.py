#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an image descriptor."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: descriptor_info
short_description: Read an image descriptor, or write one for a disk
version_added: 0.1.0
description:
  - Parses one descriptor in the format of virt-image(5), checks it, and returns what it says.
  - Every mistake is reported, each with its line.
  - Or looks at a disk file that has no descriptor, such as a cloud image, and returns a descriptor of it. What is seen,
    guessed, or not known says a comment there. Nothing is written; M(virt.image.capture) does that.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes.info
  - virt.image._descriptor
  - virt.image._fetch
  - virt.image._files
  - virt.image._progress
options:
  disk:
    description:
      - A disk file on the host that a descriptor is to be written of.
      - It is read whole, for its SHA-256. Its partition table, and the name of the EFI boot loader on it, tell the
        architecture and the firmware; that needs C(qemu-img) for other formats than raw.
      - Not with O(path) and O(descriptor).
    type: path
seealso:
  - module: virt.image.capture
  - module: virt.image.match_info
"""

EXAMPLES = r"""
---
- name: Read a descriptor on the host
  virt.image.descriptor_info:
    path: /srv/images/web/image.xml
  register: web

- name: Tell the memory that the image recommends
  ansible.builtin.debug:
    msg: "{{ web.image.memory_kib }} KiB"

- name: Write a descriptor for a cloud image
  virt.image.descriptor_info:
    disk: /srv/images/debian-12-genericcloud-amd64.qcow2
  register: debian

- name: Show it
  ansible.builtin.debug:
    msg: "{{ debian.descriptor }}"
"""

RETURN = r"""
---
image:
  description: The image that the descriptor describes, or the disk is; what it does not say is null.
  returned: success
  type: dict
  contains:
    name:
      description: The image's name.
      type: str
    version:
      description: The version of the image.
      type: str
    release:
      description: The release of the version.
      type: str
    label:
      description: A short name for people.
      type: str
    description:
      description: What the image is for.
      type: str
    boots:
      description: The boot alternatives, with type, arch, features, loader, dev, kernel, initrd, cmdline and drives.
      type: list
      elements: dict
    vcpu:
      description: The recommended number of virtual CPUs.
      type: int
    memory_kib:
      description: The recommended memory in KiB.
      type: int
    interfaces:
      description: The number of network interfaces.
      type: int
    graphics:
      description: Whether the guest has a screen.
      type: bool
    disks:
      description: The disks, with id, file, use, size_mib, format and checksums.
      type: list
      elements: dict
    warnings:
      description: What the descriptor holds and the format does not know. With O(disk), what is guessed or not known.
      type: list
      elements: str
descriptor:
  description: The text of a descriptor for the disk.
  returned: success, with O(disk)
  type: str
firmware:
  description:
    - The firmware that guests of the disk need, for their option C(firmware), which no descriptor can say.
    - V(bios), V(efi), or null where nothing tells it.
  returned: success, with O(disk)
  type: str
"""

from ..module_utils._io import options
from ..module_utils._io.describe import descriptor_info
from ..module_utils._io.module import run
from ..module_utils._io.progress import written


def main() -> None:
    """Run the module."""
    run(options.DESCRIPTOR_INFO, descriptor_info, connect=False, telling=written, **options.ONE_DESCRIPTOR_INFO)


if __name__ == "__main__":
    main()
