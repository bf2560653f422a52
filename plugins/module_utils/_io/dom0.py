# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts of Xen (dom0) have of their own: the host among the guests, guests that are going, addresses of neighbours."""

from __future__ import annotations

from typing import Optional

from .._core import xml
from .._core.errors import ImageError
from .._core.xen import TYPE
from .requirements import libvirt
from .uri import driver_of, is_local

# Xen's file system tells what this domain may; control_d is dom0's (xen/include/public/features.h, drivers/xen/xenfs).
CAPABILITIES = "/proc/xen/capabilities"
# Address, hardware type, flags, hardware address, mask, device; flag 2 says that the address is known (proc(5)).
NEIGHBOURS = "/proc/net/arp"
COMPLETE = 2
DOM0 = "Domain-0"


def is_dom0() -> bool:
    """Return whether this machine is a host of Xen, as far as it can be seen."""
    return "control_d" in _text(CAPABILITIES)


def neighbours(domain) -> Optional[list[tuple[str, Optional[str], str]]]:
    """Return interface, MAC and address of a guest whose address this host knows; None where libxl does not run it here.

    libxl tells the leases of libvirt's own networks alone (libxlDomainInterfaceAddresses), and guests are on bridges mostly.
    What QEMU's driver looks for in the host's ARP table is looked for here in the same.
    """
    uri = domain.connect().getURI()
    if driver_of(uri) != TYPE or not is_local(uri):
        return None
    known: dict = {}
    for line in _text(NEIGHBOURS).splitlines()[1:]:
        words = line.split()
        if len(words) >= 4 and _number(words[2]) & COMPLETE:
            known.setdefault(words[3].lower(), []).append(words[0])
    found = []
    for interface in xml.parse(domain.XMLDesc(), "domain").findall("devices/interface"):
        mac, target = interface.find("mac"), interface.find("target")
        address = "" if mac is None else mac.get("address", "").lower()
        name = "" if target is None else target.get("dev", "")
        found += [(name, address, one) for one in known.get(address, ())]
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def connect_hint(uri: str) -> str:
    """Return what may help who cannot connect."""
    if not is_local(uri):
        return "; is the host there, with libvirt's daemon running, and may this user connect?"
    if driver_of(uri) == "qemu" and is_dom0():
        return "; this is a host of Xen: its guests are at uri: xen:///system"
    return (
        "; is libvirt's daemon running, and may this user connect? Try: systemctl start libvirtd (where no init "
        "system runs: libvirtd -d), or the role virt.image.hypervisor"
    )


def is_host(domain) -> bool:
    """Return whether a domain is the host itself, which libxl's driver lists among its guests as number 0."""
    return domain.ID() == 0 and driver_of(domain.connect().getURI()) == TYPE


def refuse_dom0(domain, name: str) -> None:
    """Raise ImageError for the host itself."""
    # libxlAddDom0 calls it so; all others need not be asked for their number.
    if name == DOM0 and is_host(domain):
        raise ImageError(f"domain {name} is the host itself (Xen's dom0), and no guest")


def is_there(domain) -> bool:
    """Return whether a domain that is said to be off is still there: libxl says so before it takes it down.

    libxlDomainShutdownThread sets the state first; one that crashed with on_crash: preserve stays.
    """
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise


def state_when_off(domain) -> str:
    """Return the state of a domain that libxl says is off, as QEMU's driver would call it."""
    if not is_there(domain):
        return "shutoff"
    return "crashed" if domain.state()[1] == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED else "shutdown"
