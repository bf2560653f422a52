# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt holds: looked at before a guide and after it, and what the guide left is taken away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

POOL = "default"
POOL_FOLDER = "/var/lib/libvirt/images"
# In which nothing is in use any more.
ORDER = ("domain", "volume", "pool", "network", "bridge")
# Kind, pool of a volume, name.
Thing = tuple[str, ...]
BASE = "sha256-"
UNDEFINE = ("--nvram", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata", "--tpm")


def virsh(*arguments: str, check: bool = True) -> list[str]:
    """Return the lines that virsh prints; raises RuntimeError with its words if it fails."""
    return run("virsh", "-q", *arguments, check=check)


def run(*command: str, check: bool = True) -> list[str]:
    """Return the lines that a command prints, without empty ones; raises RuntimeError with its words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def stem(thing: Thing) -> str:
    """Return a thing's name; of a volume that of its guest, or of a base volume, without the format."""
    kind, *_pool, name = thing
    if kind != "volume" or "-" not in name:
        return name
    return name.partition(".")[0] if name.startswith(BASE) else name.rpartition("-")[0]


def look() -> frozenset[Thing]:
    """Return what there is: ("domain", name), ("network", name), ("pool", name), ("volume", pool, name), ("bridge", name)."""
    found = {("domain", name) for name in virsh("list", "--all", "--name")}
    found |= {("network", name) for name in virsh("net-list", "--all", "--name")}
    found |= {("pool", name) for name in virsh("pool-list", "--all", "--name")}
    for pool in virsh("pool-list", "--name"):
        virsh("pool-refresh", pool)
        found |= {("volume", pool, line.split()[0]) for line in virsh("vol-list", pool)}
    # Bridges of the host itself, and those of networks.
    found |= {("bridge", line.split()[1].rstrip(":")) for line in run("ip", "-o", "link", "show", "type", "bridge")}
    return frozenset(found)


def remove(left: frozenset[Thing]) -> None:
    """Take away what is left."""
    for kind, *name in sorted(left, key=lambda item: ORDER.index(item[0])):
        if kind == "domain":
            virsh("destroy", *name, check=False)
            virsh("undefine", *name, *UNDEFINE)
        elif kind == "volume":
            virsh("vol-delete", "--pool", *name)
        elif kind == "bridge":
            # A network's own went with it.
            run("ip", "link", "delete", *name, check=False)
        else:
            verb = {"pool": "pool", "network": "net"}[kind]
            virsh(f"{verb}-destroy", *name, check=False)
            virsh(f"{verb}-undefine", *name)


@contextmanager
def prepared() -> Iterator[None]:
    """Give a host what one with libvirt has: the pool and the network; the pool is afterwards as it was.

    script/libvirtd.sh puts networks back.
    """
    missing = POOL not in virsh("pool-list", "--all", "--name")
    stopped = POOL not in virsh("pool-list", "--name")
    if missing:
        virsh("pool-define-as", POOL, "dir", "--target", POOL_FOLDER)
        virsh("pool-build", POOL)
    if stopped:
        virsh("pool-start", POOL)
    if "default" not in virsh("net-list", "--name"):
        virsh("net-start", "default")
    try:
        yield
    finally:
        if stopped:
            virsh("pool-destroy", POOL)
        if missing:
            virsh("pool-undefine", POOL)
