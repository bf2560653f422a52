# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a host for one guest, in a line: the values that plans begin with."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.match import choose
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live, Sighting
from ansible_collections.virt.image.plugins.module_utils._core.steps import DefineDomain
from ansible_collections.virt.image.plugins.module_utils._core.units import MIB
from ansible_collections.virt.image.plugins.module_utils._core.volume import Found, Pool, Source, World
from ansible_collections.virt.image.tests.unit.support import guest, host, image, judged

DISKS = '<disk id="root" file="root.raw"/><disk id="data" file="data.raw" use="user" size="10"/>'
DRIVES = '<drive disk="root"/><drive disk="data"/>'
BASE = f"/pool/sha256-{'a' * 64}.raw"


def sighting(
    name="web1", live=None, free=2**40, origin="image.xml", root="root", found_networks=None, files=(), **options
):
    """Return what is seen of a host where this guest is asked for; `files` are those of its pool."""
    asked, seen = guest(name=name, **options), host()
    made = image(disks=DISKS.replace('root"', f'{root}"'), drives=DRIVES.replace("root", root))
    source = Source(
        f"/img/{origin}/root.raw", "root.raw", 50 * MIB, "stamp", "a" * 64, Header("raw", 100 * MIB), origin
    )
    found = {path: Found(Header("raw", 100 * MIB), True) for path in files if path == BASE}
    found |= {path: Found(Header("qcow2", 100 * MIB, BASE), True) for path in files if path.endswith("-root.qcow2")}
    found |= {path: Found(Header("raw", 10 * MIB), True) for path in files if path.endswith("-data.raw")}
    return Sighting(
        name=name,
        guest=asked,
        host=seen,
        session=False,
        live=live,
        world=World({"default": Pool("default", "/pool", free)}, {root: source}, found),
        image=made,
        verdict=None if asked.state == "absent" else choose(made, seen, asked.wish),
        networks={"default": True} if found_networks is None else found_networks,
    )


def files_of(name):
    return (BASE, f"/pool/{name}-root.qcow2", f"/pool/{name}-data.raw")


def made(name="web1", state="shutoff", autostart=False, **options):
    """Return the live domain of a guest that was made with these options."""
    steps = plan_guest(sighting(name, **options)).steps
    domain = next(judged(step.xml) for step in steps if isinstance(step, DefineDomain))
    return Live(name, domain, state, autostart, active=None if state in ("shutoff", "crashed") else domain)
