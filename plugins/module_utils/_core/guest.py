# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks of one guest: the options of the guests module, checked, as one frozen value."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Optional

from .asker import Asker
from .drive import DiskOption, ExtraDisk, parse_disks, parse_extra_disk
from .errors import Problem
from .lifecycle import APPLY, ON_DRIFT, Course, Shutdown, Wait, parse_shutdown, parse_wait
from .match import Wish
from .memory import Hugepages, memory_mistake, parse_hugepages
from .network import Network, parse_network, refuse_equal_macs
from .peripherals import OPTIONS as DEVICE_OPTIONS
from .peripherals import Peripherals, parse_peripherals
from .processor import OPTIONS as CPU_OPTIONS
from .processor import Processor, parse_processor, vcpu_mistakes
from .screen import Graphics, Video, parse_graphics, parse_video
from .seed import Seed, parse_seed
from .system import OPTIONS as START_OPTIONS
from .system import Start, parse_start
from .trust import OPTIONS as TRUST_OPTIONS
from .trust import Trust, parse_trust

STATES = ("present", "started", "stopped", "absent")
# Absent, then started: an action, done each time.
RENEWED = "renewed"
CLONES = ("linked", "full")
# Stands for a pool's name where the volumes are plain files that no pool knows.
NO_POOL = "none"
UNLISTED = ("off", "host_default")
REMOVALS = ("none", "disposable", "all")


@dataclass(frozen=True)
class Guest:
    """One guest as asked for; None is "as the descriptor or the host says"."""

    name: Optional[str]
    image: Optional[str]
    allow_outside_files: bool
    trust: Trust
    boot: Optional[int]
    virt_type: Optional[str]
    machine: Optional[str]
    start: Start
    vcpus: Optional[int]
    processor: Processor
    memory_kib: Optional[int]
    max_memory_kib: Optional[int]
    hugepages: Optional[Hugepages]
    networks: Optional[tuple[Network, ...]]
    graphics: Graphics
    video: Video
    peripherals: Peripherals
    pool: str
    folder: Optional[str]
    clone: str
    disks: dict[str, DiskOption]
    extra_disks: tuple[ExtraDisk, ...]
    seed: Optional[Seed]
    autostart: Optional[bool]
    unlisted_features: str
    xml: Optional[str]
    state: str
    adopt: bool
    on_drift: str
    apply: str
    wait: Wait
    shutdown: Shutdown
    remove: str

    @property
    def wish(self) -> Wish:
        """Return what the guest fixes in the match."""
        return Wish(self.boot, self.virt_type, self.machine, self.unlisted_features == "off")

    @property
    def course(self) -> Course:
        """Return how the guest is to be run and kept."""
        return Course(self.state, self.autostart, self.apply, self.on_drift, self.shutdown, self.wait)


def parse_guest(plain: dict, where: str = "guest") -> Guest:
    """Return the guest that a dictionary of options describes; raise ImageError with all mistakes."""
    asker = Asker(plain, where)
    asker.refuse_unknown(OPTIONS, "a guest")
    guest = Guest(
        name=asker.name(),
        image=asker.text("image"),
        allow_outside_files=asker.flag("allow_outside_files") or False,
        trust=parse_trust(asker),
        boot=asker.number("boot", 0, 999),
        virt_type=asker.text("virt_type", but="auto"),
        machine=asker.text("machine"),
        start=parse_start(asker),
        vcpus=asker.number("vcpus", 1, 65536),
        processor=parse_processor(asker),
        memory_kib=asker.kib("memory"),
        max_memory_kib=asker.kib("max_memory"),
        hugepages=asker.optional("hugepages", parse_hugepages),
        networks=asker.each("networks", parse_network),
        graphics=asker.part("graphics", parse_graphics),
        video=asker.part("video", parse_video),
        peripherals=parse_peripherals(asker),
        pool=asker.text("pool") or "default",
        folder=asker.text("folder"),
        clone=asker.one_of("clone", CLONES),
        disks=parse_disks(asker),
        extra_disks=asker.each("extra_disks", parse_extra_disk) or (),
        seed=_seed(asker),
        autostart=asker.flag("autostart"),
        unlisted_features=asker.one_of("unlisted_features", UNLISTED),
        xml=asker.text("xml"),
        state=asker.one_of("state", (*STATES, RENEWED), default="started"),
        adopt=asker.flag("adopt") or False,
        on_drift=asker.one_of("on_drift", ON_DRIFT),
        apply=asker.one_of("apply", APPLY),
        wait=asker.part("wait", parse_wait),
        shutdown=asker.part("shutdown", parse_shutdown),
        remove=asker.one_of("remove", REMOVALS, default="disposable"),
    )
    _check(asker, guest)
    refuse_equal_macs(asker, guest.networks or ())
    asker.problems.raise_any()
    return guest


