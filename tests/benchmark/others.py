# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays with modules that are not this collection's, so that no linter finds them."""

from __future__ import annotations


def _play(*tasks: dict) -> list:
    return [{"name": "The same guests", "hosts": "all", "gather_facts": False, "tasks": list(tasks)}]


def _made_once(name: str, file: str, command: str) -> dict:
    """Return a task that makes a file of each guest with a command, unless it is there."""
    path = f"{{{{ folder }}}}/{{{{ item }}}}-{file}"
    made = {"cmd": command.format(path=path), "creates": path}
    return {"name": name, "ansible.builtin.command": made, "loop": "{{ names }}"}


PLAYS = {
    # One trivial module that calls libvirt's bindings.
    "floor": _play(
        {
            "name": "Bring the guests",
            "libvirt_floor": {key: f"{{{{ {key} }}}}" for key in ("uri", "pool", "base", "prefix", "guests")},
        }
    ),
    # As the users of community.libvirt write it.
    "community": _play(
        _made_once("Make the overlays", "root.qcow2", "qemu-img create -q -f qcow2 -F raw -b {{{{ base }}}} {path}"),
        _made_once("Make the data disks", "data.raw", "qemu-img create -q -f raw {path} 10M"),
        {
            "name": "Define the domains",
            "community.libvirt.virt": {
                "command": "define",
                "uri": "{{ uri }}",
                "xml": "{{ lookup('ansible.builtin.template', template) }}",
            },
            "loop": "{{ names }}",
        },
    ),
}
