# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module generation does: it looks at guests and their generations, and plans the move that is asked for."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import Optional

from .._core import xml
from .._core.aim import FORWARD, RESET, SNAPSHOT, Aim, idle
from .._core.advance import is_of_size, scratch_size
from .._core.batch import plan_all
from .._core.errors import ImageError, Problems
from .._core.generation import plan_generation
from .._core.guest import Guest, parse_guest
from .._core.header import Header
from .._core.history import Edition, is_to_run, next_record, overlay_name
from .._core.image import Disk, Image
from .._core.match import Verdict, choose
from .._core.names import name_mistake
from .._core.plan import Live, Plan, Sighting
from .._core.record import CONFIRMED, STAGED, Record, RecordedDisk, read_record
from .._core.volume import Found, Pool, World, own_format, pool_of
from .busy import busy_with, tied_with
from .connection import Connection
from .console import last_words
from .deploy import missing_of, unknown_of, warnings_of
from .extras import find_extras, refuse_missing
from .guest_lock import hold_guest
from .module import Done, Outcome, describe
from .options import parse_access
from .states import kept, refuse_unreachable_state
from .survey import Survey


def generation(params: dict, connection: Connection) -> Outcome:
    """Plan the moves of all guests of a call."""
    aim = _aim(params)
    access = parse_access(params["fetch"])
    survey = GenerationSurvey(connection, params["_deliveries"], access)
    problems, sightings = Problems(), []
    for index, options in enumerate(params["guests"]):
        try:
            sightings.append(survey.generation(_parse(options, f"guests[{index}]", aim), aim))
        except ImageError as error:
            problems.extend(error.about(f"guest {options['name']}") if options.get("name") else error)
    plans = plan_all(sightings, problems, lambda sighting: _plan(sighting, aim))
    return Outcome(
        plans=plans,
        warnings=(*warnings_of(sightings), *survey.images.warnings),
        missing=missing_of(plans),
        unknown=unknown_of(plans),
        access=access,
        spent=tuple(survey.images.spooled),
        unlisted=tuple(sorted(survey.volumes.unlisted)),
        report=lambda done: {"guests": [_told(one, connection) for one in done]},
    )


def _plan(sighting: Sighting, aim: Aim) -> Plan:
    """Return a guest's plan; on the way back, and to the end of a move, what holds up one guest does not hold up others."""
    try:
        return plan_generation(sighting, aim)
    except ImageError as error:
        if aim.state in FORWARD or sighting.live is None:
            raise
        return replace(idle(sighting, None), refused=str(error))


def _aim(params: dict) -> Aim:
    for key, least in (("keep_generations", 0), ("lease", 1)):
        if params[key] < least:
            raise ImageError(f"{key} is {params[key]}; it is at least {least}")
    told = {field.name: params[field.name] for field in fields(Aim) if field.name in params}
    return Aim(**told, skip_others=params["other_images"] == "skip", now=int(time.time()))


def _parse(options: dict, where: str, aim: Aim) -> Guest:
    """Return the guest that is asked for; its image matters only on the way forward."""
    named = options.get("name") and not name_mistake(options["name"])
    forward = aim.state in FORWARD
    if options.get("name") and not named:
        raise ImageError(f"name {name_mistake(options['name'])}", where)
    if not forward and not named:
        raise ImageError("has no name; only the way to another version needs no more than an image", where)
    # What it is made like is of no interest on the way back, and what state it is to be in nowhere.
    kept = options if forward else {key: options[key] for key in ("name", "wait", "shutdown") if key in options}
    return parse_guest({**kept, "state": "present" if forward else "absent"}, options["name"] if named else where)


