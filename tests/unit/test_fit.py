# SPDX-License-Identifier: GPL-3.0-or-later
"""The report over many hosts: rows from saved capabilities and from answers, and the table for people."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.fit import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core.fit import Obstacle, Row, table, unknown
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.tests.unit.support import host, image, text

ROWS, TABLE = (FilterModule().filters()[name] for name in ("fit_rows", "fit_table"))
IMAGE = image(
    '<boot type="xen"><guest><arch>x86_64</arch></guest><os><loader>pygrub</loader></os></boot>'
    '<boot type="hvm"><guest><arch>x86_64</arch></guest></boot>'
)
PLAIN = to_plain(IMAGE)
SAVED = {name: text(f"capabilities/{name}.xml") for name in ("qemu", "xen", "aarch64")}
EMPTY = {"boot": None, "type": None, "arch": None, "virt_type": None, "machine": None, "emulator": None}


def test_rows_of_saved_capabilities():
    qemu, xen, arm = ROWS(SAVED, PLAIN)
    assert [row["host"] for row in (qemu, xen, arm)] == list(SAVED)
    lost = "the host runs no xen guests of x86_64; it runs hvm x86_64, hvm i686"
    assert qemu == {
        "host": "qemu",
        "fits": True,
        "boot": 1,
        "type": "hvm",
        "arch": "x86_64",
        "virt_type": "kvm",
        "machine": "pc-i440fx-7.2",
        "emulator": "/usr/bin/qemu-system-x86_64",
        "obstacles": [{"boot": 0, "type": "xen", "arch": "x86_64", "obstacles": [lost]}],
        "error": None,
    }
    assert (xen["boot"], xen["virt_type"], xen["obstacles"]) == (0, "xen", [])
    assert (arm["fits"], len(arm["obstacles"])) == (False, 2)


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("wish", [{}, {"virt_type": "qemu"}, {"boot": 1}], ids=repr)
def test_an_answer_gives_the_row_of_its_capabilities(name, wish):
    facts = to_plain(host(name))
    expected = ROWS({name: SAVED[name]}, PLAIN, **wish)
    assert ROWS({name: facts}, PLAIN, **wish) == expected
    assert ROWS({name: {"ansible_facts": {"virt_capabilities": facts}, "changed": False}}, PLAIN, **wish) == expected


@pytest.mark.parametrize(
    "answer, error",
    [
        ("<domain/>", "capabilities: <domain> is no capabilities XML; its root element is <capabilities>"),
        ("", "capabilities: is empty; an XML document was expected"),
        ({"msg": "Task failed: no\n  route", "failed": True}, "no route"),
        ({"unreachable": True, "msg": "Failed to connect"}, "Failed to connect"),
        ({"skipped": True}, "no answer"),
        ({"guests": 1}, "host: has no key arch"),
        ([1], "no answer"),
        ({"ansible_facts": None, "msg": "odd"}, "odd"),
        ({"ansible_facts": {"virt_capabilities": None}}, "no answer"),
        ({"ansible_facts": {"other": 1}}, "no answer"),
        (None, "no answer"),
    ],
)
def test_a_host_without_answer_is_a_row(answer, error):
    assert ROWS({"h": answer}, PLAIN) == [{"host": "h", "fits": False, **EMPTY, "obstacles": [], "error": error}]


@pytest.mark.parametrize(
    "arguments, wish, told",
    [
        (({}, PLAIN), {"boot": 2}, "boot: 2 is no boot alternative of image web; it has 2"),
        (({}, PLAIN), {"unlisted_features": "x"}, "unlisted_features"),
        (({}, PLAIN), {"colour": "x"}, "colour"),
        ((["h"], PLAIN), {}, "a dictionary of hosts and their answers is needed, not list"),
        (({}, {}), {}, "image: has no key name"),
    ],
)
def test_what_is_wrong_with_the_question_is_an_error(arguments, wish, told):
    with pytest.raises(AnsibleFilterError, match=told):
        ROWS(*arguments, **wish)


def test_table():
    answers = {"a-host": SAVED["qemu"], "b": {"msg": "word " * 30}, "c": SAVED["aarch64"]}
    assert TABLE(ROWS(answers, PLAIN)) == [
        "HOST    FITS  BOOT  HYPERVISOR  MACHINE",
        "a-host  yes   1     kvm         pc-i440fx-7.2",
        "b       ?",
        "    " + " ".join(["word"] * 18),
        "      " + " ".join(["word"] * 12),
        "c       no",
        "    boot 0 (xen x86_64): the host runs no xen guests of x86_64; it runs hvm aarch64",
        "    boot 1 (hvm x86_64): the host runs no hvm guests of x86_64; it runs hvm aarch64",
        "1 of 3 fit",
    ]


def test_table_of_nothing():
    assert TABLE([]) == ["HOST  FITS  BOOT  HYPERVISOR  MACHINE", "0 of 0 fit"]


@pytest.mark.parametrize("rows", [None, "x", [1], [{"host": "a"}]], ids=repr)
def test_what_is_no_report(rows):
    with pytest.raises(AnsibleFilterError, match="virt.image.fit_table: rows"):
        TABLE(rows)


def test_table_is_as_wide_as_the_longest_name():
    rows = (Row("a", False), Row("b-host", True, 0, "hvm", "i686", "qemu"))
    assert table(rows) == [
        "HOST    FITS  BOOT  HYPERVISOR  MACHINE",
        "a       no",
        "b-host  yes   0     qemu        -",
        "1 of 2 fit",
    ]
    assert table(rows[:1])[:2] == ["HOST  FITS  BOOT  HYPERVISOR  MACHINE", "a     no"]


def test_reasons_in_the_table():
    lost = (Obstacle(0, "hvm", "i686", ("one", "two")), Obstacle(2, "xen", "ppc", ("three",)))
    assert table((Row("a", False, obstacles=lost),))[2:-1] == [
        "    boot 0 (hvm i686): one; two",
        "    boot 2 (xen ppc): three",
    ]


@pytest.mark.parametrize(
    "words, lines",
    [
        ("a" * 45 + " " + "b" * 46, ["    " + "a" * 45 + " " + "b" * 46]),
        ("a" * 46 + " " + "b" * 46, ["    " + "a" * 46, "      " + "b" * 46]),
        ("a" * 45 + " bb-" + "b" * 46, ["    " + "a" * 45, "      bb-" + "b" * 46]),
    ],
)
def test_long_reasons_are_broken_at_spaces(words, lines):
    assert table((unknown("a", words),))[2:-1] == lines
