# SPDX-License-Identifier: GPL-3.0-or-later
"""The report over the guests of many hosts."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.status import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core.status import show_age
from ansible_collections.virt.image.plugins.plugin_utils.time import parse_time

ROWS, TABLE = (FilterModule().filters()[name] for name in ("status_rows", "status_table"))
NOW = "2026-01-31T12:00:00+00:00"
WEB = {
    "name": "web1",
    "image": "web",
    "version": "2.0",
    "release": "3",
    "generation": 2,
    "state": "running",
    "generation_state": "pending",
    "since": "2026-01-31T10:30:00Z",
    "disks": [],
    "generations": [
        {"number": 1, "state": "former", "version": "1.0", "reason": None},
        {"number": 4, "state": "staged", "version": "3.0", "reason": None},
        {"number": 3, "state": "bad", "version": "2.9", "reason": "too slow"},
    ],
}
OWN = {"name": "own", "image": None, "version": None, "generation": 1, "state": "shutoff", "since": None}
EMPTY = dict.fromkeys(("guest", "image", "version", "release", "generation", "state", "generation_state", "since", "age"))


def test_rows():
    web, own, none, silent = ROWS(
        {
            "a": {"guests": [WEB, OWN], "changed": False},
            "b": {"guests": []},
            "c": {"msg": "Task failed: no\n route", "unreachable": True},
        },
        NOW,
    )
    assert web == {
        "host": "a",
        "guest": "web1",
        "image": "web",
        "version": "2.0",
        "release": "3",
        "generation": 2,
        "state": "running",
        "generation_state": "pending",
        "since": "2026-01-31T10:30:00Z",
        "age": 5400,
        "error": None,
        "notes": ["version 3.0 is staged", "version 2.9 was rolled back: too slow"],
    }
    assert (own["guest"], own["generation_state"], own["age"]) == ("own", None, None)
    assert none == {"host": "b", **EMPTY, "error": None, "notes": []}
    assert silent == {"host": "c", **EMPTY, "error": "no route", "notes": []}


@pytest.mark.parametrize("answer", [None, "", {}, {"guests": None}, {"guests": ["a"]}, {"skipped": True}], ids=repr)
def test_no_answer(answer):
    (row,) = ROWS({"a": answer}, NOW)
    assert row["error"] == "no answer"


def test_the_table():
    rows = ROWS({"a": {"guests": [WEB, OWN]}, "host-b": {"guests": []}, "c": {"msg": "no route " * 20}}, NOW)
    assert TABLE(rows) == [
        "HOST    GUEST  IMAGE  VERSION  GENERATION  STATE    AGE",
        "a       web1   web    2.0-3    2 pending   running  1 h",
        "    version 3.0 is staged",
        "    version 2.9 was rolled back: too slow",
        "a       own    -      -        1           shutoff  -",
        "host-b  -",
        "c       ?",
        "    " + " ".join(["no route"] * 10) + " no",
        "      route " + " ".join(["no route"] * 9),
        "2 guests on 3 hosts, 1 host without an answer",
    ]
    assert TABLE([]) == ["HOST  GUEST  IMAGE  VERSION  GENERATION  STATE  AGE", "0 guests on 0 hosts, 0 hosts without an answer"]


@pytest.mark.parametrize(
    "seconds, shown",
    [(None, "-"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (86400, "1 d"), (10**7, "115 d")],
)
def test_ages(seconds, shown):
    assert show_age(seconds) == shown


def test_times():
    assert parse_time("2026-01-31T12:00:00") == parse_time(NOW) == parse_time("2026-01-31T13:00:00+01:00")
    assert parse_time(None) is None
    # The host's clock is ahead.
    (row,) = ROWS({"a": {"guests": [{**WEB, "since": "2027-01-01T00:00:00Z"}]}}, NOW)
    assert row["age"] == 0


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: ROWS([], NOW), "status_rows: a dictionary of hosts and their answers is needed, not list"),
        (lambda: ROWS({"a": {"guests": []}}, "noon"), "status_rows: now: 'noon' is no time"),
        (lambda: TABLE([{"guest": "a"}]), "status_table: rows[0]: has no key host"),
    ],
)
def test_mistakes(call, error):
    with pytest.raises(AnsibleFilterError) as caught:
        call()
    assert f"virt.image.{error}" in str(caught.value)
