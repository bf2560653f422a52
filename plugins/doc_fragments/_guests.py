# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of guests, each with all that is asked of it."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.doc_fragments import (
    _extra_disks,
    _files,
    _hardware,
    _keep,
    _match,
    _place,
    _shape,
    _shutdown,
    _trust,
    _wait,
)
from ansible_collections.virt.image.plugins.plugin_utils.docs import of_guests

BEGINNING = r"""
options:
  guests:
    description:
      - The guests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The guest's name. By default the image's.
        type: str
      image:
        description:
          - The path of the descriptor, or its URL (http, https), which the host fetches. Its disk files are relative to it.
          - Disk files may be compressed (gzip, bzip2, xz, zstd); that is seen from their content.
          - Needed for every O(guests[].state) but V(absent).
        type: str
"""

RUNNING = r"""
      autostart:
        description:
          - Whether libvirt starts the guest with the host. By default it is left as it is.
        type: bool
      state:
        description:
          - V(started) and V(stopped) say whether the guest runs. V(present) leaves that as it is.
          - V(absent) removes the guest and what O(guests[].remove) says.
          - V(renewed) is V(absent), then V(started), in one go and each time. O(guests[].remove) says which disks are made anew.
        type: str
        choices: [present, started, stopped, absent, renewed]
        default: started
      adopt:
        description:
          - Whether a domain of that name that was not made by this collection is taken over, without a restart. If not, the
            guest fails.
          - Its disks stay. They must be the files that the guest would have; O(guests[].disks[].volume) names them.
        type: bool
        default: false
"""

END = r"""
      remove:
        description:
          - Which volumes go with the guest for O(guests[].state=absent). Base volumes, which guests share, stay.
          - V(disposable) are the system and scratch disks, V(all) the user disks too.
        type: str
        choices: [none, disposable, all]
        default: disposable
"""


class ModuleDocFragment:
    """The list of guests, each with all that is asked of it."""

    # What other modules document too is written once, there. Annotated, because ansible-test reads what is assigned
    # without it as a constant.
    DOCUMENTATION: str = "\n".join(
        (
            BEGINNING,
            of_guests(_files.ModuleDocFragment),
            of_guests(_trust.ModuleDocFragment),
            of_guests(_match.ModuleDocFragment, "boot", "virt_type", "machine"),
            of_guests(_shape.ModuleDocFragment, "firmware", "vcpus", "memory", "networks", "graphics"),
            of_guests(_hardware.ModuleDocFragment),
            of_guests(_place.ModuleDocFragment),
            of_guests(_extra_disks.ModuleDocFragment),
            of_guests(_match.ModuleDocFragment, "unlisted_features"),
            of_guests(_shape.ModuleDocFragment, "xml"),
            RUNNING,
            of_guests(_keep.ModuleDocFragment),
            of_guests(_wait.ModuleDocFragment),
            of_guests(_shutdown.ModuleDocFragment),
            END,
        )
    )
