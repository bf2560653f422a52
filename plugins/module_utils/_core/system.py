# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guest starts and ends: firmware, boot devices, features of its machine, clock, and what becomes of it.

Source: https://libvirt.org/formatdomain.html#operating-system-booting, #events-configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .asker import Asker
from .errors import ImageError
from .image import Boot
from .machine import QEMU_TYPES, X86, has_smm
from .match import PVH, Verdict

FIRMWARES = ("auto", "bios", "efi")
# Parts that boot from a disk only through UEFI.
EFI_ARCHES = ("aarch64",)
ACTIONS = ("destroy", "restart", "preserve", "rename-restart")
CRASH_ACTIONS = (*ACTIONS, "coredump-destroy", "coredump-restart")
CLOCKS = ("utc", "localtime")
BOOT_DEVICES = ("fd", "hd", "cdrom", "network")
# The options of a guest that are read here.
OPTIONS = ("firmware", "secure_boot", "boot_devices", "clock", "on_poweroff", "on_reboot", "on_crash")


@dataclass(frozen=True)
class Start:
    """How a guest starts and ends; no boot devices is as the descriptor says, `secure_boot` None as libvirt chooses."""

    firmware: str
    secure_boot: Optional[bool]
    boot_devices: tuple[str, ...]
    clock: str
    on_poweroff: str
    on_reboot: str
    on_crash: str


def parse_start(asker: Asker) -> Start:
    """Return how a user wants a guest to start and end; mistakes are collected."""
    start = Start(
        firmware=asker.one_of("firmware", FIRMWARES),
        secure_boot=asker.flag("secure_boot"),
        boot_devices=asker.several("boot_devices", BOOT_DEVICES),
        clock=asker.one_of("clock", CLOCKS),
        on_poweroff=asker.one_of("on_poweroff", ACTIONS, default="destroy"),
        on_reboot=asker.one_of("on_reboot", ACTIONS, default="restart"),
        on_crash=asker.one_of("on_crash", CRASH_ACTIONS, default="destroy"),
    )
    if asker.plain.get("boot_devices") in ([], ()):
        asker.wrong("boot_devices is empty; leave it out for those of the descriptor")
    if start.secure_boot and start.firmware == "bios":
        asker.wrong("secure_boot needs UEFI, and firmware is bios; say firmware: efi")
    return start


def wants_efi(start: Start, boot: Boot, verdict: Verdict) -> bool:
    """Return whether the guest starts with UEFI."""
    if start.firmware == "auto":
        return bool(start.secure_boot) or (verdict.arch in EFI_ARCHES and not boot.kernel)
    return start.firmware == "efi"


def render_os(start: Start, boot: Boot, verdict: Verdict, boot_files: dict[str, str]):
    """Return <os>; raise ImageError for a firmware that the guest cannot have."""
    efi = wants_efi(start, boot, verdict)
    if efi and verdict.arch in X86 and not (verdict.features or {}).get("acpi"):
        raise ImageError("firmware: efi needs ACPI, which this boot alternative turns off; the descriptor lacks <acpi/>")
    paravirtualised = verdict.type == "xen"
    _refuse_secure_boot(start, efi, verdict)
    devices = start.boot_devices or (() if boot.kernel else (boot.dev or "hd",))
    if paravirtualised and start.boot_devices:
        raise ImageError("boot_devices is for guests with a BIOS or UEFI; this one is paravirtualised (boot type xen)")
    return xml.element(
        "os",
        {"firmware": "efi" if efi else None},
        xml.element(
            "type",
            {"arch": verdict.arch, "machine": verdict.machine},
            _os_type(verdict),
        ),
        _firmware(start, efi),
        # Of the firmware that libvirt chooses it knows the file.
        xml.leaf("loader", verdict.loader) if not (paravirtualised or efi) else None,
        xml.leaf("kernel", boot_files.get("kernel")),
        xml.leaf("initrd", boot_files.get("initrd")),
        xml.leaf("cmdline", boot.cmdline),
        *(xml.element("boot", {"dev": device}) for device in (() if paravirtualised else devices)),
    )


def _os_type(verdict: Verdict) -> str:
    if verdict.type != "xen":
        return "hvm"
    # libvirt reads both xen and linux; the last is what its Xen driver writes back.
    return PVH if verdict.machine == PVH else "linux"


def _refuse_secure_boot(start: Start, efi: bool, verdict: Verdict) -> None:
    if start.secure_boot is None:
        return
    if verdict.virt_type not in QEMU_TYPES:
        raise ImageError(f"secure_boot is for guests of QEMU and KVM; this one is of type {verdict.virt_type}")
    if not start.secure_boot:
        return
    if verdict.arch in X86 and not has_smm(verdict):
        raise ImageError(
            f"secure_boot needs the System Management Mode, which machine {verdict.machine} does not have; machine: q35 has it"
        )
    if not efi:
        raise ImageError("secure_boot needs UEFI; say firmware: efi")


def _firmware(start: Start, efi: bool):
    """Return what the firmware that libvirt chooses must have: https://libvirt.org/kbase/secureboot.html."""
    if start.secure_boot is None or not efi:
        return None
    enabled = "yes" if start.secure_boot else "no"
    features = [xml.element("feature", {"enabled": enabled, "name": name}) for name in ("enrolled-keys", "secure-boot")]
    return xml.element("firmware", None, *features)


def render_features(start: Start, verdict: Verdict):
    """Return <features>, or None."""
    if verdict.type == "xen":
        return None
    features = [xml.element(name) for name in ("pae", "acpi", "apic") if (verdict.features or {}).get(name)]
    if start.secure_boot and verdict.arch in X86:
        features.append(xml.element("smm", {"state": "on"}))
    return xml.element("features", None, *features) if features else None


def render_life(start: Start, verdict: Verdict) -> tuple:
    """Return the clock, and what becomes of the guest; raise ImageError for what QEMU's driver refuses."""
    actions = {"on_poweroff": start.on_poweroff, "on_reboot": start.on_reboot, "on_crash": start.on_crash}
    if verdict.virt_type in QEMU_TYPES:
        # qemuValidateLifecycleAction, src/qemu/qemu_validate.c.
        for option, action in actions.items():
            if action == "rename-restart" or (action == "preserve" and option != "on_crash"):
                raise ImageError(f"{option}: {action} is Xen's; this guest is of type {verdict.virt_type}")
        if start.on_poweroff == "restart" and start.on_reboot == "destroy":
            raise ImageError("on_poweroff: restart with on_reboot: destroy is what QEMU cannot do; it can one of them")
    return (
        xml.element("clock", {"offset": start.clock}),
        *(xml.leaf(tag, action) for tag, action in actions.items()),
    )
