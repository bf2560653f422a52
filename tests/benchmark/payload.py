# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON what ansible-core sends to a host for each module: payload.py [--write FILE [--options JSON]] MODULE...

Run it with the Python of ansible-core, and the collection where Ansible finds collections.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import zipfile

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

# What a module is told besides its options, as far as it must be.
FROM_ANSIBLE = {"_ansible_remote_tmp": "/tmp", "_ansible_selinux_special_fs": []}


def build(name: str, options: dict) -> bytes:
    """Return the text that goes to the host."""
    return modify_module(
        module_name=name,
        module_path=module_loader.find_plugin(name),
        module_args=options,
        templar=Templar(DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    ).b_module_data


def describe(name: str) -> dict:
    """Return the size in KiB of what is sent, of the archive in it, and of the collection's files in that; and of how many."""
    sent = build(name, {})
    archive = base64.b64decode(max(re.findall(rb"'([A-Za-z0-9+/=]+)'", sent), key=len))
    files = zipfile.ZipFile(io.BytesIO(archive)).infolist()
    own = [file for file in files if "/virt/image/" in file.filename]
    sizes = {"sent": len(sent), "archive": len(archive), "own": sum(file.compress_size for file in own)}
    return {**{key: round(size / 1024) for key, size in sizes.items()}, "files": len(files), "own_files": len(own)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", help="where to write the first module's text")
    parser.add_argument("--options", default="{}")
    parser.add_argument("modules", nargs="+")
    arguments = parser.parse_args()
    init_plugin_loader([])
    if arguments.write:
        with open(arguments.write, "wb") as file:
            file.write(build(arguments.modules[0], {**json.loads(arguments.options), **FROM_ANSIBLE}))
        return
    print(json.dumps({name: describe(name) for name in arguments.modules}))


if __name__ == "__main__":
    main()
