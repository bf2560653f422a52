# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges whether a host can run an image."""

from __future__ import annotations

from .._core.guest import parse_guest
from .._core.match import match
from .._core.values import to_plain
from .connection import Connection
from .describe import read_image
from .facts import read_host
from .module import Outcome


def match_info(params: dict, connection: Connection) -> Outcome:
    image, host = read_image(params), read_host(params, connection)
    told = {key: params[key] for key in ("boot", "virt_type", "machine", "unlisted_features")}
    wish = parse_guest({"image": "image", **told}, "match").wish
    found = to_plain(match(image, host, wish))
    return Outcome(warnings=image.warnings, report=lambda _done: found)
