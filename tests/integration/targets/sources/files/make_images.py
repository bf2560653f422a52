# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the images of the test, their keys and signatures, and the server's certificate: make_images.py FOLDER ISO.

FOLDER/www has a folder for each image; FOLDER/original.raw is what their disks hold.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import random
import shutil
import subprocess
import sys

FOLDER, ISO = sys.argv[1:]
WWW, ORIGINAL = os.path.join(FOLDER, "www"), os.path.join(FOLDER, "original.raw")
KIB, MIB = 1024, 1024 * 1024

DESCRIPTOR = """<image>
  <name>{name}</name>
  <domain>
    <boot type="hvm">
      <guest><arch>x86_64</arch><features><acpi/><apic/></features></guest>
      <os><loader dev="{dev}"/></os>
      <drive disk="{file}"/>
    </boot>
    <devices><memory>32768</memory></devices>
  </domain>
  <storage>
    <disk file="{file}" format="{format}">{checksum}</disk>
  </storage>
</image>
"""
CHECKSUM = '<checksum type="{}">{}</checksum>'

# Of one content: image, the disk's file, its format, what makes it of it, how it is packed, and the checksum told.
FORMATS = (
    ("raw", "root.raw", "raw", "raw", None, "sha256"),
    ("raw-gz", "root.raw.gz", "raw", "raw", "gz", "sha256"),
    ("raw-zst", "root.raw", "raw", "raw", "zst", None),
    ("qcow", "root.qcow", "qcow", "qcow", None, None),
    ("qcow2", "root.qcow2", "qcow2", "qcow2", None, "sha256"),
    # Below the descriptor's folder, with a name that a URL has to encode.
    ("qcow2-xz", "disks/root disk #1", "qcow2", "qcow2", "xz", None),
    ("vmdk", "root.vmdk", "vmdk", "vmdk -o subformat=monolithicSparse", None, "sha256"),
    ("vmdk-stream", "disk1.vmdk", "vmdk", "vmdk -o subformat=streamOptimized", "zst", "sha512"),
    ("vdi-bz2", "root.vdi", "vdi", "vdi", "bz2", "md5"),
)
# Of contents of their own, so that each is brought anew: image, size.
FRESH = (
    ("broken", 2 * MIB),
    ("broken-unknown", 2 * MIB),
    ("killed", 4 * MIB),
    ("private", 64 * KIB),
    ("plain", 64 * KIB),
)
# Of one small content: image, checksums by algorithm; True is the right one.
CHECKSUMS = (
    ("none", {}),
    ("md5", {"md5": True}),
    ("sha256", {"sha256": True}),
    ("sha512", {"sha512": True}),
    ("bad-md5", {"md5": False}),
    ("bad-sha256", {"sha256": False}),
    ("bad-sha512", {"sha512": False}),
)
# Image, by whom it is signed and how, and whether it was changed afterwards.
SIGNED = (
    ("pgp", "maker", "pgp", False),
    ("pgp-stranger", "stranger", "pgp", False),
    ("pgp-changed", "maker", "pgp", True),
    ("ssh", "maker", "ssh", False),
    ("ssh-stranger", "stranger", "ssh", False),
    ("ssh-changed", "maker", "ssh", True),
)


def run(*command: str, **options) -> bytes:
    """Run a command; end with what it says where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def make_image(name: str, file: str, format: str, content: bytes, checksums: dict, dev: str = "hd") -> None:
    """Write an image; a checksum that is False is a wrong one."""
    os.makedirs(os.path.dirname(os.path.join(WWW, name, file)))
    told = "".join(
        CHECKSUM.format(kind, hashlib.new(kind, content if right else b"else").hexdigest())
        for kind, right in checksums.items()
    )
    text = DESCRIPTOR.format(name=name, file=file, format=format, checksum=told, dev=dev)
    write(os.path.join(WWW, name, file), content)
    write(os.path.join(WWW, name, "image.xml"), text.encode())


def packed(content: bytes, packing: str) -> bytes:
    if packing == "gz":
        return gzip.compress(content, 1)
    if packing == "bz2":
        return bz2.compress(content, 1)
    if packing == "xz":
        return lzma.compress(content, preset=0)
    return run("zstd", "-q", "-c", input=content) if packing == "zst" else content


def make_formats() -> None:
    """Make the images of one content in all formats and packings, and the one of a CD."""
    # Data, a hole, data; of text, so that packing makes it smaller.
    block = random.Random(1).randbytes(256 * KIB).hex().encode()
    write(ORIGINAL, block + bytes(MIB) + block + bytes(MIB))
    for name, file, format, output, packing, kind in FORMATS:
        target = os.path.join(FOLDER, "converted")
        run("qemu-img", "convert", "-f", "raw", ORIGINAL, "-O", *output.split(), target)
        make_image(name, file, format, packed(read(target), packing), {kind: True} if kind else {})
        os.unlink(target)
    make_image("iso", "cd.iso", "iso", read(ISO), {"sha256": True}, "cdrom")


def make_keys() -> None:
    """Make the keys of a maker and of a stranger, and what holds the maker's public ones."""
    home = os.path.join(FOLDER, "gnupg")
    os.mkdir(home, 0o700)
    for who in ("maker", "stranger"):
        address = f"{who}@example.com"
        run(
            "gpg",
            "--homedir",
            home,
            "--batch",
            "--passphrase",
            "",
            "--quick-gen-key",
            address,
            "ed25519",
            "sign",
            "never",
        )
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", address, "-f", os.path.join(FOLDER, who))
    write(os.path.join(FOLDER, "maker.gpg"), run("gpg", "--homedir", home, "--export", "maker@example.com"))
    write(os.path.join(FOLDER, "signers"), b"maker@example.com " + read(os.path.join(FOLDER, "maker.pub")))


def make_signed() -> None:
    """Make the signed images."""
    home = os.path.join(FOLDER, "gnupg")
    make_keys()
    for name, who, kind, changed in SIGNED:
        make_image(name, "root.raw", "raw", SMALL, {"sha256": True})
        path = os.path.join(WWW, name, "image.xml")
        if kind == "pgp":
            run(
                "gpg",
                "--homedir",
                home,
                "--batch",
                "--armor",
                "--local-user",
                f"{who}@example.com",
                "--detach-sign",
                path,
            )
        else:
            run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", os.path.join(FOLDER, who), path)
        if changed:
            write(path, read(path).replace(b"32768", b"65536"))
    run("gpgconf", "--homedir", home, "--kill", "all")


def make_certificate() -> None:
    """Make an authority and the server's certificate by it."""
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    place = {"cwd": FOLDER}
    run(
        "openssl", "req", "-x509", *kind, "-subj", "/CN=integ authority", "-keyout", "ca.key", "-out", "ca.pem", **place
    )
    run("openssl", "req", *kind, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr", **place)
    write(os.path.join(FOLDER, "server.ext"), b"subjectAltName=IP:127.0.0.1\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext")
    run("openssl", "x509", "-req", "-in", "server.csr", *signing, "-out", "server.pem", **place)


def main() -> None:
    """Make all."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(WWW)
    make_formats()
    for name, size in FRESH:
        make_image(name, "root.raw", "raw", os.urandom(size), {} if name == "broken-unknown" else {"sha256": True})
    for name, checksums in CHECKSUMS:
        make_image(name, "root.raw", "raw", SMALL, checksums)
    make_signed()
    make_certificate()


SMALL = b"a small disk" * 512 + bytes(58 * KIB)
main()
