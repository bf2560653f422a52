# SPDX-License-Identifier: GPL-3.0-or-later
"""The built site: its links lead somewhere, its pictures have words, and a reader's browser asks no other server."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from lxml import html

SITE = Path(os.environ.get("VIRT_IMAGE_SITE", "no site"))
PAGES = sorted(SITE.rglob("*.html"))
# What a browser fetches by itself, to show a page.
FETCHED = ("script/@src", "img/@src", "link[@rel='stylesheet']/@href", "link[@rel='icon']/@href", "iframe/@src", "source/@src")

pytestmark = pytest.mark.skipif("VIRT_IMAGE_SITE" not in os.environ, reason="script/test docs builds the site")


def test_there_are_pages():
    assert SITE / "index.html" in PAGES


@functools.cache
def tree(page):
    return html.parse(str(page)).getroot()


@functools.cache
def anchors(page):
    return set(tree(page).xpath("//@id | //a/@name"))


def broken(page):
    """Yield the links of a page that lead nowhere within the site."""
    for link in tree(page).xpath("//@href | //@src"):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_file():
            yield link
        # Furo's own, for the top of the page.
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in anchors(target):
            yield link


def of_pages():
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))


@of_pages()
def test_links_lead_somewhere(page):
    assert list(broken(page)) == []


@of_pages()
def test_nothing_is_fetched_from_elsewhere(page):
    fetched = [link for path in FETCHED for link in tree(page).xpath(f"//{path}")]
    assert [link for link in fetched if urlsplit(link).netloc or urlsplit(link).scheme not in ("", "data")] == []


@of_pages()
def test_pictures_have_words(page):
    assert [img.get("src") for img in tree(page).xpath("//img") if not img.get("alt")] == []


def test_all_is_there():
    names = {page.name for page in PAGES}
    root = Path(__file__).resolve().parents[2]
    for kind, suffix in (("module", ".py"), ("inventory", ".py"), ("test", ".yml"), ("filter", ".yml")):
        folder = root / "plugins" / ("modules" if kind == "module" else kind)
        assert {f"{path.stem}_{kind}.html" for path in folder.glob(f"*{suffix}")} <= names
    assert {f"{path.name}_role.html" for path in (root / "roles").iterdir()} <= names
    assert {f"{path.stem}.html" for path in (root / "docs/docsite/rst").glob("*.rst")} <= names
