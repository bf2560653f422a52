# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The headers of a tar archive, as OVF packages (.ova) are: plain files and nothing else, in bounded work.

Sources: POSIX.1-2001 pax, ustar interchange format and extended headers; GNU tar's manual, "Basic Tar Format".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Optional

from .errors import ImageError
from .names import file_mistake, normal_file

Read = Callable[[int, int], bytes]

BLOCK = 512
MAX_MEMBERS = 512
# An extended header has a name and a size, not more.
MAX_EXTENDED = 64 * 1024
PLAIN, FOLDER = (b"0", b"\0", b"7"), b"5"
EXTENDED, GLOBAL, LONG_NAME = b"x", b"g", b"L"


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name, and where its content is, in bytes."""

    name: str
    begin: int
    size: int


def read_members(read: Read, size: int, where: str) -> dict[str, Member]:
    """Return the files of an archive of `size` bytes by name, in its order; raise ImageError for what is no plain file."""
    members: dict[str, Member] = {}
    at, extended, headers = 0, {}, 0
    while at + BLOCK <= size:
        head = read(at, BLOCK)
        headers += 1
        if headers > 4 * MAX_MEMBERS or len(members) > MAX_MEMBERS:
            raise ImageError(f"has more than {MAX_MEMBERS} files, which no OVF package has", where)
        if not head.strip(b"\0"):
            break
        kind, content = _checked(head, at, where), at + BLOCK
        length = _size(head, extended, where)
        if kind not in PLAIN and kind != FOLDER and length > MAX_EXTENDED:
            raise ImageError(f"has a header of {length} bytes; at most {MAX_EXTENDED} are read", where)
        if content + length > size:
            raise ImageError(f"ends within the file at byte {at}; it is cut off", where)
        at = content + -(-length // BLOCK) * BLOCK
        if kind in (EXTENDED, GLOBAL, LONG_NAME):
            found = _extended(read(content, length), kind, where)
            extended = {**extended, **found} if kind != GLOBAL else extended
            continue
        name = extended.get("path") or _name(head)
        extended = {}
        if kind == FOLDER:
            continue
        _keep(members, Member(name, content, length), kind, where)
    if not members:
        raise ImageError("is no tar archive, as an OVF package (.ova) is", where)
    return members


def _keep(members: dict[str, Member], member: Member, kind: bytes, where: str) -> None:
    name = member.name
    if kind not in PLAIN:
        raise ImageError(f"{name[:80]!r} is no plain file (type {kind!r}); an OVF package has nothing else", where)
    mistake = file_mistake(name)
    if mistake:
        raise ImageError(f"{name[:80]!r} {mistake}", where)
    name = normal_file(name)
    if name in members:
        raise ImageError(f"{name[:80]!r} is there twice", where)
    members[name] = replace(member, name=name)


def _checked(head: bytes, at: int, where: str) -> bytes:
    """Return the type of a header whose checksum is right."""
    told = _octal(head[148:156])
    if told != sum(head[:148]) + 8 * 32 + sum(head[156:]):
        words = "is no tar archive, as an OVF package (.ova) is" if at == 0 else f"has a damaged header at byte {at}"
        raise ImageError(words, where)
    return head[156:157]


def _octal(field: bytes) -> Optional[int]:
    text = field.strip(b" \0")
    return int(text, 8) if text and not set(text) - set(b"01234567") else None


def _size(head: bytes, extended: dict[str, str], where: str) -> int:
    field = head[124:136]
    told = extended.get("size", "")
    if told.isascii() and told.isdecimal() and len(told) <= 18 and head[156:157] in PLAIN:
        return int(told)
    # GNU's way for what eleven octal digits cannot say.
    number = int.from_bytes(field[4:], "big") if field[0] == 0x80 else _octal(field) if field.strip(b" \0") else 0
    if number is None or number >= 2**62:
        raise ImageError("has a file without a size", where)
    return number


def _name(head: bytes) -> str:
    name, prefix = head[:100].split(b"\0")[0], head[345:500].split(b"\0")[0]
    whole = prefix + b"/" + name if prefix and head[257:263] == b"ustar\0" else name
    return whole.decode("utf-8", "replace")


def _extended(content: bytes, kind: bytes, where: str) -> dict[str, str]:
    """Return what an extended header says of the name and the size of the next file."""
    if kind == LONG_NAME:
        return {"path": content.split(b"\0")[0].decode("utf-8", "replace")}
    found = {}
    while content.strip(b"\0"):
        told, _space, _rest = content.partition(b" ")
        length = int(told) if told.isdigit() and len(told) < 6 else 0
        record, content = content[len(told) + 1 : length], content[length:]
        key, equals, value = record.rstrip(b"\n").partition(b"=")
        if not length or not equals:
            raise ImageError("has an extended header that is none", where)
        if key.startswith(b"GNU.sparse"):
            raise ImageError("has a file that is stored with holes (GNU.sparse); pack it without --sparse", where)
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
    return found
