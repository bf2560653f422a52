# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements that become another kind of thing: what libvirt derived from the old kind does not fit the new one."""

from __future__ import annotations

from typing import Optional

from .sameness import same

# What tells the kind (child path, or . for itself, and attribute), and what goes with the old one: child paths, and
# attributes as PATH/@KEY. A source of another kind has other attributes (schemas/domaincommon.rng), so it goes whole.
KINDS = {
    "audio": (
        (
            ".",
            "type",
            ("input", "output", "@tryMMap", "@exclusive", "@dspPolicy", "@serverName", "@driver", "@path"),
        ),
    ),
    "clock": ((".", "offset", ("@adjustment", "@basis", "@start", "@timezone")),),
    "cpu": ((".", "mode", ("@migratable", "@check")),),
    "disk": (
        (".", "device", ("readonly", "target/@tray")),
        (".", "type", ("driver/@type", "source")),
        ("source", "protocol", ("source",)),
    ),
    "filesystem": ((".", "type", ("source", "driver", "binary")),),
    "hostdev": (
        (
            ".",
            "type",
            (
                *("source", "address", "driver", "readonly", "shareable"),
                *("@managed", "@sgio", "@rawio", "@model", "@display", "@ramfb"),
            ),
        ),
        ("source", "protocol", ("source",)),
    ),
    "hyperv": ((".", "mode", ("*",)),),
    "interface": (
        (
            ".",
            "type",
            (
                *("source", "virtualport", "vlan", "script", "backend", "portForward", "ip", "route"),
                *("driver/@name", "@managed"),
            ),
        ),
    ),
    "memballoon": ((".", "model", ("address", "stats")),),
    "memory": ((".", "model", ("source", "target")), (".", "placement", ("@nodeset",))),
    "panic": ((".", "model", ("address",)),),
    "parallel": ((".", "type", ("source", "protocol")), ("target", "type", ("address", "target/model"))),
    "rng": (("backend", "model", ("backend",)),),
    "seclabel": ((".", "type", ("*", "@relabel")),),
    "serial": ((".", "type", ("source", "protocol")), ("target", "type", ("address", "target/model"))),
    "smartcard": (
        (".", "mode", ("source", "protocol", "certificate", "database", "@type")),
        (".", "type", ("source", "protocol")),
    ),
    "sound": ((".", "model", ("codec",)),),
    "tpm": (("backend", "type", ("backend",)),),
    "video": (
        ("model", "type", ("model/@ram", "model/@vram", "model/@vram64", "model/@vgamem", "model/acceleration")),
    ),
    "watchdog": ((".", "model", ()),),
    **dict.fromkeys(("channel", "console", "redirdev"), ((".", "type", ("source", "protocol")),)),
}
# What some kinds cannot have: a place on a bus, or what others do with packets (virDomainActualNetDefValidate).
LACKING = {
    ("interface", "hostdev"): ("driver", "bandwidth"),
    ("sound", "usb"): ("address",),
    ("video", "none"): ("address",),
    ("video", "ramfb"): ("address",),
    ("watchdog", "ib700"): ("address",),
}
# What has a source and builds on another one; attributes of a source that do not tell which it is; children that do.
LAYERS = ("disk", "backingStore")
UNNAMING = ("index", "startupPolicy")
NAMING = ("host", "address", "snapshot")


def drop_other_kind(live, wanted, applied) -> None:
    """Take out of a live element what libvirt derived from a kind that is not the wanted one."""
    if live.tag == "graphics":
        _drop_other_listening(live, wanted, applied)
    for place, key, derived in KINDS.get(live.tag, ()):
        kind, old = _kind(wanted, place, key), _kind(live, place, key)
        if kind is None and (applied is None or _kind(applied, place, key) is None):
            # It is whatever it became.
            continue
        if kind == old or (place == "." and same(wanted, key, live)):
            continue
        for part in (*derived, *LACKING.get((live.tag, kind), ())):
            _drop(live, part)


def source_of(node) -> tuple:
    """Return what tells which file, device or volume a disk or a layer of its chain is; () for other elements."""
    source = node.find("source") if node.tag in LAYERS else None
    if source is None:
        return ()
    named = {key: value for key, value in source.items() if key not in UNNAMING}
    return (named, [[part.tag, *sorted(part.items())] for part in source if part.tag in NAMING])


def drop_chain(live, wanted) -> None:
    """Take out of a disk the chain of another file, unless it is wanted; libvirt finds the new one's at the start."""
    if wanted.find("backingStore") is None:
        _drop(live, "backingStore")


def _kind(node, place: str, key: str) -> Optional[str]:
    holder = node if place == "." else node.find(place)
    return None if holder is None else holder.get(key)


def _drop(node, place: str) -> None:
    way, _at, key = place.partition("@")
    for found in [node] if not way else node.findall(way.rstrip("/")):
        if key:
            found.attrib.pop(key, None)
        else:
            found.getparent().remove(found)


def _drop_other_listening(live, wanted, applied) -> None:
    """Graphics that listen in another way: libvirt keeps the old way in elements and attributes."""
    way = _listening(wanted)
    if way is None and applied is not None and _listening(applied) not in (None, "address"):
        way = "address"
    other = way not in (None, _listening(live))
    if other or (applied is not None and _names_address(applied) and not _names_address(wanted)):
        ports = ("@port", "@tlsPort", "@autoport") if way in ("socket", "none") else ()
        for place in ("listen", "@listen", "@socket", *ports):
            _drop(live, place)


def _names_address(graphics) -> bool:
    return graphics.get("listen") is not None or graphics.find("listen") is not None


def _listening(graphics) -> Optional[str]:
    """Return how graphics listen: address, network, socket, none; None where nothing is said of it."""
    listen = graphics.find("listen")
    if listen is not None:
        return listen.get("type")
    if graphics.get("socket") is not None:
        return "socket"
    said = graphics.get("autoport") == "yes" or any(graphics.get(key) for key in ("listen", "port", "tlsPort"))
    return "address" if said else None


def drop_other_controllers(live, wanted) -> None:
    """Take out of a live tree the controllers in whose place another model is wanted, but for companions."""
    models: dict = {}
    for controller in wanted.findall("devices/controller[@model]"):
        models.setdefault((controller.get("type"), controller.get("index", "0")), set()).add(controller.get("model"))
    for controller in live.findall("devices/controller[@model]"):
        place, model = (controller.get("type"), controller.get("index", "0")), controller.get("model")
        if place in models and model not in models[place]:
            if not (model.startswith("ich9-") and any(other.startswith("ich9-") for other in models[place])):
                controller.getparent().remove(controller)
