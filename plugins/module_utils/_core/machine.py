# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine below a guest has: the hypervisors that are QEMU, and its buses."""

from __future__ import annotations

from .match import Verdict

X86 = ("i686", "x86_64")
QEMU_TYPES = ("qemu", "kvm", "hvf")
# Machines of the emulated PC that have an IDE controller: https://www.qemu.org/docs/master/system/i386/pc.html
IDE_MACHINES = ("pc", "isapc", "xenfv")
IDE_FAMILIES = ("pc-i440fx-", "pc-0.", "pc-1.")
# libvirt gives these a pcie-root: https://libvirt.org/pci-hotplug.html
PCIE_ARCHES = ("aarch64", "armv7l", "riscv64", "loongarch64")
PCIE_MACHINES = {"x86": (("q35",), ("pc-q35-",)), "others": (("virt",), ("virt-",))}


def has_ide(verdict: Verdict) -> bool:
    """Return whether the machine has an IDE controller; other hypervisors than QEMU mostly name no machine."""
    machine = verdict.machine or ""
    if verdict.virt_type in QEMU_TYPES:
        return verdict.arch in X86 and (machine in IDE_MACHINES or machine.startswith(IDE_FAMILIES))
    return verdict.arch in X86 and verdict.virt_type != "bhyve"


def has_floppy(verdict: Verdict) -> bool:
    """Return whether the machine can have a floppy controller: a PC's."""
    return verdict.arch in X86 and verdict.type == "hvm" and verdict.virt_type != "bhyve"


def has_pcie(verdict: Verdict) -> bool:
    """Return whether the machine has PCI Express, where each port takes one device."""
    machine = verdict.machine or ""
    if verdict.virt_type not in QEMU_TYPES:
        return False
    names, families = PCIE_MACHINES["x86" if verdict.arch in X86 else "others"]
    return (verdict.arch in X86 + PCIE_ARCHES) and (machine in names or machine.startswith(families))


def has_smm(verdict: Verdict) -> bool:
    """Return whether the machine has the System Management Mode that a PC's secure boot needs: q35 alone."""
    return verdict.arch in X86 and has_pcie(verdict)
