# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a plan: what `_io.apply` does to the world, one value each; `str()` says it in a line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .chain import Layer
from .lifecycle import Belongings, Wait
from .units import MIB, show_size
from .volume import BLOCK, Pool, Source


class _Placed:
    """A step for one volume of a pool."""

    pool: Pool
    name: str

    @property
    def path(self) -> str:
        return f"{self.pool.path}/{self.name}"


@dataclass(frozen=True)
class ImportBase(_Placed):
    """Bring a disk file of an image into a pool as the base volume named by its SHA-256."""

    pool: Pool
    name: str
    source: Source
    source_format: str
    format: str

    @property
    def size(self) -> int:
        """Return about how many bytes this writes."""
        # What is converted is there twice for a while.
        return self.source.size * (2 if self.format != self.source_format else 1)

    def __str__(self) -> str:
        return f"import {self.source.label} ({show_size(self.source.size)}) into {self.pool} as {self.name}"


@dataclass(frozen=True)
class CopyVolume(_Placed):
    """Make a volume that stands alone, with the content of a base volume; sizes in bytes.

    `asked` is the size that the user said, if any; `digest` the SHA-256 of the image's file that the base is made from.
    """

    pool: Pool
    name: str
    base: str
    format: str
    capacity: int
    size: int
    asked: int = 0
    digest: Optional[str] = None

    def __str__(self) -> str:
        return f"copy base volume into {self.name} of {self.pool}"


@dataclass(frozen=True)
class FillVolume(_Placed):
    """Make a volume that stands alone, with the content of a disk file of an image; sizes in bytes; see CopyVolume."""

    pool: Pool
    name: str
    source: Source
    source_format: str
    format: str
    capacity: int
    asked: int = 0

    @property
    def size(self) -> int:
        """Return about how many bytes this writes."""
        return max(self.capacity, self.source.size) if self.pool.kind == BLOCK else self.source.size

    def __str__(self) -> str:
        return f"bring {self.source.label} ({show_size(self.source.size)}) into {self.name} of {self.pool}"


@dataclass(frozen=True)
class CreateVolume(_Placed):
    """Make an empty volume or an overlay; capacity in bytes, at least that of what it builds on.

    `stale`: libvirt lists a file that is gone; `asked` is the size that the user said, if any.
    """

    pool: Pool
    name: str
    format: str
    capacity: int
    backing_path: Optional[str]
    backing_format: Optional[str]
    stale: bool
    asked: int = 0

    @property
    def size(self) -> int:
        """Return about how many bytes this writes."""
        return self.capacity if self.pool.kind == BLOCK else 0

    def __str__(self) -> str:
        kind = "overlay" if self.backing_path else f"empty {show_size(self.capacity)} volume"
        return f"create {kind} {self.name} in {self.pool}"


@dataclass(frozen=True)
class CreateSeed(_Placed):
    """Make an ISO image with these files, which may hold secrets."""

    pool: Pool
    name: str
    files: dict[str, bytes] = field(repr=False)

    @property
    def size(self) -> int:
        """Return about how many bytes this writes."""
        return MIB + sum(len(content) for content in self.files.values())

    def __str__(self) -> str:
        return f"create seed {self.name} in {self.pool}"


@dataclass(frozen=True)
class GrowVolume(_Placed):
    """Make an existing volume larger; sizes in bytes. `domain` is the guest that runs with it."""

    pool: Pool
    name: str
    format: str
    capacity: int
    was: int
    domain: Optional[str] = None

    def __str__(self) -> str:
        return f"grow volume {self.name} of {self.pool} from {show_size(self.was)} to {show_size(self.capacity)}"


@dataclass(frozen=True)
class FlattenVolume(_Placed):
    """Bring into an overlay what is below it; `layers` is its chain, `running`: its guest runs with it."""

    pool: Pool
    name: str
    layers: tuple[Layer, ...]
    guest: str
    running: bool = False

    def __str__(self) -> str:
        return f"flatten volume {self.name} of {self.pool}"


@dataclass(frozen=True)
class DeleteVolume(_Placed):
    """Remove a volume that we made."""

    pool: Pool
    name: str

    def __str__(self) -> str:
        return f"delete volume {self.name} of {self.pool}"


@dataclass(frozen=True)
class DefineDomain:
    """Write a domain's configuration; `restored`: the one that it had before this run.

    `before` is the configuration that this was planned from; empty where there was none. `follows`: a step before it in
    the same plan defines the domain too, and this was planned from that.
    """

    name: str
    xml: str
    new: bool
    restored: bool = False
    before: str = ""
    follows: bool = False
    # Where only our record in it changes: what is noted.
    note: str = ""
    # The domain must be off: what runs would not be what is defined.
    off: bool = False
    # A part of it was written by a user, and libvirt's schema is to judge it.
    own_xml: bool = False

    def __str__(self) -> str:
        if self.note:
            return f"note in the record of domain {self.name}: {self.note}"
        what = "restore the definition of" if self.restored else "define" if self.new else "redefine"
        return f"{what} domain {self.name}"


@dataclass(frozen=True)
class SetAutostart:
    """Set whether libvirt starts the domain with the host."""

    name: str
    autostart: bool

    def __str__(self) -> str:
        return f"set autostart of domain {self.name} {'on' if self.autostart else 'off'}"


@dataclass(frozen=True)
class StartDomain:
    """Start a domain of that type; `resume`: it is paused.

    `settle`: it will be watched for so many seconds; `listen`: all is wanted that it writes on its serial console.
    """

    name: str
    virt_type: Optional[str]
    resume: bool = False
    settle: int = 0
    listen: bool = False

    def __str__(self) -> str:
        return f"{'resume' if self.resume else 'start'} domain {self.name}"


@dataclass(frozen=True)
class StopDomain:
    """Shut a domain down within `timeout` seconds; `force`: power it off after that; `forced`: that came to be."""

    name: str
    timeout: int
    force: bool
    forced: bool = False

    def __str__(self) -> str:
        if self.force and not self.timeout:
            return f"power off domain {self.name}"
        if self.forced:
            return f"power off domain {self.name} after {self.timeout} s in which it did not stop"
        return f"stop domain {self.name}"


@dataclass(frozen=True)
class UndefineDomain:
    """Remove a domain's configuration with what belongs to it; `undoing`: but for what was there before this run."""

    name: str
    belongings: Belongings = Belongings()
    undoing: bool = False

    def __str__(self) -> str:
        return f"undefine domain {self.name}{self.belongings}"


@dataclass(frozen=True)
class WaitForGuest:
    """Watch a guest until it shows that it lives; it changes nothing."""

    name: str
    wait: Wait

    def __str__(self) -> str:
        return f"wait for guest {self.name}"