class GenerationSurvey(Survey):
    """Looks at guests that are to move between generations."""

    def generation(self, guest: Guest, aim: Aim) -> Sighting:
        """Return all that a plan for the guest's generations needs; raise ImageError."""
        image = self.images.image(guest) if aim.state in FORWARD else None
        name = guest.name or image.name
        domain = self.connection.find_domain(name)
        if domain is not None:
            # Before it is read: whoever held it may change it.
            hold_guest(name, domain.UUIDString(), self.connection)
        live = self.connection.live(name)
        record = live.record if live else None
        seen = Sighting(name, guest, None, False, live, World({}, {}, {}), image, now=self.now)
        if record is None or record.image is None or image and record.image != image.name:
            return seen
        if aim.state in FORWARD:
            return self._forward(seen, record, aim)
        if aim.state == "rolled_back":
            refuse_unreachable_state(live, self.connection)
        return replace(
            seen,
            world=self.left(record, live),
            taken=self.taken(),
            networks=self.networks() if aim.state == "rolled_back" else {},
            busy=tied_with(live, self.connection) if aim.state != "pruned" else (),
            said=last_words(name, live.active, self.connection) if aim.state == "rolled_back" and live.active else "",
            kept=frozenset(kept(name, record.domain or "", live.xml, self.connection)),
        )

    def _forward(self, seen: Sighting, record: Record, aim: Aim) -> Sighting:
        guest, image, live, name = seen.guest, seen.image, seen.live, seen.name
        host = self.host()
        verdict = choose(image, host, guest.wish)
        if self.connection.is_local:
            refuse_missing(guest)
        aimed = next_record(record, self._resets(image, verdict, guest, record, aim))
        staged = record.staged
        self._staged = {disk.path for disk in staged.disks if not disk.shared} if staged else set()
        self.learn(image, (record, staged) if staged else (record,))
        world = self.world(name, image, verdict, guest, aimed)
        seen = replace(seen, world=world, verdict=verdict, aimed=aimed)
        if Edition.of(image, verdict, world.sources).is_that_of(record):
            # All else is for those that move.
            return seen
        refuse_unreachable_state(live, self.connection)
        overlays = self._overlays(live, record, aimed, world) if aim.user_disks == SNAPSHOT else {}
        self._look_at_staged(staged.disks if staged else (), world)
        seen = replace(
            seen,
            host=host,
            session=self.connection.is_session,
            networks=self.networks(),
            taken=self.taken(),
            extra_paths=find_extras(name, guest, self.volumes, world),
            busy=busy_with(live, self.connection),
            overlays=overlays,
        )
        return self.with_offer(seen)

    def _resets(self, image: Image, verdict: Verdict, guest: Guest, record: Record, aim: Aim) -> frozenset:
        """Return the scratch disks that the next generation gets anew: all, if that is said, else those of another size."""
        resets = set()
        for disk in image.disks_of(image.boots[verdict.index]):
            had = record.disk(disk.id)
            if disk.use != "scratch" or had is None or had.shared or had.use != "scratch":
                continue
            if aim.scratch == RESET or self._has_other_size(disk, guest, had):
                resets.add(disk.id)
        return frozenset(resets)

    def _has_other_size(self, disk: Disk, guest: Guest, had: RecordedDisk) -> bool:
        pool = self.volumes.place(pool_of(guest, disk), guest.folder)
        found = self.volumes.look(pool, had.volume, own_format(disk, guest.clone, pool.kind), ours=True).header
        asked, option = scratch_size(guest, disk), guest.disks.get(disk.id)
        if not found or not asked:
            return False
        if had.digest and not (option and option.size) and asked < found.capacity:
            # The image's file is larger than what its descriptor says.
            return False
        return not is_of_size(found.capacity, asked, pool)

    def _overlays(self, live: Live, record: Record, aimed: Record, world: World) -> dict[str, str]:
        """Return the name of the volume that is to lie over each user disk, for a guest that runs."""
        if not is_to_run(live.state, record):
            return {}
        names = {}
        for disk in aimed.disks:
            if disk.use != "user" or disk.shared or disk.pool not in world.pools:
                continue
            names[disk.id] = overlay_name(disk.volume, aimed.generation)
            path = f"{world.pools[disk.pool].path}/{names[disk.id]}"
            if path not in world.found:
                world.found[path] = self._seen(world.pools[disk.pool], names[disk.id])
        return names

    def _look_at_staged(self, disks, world: World) -> None:
        """Look at what was staged and may be of no use now."""
        for disk in disks:
            if disk.path not in world.found and not disk.shared:
                pool, world.found[disk.path] = self.volumes.left(disk, ())
                if pool:
                    world.pools.setdefault(disk.pool, pool)

    def _seen(self, pool: Pool, name: str) -> Found:
        """Return whether there is a volume, whatever it is."""
        return Found(Header("raw", 0), True) if self.volumes.is_there(pool, name) else Found(None, False)

    def _own(self, pool: Pool, name: str, disk: Disk, guest: Guest, recorded: Optional[RecordedDisk]) -> Found:
        try:
            return super()._own(pool, name, disk, guest, recorded)
        except ImageError:
            if f"{pool.path}/{name}" not in self._staged:
                raise
            # What made it did not end; no guest ever had it.
            return Found(Header("raw", 0), True)


def _told(done: Done, connection: Connection) -> dict:
    """Return what the module tells of one guest: as the module guests does, and where it is with its generations."""
    plan = done.plan
    record, status = read_record(xml.parse(plan.after, "domain")), plan.status
    if done.error:
        live = connection.live(plan.name)
        record = live.record if live else None
        status = record and (record.state if record.state != CONFIRMED else STAGED if record.staged else None)
    told = {key: value for key, value in describe(done).items() if key not in ("drift", "pending", "restart_required")}
    return {
        **told,
        "status": status,
        "image": record and record.image,
        "version": record and record.version,
        "release": record and record.release,
        "generation": record and record.generation,
        "warnings": list(plan.warnings),
        "last_words": plan.said,
        "downtime": None if done.downtime is None else round(done.downtime, 3),
    }
