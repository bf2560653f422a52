# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of a rollout and of the report, as a browser shows and prints them.

The pictures are kept in .build/browser for people to look at.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import colours

from ansible_collections.virt.image.plugins.module_utils._core.page_style import VERSIONS
from ansible_collections.virt.image.tests.unit import pages

KEPT = Path(__file__).resolve().parents[2] / ".build/browser"
PAGES = {"small": pages.small, "large": pages.large, "status": pages.status, "hostile": pages.hostile}
WIDTHS = {"wide": 1400, "tablet": 800, "phone": 390}
# Each with what lies over others, or beyond what holds it; the heads of tables lie over nothing at the top.
MISPLACED = """(() => {
  const box = node => node.getBoundingClientRect(), wrong = [];
  const far = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1
    || inner.bottom > outer.bottom + 1;
  const name = node => node.tagName + '.' + node.getAttribute('class') + ' ' + node.textContent.slice(0, 60);
  for (const node of document.querySelectorAll('.chip, .reason, .places, .verdict, h1, header p, td, th.host, .silent')) {
    if (!node.getClientRects().length) continue;
    if (node.scrollWidth > node.clientWidth + 1) wrong.push('overflows: ' + name(node));
    if (far(box(node), box(node.parentElement))) wrong.push('leaves its place: ' + name(node));
  }
  for (const list of document.querySelectorAll('td ul, .legend ul')) {
    const boxes = [...list.children].map(box);
    boxes.forEach((one, at) => boxes.slice(at + 1).forEach(other => {
      if (one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1)
        wrong.push('lies over another: ' + list.textContent.slice(0, 60)); }));
  }
  const rows = [...document.querySelectorAll('table.hosts tbody tr')].map(box);
  rows.slice(1).forEach((row, at) => { if (row.top < rows[at].bottom - 1) wrong.push('rows overlap: ' + at); });
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window');
  return wrong.slice(0, 9); })()"""
# Texts whose contrast to what is below them is less than WCAG's 4.5, with it.
PALE = """(() => {
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const light = rgb => rgb.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const below = node => { for (; node; node = node.parentElement) { const c = parts(getComputedStyle(node).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const pale = [];
  for (const node of document.querySelectorAll('h1, h2, p, th, td, li, bdi, span, strong')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
    const two = [light(parts(getComputedStyle(node).color)), light(below(node))].sort((a, b) => b - a);
    const contrast = (two[0] + 0.05) / (two[1] + 0.05);
    if (contrast < 4.5) pale.push(node.textContent.slice(0, 40) + ' ' + contrast.toFixed(1));
  }
  return pale.slice(0, 9); })()"""


# To print 500 hosts takes half a minute.
PAPERS = {**PAGES, "large": lambda: pages.rollout(100, 5, [1, 9, 90], {"host044": pages.SHOP})}


@pytest.fixture(scope="session", params=PAGES, name="page")
def page_file(request, tmp_path_factory):
    """Give the file of each page."""
    return written(tmp_path_factory.mktemp("pages"), request.param, PAGES)


def written(folder: Path, name: str, made: dict) -> Path:
    """Return the file of a page."""
    file = folder / f"{name}.html"
    file.write_text(made[name](), encoding="utf-8")
    return file


def keep(name: str, content: bytes) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / name).write_bytes(content)


@pytest.mark.parametrize("width", WIDTHS)
def test_on_a_screen(browser, page, width):
    browser.open(page, WIDTHS[width])
    keep(f"{page.stem}-{width}.png", browser.screenshot())
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.ask(MISPLACED) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(browser, page, scheme):
    browser.open(page, 1400, scheme=scheme)
    keep(f"{page.stem}-{scheme}.png", browser.screenshot())
    assert browser.ask(PALE) == []
    bright = browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert bright == (scheme == "light")


def test_the_picture_has_the_colours_of_the_versions(browser, tmp_path):
    browser.open(written(tmp_path, "small", PAGES), 1400)
    seen = colours(browser.screenshot(scale=0.5))
    assert seen[(255, 255, 255)] > 100_000
    for version in VERSIONS[:2]:
        colour = tuple(int(digit * 2, 16) for digit in version[1:])
        # The bar of shares, the legend, the guests and the time line.
        assert seen.get(colour, 0) > 2_000, version
    assert seen.get(tuple(int(digit * 2, 16) for digit in VERSIONS[2][1:]), 0) == 0


def test_the_heads_stay_while_one_scrolls(browser, tmp_path):
    browser.open(written(tmp_path, "large", PAGES), 1400)
    browser.ask("document.getElementById('h250').scrollIntoView()")
    keep("large-middle.png", browser.screenshot())
    assert len(colours(browser.screenshot(scale=0.25))) > 50
    assert browser.ask("document.querySelector('table.hosts thead th').getBoundingClientRect().top") == 0
    # A link to a host does not end below the head.
    assert browser.ask("document.getElementById('h250').getBoundingClientRect().top") >= browser.ask(
        "document.querySelector('table.hosts thead th').getBoundingClientRect().bottom"
    )


@pytest.mark.parametrize("name", PAPERS)
def test_on_paper(browser, name, tmp_path):
    browser.open(written(tmp_path, name, PAPERS), 1000, media="print", scheme="dark")
    assert browser.ask(MISPLACED) == []
    # White, also where the screen is dark.
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = browser.paper()
    keep(f"{name}.pdf", printed)
    sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))
    assert {"small": 1 <= sheets <= 2, "large": 5 <= sheets <= 20}.get(name, sheets >= 1), sheets


def test_a_page_that_asks_for_something_is_noticed(browser, tmp_path):
    """What the other tests see nothing of can be seen: a request, a complaint, a text that leaves its place, a pale one."""
    bad = "<p><img src=gone.png></p><ul><li class=chip style='width:9px;white-space:nowrap;color:#ccc'>too long</ul>"
    (tmp_path / "page.html").write_text(pages.small().replace("<main>", f"<main>{bad}"), encoding="utf-8")
    browser.open(tmp_path / "page.html", 1400)
    assert any("Content Security Policy" in str(one) for one in browser.complaints())
    free = re.sub(r"<meta http-equiv[^>]*>", "", (tmp_path / "page.html").read_text(encoding="utf-8"))
    (tmp_path / "page.html").write_text(free, encoding="utf-8")
    browser.open(tmp_path / "page.html", 1400)
    assert len(browser.requests()) == 2
    assert [one for one in browser.ask(MISPLACED) if "too long" in one]
    assert [one for one in browser.ask(PALE) if "too long" in one]
