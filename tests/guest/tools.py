# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the commands of the build host, and says which of them are missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Optional

# command -> the Debian package that holds it.
TOOLS = {
    "apt-get": "apt",
    "apt-cache": "apt",
    "dpkg-deb": "dpkg",
    "mformat": "mtools",
    "mcopy": "mtools",
    "syslinux": "syslinux",
    "qemu-img": "qemu-utils",
}


class BuildError(Exception):
    """What the user can do something about; shown without a traceback."""


def need_tools() -> None:
    """Raise BuildError with one line that names all missing commands and how to install them."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        install = " ".join(sorted({TOOLS[tool] for tool in missing}))
        raise BuildError(f"not found: {', '.join(missing)}; `apt-get install {install}` brings them")


def run(*command: str, cwd: Path, env: Optional[dict[str, str]] = None) -> str:
    """Return what a command prints, or raise BuildError with what it complained of."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
