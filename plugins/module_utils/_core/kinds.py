# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements that become another kind of thing: what libvirt derived from the old kind does not fit the new one."""

from __future__ import annotations

from typing import Optional

# What tells the kind: child path (or . for itself) and attribute.
KINDS = {
    "cpu": (".", "mode"),
    "disk": (".", "device"),
    "hostdev": (".", "type"),
    "memballoon": (".", "model"),
    "panic": (".", "model"),
    "parallel": ("target", "type"),
    "serial": ("target", "type"),
    "sound": (".", "model"),
    "video": ("model", "type"),
    "watchdog": (".", "model"),
}
# What goes with the old kind: child paths, and attributes as PATH/@KEY.
DERIVED = {
    "cpu": ("@migratable", "@check"),
    "disk": ("readonly", "target/@tray"),
    "hostdev": ("address",),
    "memballoon": ("address", "stats"),
    "panic": ("address",),
    "parallel": ("address", "target/model"),
    "serial": ("address", "target/model"),
    "sound": ("codec",),
    "video": ("model/@ram", "model/@vram", "model/@vram64", "model/@vgamem", "model/acceleration"),
}
# Kinds that have no place on a bus.
PLACELESS = {("video", "none"), ("video", "ramfb"), ("watchdog", "ib700"), ("sound", "usb")}


def drop_other_kind(live, wanted, applied) -> None:
    """Take out of a live element what libvirt derived from a kind that is not the wanted one."""
    if live.tag == "graphics":
        _drop_other_listening(live, wanted, applied)
    if live.tag not in KINDS:
        return
    kind = _kind(wanted)
    if kind is None and (applied is None or _kind(applied) is None):
        # It is whatever it became.
        return
    if kind == _kind(live):
        return
    for place in DERIVED.get(live.tag, ()):
        _drop(live, place)
    if (live.tag, kind) in PLACELESS:
        _drop(live, "address")


def _kind(node) -> Optional[str]:
    place, key = KINDS[node.tag]
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
    if way not in (None, _listening(live)):
        for place in ("listen", "@listen", "@socket"):
            _drop(live, place)


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
