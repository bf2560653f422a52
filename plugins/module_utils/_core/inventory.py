# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of an inventory from what hypervisors tell: which address, variables and groups each has, and whose a name is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Optional

from .asker import Asker
from .errors import ImageError, Problems
from .lifecycle import RUNNING
from .names import host_mistake as place_mistake
from .names import name_mistake, plain
from .telling import FAMILIES, SOURCES, Address, Told
from .values import to_plain

# Of the option group_by: what a guest is grouped by.
GROUPINGS = ("image", "version", "state", "hypervisor")
# What Ansible takes for something else than a host of that name: its groups, the control node, patterns of hosts.
OTHERS = ("all", "ungrouped", "localhost", "127.0.0.1", "::1")
# Ansible takes patterns apart at white space, commas and colons, also those in a list, except for addresses.
PATTERN = re.compile(r"^[!&~@]|[*?,:\s\[\]]")


@dataclass(frozen=True)
class Target:
    """A libvirt to ask; `name` is what its host is called."""

    uri: str
    name: Optional[str] = None


@dataclass(frozen=True)
class Seen:
    """A guest, and where it was seen."""

    uri: str
    hypervisor: str
    guest: Told

    def __str__(self) -> str:
        return f"{plain(self.guest.facts.name)} of {self.hypervisor} ({self.uri})"


@dataclass(frozen=True)
class Preferences:
    """Which address is taken: patterns of the host's networks and the guest's interfaces, families, sources; preferred first."""

    networks: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    families: tuple[str, ...] = FAMILIES
    sources: tuple[str, ...] = SOURCES


@dataclass
class Names:
    """Whose each name is, and why some guests have none."""

    kept: dict[str, Seen] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass
class Met:
    """What the inventories of one run have made so far: what each group is of, and whose each host is."""

    groups: dict[str, set] = field(default_factory=dict)
    hosts: dict[str, Seen] = field(default_factory=dict)


def parse_targets(plain_uris) -> tuple[Target, ...]:
    """Return the libvirts of the option uris, a list of texts and of dictionaries; raise ImageError for all mistakes."""
    problems = Problems()
    targets = [_target(one, f"uris[{index}]", problems) for index, one in enumerate(plain_uris)]
    if not targets:
        raise ImageError("uris is empty; one is qemu:///system")
    problems.raise_any()
    uris = [target.uri for target in targets]
    twice = sorted({uri for uri in uris if uris.count(uri) > 1})
    if twice:
        raise ImageError(f"uris has {', '.join(twice)} more than once")
    return tuple(targets)


def _target(told, where: str, problems: Problems) -> Target:
    asked = Asker({"uri": told} if isinstance(told, str) else told, where, problems)
    if isinstance(asked.plain, dict) and not set(asked.plain) <= {"uri", "name"}:
        asked.wrong(f"has {', '.join(sorted(map(str, set(asked.plain) - {'uri', 'name'})))}; it can have uri and name")
    uri, name = asked.line("uri"), asked.line("name")
    if isinstance(told, (str, dict)) and not uri:
        asked.wrong("has no uri; one is qemu:///system")
    return Target(uri or "", name)


def choose_address(guest: Told, wish: Preferences) -> Optional[Address]:
    """Return the address that a guest is reached at, or None."""
    hardware = {one.mac for one in guest.interfaces if one.mac}
    ranked = []
    for index, one in enumerate(guest.addresses):
        network, interface = _rank(wish.networks, one.network), _rank(wish.interfaces, one.interface)
        # docker0 and its like are the guest's own: they are taken only where a pattern means them.
        named = one.mac in hardware or any(not pattern.startswith("!") for pattern in wish.interfaces)
        if None not in (network, interface) and named and one.family in wish.families and one.source in wish.sources:
            ranked.append((network, interface, wish.families.index(one.family), wish.sources.index(one.source), index))
    return guest.addresses[min(ranked)[-1]] if ranked else None


