# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest asks of its emulator that not every emulator offers: firmware, a TPM, ways to show a screen."""

from __future__ import annotations

from typing import Optional

from .emulator import DomainCapabilities
from .errors import ImageError
from .guest import Guest
from .host import Host
from .image import Boot
from .machine import has_smm
from .match import Verdict
from .peripherals import Tpm
from .system import wants_efi

# What distributions call it: Debian and Ubuntu, then Fedora and RHEL.
EFI_PACKAGES = {
    "x86_64": "ovmf, edk2-ovmf",
    "i686": "ovmf-ia32, edk2-ovmf-ia32",
    "aarch64": "qemu-efi-aarch64, edk2-aarch64",
    "armv7l": "qemu-efi-arm, edk2-arm",
    "riscv64": "qemu-efi-riscv64, edk2-riscv64",
}
# The TPM's emulator and its tools, which libvirt makes a new TPM with.
SWTPM_PACKAGES = "swtpm and swtpm-tools"
# What is asked for so often that nobody is asked whether it is there.
USUAL_GRAPHICS = ("auto", "none", "vnc")


def depends_on_offer(guest: Guest, boot: Boot, verdict: Verdict) -> bool:
    """Return whether domain capabilities must be asked for, because the guest has something unusual."""
    unusual = (
        guest.graphics.type not in USUAL_GRAPHICS,
        guest.peripherals.tpm,
        guest.peripherals.filesystems,
        guest.video.model,
    )
    return wants_efi(guest.start, boot, verdict) or any(unusual)


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
    if wants_efi(guest.start, boot, verdict) and "efi" not in offered.firmwares:
        raise ImageError(
            f"the guest starts with UEFI, and libvirt finds no UEFI firmware for {verdict.arch} guests of machine "
            f"{verdict.machine}; install it ({EFI_PACKAGES.get(verdict.arch, 'OVMF, edk2')})"
        )
    if guest.start.secure_boot and has_smm(verdict) and not offered.secure_boot:
        raise ImageError(
            f"secure_boot: libvirt finds no UEFI firmware with secure boot for {verdict.arch} guests of machine "
            f"{verdict.machine}; install it ({EFI_PACKAGES[verdict.arch]})"
        )
    _refuse_devices(guest, verdict, offered)


def _refuse_devices(guest: Guest, verdict: Verdict, offered: DomainCapabilities) -> None:
    known = offered.devices.get("graphics", {}).get("type", ())
    # Drivers that tell nothing of graphics may have them all the same.
    if known and guest.graphics.type not in (*USUAL_GRAPHICS, *known):
        raise ImageError(f"graphics: {guest.graphics.type} is not offered by {verdict.emulator}; it has {', '.join(known)}")
    models = offered.devices.get("video", {}).get("modelType", ())
    if models and guest.video.model not in (None, "none", *models):
        raise ImageError(f"video.model: {guest.video.model} is not offered by {verdict.emulator}; it has {', '.join(models)}")
    if guest.peripherals.tpm:
        _refuse_tpm(guest.peripherals.tpm, verdict, offered)
    drivers = offered.devices.get("filesystem", {}).get("driverType", ())
    for filesystem in guest.peripherals.filesystems:
        if drivers and filesystem.driver not in drivers:
            raise ImageError(
                f"filesystems: driver {filesystem.driver} is not offered by {verdict.emulator}; it has {', '.join(drivers)}"
            )


def _refuse_tpm(tpm: Tpm, verdict: Verdict, offered: DomainCapabilities) -> None:
    told = offered.devices.get("tpm", {})
    backends, models = told.get("backendModel", ()), told.get("model", ())
    if backends and tpm.type not in backends:
        why = f"install {SWTPM_PACKAGES}" if tpm.type == "emulator" else f"it has {', '.join(backends)}"
        raise ImageError(f"tpm: libvirt finds no TPM of type {tpm.type} for {verdict.emulator}; {why}")
    if models and tpm.model and tpm.model not in models:
        raise ImageError(f"tpm.model: {tpm.model} is not offered by {verdict.emulator}; it has {', '.join(models)}")
