# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of one sector: it counts its boots on its disks, says so on its serial console, and idles.

It adds one to four digits at two places: in sector 1 of its system disk, and in sector 0 of its user disk. There the
version follows the digits. What it wrote to sector 0 it writes once more to the sector of that number, so that the user
disk tells the whole history: sector 3 tells which version the third boot was.
"""

from __future__ import annotations

import re

SECTOR = 512
ORIGIN, BUFFER = 0x7C00, 0x7E00
DIGITS = 4
# A guest of this version never says that it is ready.
BAD = 9
LINE = "virt-image guest version {version} system 0000 counter 0000 {word}\r\n"

# 16-bit code at ORIGIN. &x is the address of x, @x and %x how far it is from the next instruction (2 bytes, 1 byte).
# BIOS: INT 13h, ah=2 reads and ah=3 writes al sectors, of drive dl, cylinder ch, head dh, sector cl (from 1), at es:bx.
CODE = """
start:  31 C0           ; xor  ax, ax
        8E D8           ; mov  ds, ax
        8E C0           ; mov  es, ax
        8E D0           ; mov  ss, ax
        BC 00 7C        ; mov  sp, ORIGIN
        FC              ; cld
        BA 80 00        ; mov  dx, 0x0080       the system disk
        B9 02 00        ; mov  cx, 2            its sector 1
        E8 @count       ; call count
        BF &system      ; mov  di, system
        E8 @copy        ; call copy
        BA 81 00        ; mov  dx, 0x0081       the user disk
        B9 01 00        ; mov  cx, 1            its sector 0
        E8 @count       ; call count
        BF &user        ; mov  di, user
        E8 @copy        ; call copy
        A0 02 7E        ; mov  al, [BUFFER + 2]
        2C 30           ; sub  al, '0'
        B4 0A           ; mov  ah, 10
        F6 E4           ; mul  ah
        02 06 03 7E     ; add  al, [BUFFER + 3]
        2C 2F           ; sub  al, '0' - 1      BIOS counts sectors from 1
        88 C1           ; mov  cl, al
        B5 00           ; mov  ch, 0
        BA 81 00        ; mov  dx, 0x0081
        E8 @write       ; call write
        C6 06 &end 59   ; mov  byte [end], 'Y'  whoever looks into the memory sees that all is written
        BE &line        ; mov  si, line
print:  AC              ; lodsb
        84 C0           ; test al, al
        74 %idle        ; jz   idle
        88 C4           ; mov  ah, al
        BA FD 03        ; mov  dx, 0x3FD        COM1's state
busy:   EC              ; in   al, dx
        A8 20           ; test al, 0x20
        74 %busy        ; jz   busy
        88 E0           ; mov  al, ah
        BA F8 03        ; mov  dx, 0x3F8
        EE              ; out  dx, al
        EB %print       ; jmp  print
idle:   FA              ; cli
        F4              ; hlt
        EB %idle        ; jmp  idle

count:  B8 01 02        ; mov  ax, 0x0201       read one sector
        E8 @disk        ; call disk
        BF 03 7E        ; mov  di, BUFFER + 3
carry:  FE 05           ; inc  byte [di]
        80 3D 39        ; cmp  byte [di], '9'
        76 %whole       ; jbe  whole
        C6 05 30        ; mov  byte [di], '0'
        4F              ; dec  di
        EB %carry       ; jmp  carry
whole:  81 FA 81 00     ; cmp  dx, 0x0081
        75 %write       ; jne  write
        A0 &version     ; mov  al, [version]
        A2 04 7E        ; mov  [BUFFER + 4], al
write:  B8 01 03        ; mov  ax, 0x0301       write one sector
disk:   BB 00 7E        ; mov  bx, BUFFER
        CD 13           ; int  0x13
        72 %broken      ; jc   broken
        C3              ; ret
broken: BE &failure     ; mov  si, failure
        EB %print       ; jmp  print

copy:   BE 00 7E        ; mov  si, BUFFER
        B9 04 00        ; mov  cx, 4
        F3 A4           ; rep  movsb
        C3              ; ret
"""


def line_of(version: int) -> str:
    """Return what a version says, with digits that are still zero."""
    return LINE.format(version=version, word="hangs" if version == BAD else "ready")


def boot_sector(version: int) -> bytes:
    """Return the sector that the BIOS loads and runs."""
    line = line_of(version).encode("ascii")
    return _assembled({"line": line + b"\0", "end": b"N", "failure": b"its disk fails\r\n\0"}, line)


def line_place() -> tuple[int, int]:
    """Return where in the memory a guest's line is, and how long it is with the letter that follows: Y when it is written."""
    code = _lines()
    length = len(line_of(1)) + 2
    return ORIGIN + sum(_size(words) for _label, words in code), length


def _lines() -> list:
    rows = (row.partition(";")[0] for row in CODE.splitlines())
    found = (re.fullmatch(r"(?:(\w+):)?\s*(.*?)\s*", row).groups() for row in rows)
    return [(label, words.split()) for label, words in found if words]


def _size(words: list) -> int:
    return sum(2 if word[0] in "&@" else 1 for word in words)


def _assembled(data: dict, line: bytes) -> bytes:
    labels, address = {}, ORIGIN
    for label, words in _lines():
        labels[label] = address
        address += _size(words)
    for name, value in data.items():
        labels[name] = address
        address += len(value)
    labels["version"] = labels["line"] + line.index(b"version ") + len(b"version ")
    labels["system"], labels["user"] = (labels["line"] + line.index(word) + len(word) for word in (b"system ", b"counter "))
    code = b""
    for _label, words in _lines():
        code += _encoded(words, labels, ORIGIN + len(code))
    return (code + b"".join(data.values())).ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _encoded(words: list, labels: dict, address: int) -> bytes:
    after, code = address + _size(words), b""
    for word in words:
        if word[0] == "&":
            code += labels[word[1:]].to_bytes(2, "little")
        elif word[0] in "@%":
            code += (labels[word[1:]] - after).to_bytes(2 if word[0] == "@" else 1, "little", signed=True)
        else:
            code += bytes.fromhex(word)
    return code
