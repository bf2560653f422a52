# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest asks of its hypervisor that not every one has: refused in words before libvirt would."""

from __future__ import annotations

from . import xen
from .errors import ImageError, Problem, Problems
from .guest import Guest
from .machine import QEMU_TYPES
from .match import Verdict
from .peripherals import watchdog_mistake

# Types besides QEMU's whose domains can have devices of the host.
WITH_HOSTDEVS = ("xen", "bhyve", "lxc")


def refuse_what_the_type_lacks(guest: Guest, verdict: Verdict) -> None:
    """Raise ImageError with every option that only guests of QEMU and KVM can have, or that this machine cannot."""
    type, watchdog = verdict.virt_type, guest.peripherals.watchdog
    if type in QEMU_TYPES:
        mistake = watchdog and watchdog_mistake(watchdog, verdict)
        if mistake:
            raise ImageError(mistake)
        return
    problems = Problems()
    for option, asked in _asked(guest).items():
        if asked:
            problems.add(Problem(f"{option} is for guests of QEMU and KVM; this one is of type {type}"))
    if guest.peripherals.hostdevs and type not in WITH_HOSTDEVS:
        problems.add(Problem(f"hostdevs is for guests of QEMU, KVM and Xen; this one is of type {type}"))
    for mistake in _xen_mistakes(guest, verdict) if type == xen.TYPE else ():
        problems.add(Problem(mistake))
    problems.raise_any()


def _xen_mistakes(guest: Guest, verdict: Verdict) -> list[str]:
    """Return what a guest asks that libvirt's driver for Xen would refuse when the guest starts."""
    found = [xen.screen_mistake(guest.graphics.type, verdict)]
    for index, extra in enumerate(guest.extra_disks):
        mistakes = xen.source_mistake(extra.type, extra.protocol), xen.format_mistake(extra.format, False)
        found += [mistake and f"extra_disks[{index}] {mistake}" for mistake in mistakes]
    return [mistake for mistake in found if mistake]


def _asked(guest: Guest) -> dict[str, bool]:
    """Return which of QEMU's options a guest has."""
    devices, disks = guest.peripherals, guest.disks.values()
    return {
        "tpm": devices.tpm is not None,
        "watchdog": devices.watchdog is not None,
        "serial.log": devices.serial.log is not None,
        "memballoon": devices.memballoon != "auto",
        "filesystems": bool(devices.filesystems),
        "hugepages": guest.hugepages is not None,
        "iothreads": guest.processor.iothreads is not None,
        "wait.agent": guest.wait.agent,
        "the tuning of disks": any(disk.drive.tuned for disk in (*disks, *guest.extra_disks)),
    }
