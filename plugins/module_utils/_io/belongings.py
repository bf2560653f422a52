# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with a domain when it is undefined, found out before: NVRAM, TPM state, saved state, snapshots."""

from __future__ import annotations

import os
from typing import Optional

from .._core import xml
from .._core.derived import has_uefi
from .._core.lifecycle import Belongings
from .._core.plan import Live
from .connection import Connection, doing, has_code
from .requirements import libvirt


def read_belongings(live: Live, connection: Connection) -> Belongings:
    """Return what goes with a persistent domain; nothing does with one that is not, but what ends when it stops."""
    domain = connection.find_domain(live.name)
    if domain is None or not live.persistent:
        return Belongings()
    tree = xml.parse(live.xml, f"domain {live.name}")
    with doing(f"read what belongs to domain {live.name}"):
        snapshots = _all(domain.listAllSnapshots)
        return Belongings(
            nvram=_has_nvram(tree, connection),
            tpm=_has_tpm(tree, connection),
            saved=live.saved,
            snapshots=len(snapshots),
            checkpoints=len(_all(domain.listAllCheckpoints)),
            files=tuple(path for snapshot in snapshots for path in _files(snapshot)),
        )


def find_state(domain_xml: str, connection: Connection) -> Belongings:
    """Return what is there of the files that libvirt makes when a domain starts."""
    tree = xml.parse(domain_xml, "domain")
    return Belongings(nvram=_has_nvram(tree, connection), tpm=_has_tpm(tree, connection))


def _all(call) -> list:
    try:
        return call()
    except libvirt.libvirtError as error:
        # Not every driver knows snapshots, fewer know checkpoints.
        if not has_code(error):
            raise
        return []


def _files(snapshot) -> list[str]:
    """Return the files of an external snapshot."""
    tree = xml.parse(snapshot.getXMLDesc(), "snapshot")
    memory = [node.get("file") for node in tree.findall("memory[@snapshot='external']")]
    disks = [node.get("file") for node in tree.findall("disks/disk[@snapshot='external']/source")]
    return [path for path in (*memory, *disks) if path]


def nvram_files(tree, connection: Connection) -> list[str]:
    """Return where the UEFI variables of a domain can be; empty where it has none, or not in a file."""
    if not has_uefi(tree) or tree.find("os/loader[@stateless='yes']") is not None:
        return []
    node, source = tree.find("os/nvram"), tree.find("os/nvram/source")
    if source is not None:
        return [source.get("file")] if source.get("file") else []
    said = "" if node is None else (node.text or "").strip()
    # Where libvirt chose the firmware, the configuration does not tell the file.
    chosen = os.path.join(_folder("qemu/nvram", connection), f"{tree.findtext('name')}_VARS")
    return [said] if said else [f"{chosen}.fd", f"{chosen}.qcow2"]


def tpm_folder(tree, connection: Connection) -> Optional[str]:
    """Return where the state of a domain's emulated TPM is, a file perhaps; None where it has none."""
    backend = tree.find("devices/tpm/backend[@type='emulator']")
    if backend is None:
        return None
    # Since libvirt 11.0 it can be said.
    source = backend.find("source[@path]")
    if source is not None:
        return source.get("path")
    return os.path.join(_folder("swtpm", connection), tree.findtext("uuid") or "")


def _has_nvram(tree, connection: Connection) -> bool:
    """Return whether libvirt has made UEFI's variables, which it does at the first start."""
    return any(_is_there(path, connection) for path in nvram_files(tree, connection))


def _has_tpm(tree, connection: Connection) -> bool:
    folder = tpm_folder(tree, connection)
    return folder is not None and _is_there(folder, connection)


def _folder(what: str, connection: Connection) -> str:
    """Return a folder of libvirt's own state (src/qemu/qemu_conf.c)."""
    if not (connection.is_local and connection.is_session):
        return f"/var/lib/libvirt/{what}"
    configuration = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(configuration, "libvirt/qemu", what.rpartition("/")[2])


def _is_there(path: str, connection: Connection) -> bool:
    """Return whether libvirt has made a file; what cannot be seen counts as made."""
    if not connection.is_local:
        return True
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
