# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Performs the steps of a plan, in order."""

from __future__ import annotations

import os
import stat
import time

from .._core import moves, steps
from .._core.errors import ImageError
from .._core.units import LARGEST
from .._core.volume import BLOCK, FOLDER, PLAIN, REMOTE, STREAMED
from . import files, qemu_img
from .belongings import find_state
from .bring import check_asked, fill_volume, import_base, upload
from .connection import Connection, doing, state_of
from .iso import make_iso
from .jobs import Job
from .life import set_autostart, start, stop, undefine
from .merge_disk import merge_disk, share_of
from .pump import FileWriter, pour
from .requirements import libvirt
from .running import CHANGE
from .source import opened
from .states import STATE
from .streams import UploadWriter
from .url import Access
from .volumes import file_header, mark_origin
from .workspace import workspace

POLL_SECONDS = 0.2


def apply(plan_steps, connection: Connection, access: Access):
    """Perform steps, and yield each when it is done, as it came to be; raise ImageError at the first that fails.

    What was done stays, and a next run goes on there. `access` is how servers are asked for what is fetched.
    """
    for step in plan_steps:
        if isinstance(step, steps.DefineDomain) and step.follows:
            # Where a merge comes before it and no other definition: a run that goes on.
            connection.defined.setdefault(step.name, step.before)
    for step in plan_steps:
        became = None
        if type(step) in BRING:
            BRING[type(step)](step, connection, access)
        else:
            became = PERFORM[type(step)](step, connection)
        if type(step) in OUTSIDE_LIBVIRT and step.pool.kind == FOLDER:
            # libvirt lists what it made itself.
            connection.refresh_pool(step.pool.name)
        yield became or step


def _copy_volume(step: steps.CopyVolume, connection: Connection) -> None:
    with files.arriving(step.path, files.PRIVATE) as part:
        if part is None:
            raise ImageError("appeared while it was made; another play works on this guest", step.path)
        with opened(step.base, "the base volume") as reader, open(part, "r+b", 0) as file:
            with connection.jobs.job(str(step), os.fstat(reader.fileno()).st_size) as job:
                pour(reader, FileWriter(file.fileno()), (), step.name, LARGEST, unpack=False, job=job)
        capacity = file_header(part, step.format).capacity
        check_asked(step.asked, capacity, step.name)
        if step.capacity > capacity:
            qemu_img.grow(part, step.format, step.capacity)
        mark_origin(part, step.digest)


def _create_volume(step: steps.CreateVolume, connection: Connection) -> None:
    backing = (step.backing_path, step.backing_format) if step.backing_path else None
    kind = step.pool.kind
    below = _capacity_below(step, connection)
    check_asked(step.asked, below, step.name)
    capacity = max(step.capacity, below)
    if kind == PLAIN:
        with files.arriving(step.path, files.PRIVATE) as part:
            if part is None:
                raise ImageError("appeared while it was made; another play works on this guest", step.path)
            qemu_img.create(part, step.format, capacity, backing)
        return
    if step.stale:
        if kind in STREAMED:
            # A killed run left it begun.
            connection.delete_volume(step.pool.name, step.name)
        connection.refresh_pool(step.pool.name)
    connection.create_volume(step.pool.name, step.name, step.format, capacity, backing, sparse=kind != BLOCK)
    if kind == BLOCK:
        # It holds what was there before it.
        with UploadWriter(connection, step.pool.name, step.name) as writer, connection.jobs.job(str(step)):
            # libvirtd writes the zeros, and tells nothing meanwhile.
            writer.finish(0)
            writer.commit()


def _create_seed(step: steps.CreateSeed, connection: Connection) -> None:
    if step.pool.kind in STREAMED:
        with workspace() as folder:
            path = os.path.join(folder, "seed.iso")
            make_iso(path, step.files)
            upload(path, step.pool, step.name, connection)
        return
    with files.arriving(step.path, files.PRIVATE) as part:
        if part is not None:
            make_iso(part, step.files)


def _capacity_below(step: steps.CreateVolume, connection: Connection) -> int:
    """Return the capacity of what an overlay builds on; that of a compressed raw disk is known only now."""
    if not step.backing_path:
        return 0
    if step.pool.kind not in STREAMED:
        header = file_header(step.backing_path, step.backing_format)
    else:
        header = connection.volume_header(step.pool.name, os.path.basename(step.backing_path), step.backing_format)
    return header.capacity if header else 0


