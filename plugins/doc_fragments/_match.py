# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that narrow the choice among boot alternatives."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that narrow the choice among boot alternatives."""

    DOCUMENTATION = r"""
options:
  boot:
    description:
      - The index of the boot alternative to take, from 0 in the descriptor's order.
      - By default the best that fits is taken, paravirtualised before fully virtualised, hardware-assisted before
        emulated, then in the descriptor's order.
    type: int
  virt_type:
    description:
      - The hypervisor, as libvirt names the type of a domain, such as V(kvm), V(qemu) or V(xen).
      - V(auto) takes the best that the host has.
    type: str
    default: auto
  machine:
    description:
      - The machine, such as V(pc), V(q35) or V(virt); V(xenpvh) is a paravirtualised guest of Xen as PVH.
      - By default a new guest gets the one that suits its architecture and drives, and an existing guest keeps its own.
    type: str

  unlisted_features:
    description:
      - What becomes of a feature (C(pae), C(acpi), C(apic)) that the descriptor does not name and the host can switch.
      - V(off) is the rule of virt-image(5). V(host_default) leaves it to the host.
    type: str
    choices: ["off", host_default]
    default: "off"
"""
