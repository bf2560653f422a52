# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the Debian packages that the guest is made of into a cache folder, without root, and unpacks them there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Callable

from elf import closure
from tools import BuildError, run

AGENT = "qemu-guest-agent"
BUSYBOX = "busybox-static"
# Names the newest kernel; holds nothing itself.
KERNEL = "linux-image-cloud-amd64"
DROPBEAR = "dropbear-bin"
SFTP_SERVER = "openssh-sftp-server"
# These name what Debian's version of Python is called; they hold next to nothing themselves.
PYTHON = "python3-minimal"
PYTHON_LIBRARY = "libpython3-stdlib"
# A lonely name: alternatives (|) count, virtual packages (<name>) and other architectures (name:any) do not.
DEPENDENCY = re.compile(r"^ *\|?(?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$", re.MULTILINE)


class Packages:
    """The unpacked packages of one cache folder: filled once, then used as it is until somebody deletes the folder."""

    def __init__(self, cache: Path) -> None:
        self._debs = cache / "debs"
        self._root = cache / "root"
        self._ready = cache / "ready"
        self._ready_ssh = cache / "ready-ssh"

    def fill(self, ssh: bool = False) -> None:
        """Fetch and unpack what is missing; asks neither apt nor the network when the cache is whole."""
        if not self._ready.exists():
            self._ready_ssh.unlink(missing_ok=True)
            for folder in (self._debs, self._root):
                # An earlier attempt may have ended between a download and its unpacking.
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            self._fetch([BUSYBOX, *self._depends(KERNEL)])
            self._fetch_program(AGENT, self.agent)
            self._mark(self._ready)
        if ssh and not self._ready_ssh.exists():
            self._fetch([*self._depends(PYTHON_LIBRARY), SFTP_SERVER])
            self._fetch_program(DROPBEAR, self.dropbear)
            self._fetch_program(self._depends(PYTHON)[0], self.python)
            self._mark(self._ready_ssh)

    def _mark(self, mark: Path) -> None:
        mark.write_text("".join(f"{deb.name}\n" for deb in sorted(self._debs.iterdir())))

    def _fetch_program(self, package: str, program: Callable[[], Path]) -> None:
        """Fetch the package of a program, and those of its libraries."""
        level = [package]
        self._fetch(level)
        # Walk down the dependencies only as far as libraries are missing: all of them would bring perl along.
        while self.libraries(program())[1]:
            level = [name for parent in level for name in self._depends(parent)]
            if not level:
                raise BuildError(f"no package that {package} depends on holds {', '.join(sorted(self.libraries(program())[1]))}")
            self._fetch(level)

    def _depends(self, name: str) -> list[str]:
        return DEPENDENCY.findall(run("apt-cache", "depends", name, cwd=self._debs))

    def _fetch(self, names: list[str]) -> None:
        before = set(self._debs.glob("*.deb"))
        try:
            run("apt-get", "--quiet", "download", *sorted(set(names)), cwd=self._debs)
        except BuildError as error:
            raise BuildError(f"{error}\n(does `apt-get update` help?)") from None
        for deb in sorted(set(self._debs.glob("*.deb")) - before):
            run("dpkg-deb", "-x", deb.name, str(self._root), cwd=self._debs)

    def only(self, pattern: str) -> Path:
        """Return the one file of a pattern, whether /usr is merged in the packages or not."""
        found = [path for top in (".", "usr") for path in sorted((self._root / top).glob(pattern))]
        if len(found) != 1:
            raise BuildError(f"{self._root}: {len(found)} files {pattern} where one was expected; delete the cache")
        return found[0]

    def agent(self) -> Path:
        """Return the QEMU guest agent."""
        return self.only("*bin/qemu-ga")

    def dropbear(self) -> Path:
        """Return the SSH server."""
        return self.only("*bin/dropbear")

    def sftp_server(self) -> Path:
        """Return the server of files, which the SSH server runs."""
        return self.only("lib/openssh/sftp-server")

    def python(self) -> Path:
        """Return the interpreter."""
        return self.only("*bin/python3.*")

    def python_library(self) -> Path:
        """Return the folder of Python's standard library; its name is that of the version, such as python3.11."""
        return self.only(f"lib/{self.python().name}")

    def libraries(self, program: Path) -> tuple[dict[str, Path], set[str]]:
        """Return soname -> file of a program's libraries, and the sonames that no package holds yet."""
        folders = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
        present = {path.name: path for folder in folders for path in (self._root / folder).glob("*.so*")}
        return closure(program, present)

    def modules(self) -> list[Path]:
        """Return all modules of the kernel."""
        return sorted(self.only("lib/modules/*").rglob("*.ko*"))
