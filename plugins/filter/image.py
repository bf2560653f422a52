# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over descriptors and capabilities: the same core as the modules, offline."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.module_utils._core.captured import capture_domain
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.host import Host, parse_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._core.match import match
from ansible_collections.virt.image.plugins.module_utils._core.offline import render_offline
from ansible_collections.virt.image.plugins.module_utils._core.ovf import parse_ovf
from ansible_collections.virt.image.plugins.module_utils._core.ovf_image import draft_of_ovf
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.module_utils._core.writer import write_image
from ansible_collections.virt.image.plugins.plugin_utils.door import door, flag_of, image_of, text_of, wish_of


def from_descriptor(text, strict=False, allow_outside_files=False) -> dict:
    rules = flag_of(strict, "strict"), flag_of(allow_outside_files, "allow_outside_files")
    return to_plain(parse_image(text_of(text, "a descriptor"), "descriptor", *rules))


def from_capabilities(text, domain_capabilities=()) -> dict:
    if not isinstance(domain_capabilities, (list, tuple)):
        raise ImageError(f"domain_capabilities must be a list of texts, is {domain_capabilities!r:.80}")
    texts = [text_of(one, "domain capabilities") for one in domain_capabilities]
    return to_plain(parse_capabilities(text_of(text, "capabilities"), texts))


def from_domain_xml(text) -> dict:
    return to_plain(capture_domain(text_of(text, "domain XML")).image)


def from_ovf(text) -> dict:
    return to_plain(draft_of_ovf(parse_ovf(text_of(text, "an OVF"), "OVF"), {}))


def to_descriptor(image) -> str:
    return write_image(image_of(image))


def match_boots(image, host, boot=None, virt_type="auto", machine=None, unlisted_features="off") -> dict:
    wish = wish_of(boot, virt_type, machine, unlisted_features)
    return to_plain(match(image_of(image), from_plain(Host, host, "host"), wish))


def to_domain_xml(image, host, guest=None, folder="/var/lib/libvirt/images", session=False) -> str:
    if not isinstance(guest, (dict, type(None))):
        raise ImageError(f"guest must be a dictionary of options, is {guest!r:.80}")
    if not text_of(folder, "a folder").startswith("/"):
        raise ImageError(f"folder {folder:.80} must be an absolute path, the pool's on the host")
    options = {"state": "present", "image": "image", **(guest or {})}
    made = parse_guest(options)
    return render_offline(image_of(image), from_plain(Host, host, "host"), made, folder, flag_of(session, "session"))


class FilterModule:
    """The filters of virt.image."""

    def filters(self) -> dict:
        return {
            function.__name__: door(function)
            for function in (
                from_descriptor,
                from_domain_xml,
                from_ovf,
                from_capabilities,
                to_descriptor,
                match_boots,
                to_domain_xml,
            )
        }
