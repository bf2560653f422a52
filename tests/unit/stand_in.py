# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for libvirt over real folders, which remembers what it is told; and the image that its guests have."""

from __future__ import annotations

import os

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._core.steps import (
    CreateVolume,
    DefineDomain,
    DeleteVolume,
    ImportBase,
)
from ansible_collections.virt.image.plugins.module_utils._io import deploy, guest_options, provision
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.lock import Locks
from ansible_collections.virt.image.tests.unit.disks import qcow2
from ansible_collections.virt.image.tests.unit.support import judged, text

MIB = 2**20
IMAGE = """<image><name>web</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest>
<drive disk="root"/><drive disk="data"/><drive disk="tmp"/></boot><devices><memory>131072</memory>{}</devices></domain>
<storage><disk id="root" file="root.raw"/><disk id="data" file="data.raw" use="user" size="1"/>
<disk id="tmp" file="tmp.raw" use="scratch" size="1"/></storage></image>"""


class Libvirt:
    """Stands in for a connection."""

    uri, is_local, is_session = "qemu:///system", True, False

    def __init__(self, folder):
        self.folder, self.image = folder / "pool", folder / "image"
        self.domains, self.nets, self.kind = {}, {"default": True}, "dir"
        self.asked = []
        self.locks = Locks()
        self.jobs = Jobs()
        self.folder.mkdir()
        self.image.mkdir()
        (self.image / "image.xml").write_text(IMAGE.format("<interface/>"))
        (self.image / "root.raw").write_bytes(b"root".ljust(MIB, b"\0"))

    def capabilities(self):
        return text("capabilities/qemu.xml")

    def domain_capabilities(self, *wanted):
        self.asked.append(wanted)
        told = text("capabilities/domain-qemu.xml")
        return told.replace("<domain>qemu<", f"<domain>{wanted[3]}<").replace("pc-i440fx-7.2", wanted[2])

    def hostname(self):
        return "host"

    def networks(self):
        return self.nets

    def pool_tree(self, name):
        if name != "default":
            raise ImageError(f"pool {name} does not exist; this host has default")
        return xml.parse(f"<pool type='{self.kind}'><target><path>{self.folder}</path></target></pool>", "pool")

    def volume_names(self, pool):
        self.pool_tree(pool)
        return set(os.listdir(self.folder))

    def volume_path(self, _pool, name):
        return str(self.folder / name)

    def live(self, name):
        return self.domains.get(name)

    def find_domain(self, _name):
        # Its domains have no more than their XML.
        return None

    def has_snapshots(self, _name):
        return False

    def disks(self):
        found = {}
        for name, domain in self.domains.items():
            for source in xml.parse(domain.xml, name).findall("devices/disk/source[@file]"):
                found[source.get("file")] = (*found.get(source.get("file"), ()), name)
        return found


class Failure(Exception):
    """Stands in for libvirtError."""

    def __init__(self, code, words="no"):
        super().__init__(words)
        self.code = code

    def get_error_code(self):
        return self.code

    def get_error_message(self):
        return str(self)


def failing(*arguments):
    """Return a call that raises."""

    def call(*_arguments):
        raise Failure(*arguments)

    return call


def overlay(step):
    """Return the head of a qcow2 overlay."""
    return qcow2(capacity=step.capacity, backing=step.backing_path.encode())


def perform(plans, libvirt):
    """Do what the steps of plans say, and return them as lines."""
    for step in (step for plan in plans for step in plan.steps):
        if isinstance(step, ImportBase):
            with open(step.source.path, "rb") as source, open(step.path, "wb") as base:
                base.write(source.read())
        elif isinstance(step, CreateVolume):
            with open(step.path, "wb") as volume:
                volume.write(overlay(step) if step.backing_path else b"")
                volume.truncate(step.capacity if step.format == "raw" else 4096)
        elif isinstance(step, DeleteVolume):
            os.unlink(step.path)
        elif isinstance(step, DefineDomain):
            libvirt.domains[step.name] = Live(step.name, judged(step.xml), "shutoff", False)
    return [str(step) for plan in plans for step in plan.steps]


def guests(libvirt, *asked):
    """Return the plans for guests of the image beside the pool."""
    image = str(libvirt.image / "image.xml")
    asked = [{"image": image, "state": "present", **options_} for options_ in asked]
    return deploy.guests({"guests": asked, "fetch": None, "_deliveries": []}, libvirt).plans


def storage(libvirt, **asked):
    """Return the plans of the storage module."""
    image = str(libvirt.image / "image.xml")
    params = {key: option.get("default") for key, option in guest_options.STORAGE.items()}
    return provision.storage({**params, "image": image, **asked}, libvirt).plans
