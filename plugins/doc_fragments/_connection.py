# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of all modules that talk to libvirt."""

from __future__ import annotations


class ModuleDocFragment:
    """The option of all modules that talk to libvirt."""

    DOCUMENTATION = r"""
requirements:
  - libvirt >= 8.0
  - the Python bindings of libvirt and lxml on the host
notes:
  - Where the bindings are missing in the Python that Ansible chose, the system's Python is used if it has them.
options:
  uri:
    description:
      - The libvirt to connect to.
      - A user without root has V(qemu:///session).
    type: str
    default: qemu:///system
"""
