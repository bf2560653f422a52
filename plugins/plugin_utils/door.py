# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How filters and tests stand at the door of the core: their errors, and what several of them are given."""

from __future__ import annotations

from functools import wraps
from inspect import signature

from ansible.errors import AnsibleFilterError
from jinja2 import Undefined

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.guest import parse_guest
from ansible_collections.virt.image.plugins.module_utils._core.image import Image, check_image
from ansible_collections.virt.image.plugins.module_utils._core.match import Wish
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain


def door(function):
    """Return the function as a plugin, whose errors name it and say what is wrong; a defect stays one, for Ansible to show."""
    taken = signature(function)

    @wraps(function)
    def call(*arguments, **options):
        if xml.etree is None:
            raise AnsibleFilterError(
                f"virt.image.{function.__name__} needs lxml, which the control node's Python does not have: pip install lxml"
            )
        try:
            given = taken.bind(*arguments, **options).arguments
        except TypeError as error:
            raise AnsibleFilterError(f"virt.image.{function.__name__}: {error}") from error
        try:
            _check_defined(given)
            return function(*arguments, **options)
        except RecursionError:
            deep = ImageError("what it is given is nested too deep, or holds itself")
            raise AnsibleFilterError(f"virt.image.{function.__name__}: {deep}") from deep
        except ImageError as error:
            raise AnsibleFilterError(f"virt.image.{function.__name__}: {error}") from error

    return call


def _check_defined(given: dict) -> None:
    """Raise ImageError for a variable that is not defined: until ansible-core 2.19, filters are called with those, too."""
    for name, value in given.items():
        if isinstance(value, Undefined):
            # Jinja's own sentence names the variable; it is what the value says wherever it is used.
            raise ImageError(f"is needed; {value._undefined_message}", name)


def text_of(value, noun: str) -> str:
    """Return the value if it is text; raise ImageError."""
    if not isinstance(value, str):
        raise ImageError(f"{noun} as text is needed, not {type(value).__name__}")
    return value


def flag_of(value, name: str) -> bool:
    """Return the value if it is true or false; raise ImageError."""
    if not isinstance(value, bool):
        raise ImageError(f"{name} must be true or false, is {value!r:.80}")
    return value


def image_of(plain) -> Image:
    """Return the image that `from_descriptor` told of, perhaps long ago; raise ImageError."""
    return check_image(from_plain(Image, plain, "image"))


def wish_of(boot, virt_type, machine, unlisted_features) -> Wish:
    """Return what a user fixes in a match; raise ImageError for what is no such option."""
    told = {"boot": boot, "virt_type": virt_type, "machine": machine, "unlisted_features": unlisted_features}
    return parse_guest({"image": "image", **told}, "match").wish
