# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that move between generations: each row is a life, move by move, with what is done and said at each."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.aim import Aim
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.generation import plan_generation
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.history import next_record, with_record
from ansible_collections.virt.image.plugins.module_utils._core.image import Disk
from ansible_collections.virt.image.plugins.module_utils._core.lifecycle import RUNNING
from ansible_collections.virt.image.plugins.module_utils._core.match import choose
from ansible_collections.virt.image.plugins.module_utils._core.moves import MergeDisk
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import plan_guest
from ansible_collections.virt.image.plugins.module_utils._core.record import RecordedDisk
from ansible_collections.virt.image.plugins.module_utils._core.steps import (
    CreateSeed,
    CreateVolume,
    DefineDomain,
    DeleteVolume,
    ImportBase,
    StartDomain,
    StopDomain,
)
from ansible_collections.virt.image.plugins.module_utils._core.volume import Found, Pool, Source, World
from ansible_collections.virt.image.plugins.module_utils._io.generations import GenerationSurvey
from ansible_collections.virt.image.tests.unit.sightings import MIB, files_of, made, sighting
from ansible_collections.virt.image.tests.unit.support import guest, image, judged, table, untouched


class Host:
    """A host with one guest of the image web, which has a system and a user disk; what plans say is done to it."""

    def __init__(self, state="running", **_row):
        self.live = replace(made("web1", state), active=None)
        self.files = {path: Found(Header("raw", 10 * MIB), True) for path in files_of("web1")}
        self.kept = set()
        self.name_version("1")

    def name_version(self, version):
        """Give the guest's record a version, which the image of the sightings lacks."""
        tree = xml.parse(self.live.xml, "live")
        node = next(tree.iter("{urn:virt-image:record:1}record"))
        node.set("version", version)
        self.live = replace(self.live, xml=xml.to_text(tree))

    def sighting(self, aim, version=None, digest=None, busy=(), network=True, name="web", taken=None, files=(), **options):
        """Return what is seen when the guest is to move; without a version, the image does not matter."""
        forward = version is not None
        base = replace(sighting("web1", live=self.live, **options), taken={path: tuple(names) for path, names in (taken or {}).items()})
        record = self.live.record
        self.files.update({f"/pool/{name}": Found(Header("qcow2", 100 * MIB), True) for name in files})
        seen = replace(base, world=World(base.world.pools, {}, dict(self.files)), now="2026-01-02T03:04:05Z", kept=frozenset(self.kept))
        if not forward:
            seen = replace(seen, busy=tuple(busy))
            return replace(seen, guest=guest(name="web1", **options), image=None, verdict=None)
        image = replace(base.image, name=name, version=str(version))
        source = replace(base.world.sources["root"], digest=(digest or str(version)) * 64)
        aimed = next_record(record, frozenset())
        overlays = {}
        if aim.user_disks == "snapshot" and self.live.state in RUNNING:
            overlays = {"data": f"web1-data.raw-g{aimed.generation}.qcow2"}
        return replace(
            seen,
            image=image,
            world=World(base.world.pools, {"root": source}, dict(self.files)),
            aimed=aimed,
            busy=tuple(busy),
            overlays=overlays,
            networks={"default": network},
        )

    def plan(self, state, options=None, **seen):
        aim = Aim(state, **{"now": 1000, **(options or {})})
        plan = plan_generation(self.sighting(aim, **seen), aim)
        assert untouched(self.live)
        return plan

    def perform(self, plan, until=None):
        """Do what a plan says, up to a number of steps."""
        for step in plan.steps[:until]:
            if isinstance(step, DefineDomain):
                self.live = replace(self.live, xml=judged(step.xml))
            elif isinstance(step, ImportBase):
                self.files[step.path] = Found(Header("raw", 100 * MIB), True)
            elif isinstance(step, CreateVolume):
                self.files[step.path] = Found(Header("qcow2", step.capacity, step.backing_path), True)
            elif isinstance(step, DeleteVolume):
                del self.files[step.path]
            elif isinstance(step, (StartDomain, StopDomain)):
                self.live = replace(self.live, state="running" if isinstance(step, StartDomain) else "shutoff")


def short(text):
    for digit in "a23":
        text = text.replace(digit * 64, f"#{digit}#")
    return text.replace(" of pool default", "").replace(" in pool default", "").replace(" into pool default", "")


def told(host, move):
    """Return what a move says, and do it: its steps, or the error."""
    move = dict(move)
    for key in ("steps", "status", "error", "warning", "after", "until"):
        move.pop(key, None)
    try:
        return host.plan(**move), None
    except ImageError as error:
        return None, str(error)


