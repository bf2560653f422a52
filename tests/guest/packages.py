# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the Debian packages that the guest is made of into a cache folder, without root, and unpacks them there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from elf import closure
from tools import BuildError, run

AGENT = "qemu-guest-agent"
BUSYBOX = "busybox-static"
# Names the newest kernel; holds nothing itself.
KERNEL = "linux-image-cloud-amd64"
# A lonely name: alternatives (|) count, virtual packages (<name>) and other architectures (name:any) do not.
DEPENDENCY = re.compile(r"^ *\|?(?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$", re.MULTILINE)


class Packages:
    """The unpacked packages of one cache folder: filled once, then used as it is until somebody deletes the folder."""

    def __init__(self, cache: Path) -> None:
        self._debs = cache / "debs"
        self._root = cache / "root"
        self._ready = cache / "ready"

    def fill(self) -> None:
        """Fetch and unpack what is missing; asks neither apt nor the network when the cache is whole."""
        if self._ready.exists():
            return
        for folder in (self._debs, self._root):
            # An earlier attempt may have ended between a download and its unpacking.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._fetch([BUSYBOX, *self._depends(KERNEL)])
        level = [AGENT]
        self._fetch(level)
        # Walk down the dependencies only as far as libraries are missing: all of them would bring perl along.
        while self.libraries()[1]:
            level = [name for parent in level for name in self._depends(parent)]
            if not level:
                raise BuildError(f"no package that {AGENT} depends on holds {', '.join(sorted(self.libraries()[1]))}")
            self._fetch(level)
        self._ready.write_text("".join(f"{deb.name}\n" for deb in sorted(self._debs.iterdir())))

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

    def libraries(self) -> tuple[dict[str, Path], set[str]]:
        """Return soname -> file of the agent's libraries, and the sonames that no package holds yet."""
        folders = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
        present = {path.name: path for folder in folders for path in (self._root / folder).glob("*.so*")}
        return closure(self.agent(), present)

    def modules(self) -> list[Path]:
        """Return all modules of the kernel."""
        return sorted(self.only("lib/modules/*").rglob("*.ko*"))
