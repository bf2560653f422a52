# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of one guest that are not the image's."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.plugin_utils.docs import DRIVE, indented


class ModuleDocFragment:
    """The disks of one guest that are not the image's."""

    # Annotated, because ansible-test reads what is assigned without it as a constant.
    DOCUMENTATION: str = r"""
options:
  extra_disks:
    description:
      - Disks that are not the image's. They are attached as they are, and never created, changed or deleted.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - What it is, in libvirt's terms.
        type: str
        choices: [file, block, volume, network]
        default: file
      source:
        description:
          - The absolute path of the file or block device, the name of the volume, or the server's name of it.
          - A CD-ROM or floppy drive without it is empty.
        type: str
      pool:
        description:
          - The pool of a V(volume).
        type: str
      protocol:
        description:
          - How a V(network) disk is reached.
        type: str
        choices: [nbd, iscsi, rbd, gluster, http, https, ftp, ftps, tftp, ssh, nfs]
      hosts:
        description:
          - The servers of a V(network) disk.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - The server's name or address.
            type: str
            required: true
          port:
            description:
              - The server's port. By default the protocol's.
            type: int
      device:
        description:
          - What the guest sees.
        type: str
        choices: [disk, cdrom, floppy]
        default: disk
      format:
        description:
          - The format. It is never looked for in the content.
        type: str
        choices: [raw, qcow2, qcow, qed, vdi, vhdx, vmdk, vpc]
        default: raw
      readonly:
        description:
          - Whether the guest can only read it. A CD-ROM is always so.
        type: bool
      shareable:
        description:
          - Whether several guests write to it, whose file system must be made for that.
        type: bool
        default: false
{drive}
""".replace("{drive}", indented(DRIVE, 6))
