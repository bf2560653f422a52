# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made from, and what it is: a domain as libvirt holds it, all that was seen for a guest, the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Optional

from . import xml
from .guest import Guest
from .host import Host
from .image import Image
from .lifecycle import Belongings
from .match import Verdict
from .record import Record, read_record
from .volume import Volume, World


@dataclass(frozen=True)
class Live:
    """A domain as libvirt holds it; `xml` is its inactive configuration, `state` libvirt's name of it.

    `active` is the XML that it runs with; `saved`: it has a managed save; `read` is the configuration as it was read,
    where `xml` is looked at without something.
    """

    name: str
    xml: str
    state: str
    autostart: bool
    persistent: bool = True
    active: Optional[str] = None
    saved: bool = False
    read: Optional[str] = None

    @property
    def as_read(self) -> str:
        return self.read or self.xml

    @cached_property
    def tree(self):
        """The tree of `xml`, for all who only read it; nobody changes it."""
        return xml.parse(self.xml, f"domain {self.name}")

    @cached_property
    def record(self) -> Optional[Record]:
        """The record in it, or None where we did not make the domain."""
        return read_record(self.tree)


@dataclass(frozen=True)
class Sighting:
    """All that was read of the world for one guest.

    `networks` maps the host's to whether they are active; `taken` maps a disk's path to the domains that have it;
    `belongings` are those of a domain that is to go. `extra_paths` maps what a disk is that is not the image's
    (chain.source_of) to all paths that are the same file or device.
    """

    name: str
    guest: Guest
    host: Optional[Host]
    session: bool
    live: Optional[Live]
    world: World
    image: Optional[Image] = None
    verdict: Optional[Verdict] = None
    networks: dict[str, bool] = field(default_factory=dict)
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    belongings: Belongings = Belongings()
    extra_paths: dict[tuple, tuple[str, ...]] = field(default_factory=dict)
    # The time, as ISO 8601 writes it.
    now: Optional[str] = None
    # For generations: the record that the next one is planned with, why nothing may begin now, the names of volumes that are
    # to lie over user disks (by disk), and the generations whose UEFI variables or TPM state are kept.
    aimed: Optional[Record] = None
    busy: tuple[str, ...] = ()
    overlays: dict[str, str] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()
    # What a guest that is to be taken back has said last.
    said: str = ""
    # What was seen of the guest for its removal, where it is to be made anew.
    going: Optional[Sighting] = None


@dataclass(frozen=True)
class Plan:
    """The steps for one guest in their order, and what they change. No steps: nothing to do."""

    name: str
    steps: tuple = ()
    waits: tuple = ()
    changes: tuple = ()
    before: str = ""
    after: str = ""
    verdict: Optional[Verdict] = None
    volumes: tuple[Volume, ...] = ()
    was: str = "absent"
    state: str = "absent"
    # What someone else changed: where on_drift says so, it is among the changes.
    drift: tuple = ()
    # Where what runs stays other than what is defined, until it is stopped and started.
    pending: tuple = ()
    # What its user should hear, each after the guest's name.
    warnings: tuple[str, ...] = ()
    # What became of the guest's generation.
    status: Optional[str] = None
    # Why nothing can be done for it, where that does not hold up the others of the call.
    refused: Optional[str] = None
    # The last words of a guest that was taken back.
    said: str = ""
    # Where this is not None: the steps for a guest that was stopped, and could not be defined anew. All else stays as the
    # failure left it: the record says how it goes on.
    way_back: Optional[tuple] = None
    # The paths of what it needs, and the plan of another guest brings.
    shared: tuple[str, ...] = ()
    # What it is the plan of, where that is no guest.
    of: Optional[str] = None

    @property
    def restart_required(self) -> bool:
        return bool(self.pending)

    @property
    def subject(self) -> str:
        return self.of or f"guest {self.name}"
