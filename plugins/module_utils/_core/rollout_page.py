# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as a page: its waves, and what became of each guest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from .page import Page, Trouble
from .page_grid import Cell, Group, Line
from .page_time import Span, show_seconds
from .status import counted
from .story import Fate, Story

# When a page is written: before and after staging, at the begin and at the end of a wave.
PHASES = ("staging", "staged", "moving", "moved")
CUT = "If the run has ended, it was cut off here"
LOST = "gave no answer any more; its guests may be pending"
# Hosts that a wave's note names, and letters of a reason that a cell shows.
NAMED = 3
NOTE = 300
# Hosts that are in no wave.
REST = {"fallen": "Failed before any guest moved", "waiting": "Not moved yet", "staying": "Nothing to move"}
STAY = ("current", "skipped")
# What is a failure of its guest's wave.
WRONG = ("failed", "returned", "lost")


@dataclass(frozen=True)
class Moment:
    """When a page is written: `clock` in seconds, as the stories have them; `began` and `written` are the same in words.

    `stopped` is whether the rollout ends with this wave, `check` whether it is a plan.
    """

    phase: str
    clock: float
    began: str
    written: str
    stopped: bool = False
    check: bool = False


@dataclass(frozen=True)
class _Wave:
    number: int
    begin: float
    end: float
    going_on: bool
    stories: tuple[Story, ...]

    @property
    def wrong(self) -> list[Story]:
        return [story for story in self.stories if story.error or any(fate.mark in WRONG for fate in story.fates)]


def rollout_page(image: str, stories: tuple[Story, ...], moment: Moment) -> Page:
    """Return the page of a rollout of `image`, the descriptor as the user named it."""
    start = begin_of(stories, moment.clock)
    waves = _waves(stories, moment)
    placed = {story.host for wave in waves for story in wave.stories}
    rest = [story for story in stories if story.host not in placed]
    # Staging ends when the next wave begins. In a play with `serial`, each wave is staged by itself.
    ends = (*(wave.begin for wave in waves), moment.clock)
    groups = [_wave_group(wave, start, ends, moment) for wave in waves]
    for kind, title in REST.items():
        lines = tuple(_line(story, None, start, ends, moment) for story in rest if _kind(story) == kind)
        groups += [Group(title, lines, outcome="bad" if kind == "fallen" else "open")] if lines else []
    outcome, verdict = _verdict(image, waves, rest, moment)
    known = [*(story for wave in waves for story in wave.stories), *rest]
    troubles = tuple(trouble for story in known for trouble in _troubles(story))
    lead = (f"Descriptor {image}.", f"Began {moment.began}, written {moment.written}.")
    title = f"Rollout{_way(stories)}" + (": what would be done" if moment.check else "")
    seconds = None if moment.check else max(0.0, moment.clock - start)
    return Page(kind_of_page(moment.check), title, outcome, verdict, lead, tuple(groups), troubles, seconds)


def kind_of_page(check: bool) -> str:
    """Return the kind of a rollout's page: a key of KINDS."""
    return "plan" if check else "rollout"


def begin_of(stories: tuple[Story, ...], clock: float) -> float:
    """Return when a rollout began; that is not after `clock`."""
    return min([clock, *(story.began for story in stories if story.began is not None)])


def _way(stories: tuple[Story, ...]) -> str:
    """Return from which version to which a rollout goes, where that is known and the same for all."""
    fates = [fate for story in stories for fate in story.fates if fate.aim is not None and fate.aim != fate.old]
    aims = {(fate.image, fate.aim) for fate in fates}
    if len(aims) != 1:
        return ""
    ((image, aim),) = aims
    olds = {fate.old for fate in fates}
    # They may come from several.
    way = f", {olds.pop() or 'unknown'} → {aim}" if len(olds) == 1 else f" to {aim}"
    return f" of {image or 'an image'}{way}"