def _rank(patterns: tuple[str, ...], name: Optional[str]) -> Optional[int]:
    """Return how much a name is preferred, 0 the most, or None for one that is not taken; !pattern takes out."""
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    if any(name is not None and fnmatchcase(name, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return None
    if not wanted:
        return 0
    return next((rank for rank, one in enumerate(wanted) if name is not None and fnmatchcase(name, one)), None)


def variables_of(seen: Seen, prefix: str, wish: Preferences) -> dict:
    """Return a guest's variables as plain values, with ansible_host where an address is known."""
    facts = to_plain(seen.guest.facts)
    # With the usual prefix it is virt_type, as everywhere in this collection.
    told = {"uri": seen.uri, "hypervisor": seen.hypervisor, "type": facts.pop("virt_type"), **facts}
    told.update(interfaces=to_plain(seen.guest.interfaces), addresses=to_plain(seen.guest.addresses))
    variables = {prefix + key: value for key, value in told.items()}
    address = choose_address(seen.guest, wish)
    return {**variables, **({"ansible_host": address.address} if address else {})}


def groups_of(seen: Seen, group_by, prefix: str) -> dict[str, str]:
    """Return the groups that a guest is in, each with what it is the group of.

    The group of a version is not within that of its image: another image may have a version of that name (merged_groups),
    also in another inventory, and its guests would be in the image's group, too.
    """
    facts = seen.guest.facts
    values = {"state": facts.state, "hypervisor": seen.hypervisor, "image": facts.image}
    groups = {f"{prefix}guests": "all guests"}
    for key in ("image", "state", "hypervisor"):
        if key in group_by and values[key]:
            groups[f"{prefix}{key}_{values[key]}"] = f"{key} {plain(values[key])}"
    if "version" in group_by and facts.image and facts.version:
        # A version means something with its image only.
        version = f"version {plain(facts.version)} of image {plain(facts.image)}"
        groups[f"{prefix}version_{facts.image}_{facts.version}"] = version
    return groups


def merged_groups(many, group_by, prefix: str, safe, met: Optional[Met] = None) -> list[str]:
    """Return a warning of each group that has the guests of two things, such as images; `safe` makes a group's name.

    Other inventories may have made the same groups before (`met`): Ansible knows one group of a name.
    """
    made: dict = {}
    for seen in many:
        for group, of in groups_of(seen, group_by, prefix).items():
            made.setdefault(safe(group), set()).add(of)
    warnings = []
    for group, of in sorted(made.items()):
        known = met.groups.setdefault(group, set()) if met else set()
        both = known | of
        if len(both) > 1 and both != known:
            warnings.append(f"group {group} is of {' and of '.join(sorted(both))}: their names differ in nothing that a group's name tells")
        known |= of
    return warnings


def doubled_hosts(kept: dict[str, Seen], met: Met) -> list[str]:
    """Return a warning of each host that another inventory made of another guest: to Ansible they are one host."""
    warnings = []
    for name, seen in sorted(kept.items()):
        other = met.hosts.setdefault(name, seen)
        if other.guest.facts.uuid != seen.guest.facts.uuid:
            warnings.append(
                f"guest {seen} and guest {other} are one host of the inventory: another inventory of this run has {plain(name)}, too; "
                "the option hostnames gives them different names"
            )
    return warnings


def settle_names(named) -> Names:
    """Return whose each name is, of pairs (name, Seen).

    A guest that is on two hypervisors under one UUID, as after a migration, is where it runs. Of other guests with one name
    none has it: a play would reach the wrong one.
    """
    names, same = Names(), {}
    for name, seen in named:
        mistake = host_mistake(name)
        if mistake:
            why = f"its name in the inventory {mistake}; the option hostnames gives it another"
            names.left_out.append(f"guest {seen} is left out: {why}")
        else:
            same.setdefault(name, []).append(seen)
    for name, many in same.items():
        running = [seen for seen in many if seen.guest.facts.state in RUNNING]
        if len(many) == 1:
            names.kept[name] = many[0]
        elif len({seen.guest.facts.uuid for seen in many}) == 1 and len(running) == 1:
            names.kept[name] = running[0]
        else:
            names.left_out.append(
                f"guests {' and '.join(map(str, many))} are left out: each would be called {name} in the inventory; "
                "the option hostnames gives them different ones"
            )
    return names


def host_mistake(name: str) -> Optional[str]:
    """Return why a host cannot be called so, or None.

    To Ansible it would be something else. A name that begins with a dash is an option to ssh; one with dots, a folder.
    """
    mistake = name_mistake(name)
    if mistake:
        return mistake
    if name in OTHERS:
        return f"is Ansible's own: {name}"
    # Of what has a colon, only addresses are places.
    return f"is a pattern of hosts: {name}" if PATTERN.search(name) and place_mistake(name) else None
