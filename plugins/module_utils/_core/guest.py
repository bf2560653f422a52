# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks of one guest: the options of the guests module, checked, as one frozen value."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Optional

from .errors import ImageError, Problem, Problems
from .match import Wish
from .names import name_mistake
from .units import KIB, parse_size

STATES = ("present", "started", "stopped", "absent")
FIRMWARES = ("auto", "bios", "efi")
CLONES = ("linked", "full")
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


@dataclass(frozen=True)
class Wait:
    """What shows that the guest lives, within `timeout` seconds."""

    agent: bool = False
    address: bool = False
    timeout: int = 120


@dataclass(frozen=True)
class Shutdown:
    """How a guest is stopped: asked to, for `timeout` seconds; then powered off only where `force` says so."""

    timeout: int = 60
    force: bool = False


@dataclass(frozen=True)
class Guest:
    """One guest as asked for; None is "as the descriptor or the host says"."""

    name: Optional[str]
    image: Optional[str]
    allow_outside_files: bool
    boot: Optional[int]
    virt_type: Optional[str]
    machine: Optional[str]
    firmware: str
    vcpus: Optional[int]
    memory_kib: Optional[int]
    networks: Optional[tuple[Network, ...]]
    graphics: Graphics
    pool: str
    clone: str
    disks: dict[str, DiskOption]
    autostart: Optional[bool]
    unlisted_features: str
    xml: Optional[str]
    state: str
    wait: Wait
    shutdown: Shutdown
    remove: str

    @property
    def wish(self) -> Wish:
        """Return what the guest fixes in the match."""
        return Wish(self.boot, self.virt_type, self.machine, self.unlisted_features == "off")


def parse_guest(plain: dict, where: str = "guest") -> Guest:
    """Return the guest that a dictionary of options describes; raise ImageError with all mistakes."""
    asker = _Asker(plain, where)
    asker.refuse_unknown(OPTIONS, "a guest")
    guest = Guest(
        name=asker.name(),
        image=asker.text("image"),
        allow_outside_files=asker.flag("allow_outside_files") or False,
        boot=asker.number("boot", 0, 999),
        virt_type=asker.text("virt_type", but="auto"),
        machine=asker.text("machine"),
        firmware=asker.one_of("firmware", FIRMWARES),
        vcpus=asker.number("vcpus", 1, 65536),
        memory_kib=asker.kib("memory"),
        networks=asker.each("networks", _network),
        graphics=asker.part("graphics", _graphics),
        pool=asker.text("pool") or "default",
        clone=asker.one_of("clone", CLONES),
        disks=asker.disks(),
        autostart=asker.flag("autostart"),
        unlisted_features=asker.one_of("unlisted_features", UNLISTED),
        xml=asker.text("xml"),
        state=asker.one_of("state", STATES, default="started"),
        wait=asker.part("wait", _wait),
        shutdown=asker.part("shutdown", _shutdown),
        remove=asker.one_of("remove", REMOVALS, default="disposable"),
    )
    if not guest.image and guest.state != "absent":
        asker.wrong("has no image; it is the path of the descriptor")
    if not guest.name and guest.state == "absent" and not guest.image:
        asker.wrong("has neither name nor image, so that it is not known which guest is to be absent")
    asker.refuse_equal_macs(guest.networks or ())
    asker.problems.raise_any()
    return guest


# The options of a guest; the fields of Guest, but for the unit in the name of one.
OPTIONS = tuple(field.name.replace("memory_kib", "memory") for field in dataclasses.fields(Guest))


