# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds as volumes of a guest: one for each content, made when it is missing, deleted when no one runs with it."""

from __future__ import annotations

from typing import Optional

from .chain import Layer
from .errors import ImageError
from .record import Record, RecordedDisk
from .seed import SEED, SEED_NAME, Seed, seed_digest, seed_files, seed_name
from .steps import CreateSeed, DeleteVolume
from .volume import BLOCK, Pool, Volume, World


def seed_volume(name: str, seed: Seed, pool: Pool) -> Volume:
    """Return the volume that holds the seed of the guest `name`."""
    digest = seed_digest(seed_files(seed, name))
    volume = seed_name(name, digest)
    layers = (Layer(f"{pool.path}/{volume}", "raw"),)
    # Not its whole digest: records are shown to all who may look at domains, and texts with a password can be guessed.
    return Volume(SEED, "scratch", pool.name, volume, layers[0].path, "raw", 0, layers, False, kind=pool.kind)


def plan_seed(name: str, seed: Seed, pool: Pool, world: World) -> tuple[Volume, list]:
    """Return the volume of a seed, and the step that makes it, if it is missing; raise ImageError."""
    if pool.kind == BLOCK:
        raise ImageError(
            f"seed is a file, and {pool} holds block devices; name a pool of files as the guest's pool, and {pool} for its "
            "disks"
        )
    volume = seed_volume(name, seed, pool)
    there = world.file(volume.path).header
    return volume, [] if there else [CreateSeed(pool, volume.name, seed_files(seed, name))]


def plan_old_seeds(
    record: Optional[Record], volumes: tuple[Volume, ...], used: set, pools: dict[str, Pool]
) -> tuple[tuple[RecordedDisk, ...], tuple]:
    """Return the seeds of before that a guest still runs with (`used` are its paths), and steps that delete the others.

    One that another generation has stays too, and goes with that.
    """
    now = {volume.path for volume in volumes}
    others = {disk.path for one in (record.generations if record else ()) for disk in one.disks}
    old = [disk for disk in (record.disks if record else ()) if disk.id == SEED and disk.path not in now]
    kept = tuple(disk for disk in old if disk.path in used or disk.pool not in pools)
    gone = [disk for disk in old if disk not in kept and disk.path not in others]
    steps = [(disk, DeleteVolume(pools[disk.pool], disk.volume)) for disk in gone]
    # A record is text that others can write.
    return kept, tuple(step for disk, step in steps if step.path == disk.path and SEED_NAME.search(disk.volume))
