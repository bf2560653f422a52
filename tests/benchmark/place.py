# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the guests are made: a pool with a base, an image of the same content, playbooks' environment; and all of it gone again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import libvirt

from others import PLAYS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MIB = 2**20
BASE_MIB = 300
URI = "qemu:///system"
NAME = "virt-image-benchmark"
PREFIX = "vibench-"
HOST_PYTHON = "/usr/bin/python3"
DESCRIPTOR = """<image><name version="1">benchmark</name><domain><boot type="hvm"><guest><arch>x86_64</arch>
<features><acpi/><apic/></features></guest><os><loader dev="hd"/></os>
<drive disk="root" target="vda"/><drive disk="data" target="vdb"/></boot>
<devices><vcpu>1</vcpu><memory>65536</memory><interface/></devices></domain>
<storage><disk id="root" file="root.raw" use="system" format="raw"><checksum type="sha256">{digest}</checksum></disk>
<disk id="data" file="data.raw" use="user" size="10" format="raw"/></storage></image>
"""


@dataclass(frozen=True)
class Place:
    """A folder with the image, and a pool with its base."""

    folder: Path
    base: str

    @property
    def pool(self) -> Path:
        return self.folder / "pool"

    def guests(self, number: int, prefix: str = PREFIX) -> list[dict]:
        """Return the options of as many guests."""
        options = {"image": str(self.folder / "image.xml"), "pool": NAME, "virt_type": "qemu", "state": "stopped"}
        options["networks"] = [{"type": "network", "source": "default"}]
        return [{"name": f"{prefix}{index}", **options} for index in range(number)]

    def variables(self, number: int) -> dict:
        """Return the variables of the playbooks."""
        told = {"uri": URI, "pool": NAME, "base": self.base, "folder": str(self.pool), "prefix": PREFIX, "guests": number}
        told["template"] = str(HERE / "plays/templates/domain.xml.j2")
        return {**told, "names": [f"{PREFIX}{index}" for index in range(number)], "wanted": self.guests(number)}

    def play(self, name: str, number: int, more: dict | None = None, **settings: str) -> str:
        """Run one of the playbooks, with `more` variables; return what it printed. Raises SystemExit where it fails."""
        told = self.folder / f"{name}-{number}.json"
        told.write_text(json.dumps({"ansible_python_interpreter": HOST_PYTHON, **self.variables(number), **(more or {})}))
        tool = ROOT / ".build/venv/bin/ansible-playbook"
        play = HERE / "plays" / f"{name}.yml"
        if name in PLAYS:
            play = self.folder / f"{name}.yml"
            play.write_text(json.dumps(PLAYS[name]))
        command = [tool, "-i", "localhost,", "-c", "local", "-e", f"@{told}", play]
        return self.run(*command, ANSIBLE_LIBRARY=str(HERE / "library"), ANSIBLE_MODULE_UTILS=str(HERE / "module_utils"), **settings)

    def run(self, *command, **settings: str) -> str:
        """Run a command; return what it printed. Raises SystemExit where it fails."""
        environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", **settings}
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def check(self, number: int) -> None:
        """Make sure that so many guests are there, each with two volumes."""
        link = libvirt.open(URI)
        found = len([domain for domain in link.listAllDomains() if domain.name().startswith(PREFIX)])
        link.close()
        files = len(list(self.pool.glob(f"{PREFIX}*")))
        if (found, files) != (number, 2 * number):
            raise SystemExit(f"{found} guests and {files} volumes were made, and {number} guests asked for")

    def clear(self, prefix: str = PREFIX) -> None:
        """Remove the guests, and their volumes."""
        link = libvirt.open(URI)
        remove_domains(link, prefix)
        for file in self.pool.glob(f"{prefix}*"):
            file.unlink()
        link.storagePoolLookupByName(NAME).refresh()
        link.close()


def remove_domains(link: libvirt.virConnect, prefix: str) -> None:
    """Stop and undefine the domains whose name begins so."""
    for domain in link.listAllDomains():
        if domain.name().startswith(prefix):
            if domain.isActive():
                domain.destroy()
            domain.undefine()


def sweep(link: libvirt.virConnect) -> None:
    """Take away what a killed run left: its domains, its pool, and the folder around that."""
    remove_domains(link, "vibench")
    for pool in link.listAllStoragePools():
        if pool.name() == NAME:
            folder = Path(re.search("<path>(.*)</path>", pool.XMLDesc())[1]).parent
            pool.destroy()
            if folder.name.startswith(f"{NAME}."):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def make_place(parent: str | None):
    """Make the place, and remove it in the end with all that was made there."""
    link = libvirt.open(URI)
    sweep(link)
    with tempfile.TemporaryDirectory(prefix=f"{NAME}.", dir=parent) as text:
        folder = Path(text)
        folder.chmod(0o755)
        digest, pool = hashlib.sha256(), folder / "pool"
        pool.mkdir()
        with open(folder / "root.raw", "wb") as file:
            for _turn in range(BASE_MIB):
                block = os.urandom(MIB)
                file.write(block)
                digest.update(block)
        (folder / "image.xml").write_text(DESCRIPTOR.format(digest=digest.hexdigest()))
        base = pool / f"sha256-{digest.hexdigest()}.raw"
        base.hardlink_to(folder / "root.raw")
        base.chmod(0o444)
        store = link.storagePoolCreateXML(f"<pool type='dir'><name>{NAME}</name><target><path>{pool}</path></target></pool>")
        place = Place(folder, str(base))
        try:
            yield place
        finally:
            try:
                place.clear("vibench")
            finally:
                store.destroy()
                link.close()
