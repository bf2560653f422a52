# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bindings that a host needs: found in this Python, or in the system's, or asked for in one line."""

from __future__ import annotations

import sys

from .._core import xml
from .._core.errors import ImageError

try:
    from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module
except ImportError:
    # What reads for an inventory runs in the Python that has the bindings, where Ansible may not be; it does not go on.
    has_respawned = probe_interpreters_for_module = respawn_module = None

try:
    import libvirt
except ImportError:
    libvirt = None

SYSTEM_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")
PACKAGES = {
    "libvirt": "python3-libvirt (Debian, Ubuntu, Fedora, RHEL), python3-libvirt-python (SUSE)",
    "lxml": "python3-lxml",
}


def require(*names: str) -> None:
    """Make sure that the named bindings are there.

    Distributions put libvirt's bindings beside their own Python only; Ansible may have chosen another, so the module
    goes on in the system's where that has them. Raises ImageError that says what to install.
    """
    missing = missing_of(*names)
    if not missing:
        return
    if not has_respawned():
        interpreter = probe_interpreters_for_module([p for p in SYSTEM_PYTHONS if p != sys.executable], missing[0])
        if interpreter:
            respawn_module(interpreter)
    raise ImageError(
        f"the Python bindings of {' and '.join(missing)} are missing for {sys.executable} on this host; "
        f"install {packages_of(missing)}, or run the role virt.image.hypervisor"
    )


def missing_of(*names: str) -> list[str]:
    """Return those of the named bindings that this Python does not have."""
    return [name for name in names if (libvirt if name == "libvirt" else xml.etree) is None]


def packages_of(names) -> str:
    """Return what to install for bindings."""
    return " and ".join(PACKAGES[name] for name in names)
