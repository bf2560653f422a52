# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as one HTML page: versions as colours, hosts and their guests, waves on a time line, failures."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Optional

from . import xml
from .page_grid import Group, grid
from .page_legend import Palette, legends, share
from .page_style import style
from .page_time import Axis, waves

# The kinds of pages, in words, each with those that it may replace: none takes the place of the record of a rollout but one
# of a rollout.
KINDS = {"rollout": "a rollout", "plan": "a plan of a rollout", "report": "a report"}
REPLACES = {"rollout": ("rollout", "plan"), "plan": ("plan",), "report": ("report",)}
# Tells a page from other files, which are not to be overwritten, and its kind; it stands in the first bytes of a page.
GENERATOR = "virt.image page of {}"
# Of one reason; the ends of a log are no longer.
MAX_REASON = 8000
# How it went, in one word; the sign stands beside the words of the page.
VERDICTS = {"good": "✓", "bad": "✗", "open": "…"}


@dataclass(frozen=True)
class Trouble:
    """A reason, and the hosts or guests that it is told of; `guest` None is the host itself."""

    host: str
    guest: Optional[str]
    text: str


@dataclass(frozen=True)
class Page:
    """All that a page shows.

    `kind` is a key of KINDS, `outcome` of VERDICTS, `seconds` how long the time line is, None where there is none.
    """

    kind: str
    title: str
    outcome: str
    verdict: str
    lead: tuple[str, ...]
    groups: tuple[Group, ...]
    troubles: tuple[Trouble, ...] = ()
    seconds: Optional[float] = None


def render(page: Page) -> str:
    """Return the HTML of a page."""
    lines = [line for group in page.groups for line in group.lines]
    palette = Palette.of(cell for line in lines for cell in line.cells)
    axis = None if page.seconds is None else Axis(page.seconds)
    numbers = {line.host: number for number, line in enumerate(lines, 1)}
    main = xml.element(
        "main",
        None,
        _verdict(page),
        share(palette),
        legends(palette, lines, axis is not None),
        _troubles(page.troubles, numbers),
        waves(page.groups, axis) if axis else None,
        grid(page.groups, palette, axis),
    )
    header = xml.element("header", None, _text("h1", page.title), *(_text("p", text) for text in page.lead))
    return xml.to_html(xml.element("html", {"lang": "en"}, _head(page, axis), xml.element("body", None, header, main)))


def kind_of(start: str) -> Optional[str]:
    """Return the kind of page that a file which begins so is, a key of KINDS; None if it is no page of ours."""
    marks = {kind: f'<meta name="generator" content="{GENERATOR.format(name)}">' for kind, name in KINDS.items()}
    return next((kind for kind, mark in marks.items() if start.startswith("<!DOCTYPE html>") and mark in start), None)


def _head(page: Page, axis: Optional[Axis]):
    # Its text is that of the hash, to the byte: nothing else can add to the looks of a page, and nothing runs in it.
    looks = style(axis.step_percent if axis else None)
    digest = base64.b64encode(hashlib.sha256(looks.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return xml.element(
        "head",
        None,
        xml.element("meta", {"charset": "utf-8"}),
        xml.element("meta", {"name": "generator", "content": GENERATOR.format(KINDS[page.kind])}),
        xml.element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        xml.element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        xml.element("meta", {"name": "color-scheme", "content": "light dark"}),
        xml.element("meta", {"name": "referrer", "content": "no-referrer"}),
        xml.element("title", None, page.title),
        xml.element("style", None, looks),
    )


def _verdict(page: Page):
    sign = xml.element("span", {"aria-hidden": "true", "class": "sign"}, VERDICTS[page.outcome])
    return xml.inline("p", {"class": f"verdict {page.outcome}"}, sign, _text("strong", page.verdict))


def _text(tag: str, text: str):
    # <bdi>: a name from right to left does not turn what stands beside it.
    return xml.element(tag, None, xml.element("bdi", None, text))


def _troubles(troubles: tuple[Trouble, ...], numbers: dict):
    """Return the reasons, each once, with links to the hosts; None where there are none."""
    if not troubles:
        return None
    told: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        told.setdefault(trouble.text, []).append(trouble)
    items = [xml.inline("li", None, _places(alike, numbers), _reason(text)) for text, alike in told.items()]
    return xml.element(
        "section",
        {"class": "troubles", "aria-labelledby": "failures"},
        xml.element("h2", {"id": "failures"}, f"Failures and reasons ({len(troubles)})"),
        xml.element("ul", None, *items),
    )


def _reason(text: str):
    shown = text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} …"
    return xml.element("p", {"class": "reason", "dir": "auto"}, shown)


def _places(troubles: list[Trouble], numbers: dict):
    """Return the hosts that have one reason, each with its guests."""
    guests: dict[str, list[str]] = {}
    for trouble in troubles:
        guests.setdefault(trouble.host, []).extend([] if trouble.guest is None else [trouble.guest])
    links = []
    for host, names in guests.items():
        label = host + (f": {', '.join(names)}" if names else "")
        place = {"href": f"#h{numbers[host]}"} if host in numbers else None
        links.append(xml.element("a", place, xml.element("bdi", None, label)))
    return xml.inline("p", {"class": "places"}, *links)
