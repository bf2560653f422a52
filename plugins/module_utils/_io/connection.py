# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to libvirt: absence is a value, other errors say what we were doing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import cached_property
from typing import Optional
from urllib.parse import urlsplit

from .._core import xml
from .._core.claims import chain_paths, volumes_named
from .._core.errors import ImageError
from .._core.header import Header
from .._core.host import parse_capabilities
from .._core.lifecycle import RUNNING
from .._core.plan import Live
from .._core.xen import TYPE
from .dom0 import connect_hint, refuse_dom0, state_when_off
from .jobs import Jobs
from .lock import Locks
from .requirements import libvirt
from .uri import driver_of, is_local
from .watch import Watch

STATES = {
    "VIR_DOMAIN_RUNNING": "running",
    "VIR_DOMAIN_BLOCKED": "blocked",
    "VIR_DOMAIN_PAUSED": "paused",
    "VIR_DOMAIN_SHUTDOWN": "shutdown",
    "VIR_DOMAIN_SHUTOFF": "shutoff",
    "VIR_DOMAIN_CRASHED": "crashed",
    "VIR_DOMAIN_PMSUSPENDED": "pmsuspended",
}
# A pool that another job works in refuses to be refreshed; the job ends by itself.
BUSY_POOL = "asynchronous jobs running"
BUSY_SECONDS = 60
# What a driver says that does not know a call, and one that knows it without that flag.
UNKNOWN_CALLS = ("VIR_ERR_NO_SUPPORT", "VIR_ERR_OPERATION_UNSUPPORTED")
UNKNOWN_FLAGS = (*UNKNOWN_CALLS, "VIR_ERR_INVALID_ARG")


@contextmanager
def doing(what: str):
    """Turn libvirt's errors into one line that says what we were doing."""
    try:
        yield
    except libvirt.libvirtError as error:
        # QEMU's own words come with line breaks.
        said = " ".join((error.get_error_message() or str(error)).split())
        raise ImageError(f"cannot {what}: {said}") from None


