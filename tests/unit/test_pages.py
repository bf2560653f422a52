# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of a rollout and of the report: what they show, and that nothing of it breaks them."""

from __future__ import annotations

import base64
import hashlib
import re

import html5lib
import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from ansible_collections.virt.image.plugins.filter.rollout import FACTS as NOTED
from ansible_collections.virt.image.plugins.module_utils._core.page import KINDS, kind_of
from ansible_collections.virt.image.plugins.module_utils._core.page_grid import MARKS
from ansible_collections.virt.image.plugins.module_utils._core.page_legend import COLOURS, PATTERNS
from ansible_collections.virt.image.plugins.module_utils._core.page_style import STRIPES, VERSIONS, style
from ansible_collections.virt.image.plugins.module_utils._core.page_time import Axis, show_seconds
from ansible_collections.virt.image.tests.unit import pages
from ansible_collections.virt.image.tests.unit.pages import BEGIN, guest, moved, shown, staged
from ansible_collections.virt.image.tests.unit.support import WORDS, examples

PAGES = {
    "small": pages.small,
    "status": pages.status,
    "hostile": pages.hostile,
    "one": lambda: pages.rollout(1, 1, [1]),
    "no hosts": lambda: pages.status({}),
    "no guests": lambda: pages.status({"a": {"guests": []}}),
    "hostile status": lambda: pages.status({name: {"guests": [{"name": name, "version": name}]} for name in pages.HOSTILE}),
}


def said(node) -> str:
    """Return the text of an element, as a reader hears it."""
    return " ".join(node.text_content().split())


