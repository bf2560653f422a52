# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage plan as tables: what is there, what is asked for, and the steps or the refusal that come of it.

In storage.yml a disk is `id use format size option...`, a source `format size digit [backing]` (its digest is 64 times
the digit), a file of the pool `format size [backing]`, a record `digit volume`; sizes are in MiB.
"""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.record import Record, RecordedDisk
from ansible_collections.virt.image.plugins.module_utils._core.steps import (
    CopyVolume,
    CreateVolume,
    FillVolume,
    GrowVolume,
    ImportBase,
)
from ansible_collections.virt.image.plugins.module_utils._core.storage import plan_removal, plan_storage
from ansible_collections.virt.image.plugins.module_utils._core.units import MIB
from ansible_collections.virt.image.plugins.module_utils._core.volume import (
    BLOCK,
    PLAIN,
    REMOTE,
    Found,
    Pool,
    Source,
    World,
    volume_names,
)
from ansible_collections.virt.image.tests.unit.support import guest, image, message, table

POOLS = {
    "default": Pool("default", "/pool", 2**40),
    "fast": Pool("fast", "/fast", 2**40),
    "vg": Pool("vg", "/dev/vg", 2**40, BLOCK),
    "far": Pool("far", "/far", 2**40, REMOTE),
    "none": Pool("none", "/srv", 2**40, PLAIN),
}


def full(name):
    """Return a path with a digit between sharp signs as a digest: /pool/#a#.raw."""
    return "#".join(part * 64 if index == 1 else part for index, part in enumerate(name.split("#"))).replace("#", "")


def short(text):
    """Return a text with each digest as a digit between sharp signs."""
    for digit in "0123456789abcdef":
        text = text.replace(digit * 64, f"#{digit}#").replace(f"sha256:{digit * 12}...", f"sha256:#{digit}#")
    return text


def header(words):
    kind, size, *backing = words.split()
    return Header(kind, int(float(size) * MIB), full(backing[0]) if backing else None)


def source(label, words):
    kind, size, digit, *backing = words.split()
    path = None if "away" in backing else f"/img/{label}"
    backing = [word for word in backing if word != "away"]
    told = header(" ".join([kind, size, *backing]))
    return Source(path, label, int(size) * MIB // 2, "stamp", digit * 64 if digit != "?" else None, told, "image.xml")


def descriptor(disks):
    made = []
    for words in disks:
        disk_id, use, kind, size, *file = words.split()
        told = f'size="{size}"' if size != "-" else ""
        made.append(f'<disk id="{disk_id}" file="{(file or [disk_id])[0]}" use="{use}" format="{kind}" {told}/>')
    drives = "".join(f'<drive disk="{words.split()[0]}"/>' for words in disks)
    return image(disks="".join(made), drives=drives)


def world(row):
    found = {
        full(path): Found(None if words == "listed" else header(words), True)
        for path, words in row.get("files", {}).items()
    }
    sources = {disk_id: source(disk_id, words) for disk_id, words in row.get("sources", {}).items()}
    return World(POOLS, sources, found)


def recorded(row):
    told = [(disk_id, *words.split()) for disk_id, words in row.get("record", {}).items()]
    disks = [
        RecordedDisk(disk_id, "system", "default", name, f"/pool/{name}", False, name.rpartition(".")[2], digit * 64)
        for disk_id, digit, name in told
    ]
    return Record("web", None, None, 1, tuple(disks), "") if disks else None


def plan(row):
    made = descriptor(row["disks"])
    return plan_storage("web1", made, made.boots[0], guest(**row.get("guest", {})), world(row), recorded(row))


def line(step):
    """Return all that a step says, in a line."""
    if isinstance(step, ImportBase):
        words = f"import {step.source.path} {step.source_format} as {step.path} {step.format} {step.size // MIB}"
    elif isinstance(step, CopyVolume):
        words = f"copy {step.base} to {step.path} {step.format} {step.capacity / MIB:g}"
    elif isinstance(step, FillVolume):
        words = f"fill {step.path} {step.format} {step.capacity / MIB:g} from {step.source.path} {step.source_format}"
    elif isinstance(step, GrowVolume):
        assert step.domain is None
        words = f"grow {step.path} {step.format} {step.was / MIB:g} to {step.capacity / MIB:g}"
    else:
        assert isinstance(step, CreateVolume)
        on = f" on {step.backing_path} {step.backing_format}" if step.backing_path else ""
        words = f"create {step.path} {step.format} {step.capacity / MIB:g}{on}{' again' if step.stale else ''}"
    return short(words)


def shown(volume):
    layers = " < ".join(f"{layer.path} {layer.format}" for layer in volume.layers)
    block = " block" if volume.kind == BLOCK else ""
    return short(f"{volume.disk}: {layers} {volume.capacity / MIB:g}{' shared' if volume.shared else ''}{block}")


@pytest.mark.parametrize("row", table("storage.yml"))
def test_plan(row):
    if "errors" in row:
        assert short(message(plan, row)).splitlines() == row["errors"]
        return
    found = plan(row)
    assert [line(step) for step in found.steps] == row["steps"]
    assert [shown(volume) for volume in found.volumes] == row["volumes"]


@pytest.mark.parametrize("row", [row for row in table("storage.yml") if row.values[0].get("steps")])
def test_what_was_made_is_found(row):
    """After the steps, with the files that they make, there is nothing more to do."""
    files = dict(row.get("files", {}))
    for step in plan(row).steps:
        size = step.source.header.capacity if isinstance(step, ImportBase) else step.capacity
        words = row.get("files", {}).get(short(step.path), "").split()
        backing = getattr(step, "backing_path", None) or "".join(words[2:])
        files[step.path] = f"{step.format} {size / MIB} {backing or ''}"
    assert plan({**row, "files": files}).steps == ()


def names(*disks):
    made = descriptor(disks)
    return list(volume_names("web1", made.disks, guest(), POOLS).values())


@pytest.mark.parametrize(
    "disks",
    [
        ["a/root.raw scratch raw 1", "a_root.raw scratch raw 1"],
        ["root.raw scratch raw 1", "root.img scratch raw 1"],
        ["root scratch raw 1", "root.raw scratch raw 1"],
    ],
)
def test_two_disks_of_a_guest_are_two_volumes(disks):
    assert len(set(names(*disks))) == 2


@pytest.mark.parametrize(
    "disk, name",
    [
        ("root.raw system raw -", "web1-root.qcow2"),
        ("isos/data.img user raw 1", "web1-isos_data.raw"),
        ("a.b.vmdk user vmdk -", "web1-a.b.qcow2"),
        ("odd.tar user raw 1", "web1-odd.tar.raw"),
        (".raw user raw 1", "web1-.raw.raw"),
    ],
)
def test_volume_name(disk, name):
    assert names(disk) == [name]


@pytest.mark.parametrize("remove, gone", [("none", []), ("disposable", ["s", "t"]), ("all", ["s", "u", "t"])])
def test_removal(remove, gone):
    disks = [
        RecordedDisk("root", "system", "default", "s", "/pool/s", False),
        RecordedDisk("cd", "system", "default", "base", "/pool/base", True),
        RecordedDisk("data", "user", "default", "u", "/pool/u", False),
        RecordedDisk("tmp", "scratch", "fast", "t", "/fast/t", False),
        RecordedDisk("lost", "scratch", "fast", "l", "/fast/l", False),
    ]
    there = {disk.path: Found(Header("raw", 1), True) for disk in disks[:3]}
    there["/fast/t"] = Found(None, True)
    found = plan_removal(tuple(disks), remove, World(POOLS, {}, there))
    assert [step.name for step in found] == gone
