# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves that the files of an image are those that their makers meant: checksums, and a signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .asker import Asker
from .errors import ImageError
from .image import Image, checksum_mistake

OPTIONS = ("checksum", "require_checksum", "signature", "require_signature")
# Others can make a file to these: https://www.rfc-editor.org/rfc/rfc6151, https://shattered.io
WEAK = ("md5", "sha1")


@dataclass(frozen=True)
class Signature:
    """Where a detached signature over the descriptor is, and whose is taken; None is "the usual".

    `keyring` is for OpenPGP, `allowed_signers` for SSH; without either, nothing is verified.
    """

    file: Optional[str] = None
    keyring: Optional[str] = None
    allowed_signers: Optional[str] = None
    signer: Optional[str] = None
    namespace: str = "file"

    @property
    def has_keys(self) -> bool:
        return bool(self.keyring or self.allowed_signers)


@dataclass(frozen=True)
class Trust:
    """What a user knows of an image's files: `checksum` maps a file's name to its checksums by algorithm."""

    checksum: dict[str, dict[str, str]] = field(default_factory=dict)
    require_checksum: bool = False
    signature: Signature = Signature()
    require_signature: bool = False

    def checksums_of(self, file: str, told: dict[str, str]) -> dict[str, str]:
        """Return the checksums of a file by algorithm: the descriptor's and the user's.

        Raises ImageError where the two differ, and where there are none and some are required.
        """
        known = dict(told)
        for kind, digest in self.checksum.get(file, {}).items():
            if known.setdefault(kind, digest) != digest:
                raise ImageError(
                    f"{file} has two {kind} checksums: {known[kind]} in the descriptor, and {digest} in the option "
                    "checksum"
                )
        if not known and self.require_checksum:
            raise ImageError(
                f"{file} has no checksum in the descriptor, and require_checksum is on; say it with the option "
                f"checksum, such as {{{file}: 'sha256:...'}}"
            )
        # A signature over weak checksums proves nothing of the files.
        if self.require_signature and not set(known) - set(WEAK):
            raise ImageError(
                f"{file} has no checksum that a signature could vouch for, and require_signature is on; the "
                "descriptor's sha256 is one"
            )
        return known


def refuse_unknown_files(trust: Trust, image: Image, descriptor: str) -> None:
    """Refuse checksums of files that the image does not name; `descriptor` is its own file's name."""
    boots = [file for boot in image.boots for file in (boot.kernel, boot.initrd) if file]
    known = [*dict.fromkeys((descriptor, *(disk.file for disk in image.disks if disk.file), *boots))]
    unknown = [file for file in trust.checksum if file not in known]
    if unknown:
        raise ImageError(f"checksum: {', '.join(unknown)} is no file of image {image.name}; it has {', '.join(known)}")


def warning_of(file: str, checksums: dict[str, str]) -> Optional[str]:
    """Return what is to be said where a file is verified by weak checksums only, or None."""
    if not checksums or set(checksums) - set(WEAK):
        return None
    return f"{file} is verified by {' and '.join(sorted(checksums))} only, which others can forge; sha256 is better"


def parse_trust(asker: Asker) -> Trust:
    """Return what the options of a guest say of its image's files."""
    trust = Trust(
        checksum=_checksum(asker),
        require_checksum=bool(asker.flag("require_checksum")),
        signature=asker.part("signature", _signature),
        require_signature=bool(asker.flag("require_signature")),
    )
    named = trust.signature != Signature() or trust.require_signature
    if named and not trust.signature.has_keys:
        asker.wrong("a signature needs keys to verify it: signature.keyring (OpenPGP) or signature.allowed_signers (SSH)")
    return trust


def _checksum(asker: Asker) -> dict[str, dict[str, str]]:
    checksums: dict[str, dict[str, str]] = {}
    for file, text in asker.pairs("checksum"):
        kind, colon, digest = text.strip().lower().partition(":")
        mistake = checksum_mistake(kind, digest) if colon else "has no algorithm; write it as sha256:DIGEST"
        if mistake:
            asker.wrong(f"checksum of {file} {mistake}")
        checksums[file] = {kind: digest}
    return checksums


def _signature(asker: Asker) -> Signature:
    asker.refuse_unknown(("file", "keyring", "allowed_signers", "signer", "namespace"), "signature")
    return Signature(
        asker.text("file"),
        asker.text("keyring"),
        asker.text("allowed_signers"),
        asker.text("signer"),
        asker.text("namespace") or Signature.namespace,
    )
