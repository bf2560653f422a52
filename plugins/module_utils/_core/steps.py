# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a plan: what `_io.apply` does to the world, one value each; `str()` says it in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .units import show_size


@dataclass(frozen=True)
class ImportBase:
    """Bring a disk file of an image into a pool as the base volume named by its SHA-256; sizes in bytes.

    `source` is None while the file `label` of `image` (as the user names it) is not on the host yet.
    """

    pool: str
    name: str
    path: str
    source: Optional[str]
    source_format: str
    format: str
    size: int
    digest: str
    image: str
    label: str

    def __str__(self) -> str:
        return f"import {self.label} ({show_size(self.size)}) into pool {self.pool} as {self.name}"


@dataclass(frozen=True)
class CopyVolume:
    """Make a volume that stands alone, with the content of a base volume; sizes in bytes."""

    pool: str
    name: str
    path: str
    base: str
    format: str
    capacity: int
    size: int

    def __str__(self) -> str:
        return f"copy base volume into {self.name} of pool {self.pool}"


@dataclass(frozen=True)
class CreateVolume:
    """Make an empty volume or an overlay; capacity in bytes. `stale`: libvirt lists a file that is gone."""

    pool: str
    name: str
    path: str
    format: str
    capacity: int
    backing_path: Optional[str]
    backing_format: Optional[str]
    stale: bool

    def __str__(self) -> str:
        kind = "overlay" if self.backing_path else f"empty {show_size(self.capacity)} volume"
        return f"create {kind} {self.name} in pool {self.pool}"


@dataclass(frozen=True)
class GrowVolume:
    """Make an existing volume larger; sizes in bytes. `domain` is the guest that runs with it."""

    pool: str
    name: str
    path: str
    format: str
    capacity: int
    was: int
    domain: Optional[str] = None

    def __str__(self) -> str:
        return f"grow volume {self.name} of pool {self.pool} from {show_size(self.was)} to {show_size(self.capacity)}"


@dataclass(frozen=True)
class DeleteVolume:
    """Remove a volume that we made for a guest."""

    pool: str
    name: str
    path: str

    def __str__(self) -> str:
        return f"delete volume {self.name} of pool {self.pool}"


@dataclass(frozen=True)
class DefineDomain:
    """Write a domain's configuration."""

    name: str
    xml: str
    new: bool

    def __str__(self) -> str:
        return f"{'define' if self.new else 'redefine'} domain {self.name}"


@dataclass(frozen=True)
class SetAutostart:
    """Set whether libvirt starts the domain with the host."""

    name: str
    autostart: bool

    def __str__(self) -> str:
        return f"set autostart of domain {self.name} {'on' if self.autostart else 'off'}"


@dataclass(frozen=True)
class StartDomain:
    """Start a domain of that type; `resume`: it is paused."""

    name: str
    virt_type: Optional[str]
    resume: bool = False

    def __str__(self) -> str:
        return f"{'resume' if self.resume else 'start'} domain {self.name}"


@dataclass(frozen=True)
class StopDomain:
    """Shut a domain down within `timeout` seconds; `force`: power it off after that."""

    name: str
    timeout: int
    force: bool

    def __str__(self) -> str:
        return f"stop domain {self.name}"


@dataclass(frozen=True)
class UndefineDomain:
    """Remove a domain's configuration with its NVRAM, TPM state, managed save and snapshots' metadata."""

    name: str

    def __str__(self) -> str:
        return f"undefine domain {self.name}"


@dataclass(frozen=True)
class WaitForGuest:
    """Wait until a guest shows that it lives, `timeout` seconds at most; it changes nothing."""

    name: str
    agent: bool
    address: bool
    timeout: int

    def __str__(self) -> str:
        return f"wait for guest {self.name}"
