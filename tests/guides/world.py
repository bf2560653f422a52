# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt holds: looked at before a guide and after it, and what the guide left is taken away."""

from __future__ import annotations

import subprocess

POOL = "default"
POOL_FOLDER = "/var/lib/libvirt/images"
UNDEFINE = ("--nvram", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata", "--tpm")


def virsh(*arguments: str, check: bool = True) -> list[str]:
    """Return the lines that virsh prints; raises RuntimeError with its words if it fails."""
    done = subprocess.run(("virsh", "-q", *arguments), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"virsh {' '.join(arguments)}: {done.stderr.strip()}")
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def look() -> frozenset[tuple[str, ...]]:
    """Return what there is: ("domain", name), ("network", name), ("pool", name), ("volume", pool, name)."""
    found = {("domain", name) for name in virsh("list", "--all", "--name")}
    found |= {("network", name) for name in virsh("net-list", "--all", "--name")}
    found |= {("pool", name) for name in virsh("pool-list", "--all", "--name")}
    for pool in virsh("pool-list", "--name"):
        virsh("pool-refresh", pool)
        found |= {("volume", pool, line.split()[0]) for line in virsh("vol-list", pool)}
    return frozenset(found)


def remove(left: frozenset[tuple[str, ...]]) -> None:
    """Take away what is left, in an order in which nothing is in use."""
    for kind, *name in sorted(left, key=lambda item: ("domain", "volume", "pool", "network").index(item[0])):
        if kind == "domain":
            virsh("destroy", *name, check=False)
            virsh("undefine", *name, *UNDEFINE)
        elif kind == "volume":
            virsh("vol-delete", "--pool", *name)
        else:
            verb = {"pool": "pool", "network": "net"}[kind]
            virsh(f"{verb}-destroy", *name, check=False)
            virsh(f"{verb}-undefine", *name)


def prepare() -> None:
    """Make the pool and start the network that a host with libvirt has."""
    if POOL not in virsh("pool-list", "--all", "--name"):
        virsh("pool-define-as", POOL, "dir", "--target", POOL_FOLDER)
        virsh("pool-build", POOL)
    if POOL not in virsh("pool-list", "--name"):
        virsh("pool-start", POOL)
    if "default" not in virsh("net-list", "--name"):
        virsh("net-start", "default")