class Connection:
    """One connection for all that a module does; one that is `readonly` needs no right to change guests."""

    def __init__(self, uri: str, readonly: bool = False) -> None:
        # libvirt prints each error to stderr besides raising it.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        self.uri = uri
        self.locks = Locks()
        self.jobs = Jobs()
        self.watch = Watch(uri)
        self.started: dict = {}  # name -> life.Started, of the guests that were started through it
        # What was there of the domains that were made through it before they were (lifecycle.Belongings), and what those
        # that were redefined are defined as, by name.
        self.older: dict = {}
        self.defined: dict = {}
        self._capabilities: Optional[str] = None
        self._pools: dict = {}
        try:
            self.link = libvirt.openReadOnly(uri) if readonly else libvirt.open(uri)
        except libvirt.libvirtError as error:
            hint = connect_hint(uri)
            raise ImageError(f"cannot connect to {uri}: {error.get_error_message()}{hint}") from None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_exception) -> None:
        self.locks.close()
        self.watch.close()
        self.link.close()

    @property
    def is_local(self) -> bool:
        """Return whether the pools' paths are this machine's."""
        return is_local(self.uri)

    @cached_property
    def is_xen(self) -> bool:
        """Return whether libxl's driver answers, which lacks much of what QEMU's has."""
        return driver_of(self.real_uri) == TYPE

    @cached_property
    def real_uri(self) -> str:
        """Return the connection's URI as libvirt tells it: an empty one that was asked for means the user's default."""
        with doing("read the connection's URI"):
            return self.link.getURI()

    @cached_property
    def is_session(self) -> bool:
        """Return whether the daemon is a user's own, without rights to the host's network.

        For root, qemu:///session is the system's daemon, which says nowhere that it is; but only a daemon with
        rights has the security model dac, which gives files to QEMU's user.
        """
        if urlsplit(self.real_uri).path != "/session":
            return False
        models = parse_capabilities(self.capabilities()).security_models
        return "dac" not in [model.model for model in models]

    def hostname(self) -> str:
        with doing("read the host's name"):
            return self.link.getHostname()

    def capabilities(self) -> str:
        # Where QEMU's user may not open /dev/kvm, each question takes seconds.
        if self._capabilities is None:
            with doing("read the host's capabilities"):
                self._capabilities = self.link.getCapabilities()
        return self._capabilities

    def domain_capabilities(self, emulator, arch, machine, virt_type) -> Optional[str]:
        """Return what an emulator offers as XML, or None where the driver cannot tell."""
        try:
            return self.link.getDomainCapabilities(emulator, arch, machine, virt_type)
        except libvirt.libvirtError as error:
            if has_code(error, UNKNOWN_FLAGS):
                return None
            raise ImageError(f"cannot read domain capabilities: {error.get_error_message()}") from None

    def networks(self) -> dict[str, bool]:
        """Return each virtual network's name, and whether it is active."""
        try:
            return {network.name(): bool(network.isActive()) for network in self.link.listAllNetworks()}
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                return {}
            raise ImageError(f"cannot list the networks: {error.get_error_message()}") from None

    def pool(self, name: str):
        """Return the active pool of that name; raise ImageError for a missing or inactive one.

        It is looked at once: what becomes of it later, what is done with it tells in libvirt's words.
        """
        if name not in self._pools:
            self._pools[name] = self._find_pool(name)
        return self._pools[name]

    def _find_pool(self, name: str):
        try:
            pool = self.link.storagePoolLookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise ImageError(f"cannot look up pool {name}: {error.get_error_message()}") from None
            with doing("list the pools"):
                known = ", ".join(sorted(pool.name() for pool in self.link.listAllStoragePools())) or "none"
            raise ImageError(
                f"pool {name} does not exist; this host has {known}. The role virt.image.hypervisor makes one"
            ) from None
        with doing(f"look at pool {name}"):
            if not pool.isActive():
                raise ImageError(f"pool {name} is not active; start it with virsh pool-start {name}")
        return pool

    def pool_tree(self, name: str):
        """Return the tree of a pool's XML."""
        pool = self.pool(name)
        with doing(f"read pool {name}"):
            return xml.parse(pool.XMLDesc(), f"pool {name}")

    def volume(self, pool_name: str, name: str):
        """Return a volume by its name, which must exist."""
        pool = self.pool(pool_name)
        with doing(f"look up volume {name} of pool {pool_name}"):
            return pool.storageVolLookupByName(name)

    def volume_path(self, pool_name: str, name: str) -> Optional[str]:
        """Return the path of a volume, None where there is no such pool or volume now."""
        try:
            return self.link.storagePoolLookupByName(pool_name).storageVolLookupByName(name).path()
        except libvirt.libvirtError as error:
            # The last is what an inactive pool says.
            if not has_code(error, ("VIR_ERR_NO_STORAGE_VOL", "VIR_ERR_NO_STORAGE_POOL", "VIR_ERR_OPERATION_INVALID")):
                raise ImageError(f"cannot look up volume {name} of pool {pool_name}: {error.get_error_message()}") from None
            return None

    def volume_header(self, pool_name: str, name: str, format: str) -> Header:
        """Return what libvirt tells of a volume's content, which has that format; raise ImageError.

        libvirt looks for a header in every volume. In a raw one it is its guest's, who can write any there: then its
        size is that of the file.
        """
        volume = self.volume(pool_name, name)
        with doing(f"read volume {name} of pool {pool_name}"):
            tree = xml.parse(volume.XMLDesc(), f"volume {name}")
            told = tree.find("target/format")
            kind = "raw" if told is None else told.get("type", "raw")
            if format != "qcow2":
                physical = volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2]
                return Header(format, int(tree.findtext("capacity") or 0) if kind in ("raw", "iso") else physical)
        if kind != format:
            raise ImageError(f"volume {name} of pool {pool_name} is {kind} to libvirt, and {format} was expected")
        return Header(kind, int(tree.findtext("capacity") or 0), tree.findtext("backingStore/path") or None)

    def volume_names(self, pool_name: str) -> set:
        """Return the names of the volumes that libvirt lists in a pool."""
        with doing(f"list the volumes of pool {pool_name}"):
            return {volume.name() for volume in self.pool(pool_name).listAllVolumes()}

    def refresh_pool(self, name: str) -> None:
        """Let libvirt look at a pool's files again."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.pool(name).refresh()
                return
            except libvirt.libvirtError as error:
                if BUSY_POOL not in str(error) or time.monotonic() > deadline:
                    raise ImageError(f"cannot refresh pool {name}: {error.get_error_message()}") from None
                time.sleep(0.1)

    def create_volume(
        self,
        pool_name: str,
        name: str,
        format: str,
        capacity: int,
        backing: Optional[tuple[str, str]] = None,
        sparse: bool = True,
    ) -> None:
        """Create a volume; capacity in bytes, `backing` the path and format of what it builds on."""
        volume = xml.element(
            "volume",
            None,
            xml.leaf("name", name),
            xml.element("capacity", {"unit": "bytes"}, capacity),
            # A raw file is allocated whole where nothing is said.
            xml.element("allocation", {"unit": "bytes"}, 0) if format == "raw" and sparse else None,
            xml.element("target", None, xml.element("format", {"type": format})),
            backing
            and xml.element("backingStore", None, xml.leaf("path", backing[0]), xml.element("format", {"type": backing[1]})),
        )
        pool = self.pool(pool_name)
        with doing(f"create volume {name} in pool {pool_name}"):
            pool.createXML(xml.to_text(volume))

    def resize_volume(self, pool_name: str, name: str, capacity: int, format: str) -> None:
        """Make a volume larger; raise ImageError where libvirt would do it in another format than the volume has."""
        volume = self.volume(pool_name, name)
        with doing(f"grow volume {name} of pool {pool_name}"):
            told = xml.parse(volume.XMLDesc(), f"volume {name}").find("target/format")
            kind = format if told is None else told.get("type", format)
            if kind != format:
                raise ImageError(
                    f"volume {name} of pool {pool_name} is {format}, and its guest has written what looks like {kind} into "
                    "it; grow it on its own machine"
                )
            volume.resize(capacity)

    def delete_volume(self, pool_name: str, name: str) -> bool:
        """Delete a volume; return whether libvirt knew it."""
        try:
            self.link.storagePoolLookupByName(pool_name).storageVolLookupByName(name).delete()
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL):
                return False
            raise ImageError(f"cannot delete volume {name}: {error.get_error_message()}") from None
        return True

    def find_domain(self, name: str):
        """Return the domain of that name, or None."""
        try:
            return self.link.lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise ImageError(f"cannot look up domain {name}: {error.get_error_message()}") from None

    def domain(self, name: str):
        """Return the domain of that name, which must exist."""
        domain = self.find_domain(name)
        if domain is None:
            raise ImageError(f"domain {name} is gone; another tool removed it meanwhile")
        return domain

    def configuration(self, name: str) -> Optional[str]:
        """Return the XML that a domain is defined as, or None where it does not exist."""
        domain = self.find_domain(name)
        if domain is None:
            return None
        with doing(f"read domain {name}"):
            return _definition(domain)

    def live(self, name: str) -> Optional[Live]:
        """Return a domain as libvirt holds it, or None."""
        domain = self.find_domain(name)
        if domain is None:
            return None
        with doing(f"read domain {name}"):
            refuse_dom0(domain, name)
            state = state_of(domain)
            if state == "shutoff" and self.is_xen:
                state = state_when_off(domain)
            return Live(
                name=name,
                xml=_definition(domain),
                state=state,
                autostart=bool(domain.autostart()),
                persistent=bool(domain.isPersistent()),
                active=domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE) if state in RUNNING else None,
                saved=state == "shutoff" and self._is_saved(domain),
            )

    def _is_saved(self, domain) -> bool:
        try:
            return bool(domain.hasManagedSaveImage())
        except libvirt.libvirtError:
            # Drivers that cannot save do not know the question.
            return False

    def has_snapshots(self, name: str) -> bool:
        """Return whether a domain has snapshots or checkpoints; one that is not there has none."""
        domain = self.find_domain(name)
        for call in ("snapshotNum", "listAllCheckpoints"):
            try:
                if domain is not None and getattr(domain, call)():
                    return True
            except libvirt.libvirtError as error:
                if not has_code(error):
                    raise ImageError(f"cannot list the snapshots of domain {name}: {error.get_error_message()}") from None
        return False

    def disks(self) -> dict[str, tuple[str, ...]]:
        """Return the files and devices that are in the chains of domains' disks, each with the names of those domains."""
        found: dict[str, tuple[str, ...]] = {}
        with doing("list the domains"):
            for domain in self.link.listAllDomains():
                try:
                    texts = [domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)]
                    texts += [domain.XMLDesc()] if domain.isActive() else []
                    paths = set().union(*map(chain_paths, texts))
                    paths |= {self.volume_path(*one) for text in texts for one in volumes_named(text)} - {None}
                except libvirt.libvirtError as error:
                    # It went while we listed.
                    if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                        continue
                    raise
                for path in sorted(paths):
                    found[path] = (*found.get(path, ()), domain.name())
        return found

    def define(self, name: str, domain_xml: str, judge: bool = False) -> str:
        """Define a domain; return the XML that it is defined as then.

        `judge`: libvirt's schema is to judge it. libvirt reads that anew each time, which takes five times as long as all
        else; what we rendered is held against it by the tests.
        """
        with doing(f"define domain {name}"):
            flags = libvirt.VIR_DOMAIN_DEFINE_VALIDATE if judge else 0
            domain = self.link.defineXMLFlags(domain_xml, flags)
        with doing(f"read domain {name}, which is defined"):
            return _definition(domain)


def _definition(domain) -> str:
    return domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE)


def has_code(error, names=UNKNOWN_CALLS) -> bool:
    """Return whether an error of libvirt has the code of one of these names."""
    return error.get_error_code() in [getattr(libvirt, name) for name in names]


def state_of(domain) -> str:
    """Return libvirt's name of a domain's state."""
    number = domain.state()[0]
    return next((name for constant, name in STATES.items() if getattr(libvirt, constant) == number), "nostate")


def now_state(domain) -> str:
    """Return a domain's state; one that was not persistent is gone when it stops."""
    try:
        return state_of(domain)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return "gone"
        raise
