# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a trial takes place: a pool and folders of its own, the images, and what can be seen of it all."""

from __future__ import annotations

import hashlib
import http.server
import lzma
import os
import random
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field

import libvirt
from scenarios import IMAGES

HERE = "qemu:///system"
MIB = 1024 * 1024
CELL = 64 * 1024
ZEROS = bytes(CELL)
# A command that outlives who started it does its work when the next run is about it.
SLOWLY = """#!/bin/sh
sleep 0.2
exec {tool} "$@"
"""
# The other end of a connection to another machine, which is this one.
THERE = """#!/bin/sh
exec virt-ssh-helper qemu:///system
"""
# Of a file that is in the pool already the time is not noted, nor where a user's disk that exists came from; and a guest is
# what it is since another moment.
ORIGIN = re.compile('( use="user"[^>]*?) sha256="[^"]*"| stamp="[^"]*"| since="[^"]*"')
DESCRIPTOR = """<image><name>fault</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest><os/>
<drive disk="root"/><drive disk="data"/><drive disk="scratch"/></boot><devices><memory>65536</memory></devices></domain>
<storage><disk id="root" file="{file}" use="system" format="{format}">{checksum}</disk>
<disk id="data" file="data.raw" use="user" size="4" format="raw"/>
<disk id="scratch" file="scratch.raw" use="scratch" size="2" format="raw"/></storage></image>
"""


