# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's platforms as guests: their names, the key that they let in, and what molecule is told of them."""

from __future__ import annotations

import hashlib
import ipaddress
import posixpath
import re
from dataclasses import dataclass, replace
from typing import Optional

from .asker import Asker
from .errors import ImageError, Problems
from .flow import render_flow
from .seed import NOTHING, scalar

# Those of a platform that mean something here; the others of a guest go into `guest`.
KEYS = ("name", "image", "groups", "children", "hostname", "user", "port", "guest")
# Of a guest's options, those that a platform or molecule itself decides.
DECIDED = ("name", "image", "state")
# Those that the defaults and a platform's own make up together.
MERGED = ("seed", "wait")
PLACE = ("node", "project", "scenario", "directory", "ephemeral")
USER = "molecule"
PORT = 22
# A name of an inventory's host that is a file's, too.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
UNNAMED = re.compile(r"[^A-Za-z0-9_.-]+")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# So much of the project's and the scenario's names is in a guest's.
SHOWN = 24


@dataclass(frozen=True)
class Platform:
    """One instance as molecule.yml has it; `guest` are options of the guests module."""

    name: str
    image: str
    hostname: str
    user: str
    port: int
    guest: dict


def molecule_guests(config, place, defaults=None, key: Optional[str] = None) -> list[dict]:
    """Return a guest, with the options of the guests module, for each platform of a molecule.yml.

    `place` tells where molecule runs (PLACE). `defaults` are options that each guest has unless its platform has others;
    of MERGED, that is said of each of their keys.
    `key` is the public key that is let in; None is for guests that are to go.
    """
    platforms = _platforms(config, defaults)
    _check_place(place)
    if not isinstance(key, (str, type(None))):
        raise ImageError(f"must be the text of a public key, is {key!r:.80}", "key")
    return [_guest(platform, place, key) for platform in platforms]


def molecule_instances(told, config, place, identity_file: str, defaults=None) -> list[dict]:
    """Return molecule's instance config: how each platform is reached, from what the guests module told of the guests."""
    _check_place(place)
    if not isinstance(identity_file, str):
        raise ImageError(f"must be the path of a private key, is {identity_file!r:.80}", "identity_file")
    addresses = _addresses(told)
    instances = []
    for platform in _platforms(config, defaults):
        name = guest_name(platform.name, place)
        address = _best(addresses.get(name, ()))
        if address is None:
            raise ImageError(f"guest {name} has no address", f"platform {platform.name}")
        instances.append(
            {
                "instance": platform.name,
                "address": address,
                "user": platform.user,
                "port": platform.port,
                "identity_file": identity_file,
            }
        )
    return instances


def _addresses(told) -> dict[str, list]:
    """Return the addresses of each guest, by its name, from what the guests module told; raise ImageError."""
    if not isinstance(told, (list, tuple)) or not all(isinstance(guest, dict) for guest in told):
        raise ImageError("needs the guests as a list, as the guests module returns them")
    known = {}
    for number, guest in enumerate(told):
        name, addresses = guest.get("name"), guest.get("addresses") or []
        if not isinstance(name, str) or not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise ImageError("needs a name and a list of addresses, as the guests module returns them", f"guests[{number}]")
        known[name] = addresses
    return known


def _is_address(told) -> bool:
    return isinstance(told, str) and _version(told) is not None


