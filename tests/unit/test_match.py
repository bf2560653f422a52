# SPDX-License-Identifier: GPL-3.0-or-later
"""The match: which alternative fits which host, why not, and which is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.host import (
    Feature,
    Host,
    HostDomain,
    HostGuest,
    Kvm,
    parse_capabilities,
)
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish, choose, match
from ansible_collections.virt.image.tests.unit.support import host, image, message, table, text


BOTH, ONLY_ON, ONLY_OFF = Feature(True, True, True), Feature(True, False, True), Feature(False, True, False)


def boots(*rows):
    """Return an image with boots given as `type arch feature=state ...`; a word with @ is a drive's target.

    Paravirtualised ones start with pygrub, but `bare` ones, which nothing starts.
    """
    made = []
    for row in rows:
        kind, arch, *words = row.split()
        features = "".join(
            f'<{word.partition("=")[0]} state="{word.partition("=")[2]}"/>' for word in words if "=" in word
        )
        drives = "".join(f'<drive disk="d" target="{word[1:]}"/>' for word in words if word.startswith("@"))
        loader = "<os><loader>pygrub</loader></os>" if kind == "xen" and "bare" not in words else ""
        made.append(
            f'<boot type="{kind}"><guest><arch>{arch}</arch><features>{features}</features></guest>{loader}{drives}</boot>'
        )
    return image("".join(made), '<disk id="d" file="d"/>')


def kind(*types, os_type="hvm", arch="x86_64", machines=(), features=None):
    """Return a kind of guest with these domain types, whose default is the first of the machines."""
    default = machines[0] if machines else None
    domains = tuple(HostDomain(one, None, tuple(machines), default, None, {}) for one in types)
    return HostGuest(os_type, arch, None, features or {}, domains)


def host_of(*kinds):
    return Host("x86_64", kinds)


def wish(row):
    return Wish(row.get("boot"), row.get("virt_type"), row.get("machine"), not row.get("host_default", False))


@pytest.mark.parametrize("row", table("matches.yml"))
def test_match(row):
    probed = Kvm(**row["kvm"]) if "kvm" in row else None
    found = match(boots(*row["boots"]), replace(host(row["host"]), kvm=probed), wish(row))
    assert found.chosen == row["chosen"]
    obstacles = {verdict.index: list(verdict.obstacles) for verdict in found.verdicts if verdict.obstacles}
    assert obstacles == row.get("obstacles", {})
    assert [verdict.fits for verdict in found.verdicts] == [
        verdict.index not in obstacles for verdict in found.verdicts
    ]
    told = {} if found.chosen is None else {key: getattr(found.verdict, key) for key in row.get("verdict", {})}
    assert told == row.get("verdict", {})


def test_kvm_before_qemu_whatever_the_host_s_order():
    capabilities = text("capabilities/qemu.xml")
    both = "<domain type='qemu'/>\n      <domain type='kvm'/>"
    assert both in capabilities
    for order in (both, "<domain type='kvm'/><domain type='qemu'/>"):
        found = match(boots("hvm x86_64"), parse_capabilities(capabilities.replace(both, order)))
        assert found.verdict.virt_type == "kvm"


def test_a_host_without_kvm():
    capabilities = text("capabilities/qemu.xml").replace("<domain type='kvm'/>", "")
    assert match(boots("hvm x86_64"), parse_capabilities(capabilities)).verdict.virt_type == "qemu"


def test_a_kind_of_guest_without_hypervisor():
    capabilities = (
        text("capabilities/qemu.xml").replace("<domain type='kvm'/>", "").replace("<domain type='qemu'/>", "")
    )
    verdict = match(boots("hvm x86_64"), parse_capabilities(capabilities)).verdicts[0]
    assert verdict.obstacles == ("the host names no hypervisor for hvm guests of x86_64",)


def test_a_host_without_guests():
    bare = parse_capabilities("<capabilities><host><cpu><arch>x86_64</arch></cpu></host></capabilities>")
    assert match(boots("hvm x86_64"), bare).verdicts[0].obstacles == (
        "the host runs no hvm guests of x86_64, and no others; is this the right libvirt? Xen's is xen:///system",
    )


def test_choose_tells_every_reason():
    told = message(choose, boots("xen x86_64", "hvm ppc64", "hvm x86_64 apic=off"), host())
    assert told == (
        "this host fits no boot alternative of image web: "
        "boot 0 (xen x86_64): the host runs no xen guests of x86_64; it runs hvm x86_64, hvm i686; "
        "boot 1 (hvm ppc64): the host runs no hvm guests of ppc64; it runs hvm i686, hvm x86_64; "
        "boot 2 (hvm x86_64): feature apic must be off, and hvm guests of x86_64 always have it here; "
        "they can do without acpi"
    )


@pytest.mark.parametrize("boot", [-1, 2])
def test_choose_of_a_boot_that_is_not_there(boot):
    told = message(choose, boots("hvm x86_64", "hvm i686"), host(), Wish(boot=boot))
    assert told == f"boot: {boot} is no boot alternative of image web; it has 2"


def test_choose_is_what_match_chose():
    asked = boots("hvm i686", "hvm x86_64")
    assert choose(asked, host()) == match(asked, host()).verdict


def test_what_old_libvirt_called_paravirtualised():
    assert match(boots("xen i686"), host_of(kind("xen", os_type="linux", arch="i686"))).verdict.os_type == "linux"


@pytest.mark.parametrize(
    "types, taken",
    [
        (("qemu", "kqemu"), "kqemu"),
        (("kqemu", "qemu"), "kqemu"),
        (("kqemu", "kvm"), "kvm"),
        (("qemu", "kqemu", "hvf", "kvm"), "hvf"),
    ],
)
def test_the_faster_first(types, taken):
    assert match(boots("hvm x86_64"), host_of(kind(*types))).verdict.virt_type == taken


def test_among_boots_the_faster_first():
    both = host_of(kind("kqemu"), kind("kvm", arch="i686"), kind("qemu", arch="ppc"))
    assert match(boots("hvm ppc", "hvm x86_64", "hvm i686"), both).chosen == 2
    assert match(boots("hvm ppc", "hvm x86_64"), both).chosen == 1


@pytest.mark.parametrize("count, more", [(8, ""), (9, " and 1 more"), (11, " and 3 more")])
def test_eight_of_what_a_host_has_are_told(count, more):
    (verdict,) = match(boots("xen x86_64"), host_of(*(kind("kvm", arch=f"a{n}") for n in range(count)))).verdicts
    first = ", ".join(f"hvm a{n}" for n in range(8))
    assert verdict.obstacles == (f"the host runs no xen guests of x86_64; it runs {first}{more}",)


@pytest.mark.parametrize(
    "arch, machine",
    [
        ("aarch64", "virt"),
        ("armv7l", "virt"),
        ("riscv32", "virt"),
        ("riscv64", "virt"),
        ("ppc64", "pseries"),
        ("ppc64le", "pseries"),
        ("s390x", "s390-ccw-virtio"),
        ("x86_64", "first"),
        ("i686", "first"),
        ("ppc", "first"),
    ],
)
@pytest.mark.parametrize("target", ["", " @hda"])
def test_the_machine(arch, machine, target):
    machines = ("first", "pc", "s390-ccw-virtio", "pseries", "virt")
    verdict = match(boots(f"hvm {arch}{target}"), host_of(kind("qemu", arch=arch, machines=machines))).verdict
    assert verdict.machine == ("pc" if target and arch in ("i686", "x86_64") else machine)
    bare = match(boots(f"hvm {arch}{target}"), host_of(kind("qemu", arch=arch, machines=("first",)))).verdict
    assert bare.machine == "first"


@pytest.mark.parametrize(
    "targets, machine",
    [(("vda", "hda"), "pc"), (("hda", "vda"), "pc"), (("vda", None), "q35"), (("vdhd", "sda"), "q35")],
)
def test_any_drive_may_need_a_board_with_ide(targets, machine):
    drives = "".join(
        f'<drive disk="{n}"{f" target={target!r}" if target else ""}/>' for n, target in enumerate(targets)
    )
    asked = image(drives=drives, disks='<disk file="0"/><disk file="1"/>')
    assert match(asked, host_of(kind("kvm", machines=("q35", "pc")))).verdict.machine == machine


def test_a_machine_that_is_unknown_to_an_emulator_without_name():
    (verdict,) = match(boots("hvm x86_64"), host_of(kind("test", machines=("a", "b"))), Wish(machine="c")).verdicts
    assert verdict.obstacles == ("machine: c is unknown to test; it has a, b",)


@pytest.mark.parametrize(
    "asked, features, told",
    [
        ("apic=on", (BOTH, ONLY_ON, ONLY_OFF), "cannot have it here; they can have pae, acpi"),
        ("pae=on", (ONLY_OFF, BOTH, ONLY_ON), "cannot have it here; they can have acpi, apic"),
        ("apic=off", (BOTH, ONLY_OFF, ONLY_ON), "always have it here; they can do without pae, acpi"),
        ("pae=off", (ONLY_ON, BOTH, ONLY_OFF), "always have it here; they can do without acpi, apic"),
        ("pae=off", (ONLY_ON, ONLY_ON), "always have it here; they can do without none"),
        ("acpi=off", (ONLY_OFF, ONLY_OFF), ""),
        ("acpi=on", (ONLY_OFF, ONLY_ON), ""),
    ],
)
def test_what_can_be_had_instead_of_a_feature(asked, features, told):
    known = dict(zip(("pae", "acpi", "apic"), features))
    (verdict,) = match(boots(f"hvm x86_64 {asked}"), host_of(kind("kvm", features=known))).verdicts
    name, _is, state = asked.partition("=")
    words = f"feature {name} must be {state}, and hvm guests of x86_64 {told}"
    assert verdict.obstacles == ((words,) if told else ())


def test_each_hypervisor_is_told_once():
    (verdict,) = match(boots("hvm x86_64"), host_of(kind("kvm", "qemu"), kind("qemu")), Wish(virt_type="xen")).verdicts
    assert verdict.obstacles == ("virt_type: xen is asked for, and the host has kvm, qemu for hvm guests of x86_64",)


def test_paravirtualised_before_the_hardware_s_help():
    assert match(boots("hvm x86_64", "xen x86_64"), host_of(kind("kvm"), kind("qemu", os_type="xen"))).chosen == 1


def test_two_obstacles_of_a_boot():
    told = message(choose, boots("hvm x86_64 apic=off"), host(), Wish(virt_type="xen"))
    assert told == (
        "this host fits no boot alternative of image web: boot 0 (hvm x86_64): "
        "virt_type: xen is asked for, and the host has qemu, kvm for hvm guests of x86_64 and "
        "feature apic must be off, and hvm guests of x86_64 always have it here; they can do without acpi"
    )


def test_by_default_nothing_is_asked_for_and_what_is_not_listed_is_off():
    assert match(boots("hvm i686"), host()).verdict.features == {"pae": False, "acpi": False, "apic": True}
    assert Wish() == Wish(None, None, None, True)
