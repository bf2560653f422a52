# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner does what a page says, and tells where it says what is not so."""

from __future__ import annotations

import hashlib
import time

import pytest

from ansible_collections.virt.image.tests.guides import run
from ansible_collections.virt.image.tests.guides.blocks import Block


def console(text, note=None):
    return Block(run.ROOT / "page.rst", 7, "console", text, None, note, "a reason")


def failing(block, folder):
    """Return what is told of a block that is wrong."""
    try:
        (told,) = run.run_console(block, folder)
    except run.Mistake as mistake:
        told = str(mistake)
    return told


@pytest.mark.parametrize(
    "text, note",
    [
        ("$ echo one\none\n$ echo two >&2\ntwo\n", None),
        ("$ echo one; echo two\n...\ntwo\n", None),
        ("$ echo whatever\n", None),
        ("$ pwd | grep -o reader\nreader\n", None),
        ("$ true\n$ echo no; false\nno\n", "fails"),
        ("$ cat\n", None),
    ],
)
def test_it_is_so(tmp_path, text, note):
    folder = tmp_path / "reader"
    folder.mkdir()
    assert run.run_console(console(text, note), folder) == []


@pytest.mark.parametrize(
    "text, note, told",
    [
        ("$ true\n$ echo why; false\n", None, "page.rst:8: $ echo why; false\nfailed with status 1; it said:\n    why"),
        ("$ false\n$ false\n", "fails", "page.rst:7: $ false\nfailed with status 1; it said:\n    "),
        ("$ echo well\n", "fails", "page.rst:7: $ echo well\nended well, but is to fail; it said:\n    well"),
        ("$ echo two\none\n", None, "page.rst:7: $ echo two\nexpected:\n    one\ngot:\n    two"),
        (
            "$ nonesuch\n",
            None,
            "page.rst:7: $ nonesuch\nfailed with status 127; it said:\n    bash: line 1: nonesuch: command not found",
        ),
        ("$ printf '\\377'; false\n", None, "page.rst:7: $ printf '\\377'; false\nfailed with status 1; it said:\n    \ufffd"),
    ],
)
def test_it_is_not_so(tmp_path, text, note, told):
    assert failing(console(text, note), tmp_path) == told


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LIMIT", 1)
    start = time.monotonic()
    assert failing(console("$ sleep 60 & sleep 60\n"), tmp_path).endswith("(ended after 1 s)")
    assert time.monotonic() - start < 30


def test_a_file(tmp_path):
    run.write_file(Block(run.ROOT / "page.rst", 7, "yaml", "- one\n", "a/b.yml"), tmp_path)
    assert (tmp_path / "a/b.yml").read_text() == "- one\n"


@pytest.mark.parametrize("caption", ["../b.yml", "/etc/b.yml", "a/../../b.yml"])
def test_a_file_that_is_not_the_reader_s(tmp_path, caption):
    with pytest.raises(run.Mistake, match="page.rst:7: the caption is to be a path in the reader's folder"):
        run.write_file(Block(run.ROOT / "page.rst", 7, "yaml", "- one\n", caption), tmp_path)


def test_no_such_guide():
    with pytest.raises(SystemExit, match="no guide nonesuch; there are: .*first_guest"):
        run.choose(["nonesuch"])


def test_only_what_a_guide_has_made_is_its_own(tmp_path):
    page = tmp_path / "guide_web.rst"
    page.write_text("$ ansible-playbook web.yml\nname: web1\nnetwork br-web", encoding="utf-8")
    disks = []
    for version in run.IMAGES.values():
        folder = tmp_path / "guest" / version
        folder.mkdir(parents=True)
        (folder / "root.qcow2").write_text(version, encoding="ascii")
        disks.append(hashlib.sha256(version.encode()).hexdigest())
    ours = {
        ("domain", "web1"),
        ("bridge", "br-web"),
        ("volume", "default", "web1-root.qcow2"),
        ("volume", "default", f"sha256-{disks[0]}.qcow2"),
    }
    others = {
        ("domain", "vm"),
        ("bridge", "br-5f3c"),
        ("volume", "default", "debian.iso"),
        ("volume", "default", "vm-root.qcow2"),
        ("volume", "default", f"sha256-{'0' * 64}.qcow2"),
    }
    assert run.of_guide(page, tmp_path, frozenset(ours | others)) == ours
