# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over descriptors and capabilities: the same core as the modules, offline."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.host import Host, parse_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.image import Image, check_image, parse_image
from ansible_collections.virt.image.plugins.module_utils._core.match import match
from ansible_collections.virt.image.plugins.module_utils._core.pipeline import render_offline
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain


def _door(function):
    """Return the function as a filter, whose errors name it and say what is wrong."""

    def call(*arguments, **options):
        if xml.etree is None:
            raise AnsibleFilterError("the control node's Python has no lxml, which this filter needs: pip install lxml")
        try:
            return function(*arguments, **options)
        except ImageError as error:
            raise AnsibleFilterError(f"virt.image.{function.__name__}: {error}") from error
        except TypeError as error:
            raise AnsibleFilterError(f"virt.image.{function.__name__}: {error}") from error

    return call


def from_descriptor(text) -> dict:
    return to_plain(parse_image(_text(text, "a descriptor"), "descriptor"))


def from_capabilities(text, domain_capabilities=()) -> dict:
    if not isinstance(domain_capabilities, (list, tuple)):
        raise ImageError(f"domain_capabilities must be a list of texts, is {domain_capabilities!r:.80}")
    texts = [_text(one, "domain capabilities") for one in domain_capabilities]
    return to_plain(parse_capabilities(_text(text, "capabilities"), texts))


def match_boots(image, host, boot=None, virt_type="auto", machine=None, unlisted_features="off") -> dict:
    wish = parse_guest(
        {
            "image": "image",
            "boot": boot,
            "virt_type": virt_type,
            "machine": machine,
            "unlisted_features": unlisted_features,
        },
        "match",
    ).wish
    return to_plain(match(_image(image), from_plain(Host, host, "host"), wish))


def to_domain_xml(image, host, guest=None, folder="/var/lib/libvirt/images", session=False) -> str:
    if not isinstance(guest, (dict, type(None))):
        raise ImageError(f"guest must be a dictionary of options, is {guest!r:.80}")
    if not _text(folder, "a folder").startswith("/"):
        raise ImageError(f"folder {folder} must be an absolute path, the pool's on the host")
    if not isinstance(session, bool):
        raise ImageError(f"session must be true or false, is {session!r:.80}")
    options = {"state": "present", "image": "image", **(guest or {})}
    return render_offline(_image(image), from_plain(Host, host, "host"), parse_guest(options), folder, session)


def _image(plain) -> Image:
    return check_image(from_plain(Image, plain, "image"))


def _text(value, noun: str) -> str:
    if not isinstance(value, str):
        raise ImageError(f"{noun} as text is needed, not {type(value).__name__}")
    return value


class FilterModule:
    """The filters of virt.image."""

    def filters(self) -> dict:
        return {
            function.__name__: _door(function)
            for function in (from_descriptor, from_capabilities, match_boots, to_domain_xml)
        }
