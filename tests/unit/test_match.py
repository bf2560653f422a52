# SPDX-License-Identifier: GPL-3.0-or-later
"""The match: which alternative fits which host, why not, and which is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.host import Kvm, parse_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish, choose, match
from ansible_collections.virt.image.tests.unit.support import host, image, message, table, text


def boots(*rows):
    """Return an image with boots given as `type arch feature=state ...`; a word with @ is a drive's target."""
    made = []
    for row in rows:
        kind, arch, *words = row.split()
        features = "".join(
            f'<{word.partition("=")[0]} state="{word.partition("=")[2]}"/>' for word in words if "=" in word
        )
        drives = "".join(f'<drive disk="d" target="{word[1:]}"/>' for word in words if word.startswith("@"))
        made.append(
            f'<boot type="{kind}"><guest><arch>{arch}</arch><features>{features}</features></guest>{drives}</boot>'
        )
    return image("".join(made), '<disk id="d" file="d"/>')


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
        "the host runs no hvm guests of x86_64; it runs none",
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