def make_images(folder: str) -> None:
    """Make an image of each kind: 8 MiB with data, zeros and holes."""
    letters = random.Random(1)
    content = bytearray(8 * MIB)
    for start, length in ((0, 300_000), (MIB, MIB), (3 * MIB + 7, 900_000), (8 * MIB - CELL, CELL)):
        content[start : start + length] = letters.randbytes(length)
    raw = os.path.join(folder, "content")
    with open(raw, "wb") as file:
        file.write(content)
    for name, (base, format, told, both) in IMAGES.items():
        own = os.path.join(folder, name)
        os.mkdir(own)
        target = os.path.join(own, base)
        if name == "xz":
            with lzma.open(target, "wb", preset=1) as file:
                file.write(content)
        else:
            subprocess.run(["qemu-img", "convert", "-O", format, raw, target], check=True)
        if both:
            with open(os.path.join(own, "data.raw"), "wb") as file:
                file.write(content[: 2 * MIB])
        with open(target, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        checksum = f'<checksum type="sha256">{digest}</checksum>' if told else ""
        with open(os.path.join(own, "image.xml"), "w", encoding="utf-8") as file:
            file.write(DESCRIPTOR.format(file=base, format=format, checksum=checksum))


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves files, and parts of them."""

    protocol_version = "HTTP/1.1"
    parts = 0

    def do_GET(self) -> None:
        """Answer with a file, from the offset on that is asked for."""
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            self.send_error(404)
            return
        with open(path, "rb") as file:
            content, status = file.read(), os.fstat(file.fileno())
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        Server.parts += bool(start)
        self.send_response(206 if found else 200)
        self.send_header("Last-Modified", self.date_time_string(int(status.st_mtime)))
        self.send_header("ETag", f'"{status.st_mtime_ns}"')
        self.send_header("Content-Length", str(len(content) - start))
        if found:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        try:
            self.wfile.write(content[start:])
        except ConnectionError:
            # Whoever asked was killed, or has seen enough.
            self.close_connection = True

    def log_message(self, *_arguments) -> None:
        """Say nothing."""


def _remove(domain) -> None:
    if domain.isActive():
        domain.destroy()
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


def take_away(names) -> None:
    """Take away the domains and pools of these places; what is in the pools stays."""
    link = libvirt.open(HERE)
    for domain in link.listAllDomains():
        if domain.name().rpartition("-")[0] in names:
            _remove(domain)
    for pool in link.listAllStoragePools():
        if pool.name() in names:
            pool.destroy()


@dataclass(frozen=True)
class Seen:
    """What is there: files with mode, size, digest; domains with their state and XML; what libvirt lists in the pool."""

    files: dict
    domains: dict
    listed: frozenset


@dataclass
class Place:
    """The surroundings of one trial."""

    name: str
    kind: str
    work: str
    server: str
    uri: str = HERE
    pool: str = ""
    link: libvirt.virConnect = field(init=False, repr=False)

    def __post_init__(self) -> None:
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        self.link = libvirt.open(HERE)
        self.own = os.path.join(self.work, self.name)
        self.folder = os.path.join(self.own, "pool")
        names = ("kept", "temp", "home", "slow")
        self.kept, self.temp, self.home, self.slow = (os.path.join(self.own, name) for name in names)
        # There from the beginning, so that each run makes the same calls.
        self.cache = os.path.join(self.home, ".cache/virt.image")
        for path in (self.folder, self.kept, self.temp, self.cache, self.slow):
            os.makedirs(path)
        _write_program(os.path.join(self.slow, "qemu-img"), SLOWLY.format(tool=shutil.which("qemu-img")))
        os.chmod(self.folder, 0o711)
        if self.kind == "remote" and not self.uri:
            _write_program(os.path.join(self.own, "there"), THERE)
            self.uri = f"qemu+ext://there/system?command={self.own}/there"
        if self.kind in ("folder", "remote"):
            self.pool = self.name
            told = f"<pool type='dir'><name>{self.pool}</name><target><path>{self.folder}</path></target></pool>"
            self.link.storagePoolCreateXML(told)

    def fill_in(self, value):
        """Return options with what stands for the place filled in."""
        if isinstance(value, dict):
            return {key: self.fill_in(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.fill_in(one) for one in value]
        if not isinstance(value, str) or not value.startswith("@"):
            return value
        for key, own in (("images", f"{self.work}/images"), ("server", self.server), ("folder", self.folder)):
            value = value.replace(f"@{key}", own)
        return value.replace("@pool", self.pool).replace("@name", self.name)

    def files(self) -> dict:
        """Return the volumes that are this trial's by name, hidden ones too: where they are."""
        if self.kind != "logical":
            return {name: os.path.join(self.folder, name) for name in sorted(os.listdir(self.folder))}
        return {volume.name(): volume.path() for volume in self._listed()}

    def _listed(self) -> list:
        if not self.pool:
            return []
        found = self.link.storagePoolLookupByName(self.pool).listAllVolumes()
        return [volume for volume in found if self.kind != "logical" or volume.name().startswith(self.name)]

    def domains(self) -> list:
        """Return the domains that are this trial's."""
        return [one for one in self.link.listAllDomains() if one.name().startswith(f"{self.name}-")]

    def look(self, keep: bool = False) -> Seen:
        """Return what is there; `keep`: and keep the files for a comparison."""
        files = self.files()
        for name, path in files.items() if keep else ():
            subprocess.run(["cp", "--sparse=always", path, os.path.join(self.kept, name)], check=True)
        return Seen(
            {name: told_of(path) for name, path in files.items()},
            {one.name(): _told_of_domain(one) for one in self.domains()},
            # A hidden file that is gone is listed until someone looks at the pool again.
            frozenset(volume.name() for volume in self._listed() if not volume.name().startswith(".")),
        )

    def is_same(self, name: str) -> bool:
        """Return whether a guest sees in a volume what it sees in the one that was kept."""
        if any(domain.isActive() for domain in self.domains()):
            # QEMU writes its tables when it has to.
            return True
        format = "qcow2" if name.endswith(".qcow2") else "raw"
        paths = [self.files()[name], os.path.join(self.kept, name)]
        command = ["qemu-img", "compare", "-q", "-f", format, "-F", format, *paths]
        return not subprocess.run(command, check=False).returncode

    def empty(self) -> None:
        """Remove by force what is there."""
        for domain in self.domains():
            _remove(domain)
        for name, path in self.files().items():
            if self.kind == "logical":
                self.link.storagePoolLookupByName(self.pool).storageVolLookupByName(name).delete()
            else:
                os.unlink(path)
        if self.pool:
            self.link.storagePoolLookupByName(self.pool).refresh()
        self.sweep()

    def sweep(self) -> list:
        """Empty the temporary folder and the cache; return what was there."""
        found = []
        for folder in (self.temp, self.cache):
            found += os.listdir(folder)
            shutil.rmtree(folder)
            os.mkdir(folder)
        return found


def _write_program(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)


def _told_of_domain(domain) -> str:
    text = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    text = ORIGIN.sub(lambda found: found[1] or "", text)
    return f"autostart: {domain.autostart()}\nactive: {domain.isActive()}\n{text}"


def told_of(path: str) -> tuple:
    """Return mode, owner, attributes, size and digest of a file or device; holes are zeros."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        attributes = [(name, os.getxattr(path, name)) for name in os.listxattr(path) if name.startswith("user.")]
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        for start in range(0, size, CELL):
            data = file.read(CELL)
            if data != ZEROS[: len(data)]:
                digest.update(b"%d:" % start + data)
    return (oct(stat.S_IMODE(status.st_mode)), status.st_uid, status.st_gid, attributes), size, digest.hexdigest()


def temporary_folder(parent: str) -> str:
    """Return a new folder that QEMU's user may pass."""
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="fault-", dir=parent)
    os.chmod(folder, 0o711)
    return folder