def _waves(stories: tuple[Story, ...], moment: Moment) -> list[_Wave]:
    """Return the waves that have begun; each ends when the next one begins."""
    told: dict[tuple[str, ...], list[Story]] = {}
    for story in stories:
        if story.wave and story.wave_began is not None:
            told.setdefault(story.wave, []).append(story)
    ordered = sorted(told.values(), key=_begin)
    begins = [_begin(alike) for alike in ordered]
    waves = []
    for number, (alike, end) in enumerate(zip(ordered, [*begins[1:], moment.clock]), 1):
        going_on = moment.phase == "moving" and number == len(ordered)
        known = tuple(story if going_on or moment.check else _after(story) for story in alike)
        waves.append(_Wave(number, begins[number - 1], max(end, begins[number - 1]), going_on, known))
    return waves


def _begin(stories: list[Story]) -> float:
    return min(story.wave_began for story in stories if story.wave_began is not None)


def _after(story: Story) -> Story:
    """Return the story of a host whose wave is over: what it did not tell by then is not known."""
    sound = all(fate.mark not in WRONG for fate in story.fates)
    silent = [fate for fate in story.fates if fate.mark in ("staged", "pending")]
    if story.error is None and not (sound and silent):
        # After a guest that failed, others of its host are not begun.
        return story
    fates = tuple(replace(fate, mark="lost") if fate in silent else fate for fate in story.fates)
    return replace(story, fates=fates, error=story.error or LOST)


def _wave_group(wave: _Wave, start: float, ends: tuple[float, ...], moment: Moment) -> Group:
    begin, end = wave.begin - start, wave.end - start
    bad = wave.wrong
    outcome = "bad" if bad else "open" if wave.going_on or moment.check else "good"
    note = _wave_note(wave, bad, moment, wave.number == len(ends) - 1)
    text = f"wave {wave.number}: from {show_seconds(begin)} to {show_seconds(end)}; {note}"
    lines = tuple(_line(story, wave, start, ends, moment) for story in wave.stories)
    span = None if moment.check else Span("wave", begin, end, text)
    return Group(f"Wave {wave.number}", lines, note, outcome, span)


def _wave_note(wave: _Wave, bad: list[Story], moment: Moment, last: bool) -> str:
    if bad:
        names = [story.host for story in bad]
        shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        return f"{shown} failed" + ("; the rollout stopped here" if last and moment.stopped else "")
    if moment.check:
        return "would move"
    return "on its way" if wave.going_on else "all confirmed"


def _verdict(image: str, waves: list[_Wave], rest: list[Story], moment: Moment) -> tuple[str, str]:
    """Return how a rollout stands: a key of VERDICTS, and a sentence."""
    fallen, waiting = ([story for story in rest if _kind(story) == kind] for kind in ("fallen", "waiting"))
    wrong = [*fallen, *(story for wave in waves for story in wave.wrong)]
    left = f"; {counted(len(waiting), 'host')} not moved yet" if waiting else ""
    if moment.phase == "staging":
        moved = f"{counted(len(waves), 'wave')} done" if waves else "no guest has moved"
        return "open", f"The new version is being staged; {moved}. {CUT}."
    if moment.phase == "moving":
        return "open", f"Wave {len(waves)} is on its way{left}. {CUT}, and a guest of that wave may be pending."
    if fallen and not waves:
        return "bad", f"{counted(len(fallen), 'host')} could not be staged; no guest has moved."
    if not waiting and _all_skipped([*rest, *(story for wave in waves for story in wave.stories)]):
        return "bad", f"No guest is of the image that {image} is a version of; is its <name> the same?"
    if moment.check:
        return ("bad" if wrong else "open"), f"A plan, made in check mode: nothing was touched{left}."
    if moment.stopped and waves:
        return "bad", f"Stopped in wave {len(waves)}: {counted(len(waves[-1].wrong), 'host')} of it failed{left}."
    if waiting:
        done = f"{counted(len(waves), 'wave')} done" if waves else "Staged"
        return ("bad" if wrong else "open"), f"{done}{left}."
    if not waves:
        return "good", "There was nothing to move: all guests have that version, or are of another image."
    failed = f", {counted(len(wrong), 'host')} failed" if wrong else ""
    return ("bad" if wrong else "good"), f"Done in {counted(len(waves), 'wave')}{failed}."


