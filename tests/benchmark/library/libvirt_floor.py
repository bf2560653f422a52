# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one call of an Ansible module adds to libvirt's bindings."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.libvirt_floor import bring


def main() -> None:
    """Run the module."""
    spec = {"uri": {}, "pool": {}, "base": {}, "prefix": {}, "guests": {"type": "int"}}
    module = AnsibleModule(argument_spec=spec)
    made = bring(**module.params)
    module.exit_json(changed=bool(made), made=made)


if __name__ == "__main__":
    main()
