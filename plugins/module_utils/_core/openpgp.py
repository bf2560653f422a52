# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outside of OpenPGP files, as far as gpgv is to be handed nothing but keys and detached signatures.

Source: RFC 9580, sections 4.2 (packets) and 6.2 (armor).
"""

from __future__ import annotations

import base64
import binascii
import re

from .errors import ImageError
from .names import plain

MAX_SIGNATURES = 16
SIGNATURE, PUBLIC_KEY = 2, 6
KEYBOX = slice(8, 12)


def signatures_of(raw: bytes, where: str) -> list[bytes]:
    """Return the packets of a detached signature, armored or not, one by one.

    Raises ImageError for anything else, such as a signed message that holds another text than the one in question.
    """
    if raw.lstrip().startswith(b"-----BEGIN PGP "):
        raw = _dearmored(raw, "SIGNATURE", "a detached signature; gpg --detach-sign makes one", where)
    made, offset = [], 0
    while offset < len(raw) and len(made) < MAX_SIGNATURES:
        tag, end = _packet(raw, offset)
        if tag != SIGNATURE or end > len(raw):
            break
        made.append(raw[offset:end])
        offset = end
    if not made or offset < len(raw):
        raise ImageError(
            "has a signature file that is no detached signature; gpg --detach-sign makes one for OpenPGP, ssh-keygen "
            "-Y sign for SSH",
            where,
        )
    return made


def keyring_of(raw: bytes, where: str) -> bytes:
    """Return a keyring as gpgv wants it (packets or a keybox), from one that may be armored."""
    if raw[:1] < b"\x80" and b"-----BEGIN PGP " in raw:
        raw = _dearmored(raw, "PUBLIC KEY BLOCK", "public keys; gpg --export makes a file of them", where)
    if raw[KEYBOX] == b"KBXf" or raw and _packet(raw, 0)[0] == PUBLIC_KEY:
        return raw
    raise ImageError("is no keyring of OpenPGP public keys; gpg --export makes one", where)


def fingerprint(signer: str) -> str:
    """Return a full fingerprint as gpgv writes it; a key's id is too short to prove anything."""
    found = re.sub(r"\s", "", signer).upper()
    if not re.fullmatch("[0-9A-F]{40}|[0-9A-F]{64}", found):
        raise ImageError(
            f"signer {signer[:80]!r} is no full OpenPGP fingerprint, which a signature of that kind needs; "
            "gpg --fingerprint shows its 40 digits"
        )
    return found


def _packet(raw: bytes, offset: int) -> tuple[int, int]:
    """Return the tag of the packet at an offset and where it ends; the tag is 0 for what no signature or key can be."""
    head, rest = raw[offset], raw[offset + 1 : offset + 6].ljust(5, b"\0")
    if not head & 0x80:
        return 0, 0
    if not head & 0x40:
        width = (1, 2, 4, 0)[head & 3]
        # Without a width it lasts until the end of the file, which only data may.
        return (head >> 2 & 15 if width else 0), offset + 1 + width + int.from_bytes(rest[:width], "big")
    if rest[0] < 192:
        return head & 63, offset + 2 + rest[0]
    if rest[0] < 224:
        return head & 63, offset + 3 + (rest[0] - 192 << 8) + rest[1] + 192
    # 224 to 254: in parts, which only data may be.
    return (head & 63 if rest[0] == 255 else 0), offset + 6 + int.from_bytes(rest[1:], "big")


def _dearmored(raw: bytes, kind: str, wanted: str, where: str) -> bytes:
    """Return what all armored blocks of a text hold; they must be of one kind.

    Their checksums are passed over (RFC 9580, 6.1): a signature says more.
    """
    made, lines = bytearray(), None
    for line in raw.decode("latin-1").split("\n"):
        line = line.strip()
        if lines is None and line.startswith("-----BEGIN "):
            if line != f"-----BEGIN PGP {kind}-----":
                raise ImageError(f"holds {plain(line[11:50]).strip('-')}, not {wanted}", where)
            lines = []
        elif lines is not None and line == f"-----END PGP {kind}-----":
            made += _block(lines, where)
            lines = None
        elif lines is not None:
            lines.append(line)
    if lines is not None:
        raise ImageError(f"ends within its {kind}", where)
    return bytes(made)


def _block(lines: list[str], where: str) -> bytes:
    try:
        # An empty line ends the headers (Version, Comment).
        body = lines[lines.index("") + 1 :]
        return base64.b64decode("".join(line for line in body if not line.startswith("=")), validate=True)
    except (ValueError, binascii.Error):
        raise ImageError("holds an OpenPGP block that is damaged", where) from None
