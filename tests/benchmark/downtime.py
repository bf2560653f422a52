# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a real guest is down when it gets another version of its image, beside libvirt's own start of a domain."""

from __future__ import annotations

import re
import statistics
import time

import libvirt

from measure import table
from place import ROOT, URI, Place, make_place

VERSIONS = [str(ROOT / f".build/guest/{version}/image.xml") for version in ("v1", "v2")]
GUEST = "vibench-bare"
DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='KiB'>131072</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os><features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda'/></disk>
<console type='pty'/></devices></domain>"""


def switch(folder: str | None, rounds: int) -> str:
    """Return the table of the seconds that a guest is down."""
    forward, back, bare = [], [], []
    with make_place(folder) as place:
        for _round in range(rounds):
            told = place.play("activation", 0, {"versions": VERSIONS})
            seconds = re.search(r"downtime ([0-9.]+) ([0-9.]+) end", told)
            forward.append(float(seconds[1]))
            back.append(float(seconds[2]))
            bare.append(_start(place))
    rows = {"virDomainCreate alone": bare, "generation: active": forward, "generation: rolled_back": back}
    return table(["downtime", "median s", "least s"], [[row, statistics.median(one), min(one)] for row, one in rows.items()])


def _start(place: Place) -> float:
    """Return the seconds that libvirt takes to start a domain that was just powered off."""
    link = libvirt.open(URI)
    disk = place.folder / "bare.qcow2"
    place.run("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M")
    disk.chmod(0o666)
    domain = link.defineXML(DOMAIN.format(name=GUEST, disk=disk))
    domain.create()
    domain.destroy()
    start = time.perf_counter()
    domain.create()
    taken = time.perf_counter() - start
    domain.destroy()
    domain.undefine()
    link.close()
    return taken
