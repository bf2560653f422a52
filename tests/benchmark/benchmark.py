# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what this collection costs beside libvirt's own speed, and prints tables.

    script/benchmark [--folder FOLDER] [--rounds N] [guests|growth|memory|payload|where|fleet|core|import|downtime]...
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys

import libvirt

import control
import downtime
import guests
import import_base
import pieces
from measure import LEAST_ROUNDS
from place import ROOT, URI

PARTS = {
    "guests": guests.compare,
    "growth": guests.grow,
    "memory": guests.remember,
    "payload": control.send,
    "where": control.spend,
    "fleet": control.command,
    "core": pieces.time_pieces,
    "import": import_base.bring,
    "downtime": downtime.switch,
}


def machine() -> str:
    """Return one line that says what it was measured on."""
    told = open("/proc/cpuinfo", encoding="utf-8").read().partition("model name\t: ")[2].partition("\n")[0]
    version = libvirt.open(URI).getLibVersion()
    ansible = subprocess.run([ROOT / ".build/venv/bin/ansible", "--version"], capture_output=True, text=True, check=True)
    return (
        f"{told}, {os.cpu_count()} cores; Python {platform.python_version()}; {ansible.stdout.splitlines()[0]}; "
        f"libvirt {version // 1000000}.{version // 1000 % 1000}.{version % 1000}; {others()}"
    )


def others() -> str:
    """Return the versions of what is compared with."""
    manifest = ROOT / ".build/rivals/ansible_collections/community/libvirt/MANIFEST.json"
    version = json.loads(manifest.read_text())["collection_info"]["version"]
    told = subprocess.run(["virt-install", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"community.libvirt {version}, virt-install {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--folder", help="on the file system to measure (default: TMPDIR)")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help=f"at least {LEAST_ROUNDS}, the default")
    arguments = parser.parse_args()
    if arguments.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds must be at least {LEAST_ROUNDS}")
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"no part {part}; there are: {', '.join(PARTS)}")
    print(f"{machine()}\n")
    sys.stdout.flush()
    for part in arguments.parts or PARTS:
        print(f"{PARTS[part](arguments.folder, arguments.rounds)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