def _grow_volume(step: steps.GrowVolume, connection: Connection) -> None:
    if step.domain:
        # QEMU has the file, and tells its guest.
        domain = connection.domain(step.domain)
        with doing(f"grow volume {step.name} of running guest {step.domain}"):
            domain.blockResize(step.path, step.capacity, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    elif step.pool.kind == REMOTE:
        connection.resize_volume(step.pool.name, step.name, step.capacity, step.format)
    else:
        qemu_img.grow(step.path, step.format, step.capacity)


def _flatten_volume(step: steps.FlattenVolume, connection: Connection) -> None:
    domain = connection.find_domain(step.guest)
    if step.running:
        with connection.jobs.share(str(step)) as job:
            _pull(step, domain, job)
        return

    def check() -> None:
        if domain is not None and domain.isActive():
            raise ImageError(f"guest {step.guest} was started meanwhile; run again, and it is flattened while it runs")

    status = os.stat(step.path)
    part = files.part_of(step.path)
    with files.writing(step.path, part), files.held(part):
        try:
            with connection.jobs.share(str(step)) as job:
                qemu_img.flatten([(layer.path, layer.format) for layer in step.layers], part, job)
            os.chown(part, status.st_uid, status.st_gid)
            files.settle(part, step.path, stat.S_IMODE(status.st_mode), check)
        except BaseException:
            files.remove(part)
            raise


def _pull(step: steps.FlattenVolume, domain, job: Job) -> None:
    """Let QEMU flatten the disk of a running guest; a job that a killed run began is waited for."""
    with doing(f"flatten volume {step.name} of running guest {step.guest}"):
        found = domain.blockJobInfo(step.path)
        if found and found["type"] != libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_PULL:
            raise ImageError(f"a block job of another kind is at {step.path}; let it end, or end it (virsh blockjob)")
        if not found:
            domain.blockPull(step.path)
        while found := domain.blockJobInfo(step.path):
            job.done = share_of(found)
            time.sleep(POLL_SECONDS)
        if state_of(domain) == "running":
            # QEMU 7.2 writes down that nothing is below before it has written all that was; stopping a guest flushes.
            domain.suspend()
            domain.resume()
    here = step.pool.kind not in STREAMED
    if here and file_header(step.path, step.layers[0].format).backing:
        raise ImageError("the job that flattens it ended before it was done; see the guest's log", step.path)


def _delete_volume(step: steps.DeleteVolume, connection: Connection) -> None:
    kind = step.pool.kind
    if kind != PLAIN and connection.delete_volume(step.pool.name, step.name) or kind in STREAMED:
        return
    try:
        os.unlink(step.path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ImageError(f"cannot delete the volume: {error.strerror}", step.path) from None


def _define(step: steps.DefineDomain, connection: Connection) -> None:
    # Images may have taken minutes to bring.
    now = None if step.restored else connection.configuration(step.name)
    if step.off and connection.domain(step.name).isActive():
        raise ImageError(f"domain {step.name} was started meanwhile by someone else; run again")
    planned_from = connection.defined.get(step.name) if step.follows else step.before
    if not step.restored and (now or "") != planned_from:
        if now is None:
            raise ImageError(f"domain {step.name} is gone; another tool removed it meanwhile")
        what = "changed" if step.before else "made"
        raise ImageError(f"domain {step.name} was {what} meanwhile by someone else; run again")
    defined = connection.define(step.name, step.xml, step.own_xml)
    if not step.new:
        connection.defined[step.name] = defined
    else:
        # What an earlier domain left (virsh undefine --keep-nvram --keep-tpm), and this one has by its name or UUID.
        connection.older[step.name] = find_state(defined, connection)


def _merge_disk(step: moves.MergeDisk, connection: Connection) -> None:
    before = connection.configuration(step.name)
    planned_from = connection.defined.get(step.name, before)
    merge_disk(step, connection)
    now = connection.configuration(step.name)
    # libvirt has brought the definition along. What others changed meanwhile is not to be written over: the next run goes
    # on from that.
    if before and now and before == planned_from and moves.differs_only_in(step, before, now):
        connection.defined[step.name] = now


BRING = {steps.ImportBase: import_base, steps.FillVolume: fill_volume}
# That a volume has grown, libvirt sees when it is asked for it; looking at all of a pool's takes long, while a guest is off.
OUTSIDE_LIBVIRT = (steps.ImportBase, steps.CopyVolume, steps.CreateSeed, steps.FlattenVolume)
PERFORM = {
    steps.CopyVolume: _copy_volume,
    steps.CreateVolume: _create_volume,
    steps.CreateSeed: _create_seed,
    steps.GrowVolume: _grow_volume,
    steps.FlattenVolume: _flatten_volume,
    steps.DeleteVolume: _delete_volume,
    steps.DefineDomain: _define,
    steps.SetAutostart: set_autostart,
    steps.StartDomain: start,
    steps.StopDomain: stop,
    steps.UndefineDomain: undefine,
    **CHANGE,
    **STATE,
    moves.MergeDisk: _merge_disk,
}
