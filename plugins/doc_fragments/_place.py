# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say where a guest's volumes are, and how they are made."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.plugin_utils.docs import DRIVE, indented


class ModuleDocFragment:
    """The options that say where a guest's volumes are, and how they are made."""

    # Annotated, because ansible-test reads what is assigned without it as a constant.
    DOCUMENTATION: str = r"""
options:
  pool:
    description:
      - The storage pool for the guest's volumes. It is active, and its volumes are files (type V(dir), V(fs) or V(netfs))
        or block devices (type V(logical) or V(zfs), with O(clone=full)).
      - V(none) is no pool; the volumes are plain files in O(folder).
    type: str
    default: default
  folder:
    description:
      - The absolute path of the folder for the volumes of O(pool=none).
    type: path
  clone:
    description:
      - How a system disk is made from the image's.
      - V(linked) is an overlay on the shared base volume, made in no time.
      - V(full) is a copy that needs no other file.
    type: str
    choices: [linked, full]
    default: linked
  disks:
    description:
      - What differs from the descriptor for single disks.
    type: list
    elements: dict
    suboptions:
      id:
        description:
          - The disk's id in the descriptor.
        type: str
        required: true
      volume:
        description:
          - The name of the disk's volume in its pool, for a guest that is made or adopted. By default made of the guest's
            name and the id.
        type: str
      size:
        description:
          - The disk's size with its unit, such as V(10 GiB).
          - A disk that exists grows to it, also while its guest runs. It is never made smaller.
        type: str
      pool:
        description:
          - Another pool for this disk.
        type: str
{drive}
  seed:
    description:
      - What cloud-init in the guest finds at its first start, on a CD-ROM of the kind NoCloud.
      - Changed content makes another seed; the guest has it when it is started again. cloud-init does again what it does
        once for each instance when C(instance-id) changes too.
      - The texts are not shown. They are in a file that others on the host cannot read.
    type: dict
    suboptions:
      user_data:
        description:
          - The user data as text, such as a C(#cloud-config) or a script. A secret in it is better hashed, as C(passwd) wants it.
        type: raw
      meta_data:
        description:
          - The meta data as text, in YAML. By default the guest's name is its instance id and host name.
        type: raw
      network_config:
        description:
          - The network configuration as text, in YAML.
        type: raw
""".replace("{drive}", indented(DRIVE, 6))
