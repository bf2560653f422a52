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
# The machine of paravirtualised guests in a container of the hardware (PVH), and the os type of those that have it. A kernel
# must be built for it, so it is taken only where a user asks for it.
PVH = "xenpvh"
# Domain types whose guests' instructions are emulated, from the faster to the slower; all others have the hardware's help.
EMULATED = ("kqemu", "qemu")
# So many names of what a host has are told.
MAX_NAMES = 8
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
    """Return how good an alternative is, the best first: docs/matching.md has the table."""
    return (verdict.type != "xen", _slowness(verdict.virt_type), verdict.index)


def _slowness(virt_type: str) -> int:
    return EMULATED.index(virt_type) + 1 if virt_type in EMULATED else 0


def _judge(index: int, boot: Boot, host: Host, wish: Wish) -> Verdict:
    """Return the verdict with the best domain type that fits, or all that is in the way."""
    fitting, obstacles = _candidates(boot, host, wish)
    own = [f"boot: {wish.boot} asks for another"] if wish.boot not in (None, index) else []
    if boot.type == "xen" and not boot.loader and not boot.kernel:
        own.append("it has neither <loader>pygrub</loader> nor a <kernel>, without which no paravirtualised guest starts")
    if own or not fitting:
        # What only some kinds of guest have against it is in the way where none fits.
        return Verdict(index, boot.type, boot.arch, False, tuple(dict.fromkeys(own + ([] if fitting else obstacles))))
    # The first of the best: capabilities list what they prefer first.
    kind, domain = min(fitting, key=lambda pair: _slowness(pair[1].type))
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


def _candidates(boot: Boot, host: Host, wish: Wish) -> tuple[list, list[str]]:
    """Return the kinds of guest and domain types that can run an alternative, and what speaks against the others."""
    os_types = os_types_of(boot.type, wish.machine)
    kinds = [guest for guest in host.guests if guest.os_type in os_types and guest.arch == boot.arch]
    offered = [(kind, domain) for kind in kinds for domain in kind.domains]
    if not offered:
        return [], [_no_kind(boot, host, kinds)]
    asked = [(kind, domain) for kind, domain in offered if wish.virt_type in (None, domain.type)]
    obstacles = []
    if not asked:
        types = ", ".join(dict.fromkeys(domain.type for _kind, domain in offered))
        obstacles.append(f"virt_type: {wish.virt_type} is asked for, and the host has {types} for {_guests(kinds[0])}")
    fitting = []
    for kind, domain in asked or offered:
        wrong = _feature_obstacles(boot, kind) + (_domain_obstacles(domain, host, wish) if asked else [])
        obstacles += wrong
        if asked and not wrong:
            fitting.append((kind, domain))
    return fitting, obstacles


def os_types_of(type: str, machine: Optional[str]) -> tuple[str, ...]:
    """Return what capabilities call the guests of a boot type that are to have that machine."""
    return (*OS_TYPES.get(type, ()), *((PVH,) if type == "xen" and machine == PVH else ()))


def _guests(kind: HostGuest) -> str:
    return f"{kind.os_type} guests of {kind.arch}"


def _no_kind(boot: Boot, host: Host, kinds: list[HostGuest]) -> str:
    if kinds:
        return f"the host names no hypervisor for {_guests(kinds[0])}"
    if not host.guests:
        lost = f"the host runs no {boot.type} guests of {boot.arch}, and no others"
        return f"{lost}; is this the right libvirt? Xen's is xen:///system"
    # The nearest first: another type of the same architecture.
    near = sorted(host.guests, key=lambda guest: guest.arch != boot.arch)
    known = _some(list(dict.fromkeys(f"{guest.os_type} {guest.arch}" for guest in near)))
    return f"the host runs no {boot.type} guests of {boot.arch}; it runs {known}"


def _feature_obstacles(boot: Boot, kind: HostGuest) -> list[str]:
    obstacles = []
    for name, state in boot.features.items():
        feature = kind.features.get(name)
        if state == "on" and not (feature and feature.on):
            can = [name for name in FEATURES if name in kind.features and kind.features[name].on]
            obstacles.append(
                f"feature {name} must be on, and {_guests(kind)} cannot have it here; they can have {_some(can)}"
            )
        if state == "off" and feature and not feature.off:
            can = [name for name in FEATURES if name in kind.features and kind.features[name].off]
            obstacles.append(
                f"feature {name} must be off, and {_guests(kind)} always have it here; they can do without {_some(can)}"
            )
    return obstacles


def _domain_obstacles(domain: HostDomain, host: Host, wish: Wish) -> list[str]:
    obstacles = []
    if domain.type == "kvm" and host.kvm and host.kvm.runs is False:
        obstacles.append(f"KVM is there and runs no guest: {host.kvm.reason}")
    if wish.machine and wish.machine not in domain.machines:
        names = _some([*domain.aliases, *(name for name in domain.machines if name not in domain.aliases)])
        obstacles.append(f"machine: {wish.machine} is unknown to {domain.emulator or domain.type}; it has {names}")
    return obstacles


def _some(names: list[str]) -> str:
    """Return names as text; of very many the first."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return (", ".join(names[:MAX_NAMES]) or "none") + more


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
    if arch in ("i686", "x86_64") and any((drive.target or "").startswith("hd") for drive in boot.drives):
        return usual_machine(domain, ("pc",))
    return usual_machine(domain, PREFERRED_MACHINES.get(arch, ()))


def usual_machine(domain: HostDomain, wanted: tuple[str, ...]) -> Optional[str]:
    """Return the full name of the first machine wanted that the emulator has, else of its default."""
    name = next((machine for machine in wanted if machine in domain.machines), domain.default_machine)
    return domain.aliases.get(name, name)
