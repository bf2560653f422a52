# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the guest's system disk: a FAT file system with syslinux, kernel and initramfs, without root and loop mounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping

from tools import run

MIB = 2**20
SIZE_MIB = 32
# With Python.
LARGE_MIB = 48
# hvc0 is there under Xen, or with a virtio console; the last console that is there becomes /dev/console. The guest keeps
# no secrets, and the mitigations are slow without KVM.
SYSLINUX = """\
SERIAL 0 115200
DEFAULT guest
LABEL guest
  KERNEL vmlinuz
  INITRD initrd.img
  APPEND console=hvc0 console=ttyS0 quiet mitigations=off
"""


def system_disk(work: Path, kernel: Path, initrd: bytes, more: Mapping[str, bytes], mtime: int) -> Path:
    """Return the qcow2 disk, made in the folder `work`; `more` are files (name -> content) that it has besides."""
    files = {"vmlinuz": kernel.read_bytes(), "initrd.img": initrd, "syslinux.cfg": SYSLINUX.encode(), **more}
    for name, data in files.items():
        (work / name).write_bytes(data)
        os.utime(work / name, (mtime, mtime))
    raw = work / "root.raw"
    with raw.open("wb") as image:
        image.truncate((LARGE_MIB if more else SIZE_MIB) * MIB)
    # mtools write local times, and the time of day where no file gives one.
    env = {**os.environ, "TZ": "UTC", "SOURCE_DATE_EPOCH": str(mtime)}
    # -N: the serial number, else random.
    run("mformat", "-i", raw.name, "-v", "GUEST", "-N", "20250101", "::", cwd=work, env=env)
    run("syslinux", "--install", raw.name, cwd=work, env=env)
    run("mcopy", "-m", "-i", raw.name, *files, "::", cwd=work, env=env)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw.name, "root.qcow2", cwd=work)
    return work / "root.qcow2"
