# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say that tell how far long work is."""

from __future__ import annotations


class ModuleDocFragment:
    """What the modules say that tell how far long work is."""

    DOCUMENTATION = r"""
options:
  _progress:
    description:
      - For the action plugin, which reads from this file how far the module is. Not to be set in a playbook.
    type: str
notes:
  - While much is read, copied, fetched, unpacked or converted, a line on standard error says each few seconds how far that is. The
    variable C(virt_image_progress) is the seconds from line to line, by default 5, or V(false) for none. There is none where
    the task has C(no_log) or C(async), or Ansible's verbosity is below 0. Over SSH that needs a connection that Ansible keeps
    (C(ControlPersist), its default); without it, a line says only how long it takes.
"""
