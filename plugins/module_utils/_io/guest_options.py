# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option specs of the modules that ask something of a guest; their documentation is the twin (doc_fragments, guests.py)."""

from __future__ import annotations

from .._core import aim, guest, lifecycle, seed, system
from .._core.trust import Signature
from .hardware_options import DISKS, EXTRA_DISKS, GRAPHICS, HARDWARE, NETWORK
from .options import DESCRIPTOR, FETCH, OUTSIDE, PROBE, PROGRESS, URI

TRUST = {
    "checksum": {"type": "dict"},
    "require_checksum": {"type": "bool", "default": False},
    "signature": {
        "type": "dict",
        "options": {
            "file": {"type": "str"},
            "keyring": {"type": "path"},
            "allowed_signers": {"type": "path"},
            "signer": {"type": "str"},
            "namespace": {"type": "str", "default": Signature.namespace},
        },
    },
    "require_signature": {"type": "bool", "default": False},
}

MATCH = {
    "boot": {"type": "int"},
    "virt_type": {"type": "str", "default": "auto"},
    "machine": {"type": "str"},
}

UNLISTED_FEATURES = {
    "unlisted_features": {"type": "str", "choices": list(guest.UNLISTED), "default": "off"},
}

WAIT = {
    "wait": {
        "type": "dict",
        "options": {
            "settle": {"type": "int", "default": lifecycle.Wait.settle},
            "agent": {"type": "bool", "default": False},
            "address": {"type": "bool", "default": False},
            "tcp": {"type": "list", "elements": "int"},
            "serial": {"type": "str"},
            "timeout": {"type": "int", "default": lifecycle.Wait.timeout},
        },
    },
}

SHUTDOWN = {
    "shutdown": {
        "type": "dict",
        "options": {
            "timeout": {"type": "int", "default": lifecycle.Shutdown.timeout},
            "force": {"type": "bool", "default": False},
        },
    },
}

PLACE = {
    "pool": {"type": "str", "default": "default"},
    "folder": {"type": "path"},
    "clone": {"type": "str", "choices": list(guest.CLONES), "default": "linked"},
    **DISKS,
    # raw: as str, Ansible would make a mapping the text of a Python dict (None, True), and nobody could say so.
    "seed": {"type": "dict", "no_log": True, "options": {name: {"type": "raw", "no_log": True} for name in seed.KEYS}},
}

KEEP = {
    "on_drift": {"type": "str", "choices": list(lifecycle.ON_DRIFT), "default": lifecycle.REPAIR},
    "apply": {"type": "str", "choices": list(lifecycle.APPLY), "default": lifecycle.LIVE},
}

REMOVE = {"remove": {"type": "str", "choices": list(guest.REMOVALS), "default": "disposable"}}

# What a guest is, in the order of its documentation; how it runs comes after.
SHAPE = {
    "name": {"type": "str"},
    "image": {"type": "str"},
    **OUTSIDE,
    **TRUST,
    **MATCH,
    "firmware": {"type": "str", "choices": list(system.FIRMWARES), "default": "auto"},
    "vcpus": {"type": "int"},
    "memory": {"type": "str"},
    "networks": {"type": "list", "elements": "dict", "options": NETWORK},
    "graphics": {"type": "dict", "options": GRAPHICS},
    **HARDWARE,
    **PLACE,
    **EXTRA_DISKS,
    **UNLISTED_FEATURES,
    # It may hold passwords.
    "xml": {"type": "str", "no_log": True},
}

GUEST = {
    **SHAPE,
    "autostart": {"type": "bool"},
    "state": {"type": "str", "choices": [*guest.STATES, guest.RENEWED], "default": "started"},
    "adopt": {"type": "bool", "default": False},
    **KEEP,
    **WAIT,
    **SHUTDOWN,
    **REMOVE,
}

IMAGE_SOURCE = {
    "image_source": {"type": "str", "choices": ["host", "controller"], "default": "host"},
    # From the action plugin: what it read of the images on the control node, and what it brought.
    "_deliveries": {"type": "list", "elements": "dict", "default": []},
}

GUESTS = {
    **URI,
    "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
    **FETCH,
    **IMAGE_SOURCE,
    **PROGRESS,
}

GENERATION = {
    **URI,
    "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
    "state": {"type": "str", "choices": list(aim.STATES), "required": True},
    "user_disks": {"type": "str", "choices": list(aim.USER_DISKS), "default": aim.KEEP},
    "scratch": {"type": "str", "choices": list(aim.SCRATCH), "default": aim.KEEP},
    "keep_generations": {"type": "int", "default": aim.Aim.keep_generations},
    "retry": {"type": "bool", "default": False},
    "other_images": {"type": "str", "choices": list(aim.OTHERS), "default": "refuse"},
    "owner": {"type": "str"},
    "lease": {"type": "int", "default": aim.LEASE},
    "takeover": {"type": "bool", "default": False},
    "version": {"type": "str"},
    "reason": {"type": "str"},
    **FETCH,
    **IMAGE_SOURCE,
    **PROGRESS,
}

DOMAIN_XML = {**URI, **SHAPE, "image": {"type": "str", "required": True}, **FETCH}

STORAGE = {
    **URI,
    "name": {"type": "str"},
    "image": {"type": "str"},
    **OUTSIDE,
    **TRUST,
    **MATCH,
    **PLACE,
    **UNLISTED_FEATURES,
    "flatten": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent", "pruned"], "default": "present"},
    **REMOVE,
    **FETCH,
    **PROGRESS,
}

DOMAIN = {
    **URI,
    "name": {"type": "str"},
    # It may hold passwords.
    "xml": {"type": "str", "no_log": True},
    "autostart": {"type": "bool"},
    "adopt": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": [*guest.STATES, lifecycle.RESTARTED], "default": "present"},
    **KEEP,
    **WAIT,
    **SHUTDOWN,
}

MATCH_INFO = {**URI, **DESCRIPTOR, **MATCH, **UNLISTED_FEATURES, **PROBE}
