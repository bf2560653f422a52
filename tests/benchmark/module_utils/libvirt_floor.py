# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same guests with libvirt's bindings alone, in the plainest way: each thing looked up by its name, and compared.

    /usr/bin/python3 libvirt_floor.py '{"uri": ..., "pool": ..., "base": ..., "prefix": ..., "guests": N}'
"""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree

import libvirt

MIB = 2**20
DATA_MIB = 10
MEMORY_KIB = 65536
OVERLAY = """<volume><name>{name}-root.qcow2</name><capacity>{size}</capacity><target><format type='qcow2'/></target>
<backingStore><path>{base}</path><format type='raw'/></backingStore></volume>"""
DATA = """<volume><name>{name}-data.raw</name><capacity>{data}</capacity><allocation>0</allocation>
<target><format type='raw'/></target></volume>"""
DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='KiB'>{memory}</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os><features><acpi/><apic/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{root}'/><target dev='vda'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{user}'/><target dev='vdb'/></disk>
<interface type='network'><source network='default'/><model type='virtio'/></interface>
<console type='pty'/></devices></domain>"""
DISKS = {"root": "vda", "user": "vdb"}


def bring(uri: str, pool: str, base: str, prefix: str, guests: int) -> int:
    """Make the guests that are missing, look each up and compare it; return how many were made."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    link = libvirt.open(uri)
    store = link.storagePoolLookupByName(pool)
    size = store.storageVolLookupByName(base.rpartition("/")[2]).info()[1]
    made = 0
    for number in range(guests):
        told = {"name": f"{prefix}{number}", "base": base, "size": size, "data": DATA_MIB * MIB, "memory": MEMORY_KIB}
        told["root"] = _volume(store, f"{told['name']}-root.qcow2", OVERLAY.format(**told), size, base)
        told["user"] = _volume(store, f"{told['name']}-data.raw", DATA.format(**told), told["data"], None)
        if not _is_defined(link, told):
            link.defineXML(DOMAIN.format(**told))
            made += 1
    link.close()
    return made


def _volume(store, name: str, text: str, size: int, base: str | None) -> str:
    """Return the path of a volume, which is made where it is not there."""
    try:
        volume = store.storageVolLookupByName(name)
    except libvirt.libvirtError:
        return store.createXML(text).path()
    tree = ElementTree.fromstring(volume.XMLDesc())
    if (int(tree.findtext("capacity")), tree.findtext("backingStore/path")) != (size, base):
        raise SystemExit(f"{name} is another volume")
    return tree.findtext("target/path")


def _is_defined(link, told: dict) -> bool:
    """Return whether a domain is there as it is to be."""
    try:
        domain = link.lookupByName(told["name"])
    except libvirt.libvirtError:
        return False
    tree = ElementTree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    disks = {disk.find("target").get("dev"): disk.find("source").get("file") for disk in tree.findall("devices/disk")}
    return int(tree.findtext("memory")) == told["memory"] and disks == {DISKS[key]: told[key] for key in DISKS}


if __name__ == "__main__":
    print(bring(**json.loads(sys.argv[1])))
