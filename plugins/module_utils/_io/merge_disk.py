# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges the overlay of a disk into the volume below, while its guest runs or not; killed, the next run goes on.

What is already in the volume below is written once more, and nothing is lost: the overlay stays on top, and whole, until
the domain has the other as its disk. libvirt 9 brings a persistent definition along, with the volume's format, when the
job of a running guest ends. That is made sure of here, and done for a guest that is off.
"""

from __future__ import annotations

import time
from typing import Optional

from .._core.errors import ImageError
from .._core.moves import MergeDisk, is_merged, merged_xml, mirror_of
from . import qemu_img
from .connection import Connection, doing
from .jobs import Job
from .requirements import libvirt

POLL_SECONDS = 0.2
# A job that moves nothing for so long; a slow disk is not that slow.
STALLED_SECONDS = 600


def merge_disk(step: MergeDisk, connection: Connection) -> None:
    with connection.jobs.share(str(step)) as job:
        _merge(step, connection, job)


def _merge(step: MergeDisk, connection: Connection, job: Job) -> None:
    # A guest can stop while it is merged, and another tool can start it.
    while True:
        domain = connection.domain(step.name)
        with doing(str(step)):
            is_active, is_persistent = bool(domain.isActive()), bool(domain.isPersistent())
        if is_active and not _merge_running(step, domain, job):
            continue
        text = connection.configuration(step.name) if is_persistent else None
        # Without one, what ran is all there is, or another tool has removed the domain.
        if text is None and is_active or text is not None and is_merged(text, step):
            return
        if text is not None:
            if not is_active:
                _merge_off(step, connection, job)
            # Of a guest that ran, libvirt has brought it along, unless it was stopped in just that moment.
            connection.define(step.name, merged_xml(text, step))


def _merge_off(step: MergeDisk, connection: Connection, job: Job) -> None:
    if not connection.is_local:
        raise ImageError(
            f"cannot {step}: a guest that is off is merged by qemu-img, on its own machine. Start it, and it is merged "
            "while it runs; or run the task on that host, with its local uri"
        )
    # QEMU locks its files: while this runs, the guest does not start.
    qemu_img.commit(step.overlay, step.original, step.format, job)


def _merge_running(step: MergeDisk, domain, job: Job) -> bool:
    """Let QEMU merge the disk of a running guest; return whether the guest still ran when that was done.

    A job that a killed run began is taken up; one that fails leaves the disk as it was.
    """
    try:
        with doing(str(step)):
            return _merge_by_job(step, domain, job)
    except ImageError:
        with doing(str(step)):
            # Its job ended with it.
            if domain.isActive():
                raise
        return False


def _merge_by_job(step: MergeDisk, domain, job: Job) -> bool:
    if is_merged(domain.XMLDesc(), step):
        return True
    if not _has_job(step, domain):
        # Without a base it would go to the bottom of the chain; the flag says: into what is right below.
        flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE | libvirt.VIR_DOMAIN_BLOCK_COMMIT_SHALLOW
        domain.blockCommit(step.target, None, None, 0, flags)
    seen, moment = None, time.monotonic()
    while True:
        text, progress = domain.XMLDesc(), domain.blockJobInfo(step.target)
        path, ready = mirror_of(text, step)
        if path is None:
            if not is_merged(text, step):
                raise ImageError(f"cannot {step}: QEMU ended the job before it was done; see the guest's log")
            return True
        if ready == "yes":
            domain.blockJobAbort(step.target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
            continue
        job.done = share_of(progress)
        if progress != seen:
            seen, moment = progress, time.monotonic()
        elif time.monotonic() - moment > STALLED_SECONDS:
            raise ImageError(
                f"cannot {step}: QEMU's job has not moved for {STALLED_SECONDS} s; the next run goes on with it"
            )
        time.sleep(POLL_SECONDS)


def share_of(found) -> Optional[float]:
    """Return the percentage that libvirt tells of a block job; None where it cannot tell (virDomainBlockJobInfo)."""
    return 100 * found["cur"] / found["end"] if found and found["end"] else None


def _has_job(step: MergeDisk, domain) -> bool:
    """Return whether our job is at the disk; raise ImageError for one of another kind, or to another place."""
    job = domain.blockJobInfo(step.target)
    if not job:
        return False
    path = mirror_of(domain.XMLDesc(), step)[0]
    if job["type"] != libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT or path not in (None, step.original):
        raise ImageError(
            f"cannot {step}: another block job is at disk {step.target}; let it end, or end it (virsh blockjob)"
        )
    return True
