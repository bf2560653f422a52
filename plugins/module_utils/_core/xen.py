# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's driver for Xen (libxl) lacks or asks for; without these words a guest would fail at its start.

It takes most definitions, and looks at them when the guest starts; what libxl has against one is in its log alone.
Source: src/libxl/libxl_conf.c of libvirt 9.0.
"""

from __future__ import annotations

from typing import Optional

from . import xml
from .match import Verdict
from .units import KIB, MIB

TYPE = "xen"
# libxlMakeNic.
NETWORKS = ("network", "bridge", "ethernet")
WITH_SCRIPT = ("bridge", "ethernet")
# libxlMakeDisk, with the driver qemu; its vhd is not libvirt's vpc, and none that can be asked for.
FORMATS = ("raw", "qcow", "qcow2", "qed")
# libxlMakeNetworkDiskSrcStr.
PROTOCOLS = ("rbd",)
# libxl knows devices by their names alone: xvd..., hd... and sd...
BUSES = ("xen", "ide", "scsi", "fdc")
# libxlMakeVfb.
SCREENS = ("auto", "none", "vnc", "sdl")


def is_xen(domain_xml: str) -> bool:
    """Return whether a domain is of Xen."""
    return xml.parse(domain_xml, "domain").get("type") == TYPE


def whole_mib(kib: int) -> int:
    """Return a size of memory as Xen gives it, rounded up to whole MiB (libxlMakeDomBuildInfo)."""
    each = MIB // KIB
    return -(-kib // each) * each


def network_mistake(type: str, script: Optional[str], model: Optional[str], verdict: Verdict) -> Optional[str]:
    """Return why a guest of Xen cannot have such an interface, or None."""
    if type not in NETWORKS:
        return f"type {type} is not for guests of type xen; they can have {', '.join(NETWORKS)}"
    if script and type not in WITH_SCRIPT:
        return f"a script is for types {' and '.join(WITH_SCRIPT)} under xen, and this is {type}"
    if model and model != "netfront" and verdict.type == "xen":
        return f"model {model} is for guests with emulated devices; a paravirtualised one has netfront"
    return None


def format_mistake(format: Optional[str], system: bool) -> Optional[str]:
    """Return why a guest of Xen cannot have a disk of that format, or None."""
    if format in (None, *FORMATS):
        return None
    way = "; clone: linked gives it an overlay of format qcow2" if system else ""
    return f"is of format {format}, which guests of type xen cannot have; they can have {', '.join(FORMATS)}{way}"


def source_mistake(type: str, protocol: Optional[str]) -> Optional[str]:
    """Return why a guest of Xen cannot have a disk from such a source, or None."""
    if type == "volume":
        return "type volume is not for guests of type xen, whose driver does not look volumes up; say its path, type: file or block"
    if type == "network" and protocol not in PROTOCOLS:
        return f"protocol {protocol} is not for guests of type xen; they can have {', '.join(PROTOCOLS)}"
    return None


def screen_mistake(type: str, verdict: Verdict) -> Optional[str]:
    """Return why a paravirtualised guest cannot have such a screen, or None."""
    if verdict.type != "xen" or type in SCREENS:
        return None
    return f"graphics: {type} is not for paravirtualised guests; they can have vnc and sdl"
