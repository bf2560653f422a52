# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities: of libvirt 9 (QEMU, Xen), of libvirt 0.4.0, and of single emulators."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.host import (
    Feature,
    Host,
    parse_capabilities,
    parse_domain_capabilities,
)
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.support import HERE, host, message, text

FILES = sorted(path.stem for path in (HERE / "capabilities").glob("*.xml") if not path.stem.startswith("domain-"))
ON, TOGGLE = Feature(True, False, True), Feature(True, True, True)
MACHINES = ("pc-i440fx-7.2", "pc", "pc-i440fx-6.2", "isapc", "pc-q35-7.2", "q35", "microvm")
QEMU_DM, HVMLOADER = "/usr/lib/xen/bin/qemu-dm", "/usr/lib/xen/boot/hvmloader"


@pytest.mark.parametrize("name", FILES)
def test_plain_form_and_back(name):
    parsed = host(name)
    assert from_plain(Host, to_plain(parsed), "host") == parsed


def test_plain_form_and_back_with_domain_capabilities():
    parsed = parse_capabilities(text("capabilities/qemu.xml"), [text("capabilities/domain-qemu.xml")])
    assert from_plain(Host, to_plain(parsed), "host") == parsed


@pytest.mark.parametrize(
    "name, kinds",
    [
        ("qemu", [("hvm", "i686", 32, ["qemu", "kvm"]), ("hvm", "x86_64", 64, ["qemu", "kvm"])]),
        ("aarch64", [("hvm", "aarch64", 64, ["qemu", "kvm"])]),
        (
            "xen",
            [
                ("xen", "x86_64", 64, ["xen"]),
                ("hvm", "i686", 32, ["xen"]),
                ("xenpvh", "i686", 32, ["xen"]),
                ("hvm", "x86_64", 64, ["xen"]),
                ("xenpvh", "x86_64", 64, ["xen"]),
            ],
        ),
        (
            "libvirt-0.4.0",
            [
                ("xen", "x86_64", 64, ["xen"]),
                ("xen", "i686", 32, ["xen"]),
                ("hvm", "i686", 32, ["xen"]),
                ("hvm", "i686", 32, ["qemu", "kvm"]),
            ],
        ),
    ],
)
def test_kinds_of_guests(name, kinds):
    found = [
        (guest.os_type, guest.arch, guest.wordsize, [domain.type for domain in guest.domains])
        for guest in host(name).guests
    ]
    assert found == kinds


@pytest.mark.parametrize(
    "name, index, features",
    [
        ("qemu", 0, {"pae": Feature(True, True, False), "acpi": TOGGLE, "apic": ON, "disksnapshot": ON}),
        ("qemu", 1, {"pae": ON, "acpi": TOGGLE, "apic": ON, "disksnapshot": ON}),
        ("xen", 0, {"pae": ON}),
        ("libvirt-0.4.0", 1, {"pae": ON}),
        ("libvirt-0.4.0", 2, {"pae": Feature(True, True, False), "acpi": TOGGLE, "apic": Feature(True, True, False)}),
        ("libvirt-0.4.0", 3, {}),
    ],
)
def test_features(name, index, features):
    found = host(name).guests[index].features
    assert {key: value for key, value in found.items() if key not in ("cpuselection", "deviceboot")} == features


@pytest.mark.parametrize(
    "name, index, domain, emulator, machines, default, loader",
    [
        ("qemu", 1, 1, "/usr/bin/qemu-system-x86_64", MACHINES, "pc-i440fx-7.2", None),
        ("xen", 3, 0, "/usr/lib/xen/bin/qemu-system-i386", ("xenfv",), "xenfv", HVMLOADER),
        ("libvirt-0.4.0", 0, 0, "/usr/lib64/xen/bin/qemu-dm", (), None, None),
        ("libvirt-0.4.0", 2, 0, QEMU_DM, ("pc", "isapc"), "pc", HVMLOADER),
        ("libvirt-0.4.0", 3, 0, "/usr/bin/qemu", ("pc", "isapc"), "pc", None),
        ("libvirt-0.4.0", 3, 1, "/usr/bin/qemu-kvm", ("pc",), "pc", None),
    ],
)
def test_domain_types(name, index, domain, emulator, machines, default, loader):
    found = host(name).guests[index].domains[domain]
    assert (found.emulator, found.machines, found.default_machine, found.loader) == (
        emulator,
        machines,
        default,
        loader,
    )


def test_aliases():
    assert host().guests[1].domains[0].aliases == {"pc": "pc-i440fx-7.2", "q35": "pc-q35-7.2"}


@pytest.mark.parametrize(
    "name, arch, uuid, model, vendor, features",
    [
        ("qemu", "x86_64", "152f0f88-fa17-450a-b38e-7e42dd7bf948", "kvm64", "AMD", ("vme", "ht", "pclmuldq", "ssse3")),
        ("xen", "x86_64", None, "Nehalem", None, ("pae", "ht", "hypervisor", "rdtscp", "svm")),
        ("libvirt-0.4.0", "x86_64", None, None, None, ("vmx",)),
    ],
)
def test_the_host_itself(name, arch, uuid, model, vendor, features):
    found = host(name)
    assert (found.arch, found.uuid) == (arch, uuid)
    assert (found.cpu.model, found.cpu.vendor, found.cpu.features) == (model, vendor, features)


def test_domain_capabilities():
    found = parse_domain_capabilities(text("capabilities/domain-qemu.xml"))
    assert (found.emulator, found.type, found.machine, found.arch, found.max_vcpus) == (
        "/usr/bin/qemu-system-x86_64",
        "qemu",
        "pc-i440fx-7.2",
        "x86_64",
        255,
    )
    assert found.firmwares == ("efi",)
    assert found.cpu_modes == ("maximum", "host-model", "custom")
    assert found.devices["disk"]["bus"] == ("ide", "fdc", "scsi", "virtio", "usb", "sata")
    assert "spice" in found.devices["graphics"]["type"]


@pytest.mark.parametrize("off", ["disk", "graphics"])
def test_what_an_emulator_lacks_is_not_listed(off):
    lacking = text("capabilities/domain-qemu.xml").replace(f"<{off} supported='yes'>", f"<{off} supported='no'>")
    assert off not in parse_domain_capabilities(lacking).devices


@pytest.mark.parametrize(
    "capabilities, told",
    [
        ("", "capabilities: is empty; an XML document was expected"),
        ("<domain/>", "capabilities: <domain> is no capabilities XML; its root element is <capabilities>"),
        ("<capabilities/>", "capabilities: has no host/cpu/arch"),
        ("<capabilities><host><cpu><arch> </arch></cpu></host></capabilities>", "capabilities: has no host/cpu/arch"),
        (
            "<capabilities><host><cpu><arch>a</arch></cpu></host>\n<guest/></capabilities>",
            "capabilities:2: <guest> has no <arch name=''> [/capabilities/guest]",
        ),
    ],
)
def test_what_is_no_capabilities(capabilities, told):
    assert message(parse_capabilities, capabilities) == told


def test_what_is_no_domain_capabilities():
    told = message(parse_capabilities, text("capabilities/qemu.xml"), [text("capabilities/domain-qemu.xml"), "<x/>"])
    assert told == "domain_capabilities[1]: <x> is no domain capabilities XML; its root is <domainCapabilities>"


@pytest.mark.parametrize("odd", ["", "sixty-four", "６４", "9" * 50])
def test_an_odd_wordsize_is_none(odd):
    capabilities = text("capabilities/qemu.xml").replace("<wordsize>32<", f"<wordsize>{odd}<")
    assert parse_capabilities(capabilities).guests[0].wordsize is None