def read(page) -> dict:
    """Return what a page shows."""
    tree = html.fromstring(page)
    rows = [row for row in tree.findall(".//table[@class]/tbody/tr") if row[0].get("scope") == "row"]
    return {
        "title": tree.findtext(".//title"),
        "verdict": said(tree.find(".//strong")),
        "groups": [said(head) for head in tree.findall(".//th[@scope='rowgroup']")],
        "hosts": {said(row[0]): [said(cell) for cell in row.findall(".//li")] for row in rows},
        "errors": {said(row[0]): said(row.find(".//p")) for row in rows if row.find(".//p") is not None},
        "colours": {said(cell): cell.get("class").split()[1] for row in rows for cell in row.findall(".//li")},
        "times": {said(row[0]): [title.text for title in row.findall(".//title")] for row in rows},
        "waves": [[said(cell) for cell in row[:5]] for row in tree.findall(".//section[@class='waves']//tbody/tr")],
        "legend": [said(entry) for entry in tree.findall(".//section[@class='legend']//li")],
        "reasons": [said(item) for item in tree.findall(".//section[@class='troubles']//li")],
    }


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_a_page_is_whole_and_valid(make):
    page = make()
    assert page == make()
    # Raises what a browser would have to guess.
    html5lib.HTMLParser(strict=True).parse(page)
    tree = html.fromstring(page)
    assert not tree.xpath("//script|//link|//img|//iframe|//form|//*[@src or @style or @*[starts-with(name(), 'on')]]")
    assert all(re.fullmatch("#h[0-9]+", place) for place in tree.xpath("//@href"))
    assert len(set(tree.xpath("//@id"))) == len(tree.xpath("//@id"))
    assert "url(" not in page and "@import" not in page
    assert kind_of(page[:1024]) == ("report" if "Guests and their versions" in page else "rollout")


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_the_policy_lets_its_own_looks_through_and_nothing_else(make):
    tree = html.fromstring(make())
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    (looks,) = tree.xpath("//style/text()")
    digest = base64.b64encode(hashlib.sha256(looks.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_a_wave_that_failed():
    page = read(pages.small())
    assert page["title"] == "Rollout of web, 1.0 → 2.0"
    assert page["verdict"] == "Stopped in wave 2: 1 host of it failed; 3 hosts not moved yet."
    assert page["hosts"]["host1"] == ["✓ web1 2.0 confirmed", "✓ web2 2.0 confirmed"]
    assert page["hosts"]["host3"] == ["↩ web1 1.0 rolled back", "+ web2 1.0 next version staged"]
    assert page["hosts"]["host6"] == ["+ web1 1.0 next version staged", "+ web2 1.0 next version staged"]
    assert page["groups"] == [
        "Wave 1 1 host all confirmed",
        "Wave 2 2 hosts host3 failed; the rollout stopped here",
        "Not moved yet 3 hosts",
    ]
    assert page["waves"] == [
        ["Wave 1", "1", "8 s", "7.5 s", "all confirmed"],
        ["Wave 2", "2", "15.5 s", "10.2 s", "host3 failed; the rollout stopped here"],
    ]
    assert page["times"]["host3"] == [
        "staging: 8 s",
        "web1 moved: from 16 s to 20.8 s, down 0.47 s",
        "web1 taken back: from 20.8 s to 24.8 s",
        "waited for its wave: 1 s",
    ]
    assert page["times"]["host6"] == ["staging: 8 s"]
    (reason,) = page["reasons"]
    assert reason.startswith("host3: web1") and reason.endswith("it is back on 1.0")


def test_a_version_has_one_colour_and_a_count():
    page = read(pages.status())
    assert page["legend"][:5] == [
        "db 14.2 10 guests",
        "web 1.9 2 guests",
        "web 1.10 3 guests",
        "web 2.0 5 guests",
        "no version 1 guest",
    ]
    colours = {text.split(" web ")[1].split()[0]: colour for text, colour in page["colours"].items() if " web " in text}
    assert colours == {"1.9": "v1", "1.10": "v2", "2.0": "v3"}
    assert all(colour == "v0" for text, colour in page["colours"].items() if "14.2" in text)
    assert len(VERSIONS) == COLOURS and len(STRIPES) == PATTERNS - 1


def test_the_report():
    page = read(pages.status())
    assert page["verdict"] == "21 guests on 12 hosts, 1 host without an answer, 1 guest between two versions"
    assert page["hosts"]["hv-06"][0] == "+ web6 web 2.0 next version staged"
    assert page["hosts"]["hv-08"][0] == "◔ web8 web 1.10 pending"
    assert page["hosts"]["hv-09"][0] == "↩ web9 web 1.10 rolled back"
    assert page["hosts"]["hv-10"][1] == "✓ db10 db 14.2 confirmed shutoff"
    assert page["hosts"]["hv-12"][2] == "· by-hand – not made by virt.image"
    assert (page["hosts"]["hv-05"], page["errors"]) == ([], {"hv-05": "⚠ no answer"})
    assert page["reasons"] == [
        "hv-05 Failed to connect to the host via ssh: No route to host",
        "hv-09: web9 version 2.0 was rolled back: no answer of the shop",
    ]


def test_a_reason_is_told_once():
    facts = staged(6, 1)
    end = moved(facts, [6], dict.fromkeys(("host2", "host4"), pages.SHOP))
    (reason,) = read(shown(facts, "moved", end, stopped=True))["reasons"]
    assert reason.startswith("host2: web1 host4: web1 web1: 1.0")


@pytest.mark.parametrize(
    "phase, options, verdict",
    [
        ("staging", {}, "The new version is being staged; no guest has moved. If the run has ended, it was cut off here."),
        ("staged", {}, "Staged; 2 hosts not moved yet."),
    ],
)
def test_before_the_first_wave(phase, options, verdict):
    facts = staged(2, 1)
    if phase == "staging":
        facts = {host: {"__rollout_began": BEGIN} for host in facts}
    page = read(shown(facts, phase, BEGIN + 5, **options))
    assert page["verdict"] == verdict
    assert page["groups"] == ["Not moved yet 2 hosts"] and page["waves"] == []


def test_a_wave_on_its_way():
    facts = staged(3, 1)
    end = moved(facts, [1], {})
    facts["host2"].update(__rollout_wave=["host2", "host3"], __rollout_wave_began=end, __rollout_failed={}, __rollout_passed=[])
    facts["host3"].update(__rollout_wave=["host2", "host3"], __rollout_wave_began=end)
    page = read(shown(facts, "moving", end))
    assert page["verdict"].startswith("Wave 2 is on its way. If the run has ended, it was cut off here")
    assert page["waves"][1][4] == "on its way"
    # The same, seen at the end: nothing was heard of them.
    page = read(shown(facts, "moved", end + 5, stopped=True))
    assert page["hosts"]["host2"] == ["? web1 1.0 not known"]
    assert page["reasons"] == ["host2 host3 gave no answer any more; its guests may be pending"]


@pytest.mark.parametrize(
    "result, error",
    [
        ({"unreachable": True, "msg": "no route"}, "no route"),
        ({"failed": True, "msg": "Task failed: no space left"}, "no space left"),
        ({"failed": True}, "no answer"),
        ({"failed": True, "msg": "x", "guests": [guest(error="is paused")]}, "web1: is paused"),
    ],
)
def test_a_host_that_could_not_stage(result, error):
    facts = staged(2, 1)
    facts["host1"]["__rollout_staged"] = result
    page = read(shown(facts, "staged", BEGIN + 5))
    assert page["verdict"] == "1 host could not be staged; no guest has moved."
    assert page["reasons"] == [f"host1 {error}"]
    assert page["groups"] == ["Failed before any guest moved 1 host", "Not moved yet 1 host"]


def test_each_wave_of_a_serial_play_is_staged_by_itself():
    facts = staged(2, 1)
    second = {"host2": facts.pop("host2")}
    end = moved(facts, [1], {})
    second["host2"]["__rollout_began"] = end
    page = read(shown({**facts, **second}, "moved", moved(second, [1], {}, begin=end + 3)))
    assert page["verdict"] == "Done in 2 waves."
    assert page["times"]["host1"][0] == "staging: 8 s"
    assert page["times"]["host2"][0] == "staging: 3 s"


def test_nothing_to_move():
    facts = {"a": {"__rollout_began": BEGIN, "__rollout_staged": {"guests": [guest(status="current")]}}}
    facts["b"] = {"__rollout_began": BEGIN, "__rollout_staged": {"guests": [guest(status="skipped", image="db")]}}
    facts["c"] = {"__rollout_began": BEGIN, "__rollout_staged": {"guests": []}}
    page = read(shown(facts, "staged", BEGIN + 5))
    assert page["verdict"].startswith("There was nothing to move")
    assert page["groups"] == ["Nothing to move 3 hosts"]


@pytest.mark.parametrize("options", [{}, {"check": True}], ids=["run", "check"])
def test_no_guest_is_of_the_image(options):
    alone = {"guests": [guest(status="skipped"), guest("web2", status="skipped")]}
    facts = {host: {"__rollout_began": BEGIN, "__rollout_staged": alone} for host in ("a", "b")}
    page = shown(facts, "staged", BEGIN + 5, **options)
    assert read(page)["verdict"] == f"No guest is of the image that {pages.IMAGE} is a version of; is its <name> the same?"
    assert '<p class="verdict bad">' in page
    facts["c"] = {"__rollout_began": BEGIN, "__rollout_staged": {"guests": [guest(status="current")]}}
    assert '<p class="verdict bad">' not in shown(facts, "staged", BEGIN + 5, **options)
    # One that was not asked yet may have such guests.
    facts["c"] = {"__rollout_began": BEGIN}
    assert '<p class="verdict open">' in shown(facts, "staged", BEGIN + 5, **options)


def test_a_plan_has_no_times():
    facts = staged(2, 1)
    moved(facts, [1, 1], {})
    page = read(shown(facts, "moved", BEGIN + 5, check=True))
    assert page["title"] == "Rollout of web, 1.0 → 2.0: what would be done"
    assert page["hosts"] == {"host1": ["→ web1 1.0 would move to 2.0"], "host2": ["→ web1 1.0 would move to 2.0"]}
    assert page["waves"] == [] and page["times"] == {"host1": [], "host2": []}


def test_an_off_guest_and_one_that_is_not_back():
    facts = staged(2, 1)
    end = moved(facts, [2], {"host2": pages.SHOP})
    facts["host1"]["__rollout_done"][0].update(status="confirmed", downtime=None)
    facts["host1"]["__rollout_confirmed"] = {}
    facts["host2"]["__rollout_backs"]["web1"].update(returned=False, version="2.0")
    page = read(shown(facts, "moved", end, stopped=True))
    assert page["hosts"] == {"host1": ["✓ web1 2.0 confirmed"], "host2": ["✗ web1 2.0 failed"]}


def test_many_hosts_and_guests():
    page = pages.large()
    assert len(page.encode()) < 2_000_000
    assert len(read(page)["hosts"]) == 500
    assert read(page)["verdict"] == "Stopped in wave 3: 4 hosts of it failed."


def test_more_versions_than_colours():
    told = {"a": {"guests": [{"name": f"g{index}", "image": "web", "version": str(index)} for index in range(30)]}}
    colours = re.findall(r'<li class="chip (v\d p\d) m-confirmed"', pages.status(told))
    assert len(set(colours)) == COLOURS * PATTERNS and len(colours) == 30


@pytest.mark.parametrize(
    "seconds, told",
    [
        (0, "0 s"),
        (0.414, "0.41 s"),
        (9.999, "10 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations(seconds, told):
    assert show_seconds(seconds) == told


@pytest.mark.parametrize("seconds, step", [(0, 1), (7, 2), (30, 5), (3600, 600), (10**7, 1666667)])
def test_the_axis(seconds, step):
    assert Axis(seconds).step == step
    assert Axis(seconds).place(-5) == "0.000%" and Axis(seconds).place(10**9) == "100.000%"


def test_each_mark_differs_without_colour():
    signs = [sign for sign, _word, _shown in MARKS.values()]
    assert len(set(signs)) == len(signs)
    assert "prefers-color-scheme: dark" in style(None) and "@media print" in style(None)


FACTS = [f"__rollout_{name}" for name in NOTED]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | WORDS, lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner)
)


@examples(30)
@given(st.dictionaries(st.sampled_from(FACTS), ANYTHING))
def test_facts_of_any_kind(facts):
    page = shown({"a": facts}, "moved", BEGIN, stopped=True)
    html5lib.HTMLParser(strict=True).parse(page)


@pytest.mark.parametrize(
    "arguments, error",
    [
        (("moved", "noon", 1.0), "now: 'noon' is no time"),
        (("ended", pages.NOW, 1.0), "phase: is 'ended'; it is one of staging, staged, moving, moved"),
        (("moved", pages.NOW, "x"), "clock: must be a number of seconds"),
        (("moved", pages.NOW, 1.0, "yes"), "stopped must be true or false"),
        (("moved", pages.NOW, 1.0, False, False, 5), "the path of a page as text is needed"),
    ],
)
def test_mistakes(arguments, error):
    with pytest.raises(AnsibleFilterError) as caught:
        pages.ROLLOUT_PAGE({}, [], "x", *arguments)
    assert error in str(caught.value)


def test_the_path(tmp_path):
    def write(path):
        return pages.STATUS_PAGE([], pages.NOW, path=str(path))

    page = write(tmp_path / "new.html")
    (tmp_path / "old.html").write_text(page, encoding="utf-8")
    (tmp_path / "empty.html").write_text("", encoding="utf-8")
    assert write(tmp_path / "old.html") == write(tmp_path / "empty.html") == page
    (tmp_path / "mine").write_bytes(b"\xff\x00 keep me")
    for path, error in (
        (tmp_path / "mine", "is there already, and is no page of a fleet"),
        (tmp_path, "is no file"),
        (tmp_path / "no/such", "does not exist"),
        ("/dev/null", "is no file"),
        ("a\0b", "has a character that no path can have"),
        ("~nobody-has-this-name/page.html", "cannot be looked at"),
    ):
        with pytest.raises(AnsibleFilterError, match="rollout_page: .*" + error):
            write(path)


def test_a_page_replaces_none_of_another_kind(tmp_path):
    def write(kind, path=None):
        if kind == "report":
            return pages.STATUS_PAGE([], pages.NOW, path=path)
        return pages.ROLLOUT_PAGE({}, [], "x", "moved", pages.NOW, 1.0, check=kind == "plan", path=path)

    replaced = set()
    for there in KINDS:
        path = tmp_path / f"{there}.html"
        path.write_text(write(there), encoding="utf-8")
        assert kind_of(write(there)) == there
        for kind in KINDS:
            try:
                write(kind, str(path))
                replaced.add((kind, there))
            except AnsibleFilterError as error:
                told = f"{path} is the page of {KINDS[there]}, which that of {KINDS[kind]} does not replace: name another path"
                assert told in str(error)
    assert replaced == {("rollout", "rollout"), ("rollout", "plan"), ("plan", "plan"), ("report", "report")}
