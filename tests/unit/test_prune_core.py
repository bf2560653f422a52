# SPDX-License-Identifier: GPL-3.0-or-later
"""What pruning makes of names, files' first bytes and documents; the rows are in prune.yml."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core import prune as core
from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.volume import ENDINGS, base_name
from ansible_collections.virt.image.tests.unit.support import examples
from ansible_collections.virt.image.tests.unit.test_prune import A, B, C, SEED, TABLE, overlay


@pytest.mark.parametrize("name, kind", [(name, kind) for kind, names in TABLE["ours"].items() for name in names])
def test_names_of_ours(name, kind):
    assert core.kind_of(name, 0o600) == kind


@pytest.mark.parametrize("name", [*TABLE["theirs"], "web\udcff-seed-0123456789abcdef.iso"])
def test_names_of_others(name):
    assert core.kind_of(name, 0o600) is None


def test_bases_are_what_is_imported():
    assert {core.kind_of(base_name("a" * 64, format)) for format in ENDINGS} == {"base"}


def test_a_hidden_file_of_another_mode_is_not_a_guest_s():
    assert core.kind_of(".debian-12.iso.part", 0o644) is None
    assert core.kind_of(f".{A}.part", 0o644) == "leftover"


def test_leftovers_are_of_folders():
    assert core.kind_of(f".{A}.part") is None
    assert core.kind_of(A) == "base"


@pytest.mark.parametrize("name, part", [(f".{A}.part", f".{A}.part"), (f".{A}.part.qcow2", f".{A}.part")])
def test_whose_lock_tells_of_a_leftover(name, part):
    assert core.part_of(name) == part


@pytest.mark.parametrize("backing, paths", [*TABLE["backing"].items(), ("json:" + "[" * 1000, [])])
def test_what_a_backing_file_s_name_means(backing, paths):
    assert core.paths_of(backing, "/p") == tuple(paths)


@pytest.mark.parametrize(
    "head, backing, texts",
    [
        (overlay("/q/a.raw"), "/q/a.raw", ()),
        (overlay(f"/q/{A}"), f"/q/{A}", ()),
        (overlay(A, 2), A, ()),
        (overlay(f"nbd://host/{A}"), f"nbd://host/{A}", (f"nbd://host/{A}",)),
        (overlay("a.raw\0b.raw"), "a.raw", ()),
        (overlay(""), None, ()),
        # What another format's header, or an external data file, says.
        (b'KDMV parentFileNameHint="/p/' + A.encode(), None, (A[:71],)),
        (overlay("/q/a.raw") + B.encode(), "/q/a.raw", (B[:71],)),
        (b"QFI\xfb\0\0", None, ()),
        (struct.pack(">4sIQI", b"QFI\xfb", 3, 2**60, 2**31), None, ()),
        (b"", None, ()),
    ],
)
def test_what_a_file_s_first_bytes_say(head, backing, texts):
    assert core.read_head(head) == (backing, texts)


@given(st.binary(max_size=64), st.binary(max_size=300))
@examples(200)
def test_any_bytes_say_something(first, rest):
    for head in (first, b"QFI\xfb" + first + rest):
        backing, _texts = core.read_head(head)
        assert isinstance(core.paths_of(backing or "", "/p"), tuple)


def named(document):
    return core.read_named(xml.parse(f"<domain>{document}</domain>", "x"), frozenset({"p", "alias"}), "/p")


@pytest.mark.parametrize("document, texts", [(row[0], row[1:]) for row in TABLE["texts"]])
def test_what_a_text_names(document, texts):
    assert list(named(document).texts) == texts


def test_paths_are_told_wherever_they_stand():
    told = named(
        "<os><kernel> /p/k.boot </kernel><nvram template='/p/t'>/p/n</nvram></os><devices><disk type='file'>"
        "<driver type='qcow2'/><source file='/p/d'/><mirror><format type='qcow2'/><source file='/p/m'/></mirror>"
        "<backingStore type='block'><format type='raw'/><source dev='/dev/b'/><backingStore/></backingStore></disk>"
        "<disk type='volume'><driver type='qcow2'/><source pool='q' volume='v'/></disk><interface><source dev='eth0'/>"
        "</interface></devices>"
    )
    assert told.paths == ("/p/k.boot", "/p/t", "/p/n", "/p/d", "/p/m", "/dev/b")
    assert told.disks == (
        core.DiskFile("/p/d", "qcow2"),
        core.DiskFile("/p/m", "qcow2"),
        core.DiskFile("/dev/b", "raw"),
        core.DiskFile(None, "qcow2", "q"),
    )


def planned(candidates, *uses):
    """Return the names that go, and those that stay with their users."""
    made = [core.Candidate(name, f"/p/{name}", core.kind_of(name, 0o600), 1) for name in candidates]
    pruning = core.plan_prune("p", made, uses)
    assert [step.name for step in pruning.steps] == [one.name for one in pruning.removed]
    return [one.name for one in pruning.removed], {one.name: list(users) for one, users in pruning.kept}


def test_what_only_a_goner_needs_goes_too():
    by_b = core.Use("volume b", frozenset([f"/p/{C}"]), by=f"/p/{B}")
    assert planned([C, B, A]) == ([A, B, C], {})
    assert planned([A, B, C], by_b) == ([A, B, C], {})
    kept = {B: ["domain x", "snapshot y"], C: ["volume b"]}
    uses = (core.Use("domain x", texts=(f"({B})",)), core.Use("snapshot y", frozenset([f"/p/{B}"])))
    assert planned([A, B, C], by_b, *uses) == ([A], kept)


def test_a_base_is_known_by_its_digest_and_others_by_their_whole_name():
    assert planned([A, SEED, f".{A}.part"], core.Use("x", texts=(A[:71], "seed-0123456789abcdef.iso"))) == (
        [f".{A}.part", SEED],
        {A: ["x"]},
    )