def _version(address: str) -> Optional[int]:
    """Return 4 or 6, or None for what is no address."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).version
    except ValueError:
        return None


def guest_name(instance: str, place: dict) -> str:
    """Return the name of an instance's guest.

    The digest tells it from those of other machines, checkouts, scenarios and parallel runs at the same libvirt. It is
    derived, so that guests are found again when all that molecule kept of a run is lost.
    """
    where = "\0".join(place[key] for key in ("node", "project", "scenario", "ephemeral"))
    digest = hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()
    project = posixpath.basename(place["project"].rstrip("/"))
    shown = [UNNAMED.sub("-", text).strip("-.")[:SHOWN].rstrip("-.") for text in (project, place["scenario"])]
    return "-".join(part for part in (*shown, instance, digest[:8]) if part)


def _check_place(place) -> None:
    for name in PLACE:
        if not isinstance(place, dict) or not isinstance(place.get(name), str) or not place[name]:
            raise ImageError(f"place needs {', '.join(PLACE)}, each a text; molecule has them in its environment")


def _platforms(config, defaults) -> list[Platform]:
    """Return the platforms of a molecule.yml; raise ImageError with all that is wrong with them."""
    plain = config.get("platforms") if isinstance(config, dict) else None
    if not isinstance(plain, list) or not plain:
        raise ImageError("has no platforms; each is a guest, with name and image", "molecule.yml")
    problems = Problems()
    shared = _options(Asker({} if defaults is None else defaults, "molecule_guest", problems))
    platforms = [_platform(one, number, problems) for number, one in enumerate(plain)]
    problems.raise_any()
    names = [platform.name.lower() for platform in platforms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ImageError(f"has several platforms named {', '.join(twice)}", "molecule.yml")
    return [replace(platform, guest=_merged(shared, platform.guest)) for platform in platforms]


def _merged(shared: dict, own: dict) -> dict:
    """Return the options of a guest: its own, else those of all."""
    both = {key: {**shared[key], **own[key]} for key in MERGED if key in shared and key in own}
    return {**shared, **own, **both}


def _platform(plain, number: int, problems: Problems) -> Platform:
    named = isinstance(plain, dict) and isinstance(plain.get("name"), str) and plain["name"]
    asker = Asker(plain, f"platform {plain['name']:.80}" if named else f"platforms[{number}]", problems)
    name = asker.word("name", NAME, "web-1")
    if not name:
        asker.wrong("has no name")
    image = asker.line("image")
    if not image:
        asker.wrong("has no image; it is the path of a descriptor, from the scenario's folder, or its URL")
    for key in asker.plain:
        if key not in KEYS:
            asker.wrong(f"{key!r:.80} means nothing here; a platform has {', '.join(KEYS)}, and options of a guest go into guest")
    hostname = asker.plain.get("hostname")
    # Others take true and false here, too: whether there is one.
    hostname = None if isinstance(hostname, bool) else asker.word("hostname", NAME, "web-1")
    guest = _options(Asker(asker.plain.get("guest") or {}, f"{asker.where}: guest", problems))
    user = asker.word("user", ACCOUNT, USER) or USER
    port = asker.number("port", 1, 65535) or PORT
    return Platform(name or "", image or "", hostname or (name or "").replace("_", "-"), user, port, guest)


def _options(asker: Asker) -> dict:
    """Return options of a guest, as far as a platform may say them; what they mean is the module's to judge."""
    for key in DECIDED:
        if key in asker.plain:
            asker.wrong(f"{key} is not said here; name and image are the platform's, and molecule says what becomes of it")
    for key in MERGED:
        if not isinstance(asker.plain.get(key, {}), dict):
            # A seed may hold secrets: it is not shown.
            asker.wrong(f"{key} must be a dictionary")
    return asker.plain


def _guest(platform: Platform, place: dict, key: Optional[str]) -> dict:
    image = platform.image
    if not URL.match(image) and not image.startswith("~"):
        image = posixpath.normpath(posixpath.join(place["directory"], image))
    guest = {**platform.guest, "name": guest_name(platform.name, place), "image": image}
    # The guest is up when its SSH server takes connections.
    guest["wait"] = {"address": True, "tcp": [platform.port], **platform.guest.get("wait", {})}
    seed = dict(platform.guest.get("seed", {}))
    seed.setdefault("meta_data", f"local-hostname: {scalar(platform.hostname)}\n")
    seed["user_data"] = _user_data(seed.get("user_data"), platform, key)
    return {**guest, "seed": seed}


def _user_data(own, platform: Platform, key: Optional[str]) -> str:
    """Return cloud-init's user data, the platform's own with our user in it."""
    where = f"platform {platform.name}: guest: seed: user_data"
    config = dict(own or {}) if isinstance(own, (dict, type(None))) else None
    users = (config or {}).get("users", ["default"])
    if config is None or not isinstance(users, list):
        raise ImageError(
            f"must be a mapping, cloud-init's {NOTHING.strip()}, with a list as users if it has any: a user is added to it",
            where,
        )
    user: dict = {"name": platform.user, "ssh_authorized_keys": [key] if key else []}
    if platform.user == "root":
        config["disable_root"] = False
    else:
        user.update(sudo="ALL=(ALL) NOPASSWD:ALL", shell="/bin/sh")
    return f"{NOTHING}{render_flow({**config, 'users': [*users, user]}, where)}\n"


def _best(addresses) -> Optional[str]:
    """Return the address that is most likely reached: of IPv4, if there is one."""
    known = sorted(addresses, key=_version)
    return known[0] if known else None
