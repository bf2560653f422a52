# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option specs of the modules; their documentation is the twin (plugins/doc_fragments, and guests.py)."""

from __future__ import annotations

from .._core import guest

URI = {"uri": {"type": "str", "default": "qemu:///system"}}

OUTSIDE = {"allow_outside_files": {"type": "bool", "default": False}}

DESCRIPTOR = {
    "path": {"type": "path"},
    "descriptor": {"type": "str"},
    "strict": {"type": "bool", "default": False},
    **OUTSIDE,
}
ONE_DESCRIPTOR = {
    "mutually_exclusive": [("path", "descriptor")],
    "required_one_of": [("path", "descriptor")],
}

MATCH = {
    "boot": {"type": "int"},
    "virt_type": {"type": "str", "default": "auto"},
    "machine": {"type": "str"},
}

UNLISTED_FEATURES = {
    "unlisted_features": {"type": "str", "choices": list(guest.UNLISTED), "default": "off"},
}

NETWORK = {
    "type": {"type": "str", "choices": list(guest.NETWORKS), "default": "network"},
    "source": {"type": "str"},
    "mac": {"type": "str"},
    "model": {"type": "str"},
    "target": {"type": "str"},
    "script": {"type": "str"},
    "port": {"type": "int"},
}

GRAPHICS = {
    "type": {"type": "str", "choices": list(guest.GRAPHICS), "default": "auto"},
    "listen": {"type": "str"},
    "port": {"type": "int"},
}

DISKS = {
    "disks": {
        "type": "list",
        "elements": "dict",
        "options": {
            "id": {"type": "str", "required": True},
            "size": {"type": "str"},
            "pool": {"type": "str"},
        },
    },
}

WAIT = {
    "agent": {"type": "bool", "default": False},
    "address": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": guest.Wait.timeout},
}

SHUTDOWN = {
    "shutdown": {
        "type": "dict",
        "options": {
            "timeout": {"type": "int", "default": guest.Shutdown.timeout},
            "force": {"type": "bool", "default": False},
        },
    },
}

PLACE = {
    "pool": {"type": "str", "default": "default"},
    "clone": {"type": "str", "choices": list(guest.CLONES), "default": "linked"},
    **DISKS,
}

REMOVE = {"remove": {"type": "str", "choices": list(guest.REMOVALS), "default": "disposable"}}

# What a guest is, in the order of its documentation; how it runs comes after.
SHAPE = {
    "name": {"type": "str"},
    "image": {"type": "str"},
    **OUTSIDE,
    **MATCH,
    "firmware": {"type": "str", "choices": list(guest.FIRMWARES), "default": "auto"},
    "vcpus": {"type": "int"},
    "memory": {"type": "str"},
    "networks": {"type": "list", "elements": "dict", "options": NETWORK},
    "graphics": {"type": "dict", "options": GRAPHICS},
    **PLACE,
    **UNLISTED_FEATURES,
    # It may hold passwords.
    "xml": {"type": "str", "no_log": True},
}

GUEST = {
    **SHAPE,
    "autostart": {"type": "bool"},
    "state": {"type": "str", "choices": list(guest.STATES), "default": "started"},
    "wait": {"type": "dict", "options": WAIT},
    **SHUTDOWN,
    **REMOVE,
}

GUESTS = {
    **URI,
    "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
    "image_source": {"type": "str", "choices": ["host", "controller"], "default": "host"},
    # From the action plugin: what it read of the images on the control node, and what it brought.
    "_deliveries": {"type": "list", "elements": "dict", "default": []},
}

DOMAIN_XML = {**URI, **SHAPE, "image": {"type": "str", "required": True}}

STORAGE = {
    **URI,
    "name": {"type": "str"},
    "image": {"type": "str", "required": True},
    **OUTSIDE,
    **MATCH,
    **PLACE,
    **UNLISTED_FEATURES,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **REMOVE,
}

DOMAIN = {
    **URI,
    "name": {"type": "str"},
    # It may hold passwords.
    "xml": {"type": "str", "no_log": True},
    "autostart": {"type": "bool"},
    "adopt": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": list(guest.STATES), "default": "present"},
    **SHUTDOWN,
}

PROBE = {"probe_kvm": {"type": "bool", "default": False}}

CAPABILITIES = {**URI, "domain_capabilities": {"type": "bool", "default": False}, **PROBE}

MATCH_INFO = {**URI, **DESCRIPTOR, **MATCH, **UNLISTED_FEATURES, **PROBE}

GUEST_INFO = {**URI, "names": {"type": "list", "elements": "str"}, "all": {"type": "bool", "default": False}}
