# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes from a pool and what stays: on real folders, with a stand-in for libvirt."""

from __future__ import annotations

import fcntl
import os
import struct
from string import Template
from types import SimpleNamespace

import pytest
import yaml

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.surroundings import StoragePool
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io import lock
from ansible_collections.virt.image.plugins.module_utils._io import prune as module
from ansible_collections.virt.image.plugins.module_utils._io.module import Done
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing
from ansible_collections.virt.image.tests.unit.support import message, text

A, B, C = (f"sha256-{letter * 64}.raw" for letter in "abc")
SEED = "web-seed-0123456789abcdef.iso"
NAMES = {"A": A, "Ax": A + "x", "B": B, "a": "a" * 64, "b": "b" * 64}
TABLE = yaml.safe_load(Template(text("prune.yml")).safe_substitute(NAMES))
NO_DOMAIN, NO_SUPPORT, NO_SNAPSHOT, NO_CHECKPOINT, NO_VOLUME, UNSUPPORTED, DENIED = range(7)


def overlay(backing, version=3):
    """Return the head of a qcow2 file that builds on another."""
    name = backing.encode()
    return struct.pack(">4sIQIIQ", b"QFI\xfb", version, 200, len(name), 16, 2**20).ljust(200, b"\0") + name + bytes(100)


class Host:
    """Stands in for a connection to a libvirt that has these pools and domains."""

    is_local = True

    def __init__(self, folder):
        self.folder = folder / "pool"
        self.folder.mkdir()
        self.domains, self.pools, self.volumes, self.refreshed = [], {}, {}, []
        self.link = SimpleNamespace(listAllDomains=lambda: self.domains)
        self.locks = lock.Locks()
        self.add("default", self.folder)

    def add(self, name, path, type="dir", active=True):
        self.pools[name] = StoragePool(name, type, active, True, str(path), None, None, None)

    def pool_tree(self, name):
        pool = self.pools[name]
        return xml.parse(f"<pool type='{pool.type}'><target><path>{pool.path}</path></target></pool>", "pool")

    def volume_names(self, name):
        return {volume.name() for volume in self.volumes.get(name, ())}

    def refresh_pool(self, name):
        self.refreshed.append(name)

    def pool(self, name):
        return SimpleNamespace(listAllVolumes=lambda: self.volumes.get(name, []))

    def put(self, name, content=b"", folder=None):
        path = (folder or self.folder) / name
        path.write_bytes(content)
        path.chmod(0o444 if name.startswith("sha256") else 0o600)
        return str(path)

    def left(self):
        return sorted(os.listdir(self.folder))


def disk(path, format="qcow2", inner=""):
    return f"<disk type='file'><driver type='{format}'/><source file='{path}'/>{inner}</disk>"


def domain(inactive="", active=None, saved=None, snapshot=None, **calls):
    """Return a domain of libvirt's with these documents."""
    shots = [] if snapshot is None else [f"<domainsnapshot>{snapshot}</domainsnapshot>"]
    usual = {
        "name": lambda: "d",
        "XMLDesc": lambda flags=0: f"<domain>{inactive if flags == 2 else active}</domain>",
        "isActive": lambda: active is not None,
        "hasManagedSaveImage": lambda: saved is not None,
        "managedSaveGetXMLDesc": lambda: f"<domain>{saved}</domain>",
        "listAllSnapshots": lambda: [SimpleNamespace(getName=lambda: "s", getXMLDesc=lambda: one) for one in shots],
        "listAllCheckpoints": failing(NO_SUPPORT),
    }
    return SimpleNamespace(**{**usual, **calls})


