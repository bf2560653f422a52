# SPDX-License-Identifier: GPL-3.0-or-later
"""What proves a file: the checksums of the descriptor and the user, and what is refused for want of them."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.trust import (
    Signature,
    Trust,
    refuse_unknown_files,
    warning_of,
)
from ansible_collections.virt.image.tests.unit.support import guest, image, message

SHA256, SHA512, MD5, SHA1 = "a" * 64, "b" * 128, "c" * 32, "d" * 40
SIGNED = {"require_signature": True, "signature": {"keyring": "/keys.gpg"}}


def checksums(told, **options):
    return guest(**options).trust.checksums_of("root.raw", told)


@pytest.mark.parametrize(
    "told, options, known",
    [
        ({}, {}, {}),
        ({"sha256": SHA256}, {}, {"sha256": SHA256}),
        ({}, {"checksum": {"root.raw": f"sha512:{SHA512}"}}, {"sha512": SHA512}),
        ({}, {"checksum": {"root.raw": f" SHA256:{SHA256.upper()} "}}, {"sha256": SHA256}),
        ({"md5": MD5}, {"checksum": {"root.raw": f"sha256:{SHA256}"}}, {"md5": MD5, "sha256": SHA256}),
        ({"sha256": SHA256}, {"checksum": {"root.raw": f"sha256:{SHA256}"}}, {"sha256": SHA256}),
        ({}, {"checksum": {"data.raw": f"sha256:{SHA256}"}}, {}),
        ({"md5": MD5}, {"require_checksum": True}, {"md5": MD5}),
        ({"sha512": SHA512}, SIGNED, {"sha512": SHA512}),
    ],
)
def test_what_is_known_of_a_file(told, options, known):
    assert checksums(told, **options) == known


@pytest.mark.parametrize(
    "told, options, words",
    [
        ({}, {"require_checksum": True}, "root.raw has no checksum in the descriptor, and require_checksum is on"),
        ({"sha256": SHA256}, {"checksum": {"root.raw": f"sha256:{'e' * 64}"}}, "root.raw has two sha256 checksums: aaaa"),
        ({}, SIGNED, "root.raw has no checksum that a signature could vouch for"),
        ({"md5": MD5, "sha1": SHA1}, SIGNED, "root.raw has no checksum that a signature could vouch for"),
    ],
)
def test_what_is_refused(told, options, words):
    assert message(checksums, told, **options).startswith(words)


@pytest.mark.parametrize(
    "known, words",
    [
        ({}, None),
        ({"sha256": SHA256, "md5": MD5}, None),
        ({"md5": MD5}, "root.raw is verified by md5 only, which others can forge; sha256 is better"),
        ({"sha1": SHA1, "md5": MD5}, "root.raw is verified by md5 and sha1 only, which others can forge; sha256 is better"),
    ],
)
def test_weak_checksums_are_warned_of(known, words):
    assert warning_of("root.raw", known) == words


def test_nothing_said():
    assert guest().trust == Trust({}, False, Signature(None, None, None, None, "file"), False)
    assert not guest().trust.signature.has_keys


@pytest.mark.parametrize("keys", [{"keyring": "/k"}, {"allowed_signers": "/a", "signer": "me", "namespace": "images"}])
def test_keys(keys):
    trust = guest(signature=keys).trust
    assert trust.signature == Signature(**keys)
    assert trust.signature.has_keys


def test_a_checksum_of_no_file():
    made = image(disks='<disk file="root.raw"/>', drives='<drive disk="root.raw"/>')
    for file in ("root.raw", "image.xml"):
        refuse_unknown_files(Trust({file: {"sha256": SHA256}}), made, "image.xml")
    assert message(refuse_unknown_files, Trust({"rot.raw": {"sha256": SHA256}}), made, "image.xml") == (
        "checksum: rot.raw is no file of image web; it has image.xml, root.raw"
    )
