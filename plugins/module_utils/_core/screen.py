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
from .names import host_mistake

GRAPHICS = ("auto", "none", "vnc", "spice", "sdl")
# The types that are seen from elsewhere; auto is one of them, or none.
REMOTE = ("auto", "vnc", "spice")
# QEMU counts displays from there: qemuBuildGraphicsVNCCommandLine, src/qemu/qemu_command.c.
VNC_PORT = 5900
VIDEOS = ("vga", "cirrus", "vmvga", "qxl", "virtio", "bochs", "ramfb", "none", "xen", "vbox", "gop")
# Models that can show more than one screen, and those whose memory can be set.
SEVERAL_HEADS = ("qxl", "virtio")
WITH_VRAM = ("vga", "cirrus", "vmvga", "qxl", "bochs", "xen", "vbox")


@dataclass(frozen=True)
class Graphics:
    """How the guest's screen is shown; `port` None lets libvirt choose."""

    type: str = "auto"
    listen: Optional[str] = None
    port: Optional[int] = None


@dataclass(frozen=True)
class Video:
    """The device that draws the screen; None is what suits the machine, `none` is no device."""

    model: Optional[str] = None
    vram_kib: Optional[int] = None
    heads: Optional[int] = None


def parse_graphics(asker: Asker) -> Graphics:
    """Return how a user wants the screen to be shown; mistakes are collected."""
    asker.refuse_unknown(("type", "listen", "port"), "graphics")
    graphics = Graphics(asker.one_of("type", GRAPHICS), asker.line("listen"), asker.number("port", 1, 65535))
    for key in ("listen", "port"):
        if getattr(graphics, key) and graphics.type not in REMOTE:
            asker.wrong(f"{key} is for types vnc and spice; this one is {graphics.type}")
    mistake = graphics.listen and host_mistake(graphics.listen)
    if mistake:
        asker.wrong(f"listen: {mistake}")
    if graphics.port and graphics.port < VNC_PORT and graphics.type in ("auto", "vnc"):
        asker.wrong(f"port: {graphics.port} is too low; VNC's ports begin at {VNC_PORT}, which is display 0")
    return graphics


def parse_video(asker: Asker) -> Video:
    """Return the video device that a user asks for; mistakes are collected."""
    asker.refuse_unknown(("model", "vram", "heads"), "video")
    video = Video(asker.choice("model", VIDEOS), asker.kib("vram"), asker.number("heads", 1, 16))
    if video.vram_kib and video.model not in (None, *WITH_VRAM):
        asker.wrong(f"vram is for models {', '.join(WITH_VRAM)}; this one is {video.model}")
    if video.heads and video.heads > 1 and video.model not in SEVERAL_HEADS:
        asker.wrong(f"heads: {video.heads} needs model {' or '.join(SEVERAL_HEADS)}")
    return video


def render_screen(graphics: Graphics, video: Video, image: Image, verdict: Verdict) -> list:
    """Return what shows the guest's screen, and the device that draws it."""
    kind = graphics.type if graphics.type != "auto" else ("vnc" if image.graphics else "none")
    remote = kind in ("vnc", "spice")
    shown = {
        "type": kind,
        "port": graphics.port if remote else None,
        "autoport": ("no" if graphics.port else "yes") if remote else None,
        "listen": (graphics.listen or "127.0.0.1") if remote else None,
    }
    screen = [] if kind == "none" else [xml.element("graphics", shown)]
    device = _video(video, kind, verdict)
    return screen if device is None else [*screen, device]


def _video(video: Video, kind: str, verdict: Verdict):
    usual = None
    if verdict.virt_type in QEMU_TYPES and (kind != "none" or video.vram_kib or video.heads):
        usual = "vga" if verdict.arch in X86 else "virtio"
    model = video.model or usual
    if model is None:
        return None
    return xml.element(
        "video", None, xml.element("model", {"type": model, "vram": video.vram_kib, "heads": video.heads})
    )
