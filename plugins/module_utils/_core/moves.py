# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which a guest goes from one generation to another, besides those of `steps`.

The state of a guest is what is neither in its disks nor in its definition: its UEFI variables and its TPM. Where the
files of it are, a definition tells; `xml` is that of the generation, and empty says: the one that the domain has.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class KeepState:
    """Copy the UEFI variables and the TPM state of a domain that is off, to go with the generation that is left."""

    name: str
    generation: int
    uuid: str
    xml: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"keep UEFI variables and TPM state of domain {self.name} with generation {self.generation}"


@dataclass(frozen=True)
class BringState:
    """Put back what was kept with a generation, in the place of what is there; before it is defined again."""

    name: str
    generation: int
    uuid: str
    xml: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"bring back UEFI variables and TPM state of generation {self.generation} of domain {self.name}"


@dataclass(frozen=True)
class DropState:
    """Remove what was kept with a generation; the domain may be gone by then."""

    name: str
    generation: int
    uuid: str
    xml: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"remove kept UEFI variables and TPM state of generation {self.generation} of domain {self.name}"


@dataclass(frozen=True)
class MergeDisk:
    """Bring what is in the overlay of a disk into the volume below it, whose format is `format`.

    Afterwards the domain has that volume as its disk, in what runs and in its definition. The overlay's file stays.
    """

    name: str
    target: str
    overlay: str
    original: str
    format: str

    def __str__(self) -> str:
        return f"merge {self.overlay} of domain {self.name} into {self.original}"
