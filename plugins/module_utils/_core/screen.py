# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guest's screen is shown, and the device that draws it.

Source: https://libvirt.org/formatdomain.html#graphical-framebuffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml
from .asker import Asker
from .image import Image
from .machine import QEMU_TYPES, X86
from .match import Verdict

GRAPHICS = ("auto", "none", "vnc", "spice", "sdl")


@dataclass(frozen=True)
class Graphics:
    """How the guest's screen is shown; `port` None lets libvirt choose."""

    type: str = "auto"
    listen: Optional[str] = None
    port: Optional[int] = None


def parse_graphics(asker: Asker) -> Graphics:
    """Return how a user wants the screen to be shown; mistakes are collected."""
    return Graphics(asker.one_of("type", GRAPHICS), asker.text("listen"), asker.number("port", 1, 65535))


def render_screen(asked: Graphics, image: Image, verdict: Verdict) -> list:
    """Return what shows the guest's screen, and the device that draws it."""
    kind = asked.type if asked.type != "auto" else ("vnc" if image.graphics else "none")
    if kind == "none":
        return []
    remote = kind in ("vnc", "spice")
    graphics = xml.element(
        "graphics",
        {
            "type": kind,
            "port": asked.port if remote else None,
            "autoport": ("no" if asked.port else "yes") if remote else None,
            "listen": (asked.listen or "127.0.0.1") if remote else None,
        },
    )
    if verdict.virt_type not in QEMU_TYPES:
        return [graphics]
    model = "vga" if verdict.arch in X86 else "virtio"
    return [graphics, xml.element("video", None, xml.element("model", {"type": model}))]
