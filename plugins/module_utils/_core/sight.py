# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk shows of the machine that it is for: architecture and firmware, and what in it tells so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from .fat import list_folder
from .names import canonical_arch
from .partitions import BIOS_BOOT, ESP, PREP, Read, read_table

# The loader that firmware starts from a disk that it does not know: UEFI 2.10, 3.5.1.1.
LOADERS = {
    "BOOTX64.EFI": "x86_64",
    "BOOTAA64.EFI": "aarch64",
    "BOOTIA32.EFI": "i686",
    "BOOTARM.EFI": "armv7l",
    "BOOTRISCV64.EFI": "riscv64",
    "BOOTRISCV32.EFI": "riscv32",
    "BOOTLOONGARCH64.EFI": "loongarch64",
}
# Short names in FAT have eight letters: these are what longer ones become.
SHORTENED = {"BOOTRI~1.EFI": "riscv64", "BOOTLO~1.EFI": "loongarch64"}
NAMED = re.compile(
    r"(?<![a-z0-9])(amd64|x86[_-]64|x64|i[3-6]86|arm64|aarch64|armhf|armv7l|ppc64el|ppc64le|s390x|riscv64|loongarch64)(?![a-z0-9])"
)
MAX_PARTITIONS_READ = 4
EFI, BIOS = "efi", "bios"


@dataclass(frozen=True)
class Sight:
    """What a disk shows; each has what told it, in words. `firmware` is what a guest needs, None where nothing tells it.

    `signed`: it begins as disks do.
    """

    table: Optional[str] = None
    arch: Optional[str] = None
    arch_from: str = ""
    firmware: Optional[str] = None
    firmware_from: str = ""
    signed: bool = True


def look_at(read: Read) -> Sight:
    """Return what a disk shows, whose bytes `read` gives; broken tables and file systems show nothing."""
    table = read_table(read)
    partitions = table.partitions
    esps = [partition.begin for partition in partitions if partition.kind == ESP][:MAX_PARTITIONS_READ]
    if table.kind is None:
        # A file system on the whole disk; a program in its first sector says little, as all have one.
        esps = [0] if list_folder(read, ("EFI", "BOOT")) else []
    files = [name for begin in esps for name in list_folder(_from(read, begin), ("EFI", "BOOT"))]
    loaders = [name for name in (*LOADERS, *SHORTENED) if name in files]
    arch, arch_from = _arch(partitions, loaders)
    starts_bios = table.boot_code and (
        table.kind == "mbr" or table.kind is None and not esps or any(one.kind == BIOS_BOOT for one in partitions)
    )
    if starts_bios and arch in (None, "x86_64", "i686"):
        also = " (it has an EFI system partition too: firmware efi may work as well)" if esps else ""
        return Sight(table.kind, arch, arch_from, BIOS, f"boot code in its first sector{also}")
    if esps:
        return Sight(table.kind, arch, arch_from, EFI, f"an EFI system partition{' with ' + loaders[0] if loaders else ''}")
    return Sight(table.kind, arch, arch_from, signed=table.signed)


def _arch(partitions, loaders: list) -> tuple:
    if loaders:
        return {**LOADERS, **SHORTENED}[loaders[0]], f"its EFI boot loader {loaders[0]}"
    for partition in partitions:
        if partition.arch:
            return partition.arch, "the type of a partition"
        if partition.kind == PREP:
            return "ppc64le", "its PReP partition"
    return None, ""


def _from(read: Read, begin: int) -> Read:
    return lambda offset, length: read(begin + offset, length)


def arch_in_name(name: str) -> Optional[str]:
    """Return the architecture that a file's name tells (debian-12-genericcloud-amd64.qcow2), or None."""
    found = NAMED.findall(name.lower())
    return canonical_arch("amd64" if found[-1] == "x64" else found[-1]) if found else None
