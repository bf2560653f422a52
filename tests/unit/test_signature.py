# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures over a descriptor, made by the real gpg and ssh-keygen: what is taken, and every way to be no good."""

from __future__ import annotations

import base64
import os
import random
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.openpgp import signatures_of
from ansible_collections.virt.image.plugins.module_utils._io import signature
from ansible_collections.virt.image.plugins.module_utils._io.signature import Keys, verify
from ansible_collections.virt.image.tests.unit.support import FACTOR, message, value_or_words

CONTENT = b"<image>\n  <name>web</name>\n</image>\n"
CLEAR = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


def tool(*command, content=None, **environment):
    """Return what a tool writes; it is to succeed."""
    return subprocess.run(
        command, input=content or b"", capture_output=True, check=True, env={**CLEAR, **environment}
    ).stdout


@pytest.fixture(name="pgp", scope="module")
def _pgp(tmp_path_factory):
    """Keys of Alice and Bob, one that has expired and one that is revoked, and what they signed."""
    if not (shutil.which("gpg") and shutil.which("gpgv")):
        pytest.skip("gpg or gpgv is not on this machine")
    home = tmp_path_factory.mktemp("gpg")

    def gpg(*options, content=CONTENT):
        quiet = ("--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "")
        return tool("gpg", *quiet, *options, content=content, GNUPGHOME=str(home))

    then = ("--faked-system-time", "20200102T000000")
    prints = {}
    for name, when, lasts in (
        ("alice", (), "never"),
        ("bob", (), "never"),
        ("carol", (), "never"),
        ("old", then, "30d"),
        ("gone", then, "never"),
    ):
        gpg(*when, "--quick-gen-key", f"{name.title()} <{name}@example.com>", "ed25519", "sign", lasts)
        listed = gpg("--list-keys", "--with-colons", f"{name}@example.com").decode().splitlines()
        prints[name] = [line.split(":")[9] for line in listed if line.startswith("fpr:")][0]
    gpg("--quick-add-key", prints["carol"], "ed25519", "sign")

    def sign(*options, who="alice", content=CONTENT):
        return gpg("-u", f"{who}@example.com", *options, content=content)

    made = {
        "binary": sign("-b"),
        "armored": sign("-b", "--armor"),
        "bob": sign("-b", who="bob"),
        "subkey": sign("-b", who="carol"),
        "old": sign(*then, "-b", who="old"),
        "gone": sign(*then, "-b", who="gone"),
        "expired": sign(*then, "-b", "--default-sig-expire", "1d", who="gone"),
        "sha1": sign("-b", "--digest-algo", "SHA1"),
        "sha512": sign("-b", "--digest-algo", "SHA512", who="bob"),
        "text": sign("-b", "--textmode"),
        "inline": sign("--sign"),
        "inline armored": sign("--sign", "--armor"),
        "clear": sign("--clearsign"),
        "other": sign("-b", content=b"other", who="bob"),
    }
    keys = {name: gpg("--export", f"{name}@example.com") for name in prints}
    keys["armored"] = gpg("--export", "--armor", "alice@example.com")
    keys["secret"] = gpg("--export-secret-keys", "alice@example.com")
    keys["secret armored"] = gpg("--export-secret-keys", "--armor", "alice@example.com")
    revocation = (home / "openpgp-revocs.d" / f"{prints['gone']}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    gpg("--import", content=revocation.encode())
    keys["revoked"] = gpg("--export", "gone@example.com")
    for name, raw in keys.items():
        (home / f"{name}.keys").write_bytes(raw)
    (home / "keybox.keys").write_bytes((home / "pubring.kbx").read_bytes())
    # Its agent goes with its folder, but not at once.
    tool("gpgconf", "--kill", "all", GNUPGHOME=str(home))
    yield SimpleNamespace(home=home, made=made, prints=prints)


@pytest.fixture(name="ssh", scope="module")
def _ssh(tmp_path_factory):
    """Keys of Alice and Bob, files of allowed signers, and what the two signed."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not on this machine")
    home = tmp_path_factory.mktemp("ssh")
    for name in ("alice", "bob"):
        tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name))
    public = {name: (home / f"{name}.pub").read_text() for name in ("alice", "bob")}

    def sign(who="alice", namespace="file", content=CONTENT):
        return tool("ssh-keygen", "-q", "-Y", "sign", "-f", str(home / who), "-n", namespace, content=content)

    made = {"alice": sign(), "bob": sign("bob"), "git": sign(namespace="git"), "other": sign(content=b"other")}
    for name, lines in {
        "alice": f"alice@example.com {public['alice']}",
        "both": f"# ours\nalice@example.com {public['alice']}bob@example.com {public['bob']}",
        "pattern": f"*@example.com,alice {public['alice']}",
        "expired": f'alice@example.com valid-before="20200101" {public["alice"]}',
        "for git": f'alice@example.com namespaces="git" {public["alice"]}',
        "broken": "alice@example.com what is this\n",
        "empty": "",
        "-x": f"alice@example.com {public['alice']}",
    }.items():
        (home / f"{name}.allowed").write_text(lines)
    return SimpleNamespace(home=home, made=made)


def armored(raw):
    return b"-----BEGIN PGP SIGNATURE-----\n\n" + base64.encodebytes(raw) + b"-----END PGP SIGNATURE-----\n"


def by_pgp(pgp, made, keyring="alice", signer=None, content=CONTENT):
    made = made if isinstance(made, bytes) else pgp.made[made]
    return verify(content, made, Keys(str(pgp.home / f"{keyring}.keys"), None, signer), "image.xml")


def by_ssh(ssh, made, allowed="alice", signer=None, content=CONTENT, namespace="file"):
    made = made if isinstance(made, bytes) else ssh.made[made]
    return verify(content, made, Keys(None, str(ssh.home / f"{allowed}.allowed"), signer, namespace), "image.xml")


@pytest.mark.parametrize("made", ["binary", "armored"])
@pytest.mark.parametrize("keyring", ["alice", "armored", "keybox"])
def test_openpgp(pgp, made, keyring):
    assert by_pgp(pgp, made, keyring) == f"{pgp.prints['alice']} (Alice <alice@example.com>)"


def test_openpgp_of_a_subkey(pgp):
    """A subkey signs, its primary key is who that is; both are fingerprints that can be asked for."""
    carol = f"{pgp.prints['carol']} (Carol <carol@example.com>)"
    listed = (
        tool("gpg", "--with-colons", "--show-keys", str(pgp.home / "carol.keys"), GNUPGHOME=str(pgp.home))
        .decode()
        .splitlines()
    )
    subkey = [line.split(":")[9] for line in listed if line.startswith("fpr:")][1]
    for signer in (None, pgp.prints["carol"], subkey):
        assert by_pgp(pgp, "subkey", "carol", signer) == carol


def test_openpgp_of_one_signer(pgp):
    alice, bob = pgp.prints["alice"], pgp.prints["bob"]
    spaced = " ".join(alice[at : at + 4] for at in range(0, 40, 4)).lower()
    assert by_pgp(pgp, "binary", "keybox", spaced).startswith(alice)
    assert (
        message(by_pgp, pgp, "binary", "keybox", bob)
        == f"image.xml: is signed by {alice} (Alice <alice@example.com>); asked for is {bob} (signer)"
    )
    assert message(by_pgp, pgp, "binary", "keybox", alice[-16:]) == (
        f"signer {alice[-16:]!r} is no full OpenPGP fingerprint, which a signature of that kind needs; "
        "gpg --fingerprint shows its 40 digits"
    )


@pytest.mark.parametrize(
    "made, keyring, words",
    [
        ("bob", "alice", "was made with a key that is not in the keyring"),
        ("old", "old", "was made with a key that has expired"),
        ("gone", "revoked", "was made with a key that is revoked"),
        ("expired", "gone", "has expired"),
        ("sha1", "alice", "Invalid digest algorithm"),
        ("text", "alice", "is over text, not bytes"),
        ("inline", "alice", "no detached signature"),
        ("inline armored", "alice", "holds PGP MESSAGE, not a detached signature"),
        ("clear", "alice", "holds PGP SIGNED MESSAGE, not a detached signature"),
        ("other", "bob", "image.xml: has a wrong signature of"),
        ("binary", "secret", "secret.keys: is no keyring of OpenPGP public keys"),
        ("binary", "secret armored", "secret armored.keys: holds PGP PRIVATE KEY BLOCK, not public keys"),
        ("binary", "missing", "missing.keys: cannot read the keyring: No such file or directory"),
    ],
)
def test_openpgp_refused(pgp, made, keyring, words):
    assert words in message(by_pgp, pgp, made, keyring)


def test_a_revoked_key_was_good_before(pgp):
    assert by_pgp(pgp, "gone", "gone").startswith(pgp.prints["gone"])


def test_a_weak_digest_is_seen_by_us_too(pgp, monkeypatch):
    monkeypatch.setattr(signature, "STRONG", ("10",))
    assert "is over a digest that can be forged" in message(by_pgp, pgp, "binary")


@pytest.mark.parametrize(
    "parts, who",
    [
        (("binary", "bob"), "alice"),
        (("bob", "binary"), "alice"),
        (("sha512", "binary"), "alice"),
        (("old", "gone", "binary"), "alice"),
    ],
)
def test_one_of_several_is_enough(pgp, parts, who):
    made = b"".join(pgp.made[part] for part in parts)
    assert by_pgp(pgp, made).startswith(pgp.prints[who])
    assert by_pgp(pgp, b"".join(armored(pgp.made[part]) for part in parts)).startswith(pgp.prints[who])


@pytest.mark.parametrize("parts", [("binary", "other"), ("other", "binary"), ("sha512", "other", "binary")])
def test_none_of_several_may_be_wrong(pgp, parts):
    made = b"".join(pgp.made[part] for part in parts)
    assert message(by_pgp, pgp, made, "keybox").startswith("image.xml: has a wrong signature of ")


@pytest.mark.parametrize("at", [0, 10, len(CONTENT) - 1])
def test_changed_content(pgp, ssh, at):
    changed = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
    for content in (changed, CONTENT + b"\n", CONTENT[:-1], CONTENT.replace(b"\n", b"\r\n"), b""):
        assert "has a wrong signature of" in message(by_pgp, pgp, "binary", content=content)
        assert "incorrect signature" in message(by_ssh, ssh, "alice", content=content)


@pytest.mark.parametrize("kind", ["binary", "armored", "ssh"])
def test_changed_signature(pgp, ssh, kind):
    """No change of a byte makes another signer of it or a traceback; some bytes say nothing (armor, key hints)."""
    made, dice = ssh.made["alice"] if kind == "ssh" else pgp.made[kind], random.Random(7)
    for _time in range(30 * FACTOR):
        at = dice.randrange(len(made))
        changed = made[:at] + bytes([made[at] ^ 1 << dice.randrange(8)]) + made[at + 1 :]
        told = value_or_words(str, *((by_ssh, ssh) if kind == "ssh" else (by_pgp, pgp)), changed)
        assert told is None or "alice" in told


GARBAGE = [
    b"",
    b"\n",
    b"hello",
    bytes(1000),
    b"\x88",
    b"\x8b" + bytes(10),
    b"\xc2\xff\xff\xff\xff\xff",
    b"\xc2\xe0" + bytes(100),
    b"\x88\x00",
    b"-----BEGIN PGP SIGNATURE-----\n",
    b"-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n",
    b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
    b"-----BEGIN PGP SIGNATURE-----\n\n%%%\n-----END PGP SIGNATURE-----\n",
    b"-----BEGIN PGP SIGNATURE-----\n\naGVsbG8=\n=AAAA\n-----END PGP SIGNATURE-----\n",
    b"-----BEGIN SSH SIGNATURE-----\n",
    b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
    random.Random(1).randbytes(1000),
    random.Random(1).randbytes(2**20),
]


@pytest.mark.parametrize("raw", GARBAGE, ids=lambda raw: repr(raw[:40]))
def test_garbage(pgp, ssh, raw):
    keys = Keys(str(pgp.home / "alice.keys"), str(ssh.home / "alice.allowed"), None)
    assert message(verify, CONTENT, raw, keys, "image.xml").startswith("image.xml: ")
    (pgp.home / "garbage.keys").write_bytes(raw)
    (ssh.home / "garbage.allowed").write_bytes(raw)
    assert message(by_pgp, pgp, "binary", "garbage")
    assert message(by_ssh, ssh, "alice", "garbage")


def test_what_is_in_a_detached_signature_is_signatures_only(pgp):
    binary, inline = pgp.made["binary"], pgp.made["inline"]
    assert signatures_of(armored(binary), "f") == signatures_of(binary, "f") == [binary]
    for raw in (binary + inline, inline + binary, binary * 17, binary[:-1], armored(inline)):
        assert "no detached signature" in message(signatures_of, raw, "f")
    assert message(signatures_of, armored(binary)[:-3], "f") == "f: ends within its SIGNATURE"


@pytest.mark.parametrize(
    "allowed, signer, who",
    [
        ("alice", None, "alice@example.com"),
        ("both", None, "alice@example.com"),
        ("alice", "alice@example.com", "alice@example.com"),
        ("pattern", "alice@example.com", "alice@example.com"),
        ("pattern", None, "*@example.com"),
        ("-x", None, "alice@example.com"),
    ],
)
def test_ssh(ssh, monkeypatch, allowed, signer, who):
    monkeypatch.chdir(ssh.home)
    assert by_ssh(ssh, "alice", allowed, signer).startswith(f"{who} (ED25519 SHA256:")
    keys = Keys(None, f"{allowed}.allowed", signer)
    assert verify(CONTENT, ssh.made["alice"].replace(b"\n", b"\r\n"), keys, "f").startswith(f"{who} (ED25519 SHA256:")


@pytest.mark.parametrize(
    "made, allowed, options, words",
    [
        ("bob", "alice", {}, "No principal matched."),
        ("bob", "both", {"signer": "alice@example.com"}, "its key is not one of alice@example.com"),
        ("alice", "alice", {"signer": "bob@example.com"}, "its key is not one of bob@example.com"),
        ("alice", "alice", {"signer": "-x"}, "its key is not one of -x"),
        ("alice", "alice", {"signer": "a\0"}, "signer or namespace holds a null character"),
        ("git", "alice", {}, "namespace does not match"),
        ("alice", "alice", {"namespace": "git"}, "namespace does not match"),
        ("alice", "alice", {"namespace": "-x"}, "namespace does not match"),
        ("alice", "for git", {}, 'key is not permitted for use in signature namespace "file"'),
        ("alice", "expired", {}, "key has expired"),
        ("alice", "broken", {}, "broken.allowed:1: "),
        ("alice", "empty", {}, "No principal matched."),
        ("alice", "missing", {}, "missing.allowed: cannot read the file of allowed signers: No such file or directory"),
        ("other", "alice", {}, "incorrect signature"),
    ],
)
def test_ssh_refused(ssh, made, allowed, options, words):
    assert words in message(by_ssh, ssh, made, allowed, **options)


def test_ssh_has_one_block_and_no_more(ssh):
    made = ssh.made["alice"]
    for raw in (made + made, made + b"x", made[:-10], made.replace(b"\n", b"", 1)):
        assert "is cut off or not alone" in message(by_ssh, ssh, raw)


def test_no_keys_for_the_kind(pgp, ssh):
    both = pgp.made["armored"], ssh.made["alice"]
    told = [message(verify, CONTENT, made, Keys(None, None, None), "image.xml") for made in both]
    assert told == [
        "image.xml: is signed with OpenPGP, and no keyring is given to verify that with",
        "image.xml: is signed with SSH, and no allowed_signers are given to verify that with",
    ]


def test_a_keyring_that_is_no_file(pgp, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "null" in message(verify, CONTENT, pgp.made["binary"], Keys("a\0", None, None), "f")
    for path in (tmp_path / "fifo", tmp_path):
        told = message(verify, CONTENT, pgp.made["binary"], Keys(str(path), None, None), "f")
        assert told == f"{path}: the keyring is no plain file"


def test_missing_tools(pgp, ssh, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert message(by_pgp, pgp, "binary") == (
        "image.xml: cannot verify the signature: gpgv is missing on this machine; install gpgv (gnupg2 on Fedora)"
    )
    assert message(by_ssh, ssh, "alice").endswith("install openssh-client (openssh on Fedora)")


@pytest.mark.parametrize(
    "says, words",
    [
        ("exit 0", "cannot be checked (gpgv says nothing)"),
        ("echo '[GNUPG:] GOODSIG 1 Alice'", "cannot be checked"),
        ("echo '[GNUPG:] VALIDSIG F 1 1 0 4 0 22 8 00 F'", "cannot be checked"),
        ("echo '[GNUPG:] GOODSIG'; echo '[GNUPG:]'; echo '[GNUPG:] '", "cannot be checked"),
        ("echo '[GNUPG:] GOODSIG 1 A'; echo '[GNUPG:] VALIDSIG F 1 1 0 4 0 22 8 00 F'; exit 2", "cannot be checked"),
        ("kill -9 $$", "cannot be checked"),
        ("exec sleep 9", "gpgv took more than 0.1 s"),
    ],
)
def test_a_tool_that_goes_wrong(pgp, monkeypatch, tmp_path, says, words):
    (tmp_path / "gpgv").write_text(f"#!/bin/sh\n{says}\n")
    (tmp_path / "gpgv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(signature, "SECONDS", 0.1 if "sleep" in says else 30)
    assert words in message(by_pgp, pgp, "binary")


def test_nothing_is_left(pgp, ssh, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(signature.tempfile, "tempdir", None)
    by_pgp(pgp, "binary")
    by_ssh(ssh, "alice")
    message(by_pgp, pgp, "other", "bob")
    assert os.listdir(tmp_path) == []
