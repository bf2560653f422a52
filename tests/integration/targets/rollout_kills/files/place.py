# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest with a pool of its own: what it began with is brought back, and what is there is looked at."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from typing import Optional

import libvirt
from lxml import etree
from phases import VERSIONS
from sector import DIGITS, SECTOR, boot_sector, line_place

HERE = "qemu:///system"
MIB = 1024 * 1024
BOOT_SECONDS = 20
LINE = re.compile(r"guest version (\d) system (\d{4}) counter (\d{4}) ")
# What the user's disk has where no boot is noted.
PATTERN = hashlib.sha256(b"what a user stored").digest() * (SECTOR // 32)
DESCRIPTOR = """<image><name version="{version}">rollout-kill</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest>
<os><loader dev="hd"/></os><drive disk="root" target="hda"/><drive disk="data" target="hdb"/>
<drive disk="scratch" target="hdc"/></boot><devices><memory>65536</memory></devices></domain><storage>
<disk id="root" file="root.raw" use="system" format="raw"/><disk id="data" file="data.raw" use="user" format="raw"/>
<disk id="scratch" file="scratch.raw" use="scratch" size="1" format="raw"/></storage></image>
"""
# Not virtio: SeaBIOS does not bring up the virtio disks that it is not to boot from (is_bootprio_strict, virtio-blk.c).
SYSTEM, USER = 0, 1
# libvirt's own, and what differs from run to run.
EMPTY = re.compile(r"\n *<backingStore/>")
TIMES = re.compile(' (since|until|stamp|owner|was)="[^"]*"')


class Failed(Exception):
    """What is not as it must be."""


def make_images(folder: str) -> None:
    """Make the versions of the image."""
    zeros = b"0" * DIGITS
    for version in VERSIONS:
        own = os.path.join(folder, str(version))
        os.mkdir(own)
        told = {
            "root.raw": (boot_sector(version) + zeros).ljust(MIB, b"\0"),
            "data.raw": (zeros + b"-").ljust(SECTOR, b"\0") + PATTERN * (MIB // SECTOR - 1),
            "image.xml": DESCRIPTOR.format(version=version).encode(),
        }
        for name, content in told.items():
            with open(os.path.join(own, name), "wb") as file:
                file.write(content)


def history_of(disk: bytes) -> str:
    """Return the versions that have booted on a user disk, in order; raise Failed where another byte is not the user's.

    A boot that the power took in the middle may have changed the counter and not the sector of its own: then it is a `?`.
    """
    digits, last = disk[:DIGITS], disk[DIGITS : DIGITS + 1].decode("latin-1")
    if not digits.isdigit():
        raise Failed(f"the user disk begins with {disk[:8]!r}")
    history = "".join(_noted(disk, number) for number in range(1, int(digits) + 1))
    wanted = bytearray((digits + last.encode("latin-1")).ljust(SECTOR, b"\0") + PATTERN * (len(disk) // SECTOR - 1))
    for number, version in enumerate(history, 1):
        if version != "?":
            wanted[number * SECTOR : (number + 1) * SECTOR] = f"{number:04}{version}".encode().ljust(SECTOR, b"\0")
    if bytes(wanted) != disk or (history or "-")[-1] not in (last, "?"):
        place = next((index for index, (one, two) in enumerate(zip(wanted, disk)) if one != two), len(disk))
        raise Failed(f"the user disk is not what its guest left, from byte {place} of {len(disk)} on: history {history}")
    return history


def _noted(disk: bytes, number: int) -> str:
    sector = disk[number * SECTOR : number * SECTOR + DIGITS + 1]
    return chr(sector[DIGITS]) if sector[:DIGITS] == f"{number:04}".encode() else "?"


@dataclass(frozen=True)
class Said:
    """What a guest that runs has in its memory: its version, how often that system disk and the user disk saw a boot."""

    version: int
    system: int
    counter: int


@dataclass(frozen=True)
class Kept:
    """What a phase begins with, and where it is kept; `below`: the boots on the user's volume, where an overlay is over it.

    One place has made it. In others it is the same under their names, which are as long, and their domain's UUID.
    """

    name: str
    uuid: str
    folder: str

    xml: str
    active: bool
    history: str
    sources: tuple
    below: Optional[str]


@dataclass(frozen=True)
class Life:
    """A life of the guest: libvirt's number of it, and what its user disk tells of, if it is known."""

    id: int
    history: str


class Place:
    """The surroundings of one worker's guest."""

    def __init__(self, name: str, work: str) -> None:
        """Make the folders and the pool; the name ends with a digit, its own."""
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        self.name, self.images = name, os.path.join(work, "images")
        self.own = os.path.join(work, name)
        self.folder = os.path.join(self.own, "pool")
        self.home, self.temp = (os.path.join(self.own, one) for one in ("home", "temp"))
        self.kept = f"{work}/kept-{name}"
        for path in (self.folder, self.kept, self.temp, os.path.join(self.home, ".cache/virt.image")):
            os.makedirs(path)
        os.chmod(self.own, 0o711)
        os.chmod(self.folder, 0o711)
        self.life: Optional[Life] = None
        self.link = libvirt.open(HERE)
        told = f"<pool type='dir'><name>{name}</name><target><path>{self.folder}</path></target></pool>"
        self.pool = self.link.storagePoolCreateXML(told)

    def fill_in(self, value):
        """Return options with what stands for the place filled in."""
        if isinstance(value, dict):
            return {key: self.fill_in(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.fill_in(one) for one in value]
        if isinstance(value, str) and value.startswith("@"):
            return value.replace("@images", self.images).replace("@name", self.name)
        return value

    # What is there

    @property
    def domain(self) -> Optional[libvirt.virDomain]:
        """Return the guest's domain, if there is one."""
        try:
            return self.link.lookupByName(self.name)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            return None

    def must(self) -> libvirt.virDomain:
        """Return the guest's domain, which is there at each moment."""
        domain = self.domain
        if domain is None or not domain.isPersistent():
            raise Failed("the domain is gone")
        return domain

    def state(self) -> str:
        """Return the guest's state in one word."""
        names = {libvirt.VIR_DOMAIN_RUNNING: "running", libvirt.VIR_DOMAIN_PAUSED: "paused", libvirt.VIR_DOMAIN_SHUTOFF: "off"}
        number = self.must().state()[0]
        return names.get(number, f"state {number}")

    def xml(self) -> str:
        return self.must().XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)

    def definition(self) -> str:
        """Return the guest's definition without what tells the time, or who it was, and without words that say nothing."""
        return without_times(self.xml())

    def has_overlay(self) -> bool:
        """Return whether the user's volume has an overlay; without one it is raw."""
        return self.sources()[USER][2] == "qcow2"

    def sources(self) -> tuple:
        """Return target, path and format of the disks that the guest is defined with."""
        return sources_of(self.xml())

    def files(self) -> list:
        return sorted(os.listdir(self.folder))

    def listed(self) -> list:
        return sorted(one.name() for one in self.pool.listAllVolumes())

    def record(self) -> dict:
        """Return the attributes of the record in the definition."""
        found = etree.fromstring(self.xml()).find("metadata/{urn:virt-image:record:1}record")
        return dict(found.attrib) if found is not None else {}

    # What its disks hold

    def disk(self, number: int) -> bytes:
        """Return a disk of the guest, which is off, as the guest sees it."""
        _target, path, format = self.sources()[number]
        return self.content(path, format)

    def content(self, path: str, format: str) -> bytes:
        if format == "raw":
            with open(path, "rb") as file:
                return file.read()
        out = os.path.join(self.temp, "content")
        _tool("convert", "-f", format, "-O", "raw", path, out)
        with open(out, "rb") as file:
            return file.read()

    def history(self) -> str:
        return history_of(self.disk(USER))

    def system(self) -> Said:
        """Return what the system disk of the guest, which is off, tells."""
        return said_of(self.disk(SYSTEM))

    def check_volumes(self) -> None:
        """Check that each qcow2 volume in the pool that no guest has open is sound, and the chains of the guest's disks."""
        domain = self.must()
        used = [path for _target, path, _format in sources_of(domain.XMLDesc())] if domain.isActive() else []
        for name in self.files():
            path = os.path.join(self.folder, name)
            if name.endswith(".qcow2") and path not in used:
                _tool("check", "-q", "-f", "qcow2", path)
        for _target, path, format in self.sources():
            _tool("info", "-U", "-f", format, "--backing-chain", path)

    # Its life

    def ready(self) -> Said:
        """Return what the guest, which runs, has said when it has written all; raise Failed where it never does."""
        start, length = line_place()
        deadline, text = time.monotonic() + BOOT_SECONDS, b""
        while time.monotonic() < deadline:
            try:
                text = self.must().memoryPeek(start, length, libvirt.VIR_MEMORY_PHYSICAL)
            except libvirt.libvirtError as error:
                raise Failed(f"the guest does not stay: {error}") from None
            found = LINE.search(text.decode("latin-1"))
            if found and text.endswith(b"Y"):
                return Said(*map(int, found.groups()))
            time.sleep(0.02)
        raise Failed(f"the guest has not booted after {BOOT_SECONDS} s; its memory has {text!r}")

    def start(self) -> Said:
        """Start the guest, and remember that life of it."""
        self.must().create()
        said = self.ready()
        self.life = Life(self.must().ID(), "")
        return said

    def stop(self, flags: int = libvirt.VIR_DOMAIN_DESTROY_GRACEFUL) -> None:
        """Take the guest's power, if it runs; what is known of its disks must be true."""
        domain, life = self.domain, self.life
        if domain is None or not domain.isActive():
            return
        ended = life and life.id == domain.ID() and life.history
        domain.destroyFlags(flags)
        self.life = None
        if ended and self.history() != ended:
            raise Failed(f"the guest that ran on from point to point had {ended}, and its user disk has {self.history()}")

    def is_same_life(self, history: str) -> bool:
        """Return whether the guest still lives the life that `start` began; then note what its user disk has."""
        if not self.life or self.life.id != self.must().ID():
            return False
        self.life = Life(self.life.id, history)
        return True

    def keep(self, active: bool) -> Kept:
        """Keep all that is there for `restore`; the guest is off."""
        folder = os.path.join(self.kept, str(len(os.listdir(self.kept))))
        subprocess.run(["cp", "-a", "--sparse=always", self.folder, folder], check=True)
        _target, path, format = self.sources()[USER]
        below = None
        if format == "qcow2":
            told = json.loads(_tool("info", "--output=json", "-f", format, path))
            below = history_of(self.content(told["full-backing-filename"], told["backing-filename-format"]))
        return Kept(self.name, self.must().UUIDString(), folder, self.xml(), active, self.history(), self.sources(), below)

    def named(self, text: str, kept: Kept) -> str:
        """Return a text of the place that made what is kept, as it is here; each place has its own last digit of the UUID."""
        stem = kept.uuid[:-1]
        for digit in (kept.uuid[-1], kept.name[-1]):
            text = text.replace(stem + digit, stem + self.name[-1])
        return text.replace(kept.name, self.name)

    def sources_of(self, kept: Kept, sources: tuple) -> tuple:
        return tuple((target, self.named(path, kept), format) for target, path, format in sources)

    def restore(self, kept: Kept) -> str:
        """Bring back what was kept, and let the guest run; return the history of its user disk then.

        A guest that still runs on these disks runs on: it has noticed nothing of what was done beside it.
        """
        runs_on = kept.active and self._lives_on(kept)
        if not runs_on:
            self.stop()
        used = [os.path.basename(path) for _target, path, _format in self.sources_of(kept, kept.sources)] if runs_on else []
        for name in set(self.files()) - set(used):
            os.unlink(os.path.join(self.folder, name))
        for name in os.listdir(kept.folder):
            if self.named(name, kept) not in used:
                self._bring(name, kept)
        self.pool.refresh()
        self._define(self.named(kept.xml, kept))
        if runs_on:
            return self.life.history
        if not kept.active:
            return kept.history
        said = self.start()
        if said.counter != len(kept.history) + 1:
            raise Failed(f"begins with counter {said.counter} after history {kept.history}")
        self.life = Life(self.life.id, f"{kept.history}{said.version}")
        return self.life.history

    def _bring(self, name: str, kept: Kept) -> None:
        target = os.path.join(self.folder, self.named(name, kept))
        subprocess.run(["cp", "-a", "--sparse=always", os.path.join(kept.folder, name), target], check=True)
        if kept.name != self.name and name.endswith(".qcow2"):
            # Its header names the file below it.
            with open(target, "r+b") as file:
                header = file.read(SECTOR * 128)
                file.seek(0)
                file.write(header.replace(kept.name.encode(), self.name.encode()))

    def _define(self, xml: str) -> None:
        domain = self.domain
        if domain is not None and domain.UUIDString() not in xml:
            domain.undefine()
        self.link.defineXML(xml)

    def _lives_on(self, kept: Kept) -> bool:
        domain = self.domain
        if domain is None or not self.life or domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
            return False
        same = domain.UUIDString() == self.named(kept.uuid, kept)
        same = same and self.life.id == domain.ID() and self.life.history
        return same and sources_of(domain.XMLDesc()) == self.sources_of(kept, kept.sources)

    def empty(self) -> None:
        """Remove by force all that is there."""
        self.life = None
        self.stop(0)
        domain = self.domain
        if domain is not None:
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        for name in self.files():
            os.unlink(os.path.join(self.folder, name))
        self.pool.refresh()


def without_times(xml: str) -> str:
    return EMPTY.sub("", TIMES.sub("", xml))


def sources_of(xml: str) -> tuple:
    disks = etree.fromstring(xml).findall("devices/disk")
    told = [(one.find("target").get("dev"), one.find("source"), one.find("driver").get("type")) for one in disks]
    return tuple((target, source.get("file"), format) for target, source, format in told if source is not None)


def said_of(disk: bytes) -> Said:
    """Return version and counter of a system disk."""
    found = LINE.search(disk[:SECTOR].decode("latin-1"))
    digits = disk[SECTOR : SECTOR + DIGITS]
    if not found or not digits.isdigit():
        raise Failed("the system disk is no system disk")
    return Said(int(found[1]), int(digits), 0)


def _tool(*command: str) -> str:
    done = subprocess.run(["qemu-img", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"qemu-img {' '.join(command)}: {done.returncode} {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def take_away(prefix: str) -> None:
    """Take away the domains and pools of an earlier run that was killed itself."""
    link = libvirt.open(HERE)
    for domain in link.listAllDomains():
        if domain.name().startswith(prefix):
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    for pool in link.listAllStoragePools():
        if pool.name().startswith(prefix):
            pool.destroy()