def _check(asker: Asker, guest: Guest) -> None:
    """Collect what is wrong between options."""
    without_pool = [where for where in (guest.pool, *(disk.pool for disk in guest.disks.values())) if where == NO_POOL]
    if without_pool and not (guest.folder or "").startswith("/"):
        asker.wrong(f"pool: {NO_POOL} needs folder, the absolute path of the folder for the guest's volumes")
    elif guest.folder and not without_pool:
        asker.wrong(f"folder is for pool: {NO_POOL}; a pool has a folder of its own")
    if not guest.image and guest.state != "absent":
        asker.wrong("has no image; it is the path of the descriptor")
    if not guest.name and guest.state == "absent" and not guest.image:
        asker.wrong("has neither name nor image, so that it is not known which guest is to be absent")
    # The descriptor's number and size are known later; they are looked at again.
    for message in vcpu_mistakes(guest.processor, guest.vcpus) if guest.vcpus else ():
        asker.wrong(message)
    memory = guest.memory_kib and memory_mistake(guest.memory_kib, guest.max_memory_kib)
    if memory:
        asker.wrong(memory)
    if guest.max_memory_kib and guest.peripherals.memballoon == "none":
        asker.wrong("max_memory needs the balloon, through which a guest gets more or less, and memballoon is none")
    _check_wait(asker, guest)
    _check_iothreads(asker, guest)


def _check_wait(asker: Asker, guest: Guest) -> None:
    """Collect what is waited for and can never come."""
    if guest.wait.agent and not guest.peripherals.agent:
        asker.wrong("wait.agent waits for the guest agent, and agent is false, so that it has no channel")
    for key in ("address", "tcp"):
        if getattr(guest.wait, key) and guest.networks == () and not (guest.xml or guest.peripherals.hostdevs):
            asker.wrong(f"wait.{key} needs an interface, and networks is empty")


def _check_iothreads(asker: Asker, guest: Guest) -> None:
    count = guest.processor.iothreads or 0
    options = [(f"disks[{disk_id}]", option.drive) for disk_id, option in guest.disks.items()]
    options += [(f"extra_disks[{index}]", extra.drive) for index, extra in enumerate(guest.extra_disks)]
    for where, drive in options:
        if drive.iothread and drive.iothread > count:
            asker.wrong(f"{where}: iothread {drive.iothread} is not there; iothreads is {count}")


# What stands in Guest for several options, or for one that names its unit.
PARTS = {
    "trust": TRUST_OPTIONS,
    "start": START_OPTIONS,
    "processor": CPU_OPTIONS,
    "memory_kib": ("memory",),
    "max_memory_kib": ("max_memory",),
    "peripherals": DEVICE_OPTIONS,
}
# The options of a guest.
OPTIONS = tuple(name for field in dataclasses.fields(Guest) for name in PARTS.get(field.name, (field.name,)))


def _seed(asker: Asker) -> Optional[Seed]:
    # Not by asker.part, which shows what is wrong: a seed holds secrets.
    where = f"{asker.where}.seed"
    return parse_seed(asker.plain.get("seed"), lambda message: asker.problems.add(Problem(message, where)))