def domain_of(row, host):
    """Return a domain with the document of a table's row."""
    return domain(**{row["in"]: row["text"].replace("$P", str(host.folder))})


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    stand_in = SimpleNamespace(
        libvirtError=Failure,
        VIR_DOMAIN_XML_INACTIVE=2,
        VIR_ERR_NO_SUPPORT=NO_SUPPORT,
        VIR_ERR_OPERATION_UNSUPPORTED=UNSUPPORTED,
        VIR_ERR_NO_DOMAIN=NO_DOMAIN,
        VIR_ERR_NO_DOMAIN_SNAPSHOT=NO_SNAPSHOT,
        VIR_ERR_NO_DOMAIN_CHECKPOINT=NO_CHECKPOINT,
        VIR_ERR_NO_STORAGE_VOL=NO_VOLUME,
    )
    for one in (door, module):
        monkeypatch.setattr(one, "libvirt", stand_in)
    monkeypatch.setattr(module, "read_pools", lambda host: tuple(host.pools.values()))
    monkeypatch.setattr(module, "is_begun", lambda *_arguments: False)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0)
    host = Host(tmp_path)
    yield host
    host.locks.release()


def look(host, **params):
    """Return what the module returns in check mode."""
    asked = {"pool": "default", "folder": None, "name": None, "image": None, "disks": None, "seed": None, **params}
    try:
        outcome = module.pruned(asked, host)
    finally:
        host.locks.release()
    (plan,) = outcome.plans
    told = outcome.report([Done(plan, plan.steps, plan.state)])
    assert [f"delete volume {one['name']} of {plan.name}" for one in told["removed"]] == told["actions"]
    return told, outcome.warnings


def removed(host, **params):
    return [one["name"] for one in look(host, **params)[0]["removed"]]


def users(host):
    return {one["name"]: one["used_by"] for one in look(host)[0]["kept"]}


def test_only_ours_goes(host):
    ours = [A, SEED, f".{A}.part", f".{A}.part.qcow2", ".web-root.raw.part", f".fetch-{'0' * 32}.part"]
    for name in (*ours, "web-root.raw", f"{B}.bak", f"x{B}", ".hidden", "web-seed.iso"):
        host.put(name)
    (host.folder / f"sha256-{'1' * 64}.raw").mkdir()
    (host.folder / f"sha256-{'2' * 64}.raw").symlink_to("web-root.raw")
    os.mkfifo(host.folder / f"sha256-{'3' * 64}.raw")
    (host.folder / ".stranger-1.iso.part").write_bytes(b"")
    assert sorted(removed(host)) == sorted(ours)
    assert len(host.left()) == len(ours) + 9


def test_nothing_there(host):
    assert look(host) == ({"actions": [], "removed": [], "kept": []}, ())


@pytest.mark.parametrize("row", TABLE["needs"], ids=str)
def test_what_a_domain_needs_stays(host, row):
    for name in (A, B):
        host.put(name)
    host.add("alias", f"{host.folder}/../pool")
    outside = host.folder.parent
    (outside / "link.raw").symlink_to(f"pool/{A}")
    host.put("outside.qcow2", overlay(f"pool/{A}"), outside)
    host.put("second.qcow2", overlay("outside.qcow2"), outside)
    host.domains = [domain_of(row, host)]
    told = look(host)[0]
    assert [one["name"] for one in told["removed"]] == [B]
    assert [(kept["name"], kept["used_by"]) for kept in told["kept"]] == [(A, [row["of"]])]


@pytest.mark.parametrize("backing", TABLE["overlays"])
def test_what_a_volume_without_domain_builds_on_stays(host, backing):
    for name in (A, B):
        host.put(name)
    host.put("mid.qcow2", overlay(A))
    host.put("mine.img", overlay(backing.replace("$P", str(host.folder))))
    assert removed(host) == [B]
    assert users(host) == {A: ["volume mid.qcow2 of pool default", "volume mine.img of pool default"]}