def _all_skipped(stories: list[Story]) -> bool:
    """Return whether there are guests, and all are of other images."""
    return {fate.mark for story in stories for fate in story.fates} == {"skipped"}


def _kind(story: Story) -> str:
    """Return what became of a host that is in no wave: a key of REST."""
    if story.error is not None:
        return "fallen"
    return "waiting" if not story.asked or any(fate.mark not in STAY for fate in story.fates) else "staying"


def _line(story: Story, wave: Optional[_Wave], start: float, ends: tuple[float, ...], moment: Moment) -> Line:
    cells = tuple(_cell(fate) for fate in story.fates)
    error = None if story.error is None else story.error.splitlines()[0] if story.error else "failed"
    if moment.check:
        return Line(story.host, cells, error)
    return Line(story.host, cells, error, tuple(_spans(story, wave, start, ends)), _took(story))


def _cell(fate: Fate) -> Cell:
    notes = []
    if fate.now != fate.old:
        notes.append(f"{fate.old or 'no version'} → {fate.now or 'no version'}")
    if fate.downtime is not None:
        notes.append(f"was down {show_seconds(fate.downtime)}")
    if fate.reason:
        notes.append(fate.reason if len(fate.reason) <= NOTE else f"{fate.reason[:NOTE]} …")
    words = f"to {fate.aim}" if fate.mark == "planned" else ""
    return Cell(fate.guest, fate.image, fate.now, fate.mark, words, tuple(notes))


def _spans(story: Story, wave: Optional[_Wave], start: float, ends: tuple[float, ...]):
    """Give what a host did, in order: staged, moved its guests, took some back, waited for its wave."""
    if story.began is not None:
        end = next((end for end in ends if end >= story.began), story.began)
        yield Span("staging", story.began - start, end - start, f"staging: {show_seconds(end - story.began)}")
    last = None
    for kind, verb in (("move", "moved"), ("back", "taken back")):
        for (begin, end), fates in _batches(story, kind).items():
            names = ", ".join(fate.guest for fate in fates)
            down = _down(fates) if kind == "move" else ""
            text = f"{names} {verb}: from {show_seconds(begin - start)} to {show_seconds(end - start)}{down}"
            shown = fates[0].aim if kind == "move" else fates[0].now
            yield Span(kind, begin - start, end - start, text, (fates[0].image, shown))
            last = max(last or end, end)
    if wave and last is not None and last < wave.end:
        yield Span("wait", last - start, wave.end - start, f"waited for its wave: {show_seconds(wave.end - last)}")


def _batches(story: Story, kind: str) -> dict:
    """Return the times of a host's batches, each with its guests."""
    told: dict[tuple[float, float], list[Fate]] = {}
    for fate in story.fates:
        times = getattr(fate, kind)
        if times is not None:
            told.setdefault(times, []).append(fate)
    return told


def _took(story: Story) -> str:
    batches = _batches(story, "move")
    if not batches:
        return ""
    took = show_seconds(sum(end - begin for begin, end in batches)) + _down(story.fates)
    returns = _batches(story, "back")
    back = f", back in {show_seconds(sum(end - begin for begin, end in returns))}" if returns else ""
    # A line ends between two times, not within one.
    return (took + back).replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")


def _down(fates) -> str:
    """Return how long guests were down, as an addition to a sentence."""
    times = [fate.downtime for fate in fates if fate.downtime is not None]
    if not times:
        return ""
    least, most = show_seconds(min(times)), show_seconds(max(times))
    return f", down {most}" if least == most else f", down {least} to {most}"


def _troubles(story: Story):
    if story.error is not None:
        yield Trouble(story.host, None, story.error)
    for fate in story.fates:
        if fate.reason is not None:
            yield Trouble(story.host, fate.guest, fate.reason)
