# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the guest's system disk: a FAT file system with syslinux, kernel and initramfs, without root and loop mounts.

The disk for Xen has it in a partition, as pygrub takes what syslinux writes into the first sector for a partition table;
and a configuration for GRUB beside syslinux's, which pygrub does not look for. FAT it can read.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Mapping

from tools import BuildError, run

MIB = 2**20
SIZE_MIB = 32
# With Python.
LARGE_MIB = 48
# hvc0 is there under Xen, or with a virtio console; the last console that is there becomes /dev/console. The guest keeps
# no secrets, and the mitigations are slow without KVM.
KERNEL, INITRD = "vmlinuz", "initrd.img"
CMDLINE = "console=hvc0 console=ttyS0 quiet mitigations=off"
SYSLINUX = f"""\
SERIAL 0 115200
DEFAULT guest
LABEL guest
  KERNEL {KERNEL}
  INITRD {INITRD}
  APPEND {CMDLINE}
"""
GRUB = f"""\
set default=0
set timeout=0
menuentry "guest" {{
  linux /{KERNEL} {CMDLINE}
  initrd /{INITRD}
}}
"""
# What BIOS starts on a disk with partitions; of syslinux-common.
MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")
SECTOR = 512
PARTITION_START = 2048
FAT16_LBA = 0x0E


def system_disk(work: Path, kernel: Path, initrd: bytes, more: Mapping[str, bytes], mtime: int) -> Path:
    """Return the qcow2 disk, made in the folder `work`; `more` are files (name -> content) that it has besides."""
    raw = work / "root.raw"
    with raw.open("wb") as image:
        image.truncate((LARGE_MIB if more else SIZE_MIB) * MIB)
    _fill(raw, 0, {**_boot_files(kernel, initrd), **more}, mtime)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw.name, "root.qcow2", cwd=work)
    return work / "root.qcow2"


def xen_disk(work: Path, kernel: Path, initrd: bytes, mtime: int) -> Path:
    """Return a raw disk that pygrub boots as well as a BIOS; kernel and initrd lie beside it."""
    raw = work / "root.raw"
    sectors = SIZE_MIB * MIB // SECTOR - PARTITION_START
    with raw.open("wb") as image:
        image.write(_mbr(sectors))
        image.truncate((PARTITION_START + sectors) * SECTOR)
    _fill(raw, sectors, {**_boot_files(kernel, initrd), "boot/grub/grub.cfg": GRUB.encode()}, mtime)
    return raw


def _mbr(sectors: int) -> bytes:
    """Return the first sector: syslinux's program, and a table of one active partition."""
    if not MBR.exists():
        raise BuildError(f"not found: {MBR}; `apt-get install syslinux-common` brings it")
    program = MBR.read_bytes()[:440].ljust(446, b"\0")
    # Cylinders, heads and sectors are those for "too far to say so": nobody reads them.
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", FAT16_LBA, b"\xfe\xff\xff", PARTITION_START, sectors)
    return program + entry.ljust(64, b"\0") + b"\x55\xaa"


def _boot_files(kernel: Path, initrd: bytes) -> dict[str, bytes]:
    return {KERNEL: kernel.read_bytes(), INITRD: initrd, "syslinux.cfg": SYSLINUX.encode()}


def _fill(raw: Path, sectors: int, files: Mapping[str, bytes], mtime: int) -> None:
    """Make a bootable file system with these files; in the partition of that many sectors, or on the whole disk (0)."""
    start = PARTITION_START if sectors else 0
    where = ("-i", f"{raw.name}@@{start * SECTOR}")
    # Of a disk with partitions, the file system must know its place and size.
    geometry = ("-H", str(start), "-T", str(sectors)) if sectors else ()
    # mtools write local times, and the time of day where no file gives one.
    env = {**os.environ, "TZ": "UTC", "SOURCE_DATE_EPOCH": str(mtime)}
    # -N: the serial number, else random.
    run("mformat", *where, *geometry, "-v", "GUEST", "-N", "20250101", "::", cwd=raw.parent, env=env)
    run("syslinux", "--offset", str(start * SECTOR), "--install", raw.name, cwd=raw.parent, env=env)
    for name, data in files.items():
        path = raw.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (mtime, mtime))
    tops = {Path(name).parts[0]: None for name in files}
    for top in tops:
        os.utime(raw.parent / top, (mtime, mtime))
    run("mcopy", "-s", "-m", *where, *tops, "::", cwd=raw.parent, env=env)
