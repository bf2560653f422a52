# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest asks of its emulator that not every emulator offers: firmware, and ways to show a screen."""

from __future__ import annotations

from typing import Optional

from .emulator import DomainCapabilities
from .errors import ImageError
from .guest import Guest
from .host import Host
from .image import Boot
from .match import Verdict

# Parts that boot from a disk only through UEFI.
EFI_ARCHES = ("aarch64",)
# What distributions call it: Debian and Ubuntu, then Fedora and RHEL.
EFI_PACKAGES = {
    "x86_64": "ovmf, edk2-ovmf",
    "i686": "ovmf-ia32, edk2-ovmf-ia32",
    "aarch64": "qemu-efi-aarch64, edk2-aarch64",
    "armv7l": "qemu-efi-arm, edk2-arm",
    "riscv64": "qemu-efi-riscv64, edk2-riscv64",
}
# What is asked for so often that nobody is asked whether it is there.
USUAL_GRAPHICS = ("auto", "none", "vnc")


def wants_efi(guest: Guest, boot: Boot, verdict: Verdict) -> bool:
    """Return whether the guest starts with UEFI."""
    if guest.firmware == "auto":
        return verdict.arch in EFI_ARCHES and not boot.kernel
    return guest.firmware == "efi"


def depends_on_offer(guest: Guest, boot: Boot, verdict: Verdict) -> bool:
    """Return whether domain capabilities must be asked for, because the guest has something unusual."""
    return wants_efi(guest, boot, verdict) or guest.graphics.type not in USUAL_GRAPHICS


def offered_to(host: Host, verdict: Verdict) -> Optional[DomainCapabilities]:
    """Return what the verdict's emulator offers for its machine, or None where nobody asked."""
    wanted = (verdict.emulator, verdict.virt_type, verdict.machine, verdict.arch)
    return next(
        (told for told in host.domain_capabilities if (told.emulator, told.type, told.machine, told.arch) == wanted), None
    )


def refuse_what_is_not_offered(guest: Guest, boot: Boot, verdict: Verdict, offered: Optional[DomainCapabilities]) -> None:
    """Raise ImageError for what the emulator does not have; without its domain capabilities, for nothing."""
    if offered is None:
        return
    if wants_efi(guest, boot, verdict) and "efi" not in offered.firmwares:
        raise ImageError(
            f"the guest starts with UEFI, and libvirt finds no UEFI firmware for {verdict.arch} guests of machine "
            f"{verdict.machine}; install it ({EFI_PACKAGES.get(verdict.arch, 'OVMF, edk2')})"
        )
    known = offered.devices.get("graphics", {}).get("type", ())
    # Drivers that tell nothing of graphics may have them all the same.
    if known and guest.graphics.type not in (*USUAL_GRAPHICS, *known):
        raise ImageError(f"graphics: {guest.graphics.type} is not offered by {verdict.emulator}; it has {', '.join(known)}")
