# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest that shows whether a hypervisor runs guests: its XML, and the words that tell why it did not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from . import xml
from .host import Host
from .processor import PASSTHROUGH_ARCHES

# SeaBIOS speaks on the serial console when it is told to, and needs next to no memory.
X86 = ("x86_64", "i686")
# Firmware that comes with QEMU and speaks by itself. The rest have none but UEFI.
TALKATIVE = ("ppc64", "ppc64le", "s390x")
X86_MIB, OTHER_MIB = 64, 512
# QEMU's lines, in its log or in libvirt's error: "2026-11-21T11:16:05.965132Z qemu-system-x86_64: error: ...".
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+Z )?(\S*qemu\S*: )?")
# What is no reason: libvirt's own lines, warnings, news of the console, and QEMU's word that libvirt stopped it.
CHATTER = re.compile(
    r"\d{4}-\d\d-\d\d [\d:.]+[+-]\d{4}: |warning: |char device redirected|terminating on signal|extra data|$"
)


@dataclass(frozen=True)
class Trial:
    """A guest to try a hypervisor with; `virt_type` is libvirt's name of that, `slow`: its firmware takes its time."""

    name: str
    virt_type: str
    xml: str
    slow: bool = False


def find_obstacle(host: Host, virt_type: str) -> Optional[str]:
    """Return why no guest of the host's own architecture can be tried, or None."""
    for guest in host.guests:
        if guest.arch == host.arch and guest.os_type == "hvm" and virt_type in {one.type for one in guest.domains}:
            return None
    return (
        f"libvirt lists no {virt_type} on this host for guests of its own architecture, {host.arch}; "
        "where the hardware has it, load its kernel module and let QEMU's user open its device"
    )


def render_trial(host: Host, virt_type: str, name: str) -> Trial:
    """Return the smallest guest that speaks: no disk, no network; firmware that prints on a console.

    It has the CPU that our guests get (see _core/domain.py), because KVM can run QEMU's plainest CPU and fail with
    the host's. libvirt gives it its UUID.
    """
    arch, x86 = host.arch, host.arch in X86
    efi = not x86 and arch not in TALKATIVE
    mode = "host-passthrough" if arch in PASSTHROUGH_ARCHES else "host-model"
    root = xml.element(
        "domain",
        {"type": virt_type},
        xml.leaf("name", name),
        xml.element("memory", {"unit": "MiB"}, X86_MIB if x86 else OTHER_MIB),
        xml.leaf("vcpu", 1),
        xml.element(
            "os",
            {"firmware": "efi" if efi else None},
            # The default of libvirt for the others; for these it is a board of the past, and has no UEFI.
            xml.element("type", {"arch": arch, "machine": "virt" if efi else None}, "hvm"),
            xml.element("bios", {"useserial": "yes"}) if x86 else None,
        ),
        # UEFI is found for ARM only together with ACPI.
        xml.element("features", None, xml.element("acpi")) if efi else None,
        xml.element("cpu", {"mode": mode}) if virt_type == "kvm" else None,
        # A guest that resets itself has failed; going round for ever would look like running.
        xml.leaf("on_reboot", "destroy"),
        xml.leaf("on_crash", "destroy"),
        xml.element(
            "devices",
            None,
            xml.element("serial", {"type": "pty"}),
            xml.element("memballoon", {"model": "none"}),
        ),
    )
    return Trial(name, virt_type, xml.to_text(root), slow=efi)


def telling_line(text: str) -> Optional[str]:
    """Return the first line that tells a reason in the end of QEMU's log or in libvirt's error, or None."""
    # The log begins with QEMU's command, a line for each option; the error, with what libvirt was doing.
    said = text.rpartition(" \\\n")[2].partition("\n")[2] if " \\\n" in text else text
    said = said.partition("monitor: ")[2] or said
    for line in said.splitlines():
        plain = STAMP.sub("", line.strip(), count=1)
        if not CHATTER.match(plain):
            return plain
    return None
