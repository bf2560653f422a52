# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option specs of the modules that ask nothing of a guest, and what others share; the documentation is the twin."""

from __future__ import annotations

from typing import Optional

from .._core.errors import ImageError
from .url import Access

URI = {"uri": {"type": "str", "default": "qemu:///system"}}

OUTSIDE = {"allow_outside_files": {"type": "bool", "default": False}}

FETCH = {
    "fetch": {
        "type": "dict",
        "options": {
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "headers": {"type": "dict", "no_log": True},
            "validate_certs": {"type": "bool", "default": Access.validate_certs},
            "ca_path": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "use_proxy": {"type": "bool", "default": Access.use_proxy},
            "force_basic_auth": {"type": "bool", "default": Access.force_basic_auth},
            "timeout": {"type": "int", "default": Access.timeout},
            "http_agent": {"type": "str", "default": Access.http_agent},
            "retries": {"type": "int", "default": Access.retries},
        },
    },
}

DESCRIPTOR = {
    "path": {"type": "path"},
    "descriptor": {"type": "str"},
    "strict": {"type": "bool", "default": False},
    **OUTSIDE,
    **FETCH,
}
ONE_DESCRIPTOR = {
    "mutually_exclusive": [("path", "descriptor")],
    "required_one_of": [("path", "descriptor")],
}

# From the action plugin: the file that is to tell how far long work is.
PROGRESS = {"_progress": {"type": "str"}}

# A disk alone, of which a descriptor is written.
DESCRIPTOR_INFO = {**DESCRIPTOR, "disk": {"type": "path"}, **PROGRESS}
ONE_DESCRIPTOR_INFO = {
    "mutually_exclusive": [("path", "descriptor", "disk")],
    "required_one_of": [("path", "descriptor", "disk")],
}

CAPTURE = {
    "disk": {"type": "path"},
    "domain": {"type": "str"},
    "ovf": {"type": "path"},
    "folder": {"type": "path"},
    "descriptor": {"type": "str", "default": "image.xml"},
    "name": {"type": "str"},
    "version": {"type": "str"},
    "replace": {"type": "bool", "default": False},
    **URI,
    **PROGRESS,
}
ONE_ORIGIN = {
    "mutually_exclusive": [("disk", "domain", "ovf")],
    "required_one_of": [("disk", "domain", "ovf")],
    "required_by": {"domain": "folder"},
}

PROBE = {"probe_kvm": {"type": "bool", "default": False}}

CAPABILITIES = {**URI, "domain_capabilities": {"type": "bool", "default": False}, **PROBE}

GUEST_INFO = {**URI, "names": {"type": "list", "elements": "str"}, "all": {"type": "bool", "default": False}}


def parse_access(told: Optional[dict]) -> Access:
    """Return how servers are asked, from the option fetch; raise ImageError for what makes no sense."""
    given = {key: value for key, value in (told or {}).items() if value is not None}
    headers = {str(name): str(value) for name, value in given.pop("headers", {}).items()}
    for key, least in (("timeout", 1), ("retries", 0)):
        if given.get(key, least) < least:
            raise ImageError(f"fetch: {key} is {given[key]}; it is at least {least}")
    return Access(headers=headers, **given)