def test_volumes_of_other_pools_count_and_their_bases_are_others(host, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    host.add("other", other, active=False)
    for name in (A, B, C):
        host.put(name)
    host.put(B, folder=other)
    host.put("mine.qcow2", overlay(f"{host.folder}/{A}"), other)
    # That of the other pool, by path, by name and in a record.
    host.put("theirs.qcow2", overlay(B), other)
    record = f"<metadata><m sha256='{'b' * 64}' pool='other' path='{other}/theirs.qcow2'/></metadata>"
    host.domains = [
        domain(disk(f"{other}/theirs.qcow2") + record),
        domain(f"<devices><disk><source pool='other' volume='{B}'/></disk></devices>"),
    ]
    assert removed(host) == [B, C]
    assert users(host) == {A: ["volume mine.qcow2 of pool other"]}


def test_what_goes_needs_nothing(host):
    host.put(A)
    host.put(f"sha256-{'b' * 64}.qcow2", overlay(A))
    host.put(f".{C}.part", overlay(A))
    assert len(removed(host)) == 3
    host.domains = [domain(disk(f"{host.folder}/sha256-{'b' * 64}.qcow2"))]
    assert removed(host) == [f".{C}.part"]


def test_what_a_guest_wrote_is_not_believed(host, tmp_path):
    host.put(A)
    lie = host.put("web-data.raw", overlay("/nowhere/x.qcow2"))
    assert removed(host) == [A]
    host.put("web-data.raw", overlay(A))
    assert removed(host) == []
    host.domains = [domain(disk(lie, "raw"))]
    assert removed(host) == [A]


def test_a_live_part_stays(host):
    with open(host.put(f".{A}.part"), "rb") as file:
        host.put(f".{A}.part.qcow2")
        host.put(f".{B}.part.qcow2")
        fcntl.flock(file, fcntl.LOCK_EX)
        assert removed(host) == [f".{B}.part.qcow2"]
        assert users(host)[f".{A}.part"] == ["the process that writes it"]
    assert len(removed(host)) == 3


def test_what_a_process_has_locked_stays(host):
    with open(host.put(A), "rb") as file:
        host.put(B)
        fcntl.lockf(file, fcntl.LOCK_SH)
        # Once: a lock of this kind goes with the first of the process' own looks into the file.
        told = look(host)[0]
    assert [one["name"] for one in told["removed"]] == [B]
    assert [(one["name"], one["used_by"]) for one in told["kept"]] == [(A, ["a process that has it open"])]
    assert removed(host) == [A, B]


@pytest.mark.parametrize("row", TABLE["unseen"], ids=str)
def test_what_cannot_be_seen_is_refused(host, row):
    host.put(A)
    host.domains = [domain_of(row, host)]
    told = message(look, host)
    assert told.startswith(f"domain d needs {row['said']}, so that what that builds on cannot be seen")
    assert told.endswith("Nothing is removed from pool default")


@pytest.mark.parametrize("row", TABLE["harmless"], ids=str)
def test_what_is_of_no_use_is_no_obstacle(host, row):
    host.put(A)
    host.domains = [domain_of(row, host)]
    assert removed(host) == [A]


@pytest.mark.parametrize(
    "calls",
    [
        {"XMLDesc": failing(NO_DOMAIN), "isActive": failing(NO_DOMAIN)},
        {"listAllSnapshots": failing(NO_SUPPORT), "hasManagedSaveImage": failing(UNSUPPORTED)},
        {"hasManagedSaveImage": lambda: True, "managedSaveGetXMLDesc": failing(DENIED)},
    ],
    ids=["gone", "simple driver", "broken saved state"],
)
def test_what_libvirt_cannot_tell_is_no_obstacle(host, calls):
    host.put(A)
    host.domains = [domain(**calls)]
    assert removed(host) == [A]


def test_a_broken_overlay_is_refused_unless_its_base_was_ours(host):
    host.put(A)
    host.put("x.qcow2", overlay(B))
    assert removed(host) == [A]
    host.put("y.qcow2", overlay("/gone/mid.qcow2"))
    assert message(look, host).startswith("volume y.qcow2 of pool default needs /gone/mid.qcow2, which is not there")


def test_a_chain_that_runs_in_a_circle(host):
    host.put(A)
    host.put("x.qcow2", overlay("y.qcow2"))
    host.put("y.qcow2", overlay("x.qcow2"))
    assert removed(host) == [A]


@pytest.mark.parametrize("type, exists", [("dir", False), ("fs", True), ("logical", True)])
def test_a_pool_that_is_not_active(host, tmp_path, type, exists):
    (tmp_path / "other").mkdir()
    host.add("other", tmp_path / ("other" if exists else "gone"), type, active=False)
    assert message(look, host).startswith("pool other is not active, so that what its volumes build on cannot be seen")


def test_an_error_of_libvirt_s_is_no_answer(host):
    host.domains = [domain(listAllSnapshots=failing(DENIED, "not allowed"))]
    assert message(look, host) == "cannot read domain d: not allowed"


def volume(name, path, backing=None, format="qcow2"):
    """Return a volume as libvirt lists it."""
    below = f"<backingStore><path>{backing}</path><format type='{format}'/></backingStore>" if backing else ""
    text = f"<volume><name>{name}</name><allocation>7</allocation><target><path>{path}</path></target>{below}</volume>"
    return SimpleNamespace(name=lambda: name, XMLDesc=lambda: text)


def test_a_pool_of_devices_is_asked_of_libvirt(host):
    host.put(A)
    host.add("lvm", "/dev/group", "logical")
    host.volumes["lvm"] = [volume("x", "/dev/group/x", f"{host.folder}/{A}", "raw")]
    assert removed(host) == []
    assert users(host) == {A: ["volume x of pool lvm"]}
    assert host.refreshed
    gone = volume("y", "/dev/group/y")
    gone.XMLDesc = failing(NO_VOLUME)
    host.volumes["lvm"] = [gone]
    assert removed(host) == [A]


def test_another_machine_s_pool(host):
    host.is_local = False
    host.put(A)
    paths = {name: f"/there/{name}" for name in (A, B, C, f".{A}.part", SEED)}
    host.pools["default"] = StoragePool("default", "dir", True, True, "/there", None, None, None)
    host.volumes["default"] = [
        *(volume(name, path) for name, path in paths.items()),
        volume("x.qcow2", "/there/x.qcow2", paths[A], "raw"),
        volume("y.qcow2", "/there/y.qcow2", "/there/sub/../x.qcow2", "qcow2"),
    ]
    host.domains = [domain(disk("/there/y.qcow2"))]
    told, (warning,) = look(host)
    assert [one["name"] for one in told["removed"]] == [B, C, SEED]
    assert [one["name"] for one in told["kept"]] == [A]
    assert told["kept"][0]["size"] == 7
    assert warning.startswith("pool default is no folder of this machine and cannot be locked")


@pytest.mark.parametrize(
    "one, said",
    [
        (domain(disk("/else/x.qcow2")), "domain d needs /else/x.qcow2, which is in no pool"),
        (domain(disk("/else/x.qcow2", inner="<backingStore/>")), "domain d needs /else/x.qcow2"),
        (domain(disk("/else/x.raw", "raw")), ""),
    ],
)
def test_another_machine_s_files_are_not_looked_into(host, one, said):
    host.is_local = False
    host.volumes["default"] = []
    host.domains = [one]
    assert message(look, host).startswith(said) and bool(message(look, host)) == bool(said)


def test_a_base_that_is_being_filled_through_libvirt_stays(host, monkeypatch):
    host.is_local = False
    monkeypatch.setattr(module, "is_begun", lambda _connection, _pool, name: name == A)
    host.volumes["default"] = [volume(A, f"/there/{A}"), volume(B, f"/there/{B}")]
    assert removed(host) == [B]


def test_pools_that_other_hosts_have(host, monkeypatch):
    monkeypatch.setattr(lock, "_file_system", lambda _folder: "nfs4")
    assert "is on nfs4, which other hosts can have too" in message(look, host)
    host.is_local = False
    host.add("default", "/there", "netfs")
    assert message(look, host).startswith("pool default is of type netfs")


def test_a_folder_without_pool(host, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    for name in (A, B, C):
        host.put(name, folder=folder)
    host.put("mine.qcow2", overlay(A), folder)
    host.put("mine.qcow2", overlay(f"{folder}/{B}"))
    assert removed(host, pool="none", folder=str(folder)) == [C]
    assert "needs folder" in message(look, host, pool="none")


OF_A_GUEST = [("name", "web"), ("image", "i.xml"), ("disks", [{"id": "a"}]), ("seed", {"user_data": "x"})]


@pytest.mark.parametrize("option, value", OF_A_GUEST)
def test_options_of_a_guest_are_refused(host, option, value):
    assert message(look, host, **{option: value}).startswith(f"state: pruned is about a whole pool, and {option} about")
