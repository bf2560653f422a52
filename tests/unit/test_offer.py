# SPDX-License-Identifier: GPL-3.0-or-later
"""What an emulator must offer: asked for only where a guest needs it, once, and refused in words where it is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.emulator import parse_domain_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.match import choose
from ansible_collections.virt.image.plugins.module_utils._core.offer import (
    depends_on_offer,
    offered_to,
    refuse_what_is_not_offered,
)
from ansible_collections.virt.image.plugins.module_utils._core.offline import render_offline
from ansible_collections.virt.image.tests.unit import stand_in
from ansible_collections.virt.image.tests.unit.support import guest, host, image, message, text

WEB = image('<boot type="hvm"><guest><arch>x86_64</arch><features><acpi/></features></guest></boot>')
ARM = image('<boot type="hvm"><guest><arch>aarch64</arch></guest></boot>')
KERNEL = image(
    '<boot type="hvm"><guest><arch>aarch64</arch></guest><os><kernel>vmlinuz</kernel></os></boot>'
)
OFFER = text("capabilities/domain-qemu.xml")
EFI, SPICE = "<value>efi</value>", "<value>spice</value>"


def verdict_on(asked, name="qemu"):
    return choose(asked, host(name))


@pytest.mark.parametrize(
    "asked, name, options, depends",
    [
        (WEB, "qemu", {}, False),
        (WEB, "qemu", {"firmware": "bios"}, False),
        (WEB, "qemu", {"graphics": {"type": "vnc"}}, False),
        (WEB, "qemu", {"graphics": {"type": "none"}}, False),
        (WEB, "qemu", {"firmware": "efi"}, True),
        (WEB, "qemu", {"graphics": {"type": "spice"}}, True),
        (WEB, "qemu", {"tpm": {}}, True),
        (WEB, "qemu", {"video": {"model": "qxl"}}, True),
        (WEB, "qemu", {"filesystems": [{"source": "/srv", "target": "srv"}]}, True),
        (WEB, "qemu", {"machine": "q35", "secure_boot": True}, True),
        (ARM, "aarch64", {}, True),
        (ARM, "aarch64", {"firmware": "bios"}, False),
        (KERNEL, "aarch64", {}, False),
    ],
)
def test_what_depends_on_the_offer(asked, name, options, depends):
    assert depends_on_offer(guest(**options), asked.boots[0], verdict_on(asked, name)) is depends


@pytest.mark.parametrize(
    "options, without, told",
    [
        ({"firmware": "efi"}, "", ""),
        ({"graphics": {"type": "spice"}}, "", ""),
        ({}, EFI, ""),
        ({"graphics": {"type": "vnc"}}, SPICE, ""),
        (
            {"firmware": "efi"},
            EFI,
            "the guest starts with UEFI, and libvirt finds no UEFI firmware for x86_64 guests of machine pc-i440fx-7.2; "
            "install it (ovmf, edk2-ovmf)",
        ),
        (
            {"graphics": {"type": "spice"}},
            SPICE,
            "graphics: spice is not offered by /usr/bin/qemu-system-x86_64; it has sdl, vnc, egl-headless, dbus",
        ),
    ],
)
def test_what_is_not_offered(options, without, told):
    offered = parse_domain_capabilities(OFFER.replace(without, "") if without else OFFER)
    assert without == "" or without in OFFER
    verdict = verdict_on(WEB)
    assert message(refuse_what_is_not_offered, guest(**options), WEB.boots[0], verdict, offered) == told
    assert message(refuse_what_is_not_offered, guest(**options), WEB.boots[0], verdict, None) == ""


@pytest.mark.parametrize(
    "options, devices, told",
    [
        ({"tpm": {}}, {"tpm": {"backendModel": ("emulator",), "model": ("tpm-crb",)}}, ""),
        # Libvirt before 8.0 told nothing of TPMs.
        ({"tpm": {}}, {}, ""),
        (
            {"tpm": {}},
            {"tpm": {"backendModel": ("passthrough",)}},
            "tpm: libvirt finds no TPM of type emulator for /usr/bin/qemu-system-x86_64; install swtpm and swtpm-tools",
        ),
        (
            {"tpm": {"type": "passthrough"}},
            {"tpm": {"backendModel": ("emulator",)}},
            "tpm: libvirt finds no TPM of type passthrough for /usr/bin/qemu-system-x86_64; it has emulator",
        ),
        (
            {"tpm": {"model": "tpm-spapr"}},
            {"tpm": {"backendModel": ("emulator",), "model": ("tpm-tis", "tpm-crb")}},
            "tpm.model: tpm-spapr is not offered by /usr/bin/qemu-system-x86_64; it has tpm-tis, tpm-crb",
        ),
        ({"video": {"model": "none"}}, {"video": {"modelType": ("vga",)}}, ""),
        (
            {"video": {"model": "qxl"}},
            {"video": {"modelType": ("vga", "virtio")}},
            "video.model: qxl is not offered by /usr/bin/qemu-system-x86_64; it has vga, virtio",
        ),
        (
            {"filesystems": [{"source": "/srv", "target": "srv"}]},
            {"filesystem": {"driverType": ("path",)}},
            "filesystems: driver virtiofs is not offered by /usr/bin/qemu-system-x86_64; it has path",
        ),
    ],
    ids=str,
)
def test_devices_that_are_not_offered(options, devices, told):
    offered = replace(parse_domain_capabilities(OFFER), devices=devices)
    assert message(refuse_what_is_not_offered, guest(**options), WEB.boots[0], verdict_on(WEB), offered) == told


def test_secure_boot_needs_a_firmware_that_has_it():
    asked, verdict = guest(machine="q35", secure_boot=True), replace(verdict_on(WEB), machine="pc-q35-7.2")
    without = parse_domain_capabilities(OFFER)
    assert message(refuse_what_is_not_offered, asked, WEB.boots[0], verdict, replace(without, secure_boot=True)) == ""
    assert message(refuse_what_is_not_offered, asked, WEB.boots[0], verdict, without) == (
        "secure_boot: libvirt finds no UEFI firmware with secure boot for x86_64 guests of machine pc-q35-7.2; "
        "install it (ovmf, edk2-ovmf)"
    )
    # Where no firmware can have it, the machine is what is wrong.
    assert message(refuse_what_is_not_offered, asked, WEB.boots[0], verdict_on(WEB), without) == ""


@pytest.mark.parametrize("key", ["emulator", "type", "machine", "arch"])
def test_the_offer_is_that_of_the_verdict(key):
    offered = replace(parse_domain_capabilities(OFFER), type="kvm")
    verdict = verdict_on(WEB)
    assert offered_to(replace(host(), domain_capabilities=(offered,)), verdict) == offered
    assert offered_to(replace(host(), domain_capabilities=(replace(offered, **{key: "x"}),)), verdict) is None


def test_offline_what_was_saved_is_believed():
    saved = replace(parse_domain_capabilities(OFFER.replace(EFI, "")), type="kvm")
    asked = guest(firmware="efi")
    assert "firmware=\"efi\"" in render_offline(WEB, host(), asked, "/pool", False).replace("'", '"')
    told = message(render_offline, WEB, replace(host(), domain_capabilities=(saved,)), asked, "/pool", False)
    assert told.startswith("the guest starts with UEFI")


def test_asked_only_where_needed_and_once(tmp_path):
    acpi = '<features><acpi/></features>'
    libvirt = stand_in.Libvirt(tmp_path)
    descriptor = libvirt.image / "image.xml"
    descriptor.write_text(descriptor.read_text().replace("</arch>", f"</arch>{acpi}"))
    stand_in.guests(libvirt, {"name": "a"}, {"name": "b", "graphics": {"type": "vnc"}})
    assert libvirt.asked == []
    stand_in.guests(libvirt, {"name": "c"}, {"name": "d", "firmware": "efi"}, {"name": "e", "firmware": "efi"})
    assert libvirt.asked == [("/usr/bin/qemu-system-x86_64", "x86_64", "pc-i440fx-7.2", "kvm")]


@pytest.mark.parametrize(
    "arch, packages",
    [
        ("x86_64", "ovmf, edk2-ovmf"),
        ("i686", "ovmf-ia32, edk2-ovmf-ia32"),
        ("aarch64", "qemu-efi-aarch64, edk2-aarch64"),
        ("armv7l", "qemu-efi-arm, edk2-arm"),
        ("riscv64", "qemu-efi-riscv64, edk2-riscv64"),
        ("loongarch64", "OVMF, edk2"),
    ],
)
def test_which_package_has_the_firmware(arch, packages):
    offered = parse_domain_capabilities(OFFER.replace(EFI, ""))
    verdict = replace(verdict_on(WEB), arch=arch, machine="m")
    told = message(refuse_what_is_not_offered, guest(firmware="efi"), WEB.boots[0], verdict, offered)
    assert told == (
        f"the guest starts with UEFI, and libvirt finds no UEFI firmware for {arch} guests of machine m; "
        f"install it ({packages})"
    )


@pytest.mark.parametrize("devices", [{}, {"graphics": {}}, {"graphics": {"type": ()}}])
def test_a_driver_that_tells_nothing_of_graphics_may_have_them(devices):
    offered = replace(parse_domain_capabilities(OFFER), devices=devices)
    asked = guest(graphics={"type": "spice"})
    assert message(refuse_what_is_not_offered, asked, WEB.boots[0], verdict_on(WEB), offered) == ""
