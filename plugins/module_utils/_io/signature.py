# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached signatures over a descriptor's bytes, verified with the tools that hosts have: gpgv and ssh-keygen.

Sources: GnuPG's doc/DETAILS (status lines); ssh-keygen(1) and OpenSSH's PROTOCOL.sshsig.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Optional

from .._core.errors import ImageError
from .._core.names import plain
from .._core.openpgp import MAX_SIGNATURES, fingerprint, keyring_of, signatures_of

# What makers append to the descriptor's name: .asc is gpg --armor, .sig both gpg --detach-sign and ssh-keygen -Y sign,
# .gpg the way of distributions' archives (Release.gpg). The content tells which kind it is, never the name.
SUFFIXES = (".asc", ".sig", ".gpg")
SECONDS = 30
MAX_SIGNATURE = 64 * 1024
# Debian's keyring of all its members has 30 MiB.
MAX_KEYS = 64 * 1024 * 1024
SSH_BEGIN = b"-----BEGIN SSH SIGNATURE-----"
SSH_BLOCK = re.compile(rb"\s*" + SSH_BEGIN + rb"\r?\n[A-Za-z0-9+/=\s]+-----END SSH SIGNATURE-----\s*")
# Tools and the packages that have them.
SSH_KEYGEN, GPGV = ("ssh-keygen", "openssh-client (openssh on Fedora)"), ("gpgv", "gpgv (gnupg2 on Fedora)")
# What is said of a signature that is no good; gpgv exits with 0 for the first two, as it trusts all keys of a keyring.
REFUSED = {
    "EXPKEYSIG": "was made with a key that has expired",
    "REVKEYSIG": "was made with a key that is revoked",
    "EXPSIG": "has expired",
    "NO_PUBKEY": "was made with a key that is not in the keyring",
}
# RFC 9580, 9.5: SHA-256, -384, -512, -224, SHA3-256 and -512. Others can make two files with one SHA-1 or MD5.
STRONG = ("8", "9", "10", "11", "12", "14")
# Signatures over text (01) take line ends of all kinds for the same; the others are not over files.
OVER_BYTES = "00"


@dataclass(frozen=True)
class Keys:
    """Who may sign; the files are on this machine.

    `keyring` holds OpenPGP public keys, binary or armored; `allowed_signers` is ssh-keygen's file of that name.
    `signer` narrows them to one: for SSH a principal of allowed_signers (alice@example.com), for OpenPGP the full
    fingerprint of a key, or of its subkey that signs. `namespace` is SSH's word for what a signature is for.
    """

    keyring: Optional[str]
    allowed_signers: Optional[str]
    signer: Optional[str]
    namespace: str = "file"


@dataclass(frozen=True)
class _Verdict:
    """What gpgv says of one signature: by whom, with which key and primary key, and why it does not count."""

    who: str
    fingerprints: tuple[str, ...] = ()
    reason: Optional[str] = None
    bad: bool = False


def verify(content: bytes, signature: bytes, keys: Keys, where: str) -> str:
    """Return who signed the content: `principal (key)` for SSH, `fingerprint (user id)` for OpenPGP.

    Of several OpenPGP signatures, one must be by a key of the keyring (and by `signer`, if that is given) and none may
    be wrong; those by unknown, expired or revoked keys neither help nor harm. Raises ImageError for all else.
    """
    if len(signature) > MAX_SIGNATURE:
        raise ImageError(f"has a signature file of more than {MAX_SIGNATURE} bytes, which is none", where)
    kind = _ssh if signature.lstrip().startswith(SSH_BEGIN) else _openpgp
    try:
        with tempfile.TemporaryDirectory(prefix="virt-image-") as folder:
            return kind(content, signature, keys, folder, where)
    except OSError as error:
        raise ImageError(f"cannot verify the signature: {error.strerror}", where) from None


def _ssh(content: bytes, signature: bytes, keys: Keys, folder: str, where: str) -> str:
    if not keys.allowed_signers:
        raise ImageError("is signed with SSH, and no allowed_signers are given to verify that with", where)
    # ssh-keygen would pass over what follows the block.
    if not SSH_BLOCK.fullmatch(signature):
        raise ImageError("has an SSH signature that is cut off or not alone; ssh-keygen -Y sign makes one", where)
    allowed = _write(folder, "allowed_signers", _read(keys.allowed_signers, "the file of allowed signers"))
    # Nor does it take line ends of another kind than its own.
    block = signature.strip().replace(b"\r\n", b"\n") + b"\n"
    files = ["-f", allowed, "-s", _write(folder, "signature", block)]
    done, signers = None, [keys.signer]
    if not keys.signer:
        done = _run(SSH_KEYGEN, ["-Y", "find-principals", *files], folder, where)
        signers = [] if done.returncode else done.stdout.split("\n")[:-1][:MAX_SIGNATURES]
    for signer in signers:
        options = ["-Y", "verify", *files, "-I", signer, "-n", keys.namespace]
        done = _run(SSH_KEYGEN, options, folder, where, content)
        if not done.returncode and done.stdout.startswith('Good "'):
            key = re.search(r"with (\S+) key (\S+)\s*$", done.stdout)
            return plain(f"{signer} ({key[1]} {key[2]})" if key else signer)
    reason = _words(done).replace(allowed, keys.allowed_signers) or f"its key is not one of {keys.signer}"
    raise ImageError(plain(f"has an SSH signature that {keys.allowed_signers} does not prove: {reason}"), where)


