# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the guest's first and only file system, an initramfs, from Debian's packages and the files in root/."""

from __future__ import annotations

import lzma
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from cpio import Archive
from packages import Packages
from programs import add_program
from ssh import add_server

ROOT = Path(__file__).parent / "root"
# What the guest drives, in the order in which it loads it; their dependencies come along. A kernel without one of them
# (built in, or left out) is fine.
MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng", "virtio_balloon", "virtio_scsi"),
    *("xen_blkfront", "xen_netfront"),
    *("ata_piix", "ahci", "sd_mod", "sr_mod", "isofs", "ext4", "vfat", "nls_cp437", "nls_ascii"),
    *("evdev", "button"),
)


@dataclass(frozen=True)
class Identity:
    """What tells one build of the guest from another."""

    name: str
    version: str
    release: str
    broken: bool
    ssh: bool
    xen: bool

    def files(self) -> dict[str, str]:
        """Return path -> text of the files that make the difference."""
        files = {
            "etc/hostname": f"{self.name}\n",
            "etc/virt-image-name": f"{self.name}\n",
            "etc/virt-image-version": f"{self.version}\n",
            # The agent's guest-get-osinfo reads this one.
            "etc/os-release": f'NAME="virt-image guest"\nID={self.name}\n'
            f'VERSION_ID="{self.version}"\nBUILD_ID="{self.release}"\n',
        }
        if self.broken:
            files["etc/virt-image-broken"] = ""
        return files


def initramfs(packages: Packages, identity: Identity, mtime: int) -> bytes:
    """Return the compressed initramfs."""
    archive = Archive(mtime)
    for folder in ("bin", "dev", "proc", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "data", "scratch", "seed"):
        archive.folder(folder)
    archive.file("bin/busybox", packages.only("bin/busybox").read_bytes(), 0o755)
    # The guest makes the links of all its other commands itself.
    archive.link("bin/sh", "busybox")
    add_program(archive, packages, packages.agent(), "usr/sbin/qemu-ga")
    if identity.ssh:
        add_server(archive, packages)
    _add_modules(archive, packages.modules())
    for path in sorted(path for path in ROOT.rglob("*") if path.is_file()):
        # git keeps no more of a mode than this.
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        archive.file(path.relative_to(ROOT).as_posix(), path.read_bytes(), mode)
    for path, text in identity.files().items():
        archive.file(path, text.encode())
    # wbits 31 is gzip with neither name nor time in its head.
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    return deflate.compress(archive.render()) + deflate.flush()


def _add_modules(archive: Archive, modules: list[Path]) -> None:
    order = load_order({_module_name(path.name.split(".ko")[0]): path for path in modules})
    for name, data in order.items():
        archive.file(f"lib/modules/{name}.ko", data)
    archive.file("etc/modules", "".join(f"{name}\n" for name in order).encode())


def load_order(paths: dict[str, Path]) -> dict[str, bytes]:
    """Return name -> content of the modules that MODULES need, each after those that it depends on."""
    order: dict[str, bytes] = {}

    def visit(name: str) -> None:
        if name in order or name not in paths:
            return
        data = paths[name].read_bytes()
        data = lzma.decompress(data) if paths[name].suffix == ".xz" else data
        for dependency in _dependencies(data):
            visit(dependency)
        order[name] = data

    for name in MODULES:
        visit(name)
    return order


def _dependencies(module: bytes) -> list[str]:
    # .modinfo holds NUL-terminated key=value texts, and one such key in every module.
    found = re.search(rb"\0depends=([\w,-]*)\0", module)
    return [_module_name(name) for name in found[1].decode().split(",") if name] if found else []


def _module_name(name: str) -> str:
    return name.replace("-", "_")
