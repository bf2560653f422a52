# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain XML of a guest on a host that is known by its capabilities only."""

from __future__ import annotations

from . import xml
from .chain import Layer
from .guest import Guest
from .host import Host
from .image import Boot, Image
from .match import choose
from .pipeline import render
from .plan import Sighting
from .seeding import seed_volume
from .storage import check_options
from .units import MIB
from .volume import BOOT_FILES, Pool, StoragePlan, Volume, World, base_format, base_name, own_format, pool_of, volume_names


def render_offline(image: Image, host: Host, guest: Guest, folder: str, session: bool) -> str:
    """Return the domain XML that a guest would have on a host that is known by its capabilities only."""
    verdict = choose(image, host, guest.wish)
    name = guest.name or image.name
    storage = assume_storage(name, image, image.boots[verdict.index], guest, folder)
    sighting = Sighting(name, guest, host, session, None, World({}, {}, {}), image, verdict)
    tree, _absent = render(sighting, verdict, storage)
    return xml.to_text(tree)


def assume_storage(name: str, image: Image, boot: Boot, guest: Guest, folder: str) -> StoragePlan:
    """Return the volumes that a guest would have in pools that are this folder, without looking at any host.

    A system disk's base is known only where the descriptor has its SHA-256; without, the chain is left to be probed.
    """
    check_options(image, boot, guest)
    volumes = []
    pools = {pool_of(guest, disk): Pool(pool_of(guest, disk), folder, 0) for disk in image.disks_of(boot)}
    names = volume_names(name, image.disks_of(boot), guest, pools)
    for disk in image.disks_of(boot):
        shared, digest = disk.format == "iso", disk.checksums.get("sha256")
        own = names[disk.id]
        below: tuple[Layer, ...] = ()
        if shared:
            own = base_name(digest, "iso") if digest else own
        elif disk.use == "system" and guest.clone == "linked" and digest:
            below = (Layer(f"{folder}/{base_name(digest, disk.format)}", base_format(disk.format)),)
        format = "raw" if shared else own_format(disk, guest.clone)
        path = f"{folder}/{own}"
        layers = (Layer(path, format), *below)
        capacity = (disk.size_mib or 0) * MIB
        volumes.append(Volume(disk.id, disk.use, guest.pool, own, path, format, capacity, layers, shared, digest))
    if guest.seed:
        volumes.append(seed_volume(name, guest.seed, Pool(guest.pool, folder, 0)))
    files = {tag: f"{folder}/{getattr(boot, tag)}" for tag in BOOT_FILES if getattr(boot, tag)}
    return StoragePlan(tuple(volumes), (), files)
