# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which boot alternatives of an image a host can run, why the others not, and which one to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .errors import ImageError
from .host import Feature, Host, HostDomain, HostGuest
from .image import FEATURES, Boot, Image

# What capabilities call the guests of a boot type; "linux" is what libvirt before 0.3 called paravirtualised ones.
OS_TYPES = {"hvm": ("hvm",), "xen": ("xen", "linux")}
# From the best: hardware-assisted before emulated.
VIRT_TYPES = ("xen", "kvm", "hvf", "bhyve", "vz", "qemu")
# These architectures' emulators default to a board without PCI, or to none.
PREFERRED_MACHINES = {
    "aarch64": ("virt",),
    "armv7l": ("virt",),
    "riscv32": ("virt",),
    "riscv64": ("virt",),
    "ppc64": ("pseries",),
    "ppc64le": ("pseries",),
    "s390x": ("s390-ccw-virtio",),
}


@dataclass(frozen=True)
class Wish:
    """What a user fixes in a match; None is free. `unlisted_off`: what a descriptor does not name is off."""

    boot: Optional[int] = None
    virt_type: Optional[str] = None
    machine: Optional[str] = None
    unlisted_off: bool = True


@dataclass(frozen=True)
class Verdict:
    """The judgement on one alternative; `obstacles` are sentences, none when it fits.

    `features` tells how each feature that a descriptor can name, and the host knows, will be set.
    """

    index: int
    type: str
    arch: str
    fits: bool
    obstacles: tuple[str, ...]
    virt_type: Optional[str] = None
    emulator: Optional[str] = None
    machine: Optional[str] = None
    os_type: Optional[str] = None
    loader: Optional[str] = None
    features: Optional[dict[str, bool]] = None


@dataclass(frozen=True)
class Match:
    """All verdicts in the descriptor's order, and the index of the chosen one."""

    chosen: Optional[int]
    verdicts: tuple[Verdict, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the chosen alternative's verdict; only where there is one."""
        return self.verdicts[self.chosen]


def match(image: Image, host: Host, wish: Wish = Wish()) -> Match:
    """Return the judgement on every boot alternative, and the best that fits.

    Paravirtualised before fully virtualised, hardware-assisted before emulated, then the descriptor's order.
    """
    if wish.boot is not None and not 0 <= wish.boot < len(image.boots):
        raise ImageError(f"boot: {wish.boot} is no boot alternative of image {image.name}; it has {len(image.boots)}")
    verdicts = tuple(_judge(index, boot, host, wish) for index, boot in enumerate(image.boots))
    fitting = [verdict for verdict in verdicts if verdict.fits]
    chosen = min(fitting, key=_rank).index if fitting else None
    return Match(chosen, verdicts)


def choose(image: Image, host: Host, wish: Wish = Wish()) -> Verdict:
    """Return the verdict on the alternative to boot; raise ImageError with every reason where none fits."""
    result = match(image, host, wish)
    if result.chosen is None:
        reasons = "; ".join(
            f"boot {verdict.index} ({verdict.type} {verdict.arch}): {' and '.join(verdict.obstacles)}"
            for verdict in result.verdicts
        )
        raise ImageError(f"this host fits no boot alternative of image {image.name}: {reasons}")
    return result.verdict


def _rank(verdict: Verdict) -> tuple:
    return (verdict.type != "xen", _virt_rank(verdict.virt_type), verdict.index)


def _virt_rank(virt_type) -> int:
    return VIRT_TYPES.index(virt_type) if virt_type in VIRT_TYPES else len(VIRT_TYPES)


def _judge(index: int, boot: Boot, host: Host, wish: Wish) -> Verdict:
    """Return the verdict with the best domain type that fits, or the obstacles of the nearest kind of guest."""
    if wish.boot not in (None, index):
        return Verdict(index, boot.type, boot.arch, False, (f"boot: {wish.boot} asks for another",))
    kinds = [guest for guest in host.guests if guest.os_type in OS_TYPES.get(boot.type, ()) and guest.arch == boot.arch]
    if not kinds:
        return Verdict(index, boot.type, boot.arch, False, (_no_kind(boot, host),))
    obstacles: list[str] = []
    candidates: list[tuple] = []
    for kind in kinds:
        missing = _feature_obstacles(boot, kind)
        for domain in kind.domains:
            wrong = missing + _domain_obstacles(domain, wish)
            obstacles.extend(text for text in wrong if text not in obstacles)
            if not wrong:
                candidates.append((kind, domain))
        if not kind.domains:
            obstacles.append(f"the host names no hypervisor for {kind.os_type} guests of {kind.arch}")
    if not candidates:
        return Verdict(index, boot.type, boot.arch, False, tuple(obstacles))
    kind, domain = min(candidates, key=lambda pair: _virt_rank(pair[1].type))
    return Verdict(
        index,
        boot.type,
        boot.arch,
        True,
        (),
        virt_type=domain.type,
        emulator=domain.emulator,
        machine=_machine(boot, kind.arch, domain, wish),
        os_type=kind.os_type,
        loader=domain.loader,
        features={name: _setting(boot, name, kind.features[name], wish) for name in FEATURES if name in kind.features},
    )


def _no_kind(boot: Boot, host: Host) -> str:
    kinds = ", ".join(dict.fromkeys(f"{guest.os_type} {guest.arch}" for guest in host.guests)) or "none"
    return f"the host runs no {boot.type} guests of {boot.arch}; it runs {kinds}"


def _feature_obstacles(boot: Boot, kind: HostGuest) -> list[str]:
    obstacles = []
    for name, state in boot.features.items():
        feature = kind.features.get(name)
        if state == "on" and not (feature and feature.on):
            obstacles.append(f"feature {name} must be on, and the host does not offer it")
        if state == "off" and feature and not feature.off:
            obstacles.append(f"feature {name} must be off, and the host cannot turn it off")
    return obstacles


def _domain_obstacles(domain: HostDomain, wish: Wish) -> list[str]:
    if wish.virt_type not in (None, domain.type):
        return [f"virt_type: {wish.virt_type} is asked for, and the host has {domain.type}"]
    if wish.machine and wish.machine not in domain.machines:
        return [f"machine: {wish.machine} is unknown to {domain.emulator or domain.type}"]
    return []


def _setting(boot: Boot, name: str, feature: Feature, wish: Wish) -> bool:
    """Return whether a feature is on: "Omitting a togglable feature tag turns it off" (virt-image(5))."""
    if name in boot.features:
        return boot.features[name] == "on"
    togglable = feature.on and feature.off
    return False if togglable and wish.unlisted_off else feature.default


def _machine(boot: Boot, arch: str, domain: HostDomain, wish: Wish) -> Optional[str]:
    """Return the machine's full name; hd* targets need one with IDE, which q35 and virt lack."""
    if wish.machine:
        return domain.aliases.get(wish.machine, wish.machine)
    wanted = PREFERRED_MACHINES.get(arch, ())
    if arch in ("i686", "x86_64") and any((drive.target or "").startswith("hd") for drive in boot.drives):
        wanted = ("pc",)
    name = next((machine for machine in wanted if machine in domain.machines), domain.default_machine)
    return domain.aliases.get(name, name)
