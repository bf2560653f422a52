# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes a hypervisor and prints the answer as JSON, with the seconds that it took: probe.py COLLECTIONS TYPE [URI]."""

import importlib
import json
import sys
import time
from types import ModuleType

# The system's Python has libvirt and no ansible; a module brings its own.
RESPAWN = ("has_respawned", "probe_interpreters_for_module", "respawn_module")
MODULE_UTILS = "ansible_collections.virt.image.plugins.module_utils"


def main() -> None:
    """Probe as the modules do."""
    for name in ("ansible", "ansible.module_utils", "ansible.module_utils.common"):
        sys.modules[name] = ModuleType(name)
    sys.modules["ansible.module_utils.common.respawn"] = respawn = ModuleType("respawn")
    for name in RESPAWN:
        setattr(respawn, name, None)
    sys.path[:0] = sys.argv[1].split(":")
    connection, host, probe = (
        importlib.import_module(f"{MODULE_UTILS}.{name}") for name in ("_io.connection", "_core.host", "_io.probe")
    )
    with connection.Connection(sys.argv[3] if len(sys.argv) > 3 else "qemu:///system") as link:
        parsed = host.parse_capabilities(link.capabilities())
        begun = time.monotonic()
        kvm = probe.probe(link, parsed, sys.argv[2])
        print(json.dumps({"runs": kvm.runs, "reason": kvm.reason, "seconds": time.monotonic() - begun}))


main()