def check_after(host, after):
    record = host.live.record
    facts = {
        "generation": record.generation,
        "state": record.state,
        "version": record.version,
        "others": [f"{one.number} {one.state}" for one in record.generations],
        "disks": [disk.volume for disk in record.disks],
        "runs": host.live.state in RUNNING,
        "was": record.was,
        "owner": record.owner,
        "until": record.until,
        "files": sorted(path.rpartition("/")[2] for path in host.files if "sha256" not in path),
        "sources": [source.get("file", "").rpartition("/")[2] for source in xml.parse(host.live.xml, "x").findall("devices/disk/source")],
    }
    assert {key: facts[key] for key in after} == after


@pytest.mark.parametrize("row", table("generations.yml"))
def test_a_life(row):
    host = Host(row.get("state", "running"))
    for move in row["moves"]:
        if "kept" in move:
            host.kept = set(move.pop("kept"))
        if "set" in move:
            host.live = replace(host.live, **move.pop("set"))
        plan, error = told(host, move)
        if "error" in move:
            assert short(error or "") == move["error"].strip()
            continue
        assert error is None
        if "steps" in move:
            assert [short(str(step)) for step in plan.steps] == move["steps"]
        if "status" in move:
            assert plan.status == move["status"]
        if "warning" in move:
            assert list(plan.warnings) == [move["warning"]]
        host.perform(plan, move.get("until"))
        check_after(host, move.get("after", {}))
        if "until" not in move:
            # Done is done.
            again, error = told(host, move)
            assert error is None and again.steps == ()


def test_the_switch_is_one_definition_that_keeps_what_the_guest_is():
    host = Host()
    before = xml.parse(host.live.xml, "before")
    host.perform(host.plan("staged", version=2))
    plan = host.plan("active", version=2)
    assert sum(isinstance(step, DefineDomain) and not step.note for step in plan.steps) == 1
    host.perform(plan)
    after = xml.parse(host.live.xml, "after")
    for place in ("uuid", "devices/interface/mac/@address", "os/type/@machine", "devices/disk[2]/source/@file"):
        assert before.xpath(place)[0] == after.xpath(place)[0] if "@" in place else before.findtext(place) == after.findtext(place)
    assert after.xpath("devices/disk[1]/source/@file") == ["/pool/web1-root-g2.qcow2"]


def test_back_is_the_domain_as_it_was_with_its_secrets():
    host = Host()
    tree = xml.parse(host.live.xml, "live")
    tree.find("devices").append(xml.element("graphics", {"type": "vnc", "passwd": "hush"}))
    tree.find("devices").append(xml.element("input", {"type": "tablet", "bus": "usb"}))
    host.live = replace(host.live, xml=xml.to_text(tree))
    host.perform(host.plan("active", version=2))
    assert "hush" not in "".join(one.domain + one.applied for one in host.live.record.generations)
    host.perform(host.plan("rolled_back"))
    back = xml.parse(host.live.xml, "back")
    for one in (tree, back):
        one.remove(one.find("metadata"))
    assert xml.to_text(back) == xml.to_text(tree)


def test_a_record_of_another_domain_is_not_defined():
    host = Host()
    host.perform(host.plan("active", version=2))
    record = host.live.record
    (former,) = record.generations
    uuid = xml.parse(former.domain, "former").findtext("uuid")
    other = former.domain.replace(uuid, uuid[:-1] + ("0" if uuid[-1] != "0" else "1"))
    record = replace(record, generations=(replace(former, domain=other),))
    host.live = replace(host.live, xml=with_record(host.live.xml, record))
    with pytest.raises(ImageError, match="it is another one; nothing is done"):
        host.plan("rolled_back")


def test_the_module_guests_leaves_a_pending_guest_alone():
    host = Host()
    host.perform(host.plan("active", version=2))
    with pytest.raises(ImageError, match="is pending, not confirmed"):
        plan_guest(sighting("web1", live=host.live, files=tuple(host.files)))


def test_a_guest_that_goes_takes_its_generations_along():
    host = Host(state="shutoff")
    host.perform(host.plan("active", version=2))
    host.kept = {1}
    seen = replace(
        sighting("web1", live=host.live, state="absent"),
        world=World(sighting().world.pools, {}, dict(host.files)),
        kept=frozenset(host.kept),
    )
    steps = [str(step) for step in plan_guest(seen).steps]
    assert [step for step in steps if "volume" in step] == [
        "delete volume web1-root-g2.qcow2 of pool default",
        "delete volume web1-root.qcow2 of pool default",
    ]
    assert "remove kept UEFI variables and TPM state of generation 1 of domain web1" in steps


