# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection's URI tells: https://libvirt.org/uri.html."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from .._core.errors import ImageError


def driver_of(uri: str) -> str:
    """Return the name of the driver, such as qemu, xen or test."""
    return _split(uri).scheme.partition("+")[0]


def is_local(uri: str) -> bool:
    """Return whether a daemon of this machine is meant; raise ImageError for what is no URI."""
    parts = _split(uri)
    return not parts.hostname and "+" not in parts.scheme.replace("+unix", "")


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError as error:
        raise ImageError(f"{uri} is no URI: {error}") from None