def _openpgp(content: bytes, signature: bytes, keys: Keys, folder: str, where: str) -> str:
    signatures = signatures_of(signature, where)
    if not keys.keyring:
        raise ImageError("is signed with OpenPGP, and no keyring is given to verify that with", where)
    wanted = fingerprint(keys.signer) if keys.signer else None
    _write(folder, "keyring", keyring_of(_read(keys.keyring, "the keyring"), keys.keyring))
    _write(folder, "content", content)
    os.mkdir(os.path.join(folder, "home"), 0o700)
    # One at a time: of several with different digests gpgv looks at the first only.
    verdicts = [_judge(one, folder, where) for one in signatures]
    for verdict in verdicts:
        if verdict.bad:
            raise ImageError(f"has a wrong signature of {verdict.who}: it or the signature was changed", where)
    valid = [verdict for verdict in verdicts if not verdict.reason]
    for verdict in valid:
        if not wanted or wanted in verdict.fingerprints:
            return verdict.who
    if valid:
        raise ImageError(f"is signed by {valid[0].who}; asked for is {wanted} (signer)", where)
    reasons = "; ".join(f"that of {verdict.who} {verdict.reason}" for verdict in verdicts)
    raise ImageError(f"has no signature that {keys.keyring} proves: {reasons}", where)


def _judge(signature: bytes, folder: str, where: str) -> _Verdict:
    """Return the verdict on one signature, from gpgv's status lines rather than from its exit code."""
    place = {name: os.path.join(folder, name) for name in ("home", "keyring", "content")}
    options = ["--homedir", place["home"], "--keyring", place["keyring"], "--weak-digest", "SHA1", "--status-fd", "1"]
    done = _run(GPGV, [*options, "--", _write(folder, "signature", signature), place["content"]], folder, where)
    lines = (line.split(" ") for line in done.stdout.split("\n") if line.startswith("[GNUPG:] "))
    told = {line[1]: line[2:] for line in lines}
    valid, (key, *user) = told.get("VALIDSIG", []), _signer(told)
    who = plain(f"{valid[9] if len(valid) > 9 else key} ({' '.join(user)})" if user else key)
    if "BADSIG" in told:
        return _Verdict(who, reason="is wrong", bad=True)
    for keyword, reason in REFUSED.items():
        if keyword in told:
            return _Verdict(who, reason=reason)
    if done.returncode or "ERRSIG" in told or "GOODSIG" not in told or len(valid) < 10:
        return _Verdict(who, reason=f"cannot be checked ({plain(_words(done)) or 'gpgv says nothing'})")
    if valid[8] != OVER_BYTES:
        return _Verdict(who, reason="is over text, not bytes; gpg --detach-sign without --textmode makes one that is")
    if valid[7] not in STRONG:
        return _Verdict(who, reason="is over a digest that can be forged, such as SHA-1")
    return _Verdict(who, (valid[0], valid[9]))


def _signer(told: dict) -> list[str]:
    """Return the key's id that a status line tells, and the words of its user id where there are some."""
    for keyword in ("GOODSIG", "BADSIG", *REFUSED):
        if told.get(keyword):
            return told[keyword]
    return (told.get("ERRSIG") or ["an unknown key"])[:1]


def _read(path: str, what: str) -> bytes:
    try:
        # A FIFO would hold us up until its writer comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ImageError(f"{what} is no plain file", path)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(MAX_KEYS + 1)
    except (OSError, ValueError) as error:
        # A null character in the name is the second.
        raise ImageError(f"cannot read {what}: {getattr(error, 'strerror', None) or error}", plain(path)) from None
    if len(raw) > MAX_KEYS:
        raise ImageError(f"has more than {MAX_KEYS} bytes; {what} was expected", path)
    return raw


def _write(folder: str, name: str, content: bytes) -> str:
    """Write a file of our own name, so that no tool ever sees a name that a stranger or a user chose."""
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def _run(tool: tuple, options: list, folder: str, where: str, content: Optional[bytes] = None):
    """Run a tool with a home of its own, so that no user's configuration or keys come in."""
    name, package = tool
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": folder}
    try:
        # AnsibleModule.run_command has no limit of time.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [name, *options], input=content or b"", capture_output=True, timeout=SECONDS, check=False, env=environment
        )
    except FileNotFoundError:
        why = f"{name} is missing on this machine; install {package}"
        raise ImageError(f"cannot verify the signature: {why}", where) from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"cannot verify the signature: {name} took more than {SECONDS} s", where) from None
    except ValueError:
        raise ImageError("cannot verify the signature: signer or namespace holds a null character", where) from None
    told = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(name, done.returncode, *told)


def _words(done) -> str:
    """Return the last lines of what a tool says, which are why it failed."""
    return " ".join(" ".join(done.stderr.splitlines()[-2:]).split())
