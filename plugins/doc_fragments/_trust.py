# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say what proves an image."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that say what proves an image."""

    DOCUMENTATION = r"""
options:
  checksum:
    description:
      - Checksums of the image's files, besides those in the descriptor. A key is a file's name as the descriptor has it, or
        the descriptor's own; a value is an algorithm and a digest, such as V(sha256:DIGEST).
      - Known are sha224, sha256, sha384 and sha512, and with a warning sha1 and md5. They are those of the file as it is
        delivered, compressed or not.
    type: dict
  require_checksum:
    description:
      - Whether a file without any checksum is refused.
    type: bool
    default: false
  signature:
    description:
      - Whose detached signature over the descriptor is taken. The checksums in it then cover the disks.
      - One of O(signature.keyring) and O(signature.allowed_signers) is needed.
      - A signature that is there must be right. That there is none is accepted, unless O(signature.file) or
        O(require_signature) says otherwise.
    type: dict
    suboptions:
      file:
        description:
          - The signature's file, relative to the descriptor. By default the descriptor's name with C(.asc), C(.sig) or
            C(.gpg), whichever is there.
        type: str
      keyring:
        description:
          - The path of a keyring with OpenPGP keys, for C(gpgv). It is on the machine where the image is, or on the host
            where that is a URL.
        type: path
      allowed_signers:
        description:
          - The path of a file with SSH keys as C(ssh-keygen -Y verify) takes it, on the same machine.
        type: path
      signer:
        description:
          - Who must have signed, the principal of an SSH key or the fingerprint of an OpenPGP key. By default any of them.
        type: str
      namespace:
        description:
          - The namespace of an SSH signature.
        type: str
        default: file
  require_signature:
    description:
      - Whether a descriptor without a valid signature is refused, and files that its checksums do not cover. md5 and sha1
        do not.
    type: bool
    default: false
"""
