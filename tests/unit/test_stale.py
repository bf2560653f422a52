# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a running domain needs a restart: what a start fills in is no difference, what was taken away is one."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import running, xml

NIC = "<interface type='{type}'><mac address='52:54:00:00:00:0{n}'/><source network='n'{more}/></interface>"
ONE, TWO = (NIC.format(type="network", n=n, more="") for n in (1, 2))
BRIDGED = NIC.format(type="bridge", n=1, more=" bridge='br0'")
UEFI = "<loader type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>"


def domain(devices="", memory="65536", rest="", firmware="", loader=""):
    """Return a domain's XML with these parts."""
    return (
        f"<domain type='qemu'><name>a</name><memory unit='KiB'>{memory}</memory>{rest}"
        f"<os {firmware}><type arch='x86_64'>hvm</type>{loader}</os><devices>{devices}</devices></domain>"
    )


def pending(wanted, active, absent=()):
    """Return where what runs is other than what is wanted and defined."""
    return running.compare_running("a", xml.parse(wanted, "wanted"), wanted, active, absent).differences


# What is wanted (and defined), what runs, and whether they differ.
@pytest.mark.parametrize(
    "wanted, active, stale",
    [
        (domain(), domain(), False),
        (domain(ONE), domain(ONE + "<controller type='usb' index='0'/>"), False),
        (domain(ONE), domain(ONE + TWO), True),
        (domain(ONE + TWO), domain(ONE), True),
        (domain(ONE), domain(BRIDGED), False),
        (domain(), domain("<graphics type='vnc' port='5900'/>"), True),
        (domain("<graphics type='vnc' port='-1'/>"), domain("<graphics type='vnc' port='5900'/>"), False),
        (domain("<graphics type='vnc' port='5901'/>"), domain("<graphics type='vnc' port='5900'/>"), True),
        (domain(memory="100000"), domain(memory="100352"), False),
        (domain(memory="102400"), domain(memory="100352"), True),
        (domain(rest="<cpu mode='host-model'/>"), domain(rest="<cpu mode='custom' match='exact'><model>EPYC</model></cpu>"), False),
        (domain(rest="<cpu mode='custom' check='none'/>"), domain(rest="<cpu mode='custom' check='full'/>"), False),
        (domain(rest="<cpu match='minimum'><model>qemu64</model></cpu>"), domain(rest="<cpu match='exact'><model>EPYC</model></cpu>"), False),
        (
            domain(rest="<cpu><model fallback='allow'>qemu64</model></cpu>"),
            domain(rest="<cpu><model fallback='forbid'>qemu64</model></cpu>"),
            False,
        ),
        (domain(rest="<cpu><model>qemu64</model></cpu>"), domain(rest="<cpu><model>EPYC</model></cpu>"), True),
        (domain(rest="<cpu mode='custom'/>"), domain(rest="<cpu mode='maximum'/>"), True),
        (domain(firmware="firmware='efi'"), domain(loader=UEFI), False),
        (domain(firmware="firmware='efi'"), domain(), True),
        (domain(), domain(loader=UEFI), True),
    ],
)
def test_stale(wanted, active, stale):
    assert bool(pending(wanted, active)) is stale


def test_a_place_that_must_be_empty():
    wanted, active = domain(), domain(rest="<features><acpi/></features>")
    assert pending(wanted, active, ("features/acpi",))
