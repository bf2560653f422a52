# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a program into the guest's file system, with its libraries and its loader."""

from __future__ import annotations

from pathlib import Path

from cpio import Archive
from elf import Elf
from packages import Packages
from tools import BuildError

LIBRARIES = "lib/x86_64-linux-gnu"


def add_program(archive: Archive, packages: Packages, program: Path, path: str) -> None:
    """Add a program of the packages at a path of the guest, with all that it needs to run."""
    archive.file(path, program.read_bytes(), 0o755)
    add_libraries(archive, packages, program)


def add_libraries(archive: Archive, packages: Packages, program: Path) -> None:
    """Add the libraries of a program, and the loader that it names."""
    libraries, missing = packages.libraries(program)
    if missing:
        raise BuildError(f"no package holds {', '.join(sorted(missing))}; delete the cache")
    for soname, path in libraries.items():
        archive.file(f"{LIBRARIES}/{soname}", path.read_bytes(), 0o755)
    loader = (Elf(program.read_bytes()).interpreter() or "").lstrip("/")
    archive.file(loader, packages.only(f"{LIBRARIES}/{Path(loader).name}").read_bytes(), 0o755)
