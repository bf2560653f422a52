# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an image's descriptor for the modules that tell of it."""

from __future__ import annotations

from typing import Optional

from .._core.image import Image, parse_image
from .._core.values import to_plain
from .jobs import Jobs
from .module import Outcome
from .options import parse_access
from .source import folder_of


def descriptor_info(params: dict, jobs: Optional[Jobs] = None) -> Outcome:
    if params["disk"] is not None:
        return _disk_info(params["disk"], jobs or Jobs())
    image = read_image(params)
    return Outcome(warnings=image.warnings, report=lambda _done: {"image": to_plain(image)})


def _disk_info(path: str, jobs: Jobs) -> Outcome:
    # Late: most images have a descriptor.
    from .._core.drafting import draft_of_disk
    from .._core.writer import write_image
    from .piece import disk_facts, piece_of

    facts = disk_facts(piece_of(path), jobs)
    image = draft_of_disk(facts)
    told = {"image": to_plain(image), "descriptor": write_image(image), "firmware": facts.sight.firmware}
    return Outcome(report=lambda _done: told)


def read_image(params: dict) -> Image:
    """Return the image that the options name or hold; raise ImageError."""
    rules = {"strict": params["strict"], "outside": params["allow_outside_files"]}
    if params["path"] is None:
        return parse_image(params["descriptor"], "descriptor", **rules)
    folder = folder_of(params["path"], params["allow_outside_files"], parse_access(params["fetch"]))
    return parse_image(folder.descriptor(), folder.path, **rules)
