# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that finds out whether KVM runs a guest."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that finds out whether KVM runs a guest."""

    DOCUMENTATION = r"""
options:
  probe_kvm:
    description:
      - Whether to find out if KVM really runs a guest here, and not only if libvirt lists it. On some hosts (nested
        virtualisation without the CPU's help) KVM can be opened, and no guest runs on it.
      - Where it runs none, V(kvm) is an obstacle to a match. Where that was not seen in time, as on a busy host, it is none.
      - For a moment a guest of 64 MiB without disk and network is started, and its firmware's first byte on the console
        is the proof. It has the CPU that guests on KVM get from this collection.
      - On architectures for which QEMU brings no firmware (ARM, RISC-V) the guest has 512 MiB, and UEFI must be
        installed.
      - The answer comes within 2 seconds, in check mode too. libvirt's clean-up may take a little longer.
      - Nothing is left behind, but for QEMU's log of the guest
        (V(/var/log/libvirt/qemu/virt-image-probe-*.log)) where the host is reached through a remote O(uri), or where
        the user may not remove it.
    type: bool
    default: false
"""
