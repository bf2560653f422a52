# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The looks of a page: on a wide and a narrow screen, in the dark, on paper.

The colours of versions are Paul Tol's scheme "light", made for cells with dark text that colour-blind people tell apart:
https://sronpersonalpages.nl/~pault/. A colour never stands alone: each cell has its version as text, and each state a sign and
a border of its own, for printers without colours.
"""

from __future__ import annotations

from typing import Optional

VERSIONS = ("#7ad", "#4b9", "#ed8", "#fab", "#bc3", "#9df", "#e86", "#ddd")
STRIPES = (
    "repeating-linear-gradient(135deg, #0003 0 3px, #0000 3px 9px)",
    "repeating-linear-gradient(45deg, #0003 0 2px, #0000 2px 5px)",
)
PLAIN = """
:root { --page: #fff; --text: #1a1c20; --faint: #5a6069; --line: #d5d9de; --head: #eef0f3; --band: #9aa3ae;
  --good: #0b6b3a; --bad: #b00020; --open: #3b4a5f; color-scheme: light dark; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.25rem; max-width: 110rem; background: var(--page); color: var(--text);
  font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
header p { margin: 0; color: var(--faint); overflow-wrap: anywhere; }
p, ul { margin: 0; padding: 0; }
ul { list-style: none; }
a { color: inherit; }
svg { display: block; overflow: hidden; }
.sign { font-family: "DejaVu Sans", "Segoe UI Symbol", "Noto Sans Symbols", sans-serif; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.verdict { display: flex; gap: .6rem; margin: 1rem 0; padding: .6rem .9rem; border: 1px solid; border-left-width: .5rem;
  border-radius: .3rem; font-size: 1.1rem; overflow-wrap: anywhere; }
.verdict.good { color: var(--good); } .verdict.bad { color: var(--bad); } .verdict.open { color: var(--open); }
.share { border-radius: .3rem; outline: 1px solid var(--line); }
.share rect { stroke: #1a1c20; stroke-width: .5px; }
.legends { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.legend { min-width: 0; max-width: 100%; } .chip bdi { min-width: 0; overflow-wrap: anywhere; }
.legend h2 { margin: .9rem 0 .35rem; }
.legend ul { display: flex; flex-wrap: wrap; gap: .35rem 1.2rem; }
.legend svg { width: 2.5rem; flex: none; }
.legend li { display: flex; align-items: center; gap: .45rem; min-width: 0; }
.count, .note { color: var(--faint); font-weight: normal; }
.count { white-space: nowrap; } .note, .waves td { overflow-wrap: anywhere; }
.chip { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .35rem; min-width: 0; padding: .05rem .4rem; border: 1px solid #0006;
  border-radius: .25rem; color: #16181c; background-color: #fff; }
.chip .name { font-weight: 600; }
.chip .word { font-style: italic; }
.chip.plain, .vx { background: none; color: var(--text); border-color: var(--band); }
.m-returned { border: 2px dashed #5c0010; } .m-failed { border: 3px double #b00020; font-weight: 600; }
.m-pending, .m-merging, .m-planned { border: 2px dotted #16181c; } .m-lost { border: 3px double #16181c; }
.plain.m-returned, .plain.m-failed, .vx.m-failed { border-color: var(--bad); }
.plain.m-pending, .plain.m-planned, .plain.m-lost, .vx.m-lost { border-color: var(--text); }
.troubles { margin-top: 1.2rem; }
.troubles li { margin: .5rem 0; padding: .5rem .8rem; border-left: .3rem solid var(--bad); background: var(--head); }
.places { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-weight: 600; overflow-wrap: anywhere; }
.reason { white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.45 ui-monospace, "Liberation Mono", "DejaVu Sans Mono", monospace; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { position: sticky; top: 0; z-index: 1; background: var(--head); }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.hosts { table-layout: fixed; } .took { width: 8rem; font-size: .85rem; }
.waves th, .waves .number { white-space: nowrap; }
.waves td:nth-child(5) { min-width: 11rem; } .waves .bad td:nth-child(5) { color: var(--bad); font-weight: 600; }
.group th { padding-top: .8rem; }
.group .name { font-size: 1.05rem; } .group .count, .group .note { margin-left: .8rem; }
.group.bad .note { color: var(--bad); font-weight: 600; }
.hosts .host { width: 8rem; overflow-wrap: anywhere; scroll-margin-top: 3rem; }
.hosts .guests ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .25rem; }
.hosts .none, .hosts td.took { color: var(--faint); }
.silent { display: flex; gap: .4rem; color: var(--bad); font-weight: 600; overflow-wrap: anywhere; }
.line { width: 27%; } .waves .line { width: 50%; }
.hosts :target, .hosts tr:has(:target) { background: var(--head); }
.time { height: 16px; margin-top: .15rem; } td .time { background-repeat: repeat-x; }
.time text { fill: var(--faint); font-size: 11px; font-weight: normal; }
.t-staging { fill: var(--band); } .t-wait { fill: var(--text); } .t-wave { fill: var(--band); }
.bad .t-wave { stroke: var(--bad); stroke-width: 3px; stroke-dasharray: 4 2; }
.t-move { fill: #ddd; stroke: #0009; stroke-width: 1px; } .t-back { fill: #ddd; stroke: #b00020; stroke-width: 3px; stroke-dasharray: 4 2; }
rect.vx { fill: none; }
"""
DARK = """
@media screen and (prefers-color-scheme: dark) { :root { --page: #14161a; --text: #e6e8eb; --faint: #a0a7b1; --line: #343a42;
  --head: #20242a; --band: #717b88; --good: #5fd39a; --bad: #ff8a96; --open: #a9c1e3; } .t-back { stroke: #ff5a6b; } }
"""
NARROW = """
@media screen and (max-width: 56rem) { body { padding: .8rem; }
  .hosts thead { display: none; } .hosts tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  .hosts th.host, .hosts th, .hosts td { display: block; width: auto; padding: .1rem 0; border: 0; text-align: left; }
  .hosts td.took:empty, .hosts td.line:empty { display: none; } .waves { overflow-x: auto; } .waves table { min-width: 44rem; } }
"""
PAPER = """
@media print { @page { size: A4 landscape; margin: 12mm; } html { font-size: 11px; } body { padding: 0; max-width: none; font-size: 10px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } thead th { position: static; }
  thead { display: table-header-group; } tr, .legend { break-inside: avoid; } h2 { break-after: avoid; }
  .reason { font-size: 9px; } .time text { font-size: 8px; } a { text-decoration: none; } }
"""


def style(step_percent: Optional[float]) -> str:
    """Return the style sheet; `step_percent` is how far the marks of the time line are from each other."""
    colours = [f".v{place} {{ background-color: {colour}; fill: {colour}; }}" for place, colour in enumerate(VERSIONS)]
    stripes = [f".p{place} {{ background-image: {stripe}; }}" for place, stripe in enumerate(STRIPES, 1)]
    marks = "linear-gradient(90deg, var(--line) 0 1px, #0000 1px)"
    lines = [] if step_percent is None else [f"td .time {{ background-image: {marks}; background-size: {step_percent:.3f}% 100%; }}"]
    return PLAIN + "\n".join([*colours, *stripes, *lines]) + DARK + NARROW + PAPER
