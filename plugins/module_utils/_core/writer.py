# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image written as a descriptor, virt-image(5); what nobody could know is a comment at its place."""

from __future__ import annotations

from dataclasses import replace

from . import xml
from .errors import ImageError
from .image import Boot, Disk, Image, parse_image

# Where a remark may stand; it begins with the place ("memory: ..."), and stands at the top where it begins otherwise.
PLACES = ("name", "boot", "arch", "features", "vcpu", "memory", "interface", "graphics", "storage")


def write_image(image: Image) -> str:
    """Return the descriptor of an image, from which parse_image reads the same image.

    The image's warnings become comments. Raises ImageError for an image that no descriptor can say.
    """
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.to_text(_Writer(image).image())
    again = parse_image(text, "the descriptor of this image", outside=True)
    wanted = replace(image, warnings=again.warnings)
    if again != wanted:
        names = [name for name, value in vars(wanted).items() if value != getattr(again, name)]
        raise ImageError(f"no descriptor can say this image: {', '.join(names)} would read back as something else")
    return text


class _Writer:
    """Builds the tree; each remark is put before the element that it is about."""

    def __init__(self, source: Image) -> None:
        self.source = source
        self.remarks: dict[str, list] = {}
        for remark in source.warnings:
            place = remark.partition(":")[0]
            self.remarks.setdefault(place if place in PLACES else "", []).append(xml.comment(remark))

    def about(self, place: str) -> list:
        """Return the remarks about a place, once."""
        return self.remarks.pop(place, [])

    def image(self):
        image = self.source
        return xml.element(
            "image",
            None,
            *self.about(""),
            *self.about("name"),
            xml.element("name", {"version": image.version, "release": image.release}, image.name),
            xml.leaf("label", image.label),
            xml.leaf("description", image.description),
            xml.element("domain", None, *map(self.boot, image.boots), self.devices()),
            *self.about("storage"),
            xml.element("storage", None, *map(_disk, image.disks)) if image.disks else None,
        )

    def boot(self, boot: Boot):
        features = [
            xml.element(name, {"state": "off" if state == "off" else None}) for name, state in boot.features.items()
        ]
        return xml.element(
            "boot",
            {"type": boot.type},
            *self.about("boot"),
            xml.element(
                "guest",
                None,
                *self.about("arch"),
                xml.leaf("arch", boot.arch),
                *self.about("features"),
                xml.element("features", None, *features) if features else None,
            ),
            _system(boot),
            *(xml.element("drive", {"disk": drive.disk, "target": drive.target}) for drive in boot.drives),
        )

    def devices(self):
        image = self.source
        return xml.element(
            "devices",
            None,
            *self.about("vcpu"),
            xml.leaf("vcpu", image.vcpu),
            *self.about("memory"),
            xml.leaf("memory", image.memory_kib),
            *self.about("interface"),
            *(xml.element("interface") for _each in range(image.interfaces)),
            *self.about("graphics"),
            xml.element("graphics") if image.graphics else None,
        )


def _system(boot: Boot):
    parts = [
        xml.element("loader", {"dev": boot.dev}, boot.loader) if boot.dev or boot.loader else None,
        xml.leaf("kernel", boot.kernel),
        xml.leaf("initrd", boot.initrd),
        xml.leaf("cmdline", boot.cmdline),
    ]
    return xml.element("os", None, *parts) if any(part is not None for part in parts) else None


def _disk(disk: Disk):
    return xml.element(
        "disk",
        {
            "id": disk.id if disk.id != disk.file else None,
            "file": disk.file,
            "use": disk.use,
            "size": disk.size_mib,
            "format": disk.format,
        },
        *(xml.element("checksum", {"type": kind}, digest) for kind, digest in sorted(disk.checksums.items())),
    )
