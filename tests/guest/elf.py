# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads which shared libraries an ELF file needs; the host's own libraries play no part."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Mapping, Optional

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


class Elf:
    """A 64-bit little-endian ELF file, as far as the dynamic loader reads it."""

    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("no 64-bit little-endian ELF file")
        self._data = data
        offset, size, count = struct.unpack_from("<Q", data, 32) + struct.unpack_from("<HH", data, 54)
        # Each as (type, flags, offset, vaddr, paddr, filesz, memsz, align).
        self._segments = [struct.unpack_from("<IIQQQQQQ", data, offset + size * index) for index in range(count)]

    def interpreter(self) -> Optional[str]:
        """Return the path of the dynamic loader that the file names, or None for a static file or a library."""
        for kind, _flags, offset, *_rest in self._segments:
            if kind == PT_INTERP:
                return self._text(offset)
        return None

    def needed(self) -> list[str]:
        """Return the sonames of the libraries that the file names."""
        tags = [tag for segment in self._segments if segment[0] == PT_DYNAMIC for tag in self._dynamic(segment)]
        strings = next((self._offset(value) for tag, value in tags if tag == DT_STRTAB), 0)
        return [self._text(strings + value) for tag, value in tags if tag == DT_NEEDED]

    def _dynamic(self, segment: tuple) -> list[tuple[int, int]]:
        return list(struct.iter_unpack("<QQ", self._data[segment[2] : segment[2] + segment[5]]))

    def _offset(self, address: int) -> int:
        for kind, _flags, offset, start, _paddr, size, *_rest in self._segments:
            if kind == PT_LOAD and start <= address < start + size:
                return address - start + offset
        raise ValueError(f"address {address:#x} is in no segment of the file")

    def _text(self, offset: int) -> str:
        return self._data[offset : self._data.index(b"\0", offset)].decode()


def closure(program: Path, libraries: Mapping[str, Path]) -> tuple[dict[str, Path], set[str]]:
    """Return soname -> file of all libraries that a program needs, and the sonames that `libraries` lacks."""
    found: dict[str, Path] = {}
    missing: set[str] = set()
    waiting = [program]
    while waiting:
        for soname in Elf(waiting.pop().read_bytes()).needed():
            if soname in found or soname in missing:
                continue
            if soname in libraries:
                found[soname] = libraries[soname]
                waiting.append(libraries[soname])
            else:
                missing.add(soname)
    return found, missing
