# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: what guests, files, devices and architectures may be called."""

from __future__ import annotations

import ipaddress
import re
from typing import Optional

# uname's and Debian's names for what libvirt calls otherwise (https://libvirt.org/formatcaps.html).
ARCHES = {
    "i386": "i686",
    "i486": "i686",
    "i586": "i686",
    "x86": "i686",
    "amd64": "x86_64",
    "x86-64": "x86_64",
    "arm64": "aarch64",
    # appliance-creator's and older libvirt's, then Debian's, then Fedora's.
    "arm": "armv7l",
    "armhf": "armv7l",
    "armv7": "armv7l",
    "armv7hl": "armv7l",
    "powerpc": "ppc",
    "powerpc64": "ppc64",
    "powerpc64le": "ppc64le",
    "ppc64el": "ppc64le",
}
TARGET = re.compile(r"(xvd|vd|hd|sd|fd|ubd)([a-z]{1,2})([0-9]{0,3})")
# The same in every version of Python and in the grammar: controls, spaces that look like others, marks of direction,
# private characters. U+2028 and its like break lines.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\uf8ff\ufeff\ufff9-\uffff\U000e0000-\U000e0fff]"
)
ARCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
# What libvirt's schema calls dnsName (schemas/basictypes.rng), without what only looks like an address.
HOST = re.compile(r"[a-zA-Z0-9.-]{0,253}[a-zA-Z][a-zA-Z0-9.-]{0,253}")
PACKED_ENDINGS = (".gz", ".bz2", ".xz", ".zst")
DISK_ENDINGS = ("raw", "img", "iso", "qcow", "qcow2", "vmdk", "vdi")
MAX_NAME = 128
# What file systems allow, in bytes.
MAX_FILE = 255


def canonical_arch(name: str) -> str:
    """Return libvirt's name of an architecture."""
    return ARCHES.get(name.lower(), name.lower())


def name_mistake(name: str) -> Optional[str]:
    """Return why this cannot name a guest (libvirt takes it, and it is a file name), or None."""
    if not name:
        return "is empty"
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters; a guest's name has at most {MAX_NAME}"
    bad = UNPRINTABLE.search(name) or re.search("/", name)
    if bad:
        return f"holds {bad[0]!r}, which no guest's name can have"
    if name[0] in ".-" or name != name.strip():
        return f"{name!r} begins or ends with what a guest's name cannot (a dot, a dash, white space)"
    return None


def arch_mistake(arch: str) -> Optional[str]:
    """Return why this is no architecture's name, or None."""
    return None if ARCH.fullmatch(arch) else f"{arch[:40]!r} is no architecture; one is called x86_64, another aarch64"


def host_mistake(host: str) -> Optional[str]:
    """Return why this is neither an address nor a host's name, or None."""
    if HOST.fullmatch(host):
        return None
    try:
        # libvirt's schema has no interface behind an address (fe80::1%eth0).
        ipaddress.ip_address(host if "%" not in host else "")
    except ValueError:
        return f"{host!r:.80} is neither an address nor a host's name, such as 127.0.0.1, :: or kvm1.example.com"
    return None


def file_mistake(file: str, outside: bool = False) -> Optional[str]:
    """Return why a descriptor cannot name this file, or None: it stays in the descriptor's folder, unless `outside`."""
    parts = file.split("/")
    if file.startswith("/") and not outside:
        return "is an absolute path; file names are relative to the descriptor"
    if ".." in parts and not outside:
        return "leaves the descriptor's folder"
    if parts[-1] in ("", ".", ".."):
        return "names a folder; a file was expected"
    return text_mistake(file)


def normal_file(file: str) -> str:
    """Return a file's name without what leads nowhere: a/b of ./a//b."""
    parts = [part for part in file.split("/") if part not in ("", ".")]
    return ("/" if file.startswith("/") else "") + "/".join(parts)


def plain(text: str) -> str:
    """Return a text with what cannot be printed escaped, so that it is one line and nothing but text."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def text_mistake(text: str) -> Optional[str]:
    """Return why a text cannot be told in a line, or None."""
    return "holds characters that cannot be printed" if UNPRINTABLE.search(text) else None


def target_mistake(target: str) -> Optional[str]:
    """Return why this is no device name, or None."""
    if TARGET.fullmatch(target):
        return None
    return "is no device name; it is a prefix (hd, sd, vd, xvd, fd, ubd) and letters, such as vda"


def volume_mistake(name: str) -> Optional[str]:
    """Return why a user cannot call a guest's volume so, or None."""
    if "/" in name or name.startswith((".", "-")) or len(name.encode("utf-8", "replace")) > MAX_FILE:
        return f"{name!r:.80} is no volume's name; it is that of a file in the pool's folder"
    if name.startswith("sha256-"):
        return f"{name:.80} is a name of base volumes, which guests share"
    return text_mistake(name)


def volume_stem(guest: str, disk_id: str) -> str:
    """Return the volume name, without its ending, of a guest's disk (`isos/root.raw` -> `web1-isos_root`)."""
    stem = disk_id.replace("/", "_")
    for ending in PACKED_ENDINGS:
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            stem = stem[: -len(ending)]
            break
    head, dot, ending = stem.rpartition(".")
    return f"{guest}-{head if dot and head and ending.lower() in DISK_ENDINGS else stem}"
