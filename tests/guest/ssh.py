# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest with SSH has besides: the server, and Python for Ansible's modules.

The server is in the initramfs. Python is on the system disk, which the guest mounts only when its seed has keys: unpacked
into memory at each boot, it would cost more time and memory than all else.
"""

from __future__ import annotations

import io
import marshal
import sys
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from cpio import Archive
from packages import Packages
from programs import add_libraries, add_program

# Where the guest mounts its system disk.
SYSTEM = "/system"
PASSWD = "root:*:0:0:root:/root:/bin/sh\n"
# Built into Debian's interpreter are most others that Ansible's modules need.
EXTENSIONS = ("_contextvars", "_json", "_multiprocessing", "_posixshmem", "_queue", "mmap", "resource", "termios")
# Of the standard library, what no module of Ansible's imports, and is large.
LEFT_OUT = ("idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo", "unittest")
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def add_server(archive: Archive, packages: Packages) -> None:
    """Add the SSH server to the initramfs, and the places where Python is looked for."""
    add_program(archive, packages, packages.dropbear(), "usr/sbin/dropbear")
    add_program(archive, packages, packages.sftp_server(), "usr/lib/sftp-server")
    add_libraries(archive, packages, packages.python())
    archive.file("etc/passwd", PASSWD.encode())
    archive.folder(SYSTEM[1:])
    library = packages.python_library()
    version = library.name
    archive.link("usr/bin/python3", f"{SYSTEM}/python3")
    archive.link(f"usr/lib/{version.replace('.', '')}.zip", f"{SYSTEM}/python3.zip")
    # Python looks for this file to find its library; it reads the one in the archive.
    archive.file(f"usr/lib/{version}/os.py", (library / "os.py").read_bytes())
    for name in EXTENSIONS:
        for path in (library / "lib-dynload").glob(f"{name}.*.so"):
            archive.file(f"usr/lib/{version}/lib-dynload/{path.name}", path.read_bytes(), 0o755)


def system_files(packages: Packages) -> dict[str, bytes]:
    """Return name -> content of what the system disk has besides: the interpreter, and its library as one archive."""
    return {"python3": packages.python().read_bytes(), "python3.zip": _zipped(packages.python_library())}


def _zipped(library: Path) -> bytes:
    """Return the standard library as a ZIP archive; compiled where this Python is of the same version."""
    compiled = library.name == "python%d.%d" % sys.version_info[:2]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(library.rglob("*.py")):
            name = path.relative_to(library)
            if name.parts[0] in LEFT_OUT or name.parts[0].startswith("config-"):
                continue
            data = path.read_bytes()
            if compiled:
                code = compile(data, f"/usr/lib/{library.name}/{name}", "exec", dont_inherit=True)
                name, data = name.with_suffix(".pyc"), MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
            info = zipfile.ZipInfo(name.as_posix(), ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return made.getvalue()
