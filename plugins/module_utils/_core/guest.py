# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks of one guest: the options of the guests module, checked, as one frozen value."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Optional

from .asker import Asker
from .errors import Problem
from .lifecycle import APPLY, ON_DRIFT, Course, Shutdown, Wait, parse_shutdown, parse_wait
from .match import Wish
from .names import volume_mistake
from .seed import Seed, parse_seed
from .trust import OPTIONS as TRUST_OPTIONS
from .trust import Trust, parse_trust

STATES = ("present", "started", "stopped", "absent")
FIRMWARES = ("auto", "bios", "efi")
CLONES = ("linked", "full")
# Stands for a pool's name where the volumes are plain files that no pool knows.
NO_POOL = "none"
UNLISTED = ("off", "host_default")
REMOVALS = ("none", "disposable", "all")
GRAPHICS = ("auto", "none", "vnc", "spice", "sdl")
# network type -> the keys that it needs besides type.
NETWORKS = {
    "user": (),
    "network": ("source",),
    "bridge": ("source",),
    "ethernet": (),
    "mcast": ("source", "port"),
    "server": ("source", "port"),
    "client": ("source", "port"),
}
# libvirt chooses device names with these prefixes itself, and does not keep them in a configuration.
LIBVIRT_S_OWN = ("vnet", "vif", "macvtap", "macvlan")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True)
class Network:
    """One interface; `source` is the network's, the bridge's name, or an address with `port`."""

    type: str
    source: Optional[str] = None
    mac: Optional[str] = None
    model: Optional[str] = None
    target: Optional[str] = None
    script: Optional[str] = None
    port: Optional[int] = None


@dataclass(frozen=True)
class Graphics:
    """How the guest's screen is shown; `port` None lets libvirt choose."""

    type: str = "auto"
    listen: Optional[str] = None
    port: Optional[int] = None


@dataclass(frozen=True)
class DiskOption:
    """What a user asks of one disk besides the descriptor; size in bytes."""

    size: Optional[int] = None
    pool: Optional[str] = None
    volume: Optional[str] = None


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
    firmware: str
    vcpus: Optional[int]
    memory_kib: Optional[int]
    networks: Optional[tuple[Network, ...]]
    graphics: Graphics
    pool: str
    folder: Optional[str]
    clone: str
    disks: dict[str, DiskOption]
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
        firmware=asker.one_of("firmware", FIRMWARES),
        vcpus=asker.number("vcpus", 1, 65536),
        memory_kib=asker.kib("memory"),
        networks=asker.each("networks", _network),
        graphics=asker.part("graphics", _graphics),
        pool=asker.text("pool") or "default",
        folder=asker.text("folder"),
        clone=asker.one_of("clone", CLONES),
        disks=_disks(asker),
        seed=_seed(asker),
        autostart=asker.flag("autostart"),
        unlisted_features=asker.one_of("unlisted_features", UNLISTED),
        xml=asker.text("xml"),
        state=asker.one_of("state", STATES, default="started"),
        adopt=asker.flag("adopt") or False,
        on_drift=asker.one_of("on_drift", ON_DRIFT),
        apply=asker.one_of("apply", APPLY),
        wait=asker.part("wait", parse_wait),
        shutdown=asker.part("shutdown", parse_shutdown),
        remove=asker.one_of("remove", REMOVALS, default="disposable"),
    )
    without_pool = [where for where in (guest.pool, *(disk.pool for disk in guest.disks.values())) if where == NO_POOL]
    if without_pool and not (guest.folder or "").startswith("/"):
        asker.wrong(f"pool: {NO_POOL} needs folder, the absolute path of the folder for the guest's volumes")
    elif guest.folder and not without_pool:
        asker.wrong(f"folder is for pool: {NO_POOL}; a pool has a folder of its own")
    if not guest.image and guest.state != "absent":
        asker.wrong("has no image; it is the path of the descriptor")
    if not guest.name and guest.state == "absent" and not guest.image:
        asker.wrong("has neither name nor image, so that it is not known which guest is to be absent")
    _refuse_equal_macs(asker, guest.networks or ())
    asker.problems.raise_any()
    return guest


# What stands in Guest for several options, or for one that names its unit.
PARTS = {"memory_kib": ("memory",), "trust": TRUST_OPTIONS}
# The options of a guest.
OPTIONS = tuple(name for field in dataclasses.fields(Guest) for name in PARTS.get(field.name, (field.name,)))


def _disks(asker: Asker) -> dict[str, DiskOption]:
    options: dict[str, DiskOption] = {}
    for disk_id, option in asker.each("disks", _disk) or ():
        if disk_id and disk_id in options:
            asker.wrong(f"disks has the id {disk_id} twice")
        options[disk_id] = option
    return options


def _refuse_equal_macs(asker: Asker, networks: tuple) -> None:
    owners: dict = {}
    for index, network in enumerate(networks):
        first = owners.setdefault(network.mac, index) if network.mac else index
        if first != index:
            message = f"mac {network.mac} is that of networks[{first}] as well; each interface has its own"
            asker.problems.add(Problem(message, f"{asker.where}.networks[{index}]"))


def _disk(asker: Asker) -> tuple:
    disk_id = asker.text("id")
    if not disk_id:
        asker.wrong("has no id; it is the id of a disk of the image")
    volume = asker.text("volume")
    mistake = volume and volume_mistake(volume)
    if mistake:
        asker.wrong(f"volume {mistake}")
    return disk_id, DiskOption(size=asker.size("size"), pool=asker.text("pool"), volume=volume)


def _seed(asker: Asker) -> Optional[Seed]:
    # Not by asker.part, which shows what is wrong: a seed holds secrets.
    where = f"{asker.where}.seed"
    return parse_seed(asker.plain.get("seed"), lambda message: asker.problems.add(Problem(message, where)))


def _network(asker: Asker) -> Network:
    network = Network(
        type=asker.one_of("type", tuple(NETWORKS), default="network"),
        source=asker.text("source"),
        mac=(asker.text("mac") or "").lower() or None,
        model=asker.text("model"),
        target=asker.text("target"),
        script=asker.text("script"),
        port=asker.number("port", 1, 65535),
    )
    if network.mac and not MAC.fullmatch(network.mac):
        asker.wrong(f"mac {network.mac!r:.40} is no MAC address; it has six pairs, such as 52:54:00:12:34:56")
    elif network.mac and int(network.mac[1], 16) & 1:
        asker.wrong(f"mac {network.mac} is a multicast address; the first pair of a guest's MAC is even")
    if network.target and network.target.startswith(LIBVIRT_S_OWN):
        asker.wrong(f"target {network.target}: names that begin with {', '.join(LIBVIRT_S_OWN)} are libvirt's own")
    for key in NETWORKS[network.type]:
        if getattr(network, key) is None:
            asker.wrong(f"has no {key}, which a network of type {network.type} needs")
    return network


def _graphics(asker: Asker) -> Graphics:
    return Graphics(asker.one_of("type", GRAPHICS), asker.text("listen"), asker.number("port", 1, 65535))
