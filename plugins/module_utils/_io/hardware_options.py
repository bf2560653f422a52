# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option specs of a guest's machine: processors, memory, devices; parts of those in guest_options.py."""

from __future__ import annotations

from .._core import drive, network, peripherals, processor, screen, system


def _of(**options: str) -> dict:
    """Return specs of options that have nothing but a type."""
    return {name: {"type": type} for name, type in options.items()}


def _one_of(values: tuple, default=None) -> dict:
    spec = {"type": "str", "choices": list(values)}
    return spec if default is None else {**spec, "default": default}


def _part(**options: dict) -> dict:
    return {"type": "dict", "options": options}


def _list(options: dict) -> dict:
    return {"type": "list", "elements": "dict", "options": options}


NETWORK = {
    "type": _one_of(tuple(network.NETWORKS), "network"),
    **_of(source="str", mac="str", model="str", target="str", script="str", port="int"),
    **_of(local_address="str", local_port="int"),
    "mode": _one_of(network.MODES),
    **_of(ip="str", portgroup="str"),
    "virtualport": _part(
        type={**_one_of(tuple(network.VIRTUALPORTS)), "required": True}, **_of(**dict.fromkeys(network.PORT_KEYS, "str"))
    ),
    "vlan": _part(tags={"type": "list", "elements": "int", "required": True}, **_of(trunk="bool")),
    **_of(mtu="int", queues="int"),
    "link": _one_of(network.LINKS),
}

GRAPHICS = {"type": _one_of(screen.GRAPHICS, "auto"), **_of(listen="str", port="int")}

DRIVE = {
    "target": {"type": "str"},
    "bus": _one_of(tuple(drive.BUSES)),
    "cache": _one_of(drive.CACHES),
    "io": _one_of(drive.IOS),
    "discard": _one_of(drive.DISCARDS),
    "detect_zeroes": _one_of(drive.ZEROES),
    **_of(iothread="int", queues="int", serial="str"),
    **_of(**dict.fromkeys(drive.BYTE_LIMITS, "str")),
    **_of(**dict.fromkeys(drive.IO_LIMITS, "int")),
}

DISKS = {"disks": _list({"id": {"type": "str", "required": True}, **_of(volume="str", size="str", pool="str"), **DRIVE})}

EXTRA_DISKS = {
    "extra_disks": _list(
        {
            "type": _one_of(drive.TYPES, "file"),
            **_of(source="str", pool="str"),
            "protocol": _one_of(tuple(drive.PROTOCOLS)),
            "hosts": _list({"name": {"type": "str", "required": True}, "port": {"type": "int"}}),
            "device": _one_of(drive.KINDS, "disk"),
            "format": _one_of(drive.FORMATS, "raw"),
            **_of(readonly="bool"),
            "shareable": {"type": "bool", "default": False},
            **DRIVE,
        }
    )
}

# In the order of the documentation.
HARDWARE = {
    "secure_boot": {"type": "bool"},
    "boot_devices": {"type": "list", "elements": "str", "choices": list(system.BOOT_DEVICES)},
    "clock": _one_of(system.CLOCKS, "utc"),
    "on_poweroff": _one_of(system.ACTIONS, "destroy"),
    "on_reboot": _one_of(system.ACTIONS, "restart"),
    "on_crash": _one_of(system.CRASH_ACTIONS, "destroy"),
    "max_vcpus": {"type": "int"},
    "cpu": _part(
        mode=_one_of(processor.MODES), **_of(model="str", features="dict", sockets="int", cores="int", threads="int")
    ),
    "cpu_tuning": _part(
        **_of(shares="int", period="int", quota="int", vcpu_pins="dict", emulator_pin="str", iothread_pins="dict")
    ),
    "iothreads": {"type": "int"},
    "max_memory": {"type": "str"},
    "hugepages": _part(size={"type": "str"}),
    "video": _part(model=_one_of(screen.VIDEOS), **_of(vram="str", heads="int")),
    "tpm": _part(
        type=_one_of(peripherals.TPM_TYPES, "emulator"),
        model=_one_of(peripherals.TPM_MODELS),
        version=_one_of(peripherals.TPM_VERSIONS),
        device={"type": "path"},
    ),
    "agent": {"type": "bool", "default": True},
    "serial": _part(log={"type": "path"}, append={"type": "bool", "default": False}),
    "rng": {"type": "bool", "default": True},
    "memballoon": _one_of(peripherals.BALLOONS, "auto"),
    "watchdog": _part(
        model=_one_of(peripherals.WATCHDOGS), action=_one_of(peripherals.ACTIONS, "reset")
    ),
    "filesystems": _list(
        {
            "source": {"type": "path", "required": True},
            "target": {"type": "str", "required": True},
            "driver": _one_of(peripherals.DRIVERS, "virtiofs"),
            "readonly": {"type": "bool", "default": False},
        }
    ),
    "hostdevs": _list(
        {
            "type": _one_of(peripherals.HOSTDEVS, "pci"),
            **_of(address="str", vendor="str", product="str", managed="bool"),
        }
    ),
}
