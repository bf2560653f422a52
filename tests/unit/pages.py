# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets to make pages of, as the role virt.image.rollout notes them; the tests in a browser look at the same ones."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.filter.rollout import FilterModule as RolloutFilters
from ansible_collections.virt.image.plugins.filter.status import FilterModule as StatusFilters

ROLLOUT_PAGE = RolloutFilters().filters()["rollout_page"]
STATUS_ROWS, STATUS_PAGE = (StatusFilters().filters()[name] for name in ("status_rows", "status_page"))
NOW = "2026-01-31T12:00:00+00:00"
IMAGE = "images/web-2.0/image.xml"
BEGIN = 1000.0
PANIC = (
    "{}: 1.0 -> 2.0: after 60 s the guest agent does not answer\nits console ends:\n  [    2.1] EXT4-fs (vda): mounted\n"
    "  Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\nit is back on 1.0"
)
SHOP = "{}: 1.0 -> 2.0: health task The shop answers: Status code was 503 and not [200]; it is back on 1.0"
# What may break out of HTML, of an attribute or of its place in a line, and what HTML cannot have.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></style><b>",
    "&lt;&amp;&{x};",
    "\u202eevil\u2066",
    "\x00\x1b[31m\x85\ufffe\U0001ffff",
    "\ud800",
    "a" * 300,
    "名前 ü ‎العربية",
    " ",
)


def guest(name="web1", status="staged", version="1.0", image="web", **more) -> dict:
    """Return what the module generation tells of a guest."""
    return {"name": name, "status": status, "image": image, "version": version, "release": None, "generation": 1, **more}


def staged(hosts: int, guests: int) -> dict:
    """Return the facts of hosts after staging: some are on the version already, some have a guest of another image."""
    facts = {}
    for number in range(hosts):
        told = [guest(f"web{index}") for index in range(1, guests + 1)]
        if number % 37 == 36:
            told = [{**one, "status": "current", "version": "2.0"} for one in told]
        elif guests > 3 and number % 7 == 0:
            told[3] = guest("db", "skipped", "14.2", "db")
        name = f"host{number + 1:0{len(str(hosts))}}"
        facts[name] = {"__rollout_began": BEGIN, "__rollout_staged": {"guests": told}}
    return facts


def moved(facts: dict, sizes, bad: dict, begin: float = BEGIN + 8) -> float:
    """Add what waves of these sizes note, in which the hosts of `bad` fail with a reason; return when the last one ended."""
    left = [host for host, known in facts.items() if known["__rollout_staged"]["guests"][0]["status"] == "staged"]
    for size in sizes:
        wave, left, end = left[:size], left[size:], begin
        for number, host in enumerate(wave):
            end = max(end, _move(facts[host], wave, begin, 3.0 + number * 7 % 10 / 4, bad.get(host)))
        begin = end + 1
        if any(host in bad for host in wave):
            break
    return begin


def _move(known: dict, wave: list, begin: float, took: float, reason) -> float:
    """Note the move of a host's guests, one after the other; return its end."""
    note: dict = {"wave": wave, "wave_began": begin, "passed": [], "failed": {}, "done": [], "moves": {}, "backs": {}}
    clock = begin + 0.5
    for one in known["__rollout_staged"]["guests"]:
        if one["status"] != "staged" or note["failed"]:
            continue
        note["done"].append({**one, "status": "pending", "version": "2.0", "downtime": took / 10})
        note["moves"][one["name"]] = [clock, clock + took]
        clock += took
        if reason:
            note["failed"][one["name"]] = reason.format(one["name"])
            note["backs"][one["name"]] = {"returned": True, "version": one["version"], "begin": clock, "end": clock + 4}
            clock += 4
        else:
            note["passed"].append(one["name"])
    note["confirmed"] = {"guests": [{"name": name, "status": "confirmed"} for name in note["passed"]]}
    known.update({f"__rollout_{name}": value for name, value in note.items()})
    return clock


def shown(facts: dict, phase: str, clock: float, **options) -> str:
    """Return the page of these facts."""
    return ROLLOUT_PAGE(facts, list(facts), IMAGE, phase, NOW, clock, **options)


def rollout(hosts: int, guests: int, sizes, bad=None) -> str:
    """Return the page of a rollout that is over."""
    facts = staged(hosts, guests)
    end = moved(facts, sizes, bad or {})
    return shown(facts, "moved", end, stopped=bool(bad))


def small() -> str:
    """Return the page of six hosts, whose second wave failed."""
    return rollout(6, 2, [1, 2, 3], {"host3": PANIC})


def large() -> str:
    """Return the page of 500 hosts with 5 guests each, whose last wave failed."""
    return rollout(500, 5, [1, 50, 449], dict.fromkeys(("host061", "host077", "host140", "host301"), SHOP))


def hostile() -> str:
    """Return a page of names and reasons that are no friends of HTML."""
    facts = staged(len(HOSTILE), 1)
    for known, name in zip(facts.values(), HOSTILE):
        known["__rollout_staged"]["guests"] = [guest(name, version=name, image=name)]
    facts = dict(zip(HOSTILE, facts.values()))
    end = moved(facts, [1, 9], dict.fromkeys(HOSTILE[1:], "{}" + " <b>&amp; why\n".join(HOSTILE).replace("&{x}", "")))
    return ROLLOUT_PAGE(facts, list(facts), HOSTILE[0], "moved", NOW, end, stopped=True)


def answers() -> dict:
    """Return what hosts told of their guests: of two images, one host without an answer, one without guests."""
    told = {
        f"hv-{number:02}": {
            "guests": [
                _active(f"web{number}", "web", "2.0" if number < 7 else "1.10" if number < 10 else "1.9"),
                _active(f"db{number}", "db", "14.2"),
            ]
        }
        for number in range(1, 13)
    }
    told["hv-05"] = {"msg": "Failed to connect to the host via ssh: No route to host", "unreachable": True}
    told["hv-08"]["guests"][0]["generation_state"] = "pending"
    bad = {"number": 3, "state": "bad", "version": "2.0", "reason": "no answer of the shop"}
    told["hv-09"]["guests"][0]["generations"] = [bad]
    told["hv-06"]["guests"][0]["generations"] = [{"number": 3, "state": "staged", "version": "2.1"}]
    told["hv-10"]["guests"][1]["state"] = "shutoff"
    told["hv-11"] = {"guests": []}
    told["hv-12"]["guests"].append({"name": "by-hand", "state": "running"})
    return told


def _active(name: str, image: str, version: str) -> dict:
    known = {"generation": 2, "state": "running", "generation_state": "confirmed", "since": "2026-01-30T12:00:00Z"}
    return {"name": name, "image": image, "version": version, **known}


def status(told=None) -> str:
    """Return the page of the report over hosts."""
    return STATUS_PAGE(STATUS_ROWS(answers() if told is None else told, NOW), NOW)
