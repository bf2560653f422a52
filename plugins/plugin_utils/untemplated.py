# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others wrote is no template to Ansible, whichever its version."""

from __future__ import annotations

import re

from ansible import template

try:
    from ansible.utils.unsafe_proxy import wrap_var
except ImportError:
    wrap_var = None

# Nothing of this means anything in a template, neither in braces, nor as a line that names other marks (#jinja2:).
PLAIN = re.compile(r"[A-Za-z0-9 ._:/@+=?&,~-]*")


def untemplated(value):
    """Return plain values of any depth, whose texts are not templates.

    Up to ansible-core 2.18, what is not marked is a template; later, what is marked is one. Texts that could be none in any
    version are as trusted ones are: ansible-inventory would show each as a dictionary else.
    """
    if isinstance(value, dict):
        return {key: untemplated(one) for key, one in value.items()}
    if isinstance(value, list):
        return [untemplated(one) for one in value]
    if not isinstance(value, str):
        return value
    has_trust = hasattr(template, "trust_as_template")
    if PLAIN.fullmatch(value):
        return template.trust_as_template(value) if has_trust else value
    return value if has_trust else wrap_var(value)
