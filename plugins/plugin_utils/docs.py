# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that stands in several places: written once, put where it belongs with the right indent and names."""

from __future__ import annotations

import re
import textwrap

# The options of how a disk is attached, of disks[] and extra_disks[].
DRIVE = r"""
target:
  description:
    - The device's name, such as V(sda). It says the bus too.
    - By default the descriptor's, or the next that is free on the bus that suits the machine.
  type: str
bus:
  description:
    - The bus of the device. By default what the name says. V(scsi) brings a virtio-scsi controller.
  type: str
  choices: [ide, sata, scsi, usb, virtio, xen, fdc]
cache:
  description:
    - How the host caches the disk. By default libvirt chooses.
  type: str
  choices: [none, writethrough, writeback, directsync, unsafe]
io:
  description:
    - How QEMU reads and writes. V(native) needs a cache of V(none) or V(directsync).
  type: str
  choices: [native, threads, io_uring]
discard:
  description:
    - Whether blocks that the guest discards are given back to the host.
  type: str
  choices: [unmap, ignore]
detect_zeroes:
  description:
    - Whether zeroes that the guest writes take no room.
  type: str
  choices: ["off", "on", unmap]
iothread:
  description:
    - The IO thread that serves the disk, from 1 to C(iothreads). The disk is on the bus V(virtio).
  type: int
queues:
  description:
    - The number of queues of a disk on the bus V(virtio).
  type: int
serial:
  description:
    - The serial number that the guest sees. A virtio disk shows its first 20 characters.
  type: str
bytes_per_second:
  description:
    - The most that is read and written in a second, with its unit, such as V(50 MiB).
  type: str
read_bytes_per_second:
  description:
    - The most that is read in a second.
  type: str
write_bytes_per_second:
  description:
    - The most that is written in a second.
  type: str
iops:
  description:
    - The most operations in a second.
  type: int
read_iops:
  description:
    - The most reading operations in a second.
  type: int
write_iops:
  description:
    - The most writing operations in a second.
  type: int
"""


def indented(text: str, depth: int) -> str:
    """Return a piece of YAML with its lines moved to the right, without the line breaks around it."""
    return textwrap.indent(text.strip("\n"), " " * depth)


def of_guests(fragment, *names: str) -> str:
    """Return options of a fragment (all of them, or those named) as suboptions of guests[]: O(x) is O(guests[].x) there."""
    options = re.split(r"^(?=  \w+:$)", fragment.DOCUMENTATION.split("options:\n", 1)[1], flags=re.MULTILINE)
    wanted = [option for option in options if not names or option.split(":")[0].strip() in names]
    return indented(re.sub(r"\bO\((?!guests)", "O(guests[].", "".join(wanted)), 4)
