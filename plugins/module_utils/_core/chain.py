# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backing chains: a disk as a stack of layers, the top one written to."""

from __future__ import annotations

from dataclasses import dataclass

from . import xml


@dataclass(frozen=True)
class Layer:
    """One file of a chain and its format (libvirt's: raw, qcow2)."""

    path: str
    format: str


def render_backing(layers: tuple[Layer, ...]):
    """Return <backingStore> for the layers below the top; the empty one at the end says that the chain is whole.

    Source: https://libvirt.org/formatdomain.html (backingStore). QEMU then probes no format.
    """
    if not layers:
        return xml.element("backingStore")
    return xml.element(
        "backingStore",
        {"type": "file"},
        xml.element("format", {"type": layers[0].format}),
        xml.element("source", {"file": layers[0].path}),
        render_backing(layers[1:]),
    )