def test_a_guest_whose_user_disks_are_not_whole_goes_only_with_all_of_them():
    host = Host()
    host.perform(host.plan("active", version=2, options={"user_disks": "snapshot"}))
    seen = replace(sighting("web1", live=host.live, state="absent"), world=World(sighting().world.pools, {}, dict(host.files)))
    with pytest.raises(ImageError, match="web1-data.raw-g2.qcow2, until that is merged or dropped"):
        plan_guest(seen)
    everything = replace(seen, guest=guest(name="web1", state="absent", remove="all"))
    assert sum(isinstance(step, DeleteVolume) for step in plan_guest(everything).steps) == 4


def test_a_user_disk_stays_one():
    host = Host()
    aim = Aim("staged")
    seen = host.sighting(aim, version=2)
    disks = tuple(replace(disk, use="scratch") if disk.id == "data" else disk for disk in seen.image.disks)
    with pytest.raises(ImageError, match="is a user's, and the image has it as a scratch disk now"):
        plan_generation(replace(seen, image=replace(seen.image, disks=disks)), aim)


def test_a_merge_waits_for_what_ties_the_guest_to_its_disks():
    host = Host()
    host.perform(host.plan("active", version=2, options={"user_disks": "snapshot"}))
    with pytest.raises(ImageError, match="has a saved state"):
        host.plan("confirmed", busy=["has a saved state"])


def test_a_version_that_is_healthy_now_is_not_bad():
    host = Host()
    host.perform(host.plan("active", version=2))
    host.perform(host.plan("rolled_back"))
    host.perform(host.plan("active", version=2, options={"retry": True}))
    host.perform(host.plan("confirmed"))
    host.perform(host.plan("active", version=3))
    host.perform(host.plan("confirmed"))
    assert host.plan("staged", version=2).status == "staged"


def test_a_seed_goes_with_the_last_generation_that_has_it():
    host, one, other = Host(), {"user_data": "#cloud-config\n"}, {"user_data": "#cloud-config\nx: y\n"}
    host.live = replace(made("web1", "running", seed=one), active=None)
    host.name_version("1")
    (first,) = [disk.path for disk in host.live.record.disks if disk.use == "scratch"]
    host.files[first] = Found(Header("raw", MIB), True)
    host.perform(host.plan("active", version=2, seed=one))
    host.perform(host.plan("confirmed"))
    seen = host.sighting(Aim("staged"), version=2, seed=other)
    host.perform(plan_guest(replace(seen, aimed=None)))
    assert first in host.files and first not in [disk.path for disk in host.live.record.disks]
    assert host.plan("rolled_back", {"version": "2"}).steps
    host.perform(host.plan("pruned", {"keep_generations": 0}))
    assert first not in host.files


DISKS = '<disk id="root" file="root.raw"/><disk id="data" file="data.raw" use="user" size="10"/><disk id="tmp" file="tmp.raw" use="scratch"{}/>'
DRIVES = '<drive disk="root"/><drive disk="data"/><drive disk="tmp"/>'
GROUP = Pool("vg", "/dev/vg", 2**40, "block")


def with_scratch(host, size="", file=None, digest="c", pool=None, found=None, **options):
    """Return the steps that stage version 2, which has a scratch disk too; `file` is the size of its file in the image."""
    options = {**options, "disks": [{"id": "tmp", "pool": pool.name}]} if pool else options
    seen = host.sighting(Aim("staged", now=1000), version=2, **options)
    made_of = replace(image(disks=DISKS.format(size), drives=DRIVES), version="2")
    sources, pools = dict(seen.world.sources), dict(seen.world.pools)
    if file is not None:
        sources["tmp"] = Source("/img/tmp.raw", "tmp.raw", 20 * MIB, "st", digest * 64, Header("raw", file * MIB), "image.xml")
    if pool:
        pools[pool.name] = pool
    if found:
        host.files[f"{(pool or pools['default']).path}/web1-tmp-g2.raw"] = Found(Header("raw", found * MIB), True)
    world = World(pools, sources, dict(host.files))
    seen = replace(seen, image=made_of, verdict=choose(made_of, seen.host, seen.guest.wish), world=world)
    plan = plan_generation(seen, Aim("staged", now=1000))
    host.perform(plan)
    own = [type(step).__name__ for step in plan.steps if getattr(step, "name", "").startswith("web1-tmp")]
    assert own or not plan.steps
    return own


