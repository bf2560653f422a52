# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how a domain is kept as described."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that say how a domain is kept as described."""

    DOCUMENTATION = r"""
options:
  on_drift:
    description:
      - What becomes of drift, that is, of what was applied and what someone else has changed since.
      - V(repair) brings it back. V(report) leaves it, returns it in RV(ignore:drift) and warns. V(ignore) leaves it.
      - What the playbook itself has changed is applied in any case, and passwords are always brought back.
    type: str
    choices: [repair, report, ignore]
    default: repair
  apply:
    description:
      - When changes come to a domain that runs. All are written to its configuration.
      - V(live) also changes at once what can be changed while it runs. These are more virtual CPUs and any memory within their
        maximum, media, links and networks of interfaces, disks and interfaces that come or go, title and description. The rest
        waits until the domain is stopped and started again.
      - A disk is taken from a running guest only if the guest agent tells that no file system of it is mounted.
      - V(next_boot) leaves what runs as it is.
      - V(restart) stops the domain and starts it again, if a change takes that. A domain that is being adopted is not restarted.
    type: str
    choices: [live, next_boot, restart]
    default: live
"""
