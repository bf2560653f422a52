# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time line of a page: an axis, the waves as bands on it, and what each host did when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from . import xml

# Seconds between two marks of an axis.
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 7 * 86400)
MOST_MARKS = 6
# Where each kind of span stands in its row, and how high it is.
SHAPES = {"staging": (6, 4), "wait": (7, 2), "move": (1, 14), "back": (1, 14), "wave": (1, 14)}
HEIGHT = 16


@dataclass(frozen=True)
class Span:
    """What was done from `begin` to `end`, seconds of the time line; `colour` are classes, `text` says it in words."""

    kind: str
    begin: float
    end: float
    text: str
    version: tuple = (None, None)


@dataclass(frozen=True)
class Axis:
    """From 0 to `seconds`."""

    seconds: float

    @property
    def step(self) -> int:
        """Return the seconds between two marks."""
        return next((step for step in STEPS if self.seconds / step <= MOST_MARKS), int(self.seconds / MOST_MARKS) + 1)

    @property
    def step_percent(self) -> float:
        """Return the same as a share of the axis."""
        return 100 * self.step / self._whole

    @property
    def _whole(self) -> float:
        # A run of no time has an axis all the same.
        return max(self.seconds, 1.0)

    def place(self, seconds: float) -> str:
        """Return where a moment is; what lies outside is at the ends."""
        return f"{self._share(seconds):.3f}%"

    def width(self, span: Span) -> str:
        """Return how wide a span is."""
        return f"{max(0.0, self._share(span.end) - self._share(span.begin)):.3f}%"

    def _share(self, seconds: float) -> float:
        return 100 * min(max(seconds, 0.0), self._whole) / self._whole


def row(spans, axis: Axis, palette):
    """Return the spans of one row."""
    shapes = [_shape(span, axis, palette) for span in spans]
    told = {"role": "img", "aria-label": "; ".join(span.text for span in spans)}
    return xml.element("svg", {"class": "time", **told, "width": "100%", "height": HEIGHT}, *shapes)


def _shape(span: Span, axis: Axis, palette):
    colour = palette.colour(*span.version) if palette and span.version[1] is not None else ""
    return shape(span.kind, axis.place(span.begin), axis.width(span), colour, span.text)


def shape(kind: str, place: str, width: str, colour: str = "", text: Optional[str] = None):
    """Return a span as a rectangle, with the classes `colour` and a text for who points at it."""
    top, height = SHAPES[kind]
    classes = f"t-{kind} {colour}".strip()
    title = None if text is None else xml.element("title", None, text)
    return xml.element("rect", {"x": place, "width": width, "y": top, "height": height, "class": classes}, title)


def head_of(axis: Axis):
    """Return the head of a column of time lines."""
    unseen = xml.element("span", {"class": "unseen"}, "Time line")
    return xml.element("th", {"scope": "col", "class": "line"}, unseen, _scale(axis))


def _scale(axis: Axis):
    """Return the marks of the axis, with their times."""
    marks = range(0, int(axis.seconds) + 1, axis.step)
    # The last one would stand beyond the end.
    shown = [mark for mark in marks if mark <= axis.seconds * 0.88 or mark == 0]
    texts = [xml.element("text", {"x": axis.place(mark), "dx": 3, "y": 12}, show_seconds(mark)) for mark in shown]
    return xml.element("svg", {"class": "time scale", "aria-hidden": "true", "width": "100%", "height": HEIGHT}, *texts)


def waves(groups, axis: Axis):
    """Return the waves as bands, one below the other; None before the first."""
    bands = [group for group in groups if group.span is not None]
    if not bands:
        return None
    heads = [xml.element("th", {"scope": "col"}, name) for name in ("Wave", "Hosts", "Began", "Took", "Outcome")]
    heads.append(head_of(axis))
    rows = [_wave(group, axis) for group in bands]
    return xml.element(
        "section",
        {"class": "waves", "aria-labelledby": "waves"},
        xml.element("h2", {"id": "waves"}, "Waves"),
        xml.element(
            "table", None, xml.element("thead", None, xml.element("tr", None, *heads)), xml.element("tbody", None, *rows)
        ),
    )


def _wave(group, axis: Axis):
    span = group.span
    return xml.element(
        "tr",
        {"class": f"wave {group.outcome}"},
        xml.element("th", {"scope": "row"}, group.title),
        xml.element("td", {"class": "number"}, len(group.lines)),
        xml.element("td", {"class": "number"}, show_seconds(span.begin)),
        xml.element("td", {"class": "number"}, show_seconds(span.end - span.begin)),
        xml.element("td", None, group.note),
        xml.element("td", {"class": "line"}, row((span,), axis, None)),
    )


def show_seconds(seconds: float) -> str:
    """Return a duration: 0.41 s, 12.3 s, 2 min 5 s, 1 h 5 min."""
    if seconds < 59.95:
        return f"{seconds:.{2 if seconds < 10 else 1}f}".rstrip("0").rstrip(".") + " s"
    # Whole seconds first, so that no unit is told 60 times.
    whole = round(seconds)
    for size, unit, smaller, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"
