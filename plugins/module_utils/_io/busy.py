# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest is busy with, so that its disks cannot be replaced now."""

from __future__ import annotations

from .._core import xml
from .._core.chain import read_disks
from .._core.errors import ImageError
from .._core.plan import Live
from .connection import Connection, has_code
from .requirements import libvirt

# The states in which a guest can neither be asked to stop nor shows that it lives, with the way out.
ASLEEP = {
    "paused": "is paused; resume it (virsh resume {name}), or power it off (virsh destroy {name})",
    "pmsuspended": "sleeps (pmsuspended); wake it (virsh dompmwakeup {name}), or power it off (virsh destroy {name})",
    "crashed": "has crashed; power it off (virsh destroy {name})",
}
SAVED = (
    "has a saved state (virsh managedsave), which is of the disks as they are; start it, or remove that (virsh "
    "managedsave-remove {name})"
)
SNAPSHOTS = (
    "has snapshots or checkpoints, which are of the disks as they are; remove them (virsh snapshot-list {name}, virsh "
    "checkpoint-list {name})"
)
JOB = "has a block job ({job}) at disk {disk}; let it end, or end it (virsh blockjob {name} {disk} --abort)"
JOBS = {
    "VIR_DOMAIN_BLOCK_JOB_TYPE_PULL": "pull",
    "VIR_DOMAIN_BLOCK_JOB_TYPE_COPY": "copy",
    "VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT": "commit",
    "VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT": "active commit",
    "VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP": "backup",
}
# No disk of that name; the guest stopped meanwhile, or is gone.
WITHOUT_JOBS = ("VIR_ERR_NO_SUPPORT", "VIR_ERR_OPERATION_UNSUPPORTED", "VIR_ERR_OPERATION_INVALID", "VIR_ERR_NO_DOMAIN")


def busy_with(live: Live, connection: Connection) -> tuple[str, ...]:
    """Return all that a guest is busy with, so that it cannot move to another version now, and the way out of each."""
    found = [ASLEEP[live.state].format(name=live.name)] if live.state in ASLEEP else []
    found += [JOB.format(name=live.name, disk=disk, job=job) for disk, job in _jobs(live, connection)]
    return (*found, *tied_with(live, connection))


def tied_with(live: Live, connection: Connection) -> tuple[str, ...]:
    """Return what ties a guest to the disks that it has, whether or not it runs."""
    found = [SNAPSHOTS.format(name=live.name)] if connection.has_snapshots(live.name) else []
    return (*found, *([SAVED.format(name=live.name)] if live.saved else []))


def _jobs(live: Live, connection: Connection) -> list[tuple[str, str]]:
    """Return the target and the kind of job of each disk that has one."""
    domain = connection.find_domain(live.name) if live.active else None
    if domain is None:
        return []
    kinds = {getattr(libvirt, constant, None): kind for constant, kind in JOBS.items()}
    found = []
    for disk in read_disks(xml.parse(live.active, f"domain {live.name}"), f"domain {live.name}"):
        if not (disk.target and disk.chain):
            continue
        try:
            job = domain.blockJobInfo(disk.target)
        except libvirt.libvirtError as error:
            if not has_code(error, WITHOUT_JOBS):
                what = f"cannot read the block job of disk {disk.target} of domain {live.name}"
                raise ImageError(f"{what}: {error.get_error_message()}") from None
            continue
        if job:
            found.append((disk.target, kinds.get(job["type"], "of another kind")))
    return found
