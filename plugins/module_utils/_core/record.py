# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we remember of a guest, in the metadata of its domain: the image, its disks, what we rendered last."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Optional

from . import xml

NAMESPACE = "urn:virt-image:record:1"
PREFIX = "image"


@dataclass(frozen=True)
class RecordedDisk:
    """A volume of the guest; `digest` is the SHA-256 of the image's file it came from.

    `stamp` tells whether that file is still the same without reading it.
    """

    id: str
    use: str
    pool: str
    volume: str
    path: str
    shared: bool
    format: Optional[str] = None
    digest: Optional[str] = None
    stamp: Optional[str] = None


@dataclass(frozen=True)
class Record:
    """The record of the guest in the domain of that UUID; `applied` is the domain XML that we rendered last."""

    image: Optional[str]
    version: Optional[str]
    release: Optional[str]
    generation: int
    disks: tuple[RecordedDisk, ...]
    applied: str
    domain: Optional[str] = None

    def without_stamps(self) -> Record:
        """Return what has a meaning; a stamp only saves reading a file."""
        return replace(self, disks=tuple(replace(disk, stamp=None) for disk in self.disks))

    def disk(self, disk_id: str) -> Optional[RecordedDisk]:
        """Return what is recorded of the disk, or None."""
        return next((disk for disk in self.disks if disk.id == disk_id), None)


def find_record(domain):
    """Return the record's element in a domain's tree, or None."""
    return domain.find(f"metadata/{{{NAMESPACE}}}record")


def read_record(domain) -> Optional[Record]:
    """Return the record in a domain's tree, or None where we did not make the domain."""
    node = find_record(domain)
    if node is None:
        return None
    generation = node.get("generation", "1")
    return Record(
        image=node.get("image"),
        version=node.get("version"),
        release=node.get("release"),
        generation=int(generation) if re.fullmatch("[0-9]{1,9}", generation) else 1,
        disks=tuple(_read_disk(disk) for disk in node.findall(f"{{{NAMESPACE}}}disk")),
        applied=node.findtext(f"{{{NAMESPACE}}}applied") or "",
        domain=node.get("domain"),
    )


def _read_disk(node) -> RecordedDisk:
    return RecordedDisk(
        id=node.get("id", ""),
        use=node.get("use", "system"),
        pool=node.get("pool", ""),
        volume=node.get("volume", ""),
        path=node.get("path", ""),
        shared=node.get("shared") == "yes",
        format=node.get("format"),
        digest=node.get("sha256"),
        stamp=node.get("stamp"),
    )


def render_record(record: Record):
    """Return the record's element, which libvirt keeps as it is."""
    xml.etree.register_namespace(PREFIX, NAMESPACE)
    disks = [
        xml.element(
            f"{{{NAMESPACE}}}disk",
            {
                "id": disk.id,
                "use": disk.use,
                "pool": disk.pool,
                "volume": disk.volume,
                "path": disk.path,
                "shared": "yes" if disk.shared else None,
                "format": disk.format,
                "sha256": disk.digest,
                "stamp": disk.stamp,
            },
        )
        for disk in record.disks
    ]
    return xml.element(
        f"{{{NAMESPACE}}}record",
        {
            "image": record.image,
            "version": record.version,
            "release": record.release,
            "generation": record.generation,
            "domain": record.domain,
        },
        *disks,
        # As text: elements would be found by every tool that looks for //disk in a domain.
        xml.element(f"{{{NAMESPACE}}}applied", None, record.applied),
    )


def drop_record(domain) -> None:
    """Take the record out of a domain's tree."""
    old = find_record(domain)
    if old is not None:
        old.getparent().remove(old)


def set_record(domain, record: Record) -> None:
    """Put a record into a domain's tree, in the place of the one that is there."""
    drop_record(domain)
    metadata = domain.find("metadata")
    if metadata is None:
        metadata = xml.element("metadata")
        domain.insert(0, metadata)
    metadata.append(render_record(record))
