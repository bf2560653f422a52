# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that change a domain while it runs, and only what runs: its configuration is DefineDomain's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .units import KIB, show_size


@dataclass(frozen=True)
class SetVcpus:
    """Plug in virtual CPUs, up to the number that the domain can have."""

    name: str
    count: int

    def __str__(self) -> str:
        return f"set the virtual CPUs of running domain {self.name} to {self.count}"


@dataclass(frozen=True)
class SetMemory:
    """Let the balloon give the guest that much of its memory."""

    name: str
    memory_kib: int

    def __str__(self) -> str:
        return f"set the memory of running domain {self.name} to {show_size(self.memory_kib * KIB)}"


@dataclass(frozen=True)
class AttachDevice:
    """Plug in a device; `device` is its place, such as disk[vdb]."""

    name: str
    device: str
    xml: str

    def __str__(self) -> str:
        return f"attach {self.device} to running domain {self.name}"


@dataclass(frozen=True)
class DetachDevice:
    """Take a device out; `target` is a disk's name, which must not be in use in the guest."""

    name: str
    device: str
    xml: str
    target: Optional[str] = None

    def __str__(self) -> str:
        return f"detach {self.device} from running domain {self.name}"


@dataclass(frozen=True)
class UpdateDevice:
    """Give a device other settings: another medium, another network, a link that is up or down."""

    name: str
    device: str
    xml: str

    def __str__(self) -> str:
        return f"update {self.device} of running domain {self.name}"


@dataclass(frozen=True)
class SetTexts:
    """Show with the running domain the title and the description of its configuration; None: it has none."""

    name: str
    title: Optional[str]
    description: Optional[str]

    def __str__(self) -> str:
        return f"update title and description of running domain {self.name}"


CHANGES = (SetVcpus, SetMemory, AttachDevice, DetachDevice, UpdateDevice, SetTexts)
