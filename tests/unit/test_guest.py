# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one guest: what they become, and that every mistake is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.drive import DiskOption, Drive, ExtraDisk
from ansible_collections.virt.image.plugins.module_utils._core.guest import Shutdown, Wait, parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish
from ansible_collections.virt.image.plugins.module_utils._core.memory import Hugepages
from ansible_collections.virt.image.plugins.module_utils._core.network import Network, Vlan
from ansible_collections.virt.image.plugins.module_utils._core.peripherals import Peripherals, Serial, Tpm
from ansible_collections.virt.image.plugins.module_utils._core.processor import Cpu, Processor, Tuning
from ansible_collections.virt.image.plugins.module_utils._core.screen import Graphics, Video
from ansible_collections.virt.image.plugins.module_utils._core.system import Start
from ansible_collections.virt.image.tests.unit.support import message, table

EMPTY = ExtraDisk("file", None, None, None, (), "cdrom", "raw", True, False, Drive())
PLAIN_START = Start("auto", None, (), "utc", "destroy", "restart", "destroy")
BARE = Peripherals(None, True, Serial(), True, "auto", None, (), ())
MAC = "52:54:00:12:34:56"


def pinned(**pins):
    return Processor(tuning=Tuning(**pins))


def parse(**options):
    return parse_guest({"image": "i.xml", **options})


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", None),
        ("image", "i.xml"),
        ("boot", None),
        ("virt_type", None),
        ("machine", None),
        ("start", PLAIN_START),
        ("vcpus", None),
        ("memory_kib", None),
        ("networks", None),
        ("graphics", Graphics("auto", None, None)),
        ("pool", "default"),
        ("clone", "linked"),
        ("disks", {}),
        ("autostart", None),
        ("unlisted_features", "off"),
        ("xml", None),
        ("state", "started"),
        ("wait", Wait(False, False, 120)),
        ("shutdown", Shutdown(60, False)),
        ("remove", "disposable"),
        ("wish", Wish(None, None, None, True)),
    ],
)
def test_default(field, value):
    assert getattr(parse(), field) == value


@pytest.mark.parametrize(
    "options, field, value",
    [
        ({"name": "web 1"}, "name", "web 1"),
        ({"name": 42}, "name", "42"),
        ({"boot": 0}, "boot", 0),
        ({"boot": "1"}, "boot", 1),
        ({"vcpus": "4"}, "vcpus", 4),
        ({"vcpus": "0042"}, "vcpus", 42),
        ({"virt_type": "auto"}, "virt_type", None),
        ({"virt_type": "kvm"}, "virt_type", "kvm"),
        ({"machine": ""}, "machine", None),
        ({"memory": "1 GiB"}, "memory_kib", 1048576),
        ({"memory": "1 MiB"}, "memory_kib", 1024),
        ({"networks": []}, "networks", ()),
        ({"networks": [{"type": "user"}]}, "networks", (Network("user"),)),
        ({"networks": [{"source": "lan"}]}, "networks", (Network("network", "lan"),)),
        (
            {"networks": [{"type": "user", "mac": MAC.upper().replace("52", "5A")}]},
            "networks",
            (Network("user", None, MAC.replace("52", "5a")),),
        ),
        (
            {"networks": [{"type": "mcast", "source": "230.0.0.1", "port": "5558"}]},
            "networks",
            (Network("mcast", "230.0.0.1", port=5558),),
        ),
        (
            {"networks": [{"type": "ethernet", "target": "t0", "script": "/s"}]},
            "networks",
            (Network("ethernet", None, target="t0", script="/s"),),
        ),
        ({"graphics": {"type": "spice", "port": 5900, "listen": "::1"}}, "graphics", Graphics("spice", "::1", 5900)),
        ({"graphics": None}, "graphics", Graphics()),
        (
            {"disks": [{"id": "a", "size": "1 GiB"}, {"id": "b", "pool": "p"}]},
            "disks",
            {"a": DiskOption(2**30), "b": DiskOption(None, "p")},
        ),
        (
            {"disks": [{"id": "a", "bus": "scsi", "detect_zeroes": True, "bytes_per_second": "1 MiB", "iops": "7"}]},
            "disks",
            {
                "a": DiskOption(
                    drive=Drive(
                        bus="scsi", detect_zeroes="on", limits={"total_bytes_sec": 2**20, "total_iops_sec": 7}
                    )
                )
            },
        ),
        ({"extra_disks": [{"device": "cdrom"}]}, "extra_disks", (EMPTY,)),
        (
            {"extra_disks": [{"type": "network", "protocol": "nbd", "hosts": [{"name": "h", "port": "5"}]}]},
            "extra_disks",
            (replace(EMPTY, type="network", protocol="nbd", hosts=(("h", 5),), device="disk", readonly=False),),
        ),
        ({"cpu_tuning": {"vcpu_pins": {"1": "3,1-2", 0: 4}}}, "processor", pinned(vcpu_pins={1: "1-3", 0: "4"})),
        ({"cpu_tuning": {"emulator_pin": "0-7,^3,^5,^6"}}, "processor", pinned(emulator_pin="0-2,4,7")),
        ({"cpu": {"model": "EPYC"}}, "processor", Processor(cpu=Cpu("custom", "EPYC"))),
        ({"hugepages": {}}, "hugepages", Hugepages()),
        ({"hugepages": {"size": "2 MiB"}}, "hugepages", Hugepages(2048)),
        ({"video": {"vram": "16 MiB"}}, "video", Video(None, 16384)),
        (
            {"networks": [{"source": "n", "vlan": {"tags": [1, "2"]}}]},
            "networks",
            (Network("network", "n", vlan=Vlan((1, 2), True)),),
        ),
        ({"boot_devices": ["cdrom", "hd"]}, "start", replace(PLAIN_START, boot_devices=("cdrom", "hd"))),
        # YAML reads 2.0 as a number.
        ({"tpm": {"version": 2.0}}, "peripherals", replace(BARE, tpm=Tpm("emulator", None, "2.0", None))),
        ({"agent": False, "rng": False}, "peripherals", replace(BARE, agent=False, rng=False)),
        ({"unlisted_features": "host_default"}, "wish", Wish(None, None, None, False)),
        # YAML 1.1 reads off as false.
        ({"unlisted_features": False}, "unlisted_features", "off"),
        ({"wait": {"agent": True, "timeout": "5"}}, "wait", Wait(True, False, 5)),
        ({"wait": {"settle": 0, "tcp": 22}}, "wait", Wait(settle=0, tcp=(22,))),
        ({"wait": {"tcp": ["443", 80, 80], "serial": "login: $"}}, "wait", Wait(tcp=(443, 80), serial="login: $")),
        ({"shutdown": {"timeout": 0, "force": True}}, "shutdown", Shutdown(0, True)),
        ({"autostart": False}, "autostart", False),
        ({"state": "absent", "image": None, "name": "a"}, "image", None),
    ],
    ids=str,
)
def test_option(options, field, value):
    assert getattr(parse(**options), field) == value


@pytest.mark.parametrize("row", table("guest_mistakes.yml"))
def test_mistake(row):
    options = row["options"] if row.get("bare") else {"image": "i.xml", **row["options"]}
    assert message(parse_guest, options).splitlines() == row["errors"]


@pytest.mark.parametrize("options", [None, [], "web", 3])
def test_no_dictionary(options):
    told = message(parse_guest, options).splitlines()
    assert told[0] == f"guest: must be a dictionary, is {options!r}"