class _Asker:
    """Takes one dictionary apart; mistakes are collected."""

    def __init__(self, plain, where: str, problems: Optional[Problems] = None) -> None:
        self.where = where
        self.problems = problems or Problems()
        self.plain = plain if isinstance(plain, dict) else {}
        if not isinstance(plain, dict):
            self.wrong(f"must be a dictionary, is {plain!r:.80}")

    def wrong(self, message: str) -> None:
        self.problems.add(Problem(message, self.where))

    def text(self, key: str, but: Optional[str] = None) -> Optional[str]:
        value = self.plain.get(key)
        if value is None or value in ("", but):
            return None
        if not isinstance(value, str):
            self.wrong(f"{key} must be text, is {value!r:.80}")
        return str(value)

    def name(self) -> Optional[str]:
        name = self.plain.get("name")
        # YAML reads a name of digits as a number.
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else self.text("name")
        mistake = name and name_mistake(name)
        if mistake:
            self.wrong(f"name {mistake}")
        return name

    def one_of(self, key: str, values: tuple, default: Optional[str] = None) -> str:
        value = self.plain.get(key)
        if value is None:
            return default or values[0]
        if value is False and "off" in values:
            # YAML 1.1 reads off as false.
            value = "off"
        if value not in values:
            self.wrong(f"{key}: {value!r:.80} is unknown; it is one of {', '.join(values)}")
            return values[0]
        return str(value)

    def number(self, key: str, least: int, most: int) -> Optional[int]:
        value = self.plain.get(key)
        if value is None:
            return None
        # Templates without native types give numbers as text.
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(f"{key}: {value!r:.80} must be a whole number from {least} to {most}")
            return None
        return value

    def flag(self, key: str) -> Optional[bool]:
        value = self.plain.get(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(f"{key} must be true or false, is {value!r:.80}")
            return None
        return value

    def size(self, key: str) -> Optional[int]:
        value = self.plain.get(key)
        try:
            return None if value is None else parse_size(value, key)
        except ImageError as error:
            self.wrong(str(error))
            return None

    def kib(self, key: str) -> Optional[int]:
        size = self.size(key)
        return None if size is None else max(1, size // KIB)

    def part(self, key: str, parse):
        value = self.plain.get(key)
        return parse(_Asker({} if value is None else value, f"{self.where}.{key}", self.problems))

    def each(self, key: str, parse) -> Optional[tuple]:
        value = self.plain.get(key)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)):
            self.wrong(f"{key} must be a list, is {value!r:.80}")
            return ()
        return tuple(
            parse(_Asker(item, f"{self.where}.{key}[{index}]", self.problems)) for index, item in enumerate(value)
        )

    def refuse_unknown(self, known: tuple, what: str) -> None:
        for key in self.plain:
            if key not in known:
                self.wrong(f"{key} is no option of {what}")

    def refuse_equal_macs(self, networks: tuple) -> None:
        owners: dict = {}
        for index, network in enumerate(networks):
            first = owners.setdefault(network.mac, index) if network.mac else index
            if first != index:
                message = f"mac {network.mac} is that of networks[{first}] as well; each interface has its own"
                self.problems.add(Problem(message, f"{self.where}.networks[{index}]"))

    def disks(self) -> dict[str, DiskOption]:
        options: dict[str, DiskOption] = {}
        for disk_id, option in self.each("disks", _disk) or ():
            if disk_id and disk_id in options:
                self.wrong(f"disks has the id {disk_id} twice")
            options[disk_id] = option
        return options


def _disk(asker: _Asker) -> tuple:
    disk_id = asker.text("id")
    if not disk_id:
        asker.wrong("has no id; it is the id of a disk of the image")
    return disk_id, DiskOption(size=asker.size("size"), pool=asker.text("pool"))


def _network(asker: _Asker) -> Network:
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


def _graphics(asker: _Asker) -> Graphics:
    return Graphics(asker.one_of("type", GRAPHICS), asker.text("listen"), asker.number("port", 1, 65535))


def _wait(asker: _Asker) -> Wait:
    return Wait(
        bool(asker.flag("agent")), bool(asker.flag("address")), asker.number("timeout", 1, 86400) or Wait.timeout
    )


def _shutdown(asker: _Asker) -> Shutdown:
    timeout = asker.number("timeout", 0, 86400)
    return Shutdown(Shutdown.timeout if timeout is None else timeout, bool(asker.flag("force")))
