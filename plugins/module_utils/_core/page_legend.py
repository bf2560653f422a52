# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the colours and signs of a page mean, and how often each of them is there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Optional

from . import xml
from .page_grid import MARKS, Line
from .page_time import HEIGHT, shape
from .status import counted

# As many as people can tell, colour-blind ones too; after them the same once more, with stripes.
COLOURS = 8
PATTERNS = 3
# The spans of the time line.
TIMES = {
    "staging": "staging, while guests run",
    "move": "a guest moves: switch and health check",
    "back": "is taken back",
    "wait": "waits for its wave",
}


@dataclass(frozen=True)
class Palette:
    """The versions of a page, (image, version) in order, and how many guests have each; None is no version of ours."""

    counts: tuple[tuple[tuple[Optional[str], Optional[str]], int], ...]

    @classmethod
    def of(cls, cells) -> Palette:
        """Return the palette of these cells."""
        counted = Counter((cell.image, cell.version) for cell in cells)
        return cls(tuple(sorted(counted.items(), key=lambda one: _order(*one[0]))))

    @property
    def several(self) -> bool:
        """Return whether guests are of several images, so that a version alone says little."""
        return len({image for (image, _version), _count in self.counts if image is not None}) > 1

    def colour(self, image: Optional[str], version: Optional[str]) -> str:
        """Return the classes of a version's colour and pattern."""
        if version is None:
            return "vx"
        known = [key for key, _count in self.counts if key[1] is not None]
        place = known.index((image, version)) if (image, version) in known else len(known)
        return f"v{place % COLOURS} p{place // COLOURS % PATTERNS}"

    def label(self, image: Optional[str], version: Optional[str]) -> str:
        """Return how a version is called on this page."""
        if version is None:
            return "no version"
        return f"{image} {version}" if self.several and image else version


def _order(image: Optional[str], version: Optional[str]) -> tuple:
    """Return the place of a version: 1.10 comes after 1.9, and what has no version comes last."""
    parts = re.findall(r"[0-9]+|[^0-9]+", version or "")
    # Digits that are none to int() are text.
    natural = [(0, int(part), "") if len(part) < 20 and part.isascii() and part.isdigit() else (1, 0, part) for part in parts]
    return (version is None, image or "", natural, version or "")


def share(palette: Palette):
    """Return the versions as one bar, each as long as its share; None without guests."""
    total = sum(count for _key, count in palette.counts)
    if not total:
        return None
    bars, before = [], 0
    for key, count in palette.counts:
        place = {"x": f"{100 * before / total:.3f}%", "width": f"{100 * count / total:.3f}%", "y": 0, "height": "100%"}
        words = f"{palette.label(*key)}: {_guests(count)}"
        bars.append(xml.element("rect", {**place, "class": palette.colour(*key)}, xml.element("title", None, words)))
        before += count
    told = ", ".join(f"{palette.label(*key)}: {_guests(count)}" for key, count in palette.counts)
    return xml.element("svg", {"class": "share", "role": "img", "width": "100%", "height": 20, "aria-label": told}, *bars)


def legends(palette: Palette, lines: list[Line], timed: bool):
    """Return what the colours are, and what the signs are, each with its number."""
    versions = [
        _entry(f"chip {palette.colour(*key)}", "", palette.label(*key), _guests(count)) for key, count in palette.counts
    ]
    marks = Counter(cell.mark for line in lines for cell in line.cells)
    signs = [_entry(f"chip plain m-{mark}", *MARKS[mark][:2], _guests(marks[mark])) for mark in MARKS if marks[mark]]
    silent = sum(line.error is not None for line in lines)
    if silent:
        signs.append(_entry("chip plain m-failed", "⚠", "host failed or without an answer", counted(silent, "host")))
    times = [_sample(kind, words) for kind, words in TIMES.items()] if timed else []
    sections = (_legend("Versions", versions), _legend("Guests", signs), _legend("Time line", times))
    return xml.element("div", {"class": "legends"}, *sections)


def _legend(title: str, entries: list):
    if not entries:
        return None
    return xml.element("section", {"class": "legend"}, xml.element("h2", None, title), xml.element("ul", None, *entries))


def _entry(classes: str, sign: str, label: str, count: str):
    mark = xml.element("span", {"class": "sign", "aria-hidden": "true"}, sign) if sign else None
    chip = xml.inline("span", {"class": classes}, mark, xml.element("bdi", None, label))
    return xml.inline("li", None, chip, xml.element("span", {"class": "count"}, count))


def _sample(kind: str, words: str):
    """Return how a span of the time line looks, and what it is."""
    size = {"width": 40, "height": HEIGHT}
    looks = xml.element("svg", {"class": "time", "aria-hidden": "true", **size}, shape(kind, "5%", "90%"))
    return xml.inline("li", None, looks, xml.element("span", None, words))


def _guests(count: int) -> str:
    return counted(count, "guest")
