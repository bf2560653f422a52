# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the guests of one host in a rollout, read from what the role noted of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .status import version_of

# Statuses of staged guests that are not moved.
STAYING = {"current": "current", "skipped": "skipped"}
# The role's results, in the order in which a host may be lost.
RESULTS = ("staged", "activated", "seen", "returned", "confirmed")


@dataclass(frozen=True)
class Fate:
    """One guest: its version before, now, and the one aimed at; what became of it (a key of MARKS), why, and when.

    Times are of the control node, in seconds: those of its batch. `downtime` is its own.
    """

    guest: str
    image: Optional[str]
    old: Optional[str]
    now: Optional[str]
    aim: Optional[str]
    mark: str
    reason: Optional[str] = None
    move: Optional[tuple[float, float]] = None
    back: Optional[tuple[float, float]] = None
    downtime: Optional[float] = None


@dataclass(frozen=True)
class Story:
    """One host: `wave` are the hosts of its wave, `asked` is whether it told of its guests, `error` why it fell out."""

    host: str
    began: Optional[float]
    wave: tuple[str, ...]
    wave_began: Optional[float]
    fates: tuple[Fate, ...]
    asked: bool = True
    error: Optional[str] = None


def read_story(host: str, facts: dict, check: bool) -> Story:
    """Return the story of a host from the role's facts, some of which may be missing: any run can end anywhere."""
    staged = _dict(facts.get("staged"))
    told = [guest for guest in _list(staged.get("guests")) if isinstance(guest, dict)]
    fates = tuple(_fate(guest, facts, check) for guest in told)
    wave = tuple(str(name) for name in _list(facts.get("wave")))
    began, wave_began = seconds_of(facts.get("began")), seconds_of(facts.get("wave_began"))
    return Story(host, began, wave, wave_began, fates, bool(staged), _error(facts, told))


def _error(facts: dict, told: list) -> Optional[str]:
    """Return why a host is out of the rollout before its guests could tell."""
    for name in RESULTS:
        result = _dict(facts.get(name))
        if result.get("unreachable") is True:
            return _said(result)
    staged = _dict(facts.get("staged"))
    wrong = [f"{guest.get('name')}: {guest['error']}" for guest in told if guest.get("error")]
    return "\n".join(wrong) or _said(staged) if staged.get("failed") is True else None


def _said(result: dict) -> str:
    return str(result.get("msg") or "no answer").removeprefix("Task failed: ").strip()


def _fate(staged: dict, facts: dict, check: bool) -> Fate:
    name = str(staged.get("name"))
    old = version_of(staged.get("version"), staged.get("release"))
    done = _named(facts.get("done"), name)
    back = _dict(_dict(facts.get("backs")).get(name))
    move = _times(_dict(facts.get("moves")).get(name))
    reason = _dict(facts.get("failed")).get(name)
    new = version_of(done.get("version"), done.get("release")) or old
    mark, now = _outcome(staged, done, back, reason, facts, old, new, check)
    downtime = None if check else seconds_of(done.get("downtime"))
    returned = None if check else _times((back.get("begin"), back.get("end")))
    text = None if reason is None else str(reason)
    aim = version_of(done.get("version"), done.get("release"))
    # One that failed before its switch tells the version that it has.
    aim = None if done.get("error") and aim == old else aim
    return Fate(name, staged.get("image"), old, now, aim, mark, text, None if check else move, returned, downtime)


def _outcome(staged, done, back, reason, facts, old, new, check) -> tuple:
    """Return what became of a guest, and the version that it is on as far as is known."""
    name = staged.get("name")
    if staged.get("status") in STAYING:
        return STAYING[staged["status"]], old
    if reason is not None:
        if check:
            return "failed", old
        known = version_of(back.get("version"), back.get("release"))
        return ("returned" if back.get("returned") is True else "failed"), known or new
    if check:
        return ("planned", old) if done else ("staged", old)
    if _named(_dict(facts.get("confirmed")).get("guests"), name).get("status") in ("confirmed", "current"):
        return "confirmed", new
    if name in _list(facts.get("passed")):
        return ("confirmed" if done.get("status") == "confirmed" else "pending"), new
    return "staged", old


def _named(guests, name) -> dict:
    return next((guest for guest in _list(guests) if isinstance(guest, dict) and guest.get("name") == name), {})


def _times(told) -> Optional[tuple[float, float]]:
    begin, end = (seconds_of(one) for one in told) if isinstance(told, (list, tuple)) and len(told) == 2 else (None, None)
    return None if begin is None or end is None else (begin, max(begin, end))


def seconds_of(told) -> Optional[float]:
    """Return a number of seconds; templates may have made a text of it."""
    try:
        value = None if told is None or isinstance(told, bool) else float(told)
    except (OverflowError, TypeError, ValueError):
        return None
    # Neither endless nor no number at all.
    return value if value is not None and abs(value) < 1e12 else None


def _dict(told) -> dict:
    return told if isinstance(told, dict) else {}


def _list(told) -> list:
    return list(told) if isinstance(told, (list, tuple)) else []
