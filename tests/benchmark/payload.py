# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON what ansible-core sends to a host for each module: payload.py MODULE...

Run it with the Python of ansible-core, and the collection where Ansible finds collections.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import zipfile

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar


def payload_of(name: str) -> zipfile.ZipFile:
    """Return the archive that goes to the host."""
    built = modify_module(
        module_name=name,
        module_path=module_loader.find_plugin(name),
        module_args={},
        templar=Templar(DataLoader()),
        task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
        module_compression="ZIP_DEFLATED",
    )
    text = max(re.findall(rb"'([A-Za-z0-9+/=]+)'", built.b_module_data), key=len)
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(text)))


def describe(name: str) -> dict:
    """Return sizes in KiB and numbers of files; what is neither ansible-core's nor an empty package is the collection's."""
    files = payload_of(name).infolist()
    own = [file for file in files if "/virt/image/" in file.filename]
    sizes = {"kib": files, "own_kib": own}
    told = {key: round(sum(file.compress_size for file in some) / 1024) for key, some in sizes.items()}
    return {**told, "files": len(files), "own_files": len(own)}


if __name__ == "__main__":
    init_plugin_loader([])
    print(json.dumps({name: describe(name) for name in sys.argv[1:]}))