@pytest.mark.parametrize(
    "first, made_with, again",
    [
        ({"size": ' size="10"'}, 10, {}),
        ({"size": ' size="10"'}, 10, {"size": ' size="12"'}),
        ({"file": 20}, 20, {}),
        ({"file": 20, "size": ' size="10"'}, 20, {}),
        # A compressed file does not tell.
        ({"file": 0}, 20, {}),
        ({"file": 20}, 20, {"digest": "d"}),
        ({"file": 20, "size": ' size="10"'}, 20, {"file": None}),
        ({"size": ' size="10"', "pool": GROUP}, 12, {}),
        ({"size": ' size="10"', "pool": GROUP}, 12, {"size": ' size="14"'}),
    ],
)
def test_what_was_staged_of_a_scratch_disk_stays_where_it_is_the_same(first, made_with, again):
    host = Host()
    (step,) = with_scratch(host, **first)
    assert step in ("CreateVolume", "CopyVolume")
    other = {**first, **again}
    steps = with_scratch(host, **other, found=made_with)
    assert steps == (["DeleteVolume", "CopyVolume" if other.get("file") is not None else "CreateVolume"] if again else [])


def test_a_volume_that_did_not_come_to_be_is_made_again():
    host = Host()
    with_scratch(host, file=20)
    host.files["/pool/web1-tmp-g2.raw"] = Found(Header("raw", 0), True)
    assert with_scratch(host, file=20) == ["DeleteVolume", "CopyVolume"]


def test_a_seed_that_was_staged_stays_where_it_is_the_same():
    host, one, other = Host(), {"user_data": "#cloud-config\n"}, {"user_data": "#cloud-config\nx: y\n"}
    for seed in (one, one, other, other):
        plan = host.plan("staged", version=2, seed=seed)
        host.perform(plan)
        host.files.update({step.path: Found(Header("raw", 1), True) for step in plan.steps if isinstance(step, CreateSeed)})
    assert plan.steps == () and len([path for path in host.files if "-seed-" in path]) == 1


@pytest.mark.parametrize(
    "capacity, size, option, digest, kind, other",
    [
        (10, 10, None, None, "folder", False),
        (10, 12, None, None, "folder", True),
        (12, 10, None, None, "folder", True),
        (12, 10, None, None, "block", False),
        (300, 10, None, None, "block", True),
        # The image's file is larger than what its descriptor says.
        (20, 10, None, "c", "folder", False),
        (20, 30, None, "c", "folder", True),
        (30, 10, 20, "c", "folder", True),
        (20, None, None, "c", "folder", False),
    ],
)
def test_a_scratch_disk_of_another_size_is_made_anew(capacity, size, option, digest, kind, other):
    survey = GenerationSurvey.__new__(GenerationSurvey)
    found = Found(Header("raw", capacity * MIB), True)
    survey.volumes = SimpleNamespace(place=lambda *_one: Pool("p", "/p", 0, kind), look=lambda *_one, **_more: found)
    disk = Disk("tmp", "tmp.raw", "scratch", size, "raw", {})
    had = RecordedDisk("tmp", "scratch", "p", "web1-tmp.raw", "/p/web1-tmp.raw", False, "raw", digest)
    asked = guest(name="web1", **({"disks": [{"id": "tmp", "size": f"{option} MiB"}]} if option else {}))
    assert survey._has_other_size(disk, asked, had) is other


def test_what_was_merged_stays_merged_where_a_confirmation_fails():
    host = Host()
    host.perform(host.plan("active", {"user_disks": "snapshot"}, version=2))
    plan = host.plan("confirmed")
    assert any(isinstance(step, MergeDisk) for step in plan.steps) and plan.way_back == ()


def test_a_domain_that_was_renamed_goes_back_with_the_name_that_it_has():
    host = Host()
    host.perform(host.plan("active", version=2))
    host.live = replace(host.live, xml=host.live.xml.replace("<name>web1</name>", "<name>web9</name>", 1))
    host.perform(host.plan("rolled_back"))
    assert xml.parse(host.live.xml, "back").findtext("name") == "web9" and host.live.record.version == "1"


@pytest.mark.parametrize("written, following", [(7, 8), (999_999_998, 999_999_999), (999_999_999, 2), (999_999_999_999_999, 2), (10**15, 2)])
@pytest.mark.parametrize("key", ["latest", "generation"])
def test_a_number_that_others_wrote_is_followed_by_one_that_reads_back(key, written, following):
    host = Host()
    host.live = replace(host.live, xml=with_record(host.live.xml, replace(host.live.record, **{key: written})))
    host.perform(host.plan("active", version=2))
    assert host.live.record.generation == following and host.live.record.version == "2"
    host.perform(host.plan("confirmed"))
    host.perform(host.plan("active", version=3))
    assert host.live.record.generation in (following + 1, 2, 3) and host.live.record.version == "3"
    assert len({host.live.record.generation, *(one.number for one in host.live.record.generations)}) == 3
