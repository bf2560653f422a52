# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the small Linux guest of the tests: a virt-image(5) descriptor and its system disk; README.md says more."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from disk import CMDLINE, INITRD, KERNEL, system_disk, xen_disk
from initramfs import Identity, initramfs
from packages import Packages
from ssh import system_files
from tools import BuildError, need_tools

HERE = Path(__file__).resolve().parent
NAME = "small-linux"
CACHE = HERE.parents[1] / ".build" / "guest-cache"
STAMP = ".guest-stamp"
DESCRIPTOR = "image.xml"
DISK = "root.qcow2"
XEN_DISK = "root.raw"
# The time of all files in the guest, 2025-01-01: the same sources give the same bytes on any day.
MTIME = 1735689600


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="build", description=__doc__)
    parser.add_argument("out_dir", type=Path, help="folder for image.xml and what it names; made where it is missing")
    parser.add_argument("--version", type=_word, default="1", help="version of the image (default: 1)")
    parser.add_argument("--release", type=_word, default="1", help="release of that version (default: 1)")
    parser.add_argument("--broken", action="store_true", help="a guest that boots, but never says that it is well")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--ssh", action="store_true", help="with an SSH server, for the keys of the seed, and Python")
    kind.add_argument("--xen", action="store_true", help="for Xen: kernel and initrd as files, and a disk for pygrub")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of Debian's packages (default: %(default)s)")
    return parser.parse_args(arguments)


def _word(text: str) -> str:
    # It goes into XML, the guest's shell and its console.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is more than letters, digits and .+~_-")
    return text


def source_digest(identity: Identity) -> str:
    """Return the digest of all that decides what is built, apart from the versions of Debian's packages."""
    digest = hashlib.sha256(repr(identity).encode())
    # What Python leaves beside the sources is none of them.
    for path in sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix not in (".md", ".pyc")):
        digest.update(f"\0{path.relative_to(HERE).as_posix()}\0{path.stat().st_mode & 0o111:o}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stamp_text(sources: str, out_dir: Path, names: tuple[str, ...]) -> str:
    """Return what the stamp of a finished folder says: of what it was built, and what came out."""
    lines = [f"{sources} sources"]
    for name in names:
        path = out_dir / name
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None} {name}")
    return "\n".join(lines) + "\n"


def is_done(sources: str, out_dir: Path, names: tuple[str, ...]) -> bool:
    """Return whether the folder holds what these sources gave, still unchanged (a guest may have written to it)."""
    stamp = out_dir / STAMP
    return stamp.exists() and stamp.read_text() == stamp_text(sources, out_dir, names)


def outputs(identity: Identity) -> tuple[str, ...]:
    """Return the files that a build makes; the descriptor comes last, as it names the others."""
    return (XEN_DISK, KERNEL, INITRD, DESCRIPTOR) if identity.xen else (DISK, DESCRIPTOR)


def build(identity: Identity, packages: Packages, out_dir: Path) -> None:
    """Make the disk and the descriptor; each file appears in the folder when it is whole."""
    packages.fill(identity.ssh)
    initrd = initramfs(packages, identity, MTIME)
    # In the output folder, so that the last step is a rename.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=out_dir) as work:
        kernel = packages.only("boot/vmlinuz-*")
        if identity.xen:
            disk = xen_disk(Path(work), kernel, initrd, MTIME)
        else:
            more = system_files(packages) if identity.ssh else {}
            disk = system_disk(Path(work), kernel, initrd, more, MTIME)
        (Path(work) / DESCRIPTOR).write_text(descriptor(identity, disk))
        (out_dir / STAMP).unlink(missing_ok=True)
        for name in outputs(identity):
            os.replace(Path(work) / name, out_dir / name)


def descriptor(identity: Identity, disk: Path) -> str:
    """Return the text of the descriptor of a disk."""
    template = HERE / ("image-xen.xml.in" if identity.xen else "image.xml.in")
    return template.read_text().format(
        name=identity.name,
        version=identity.version,
        release=identity.release,
        cmdline=CMDLINE,
        sha256=hashlib.sha256(disk.read_bytes()).hexdigest(),
    )


def main() -> None:
    """Build what the command line asks for, once at a time for each cache."""
    arguments = parse_arguments(sys.argv[1:])
    identity = Identity(NAME, arguments.version, arguments.release, arguments.broken, arguments.ssh, arguments.xen)
    out_dir = arguments.out_dir.resolve()
    sources, names = source_digest(identity), outputs(identity)
    if is_done(sources, out_dir, names):
        return
    need_tools()
    for folder in (out_dir, arguments.cache):
        folder.mkdir(parents=True, exist_ok=True)
    with (arguments.cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Somebody else may have built it while we waited.
        if not is_done(sources, out_dir, names):
            build(identity, Packages(arguments.cache.resolve()), out_dir)
            (out_dir / STAMP).write_text(stamp_text(sources, out_dir, names))


if __name__ == "__main__":
    try:
        main()
    except (BuildError, OSError) as error:
        sys.exit(f"build: {error}")
