# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets come back to what had them, and to nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.secrets import blank_secrets, bring_secrets

VNC, SPICE = '<graphics type="vnc" passwd="v"/>', '<graphics type="spice" passwd="s"/>'
OPEN = '<graphics type="vnc"/>'


def disk(host, name, text):
    cookie = f"<cookies><cookie name='{name}'>{text}</cookie></cookies>"
    return f"<disk><source protocol='https' name='x'><host name='{host}'/>{cookie}</source></disk>"


def domain(devices):
    return xml.parse(f"<domain><devices>{devices}</devices></domain>", "domain")


@pytest.mark.parametrize(
    "before, now, found",
    [
        (VNC, VNC, ["v"]),
        (VNC, SPICE, [""]),
        (VNC, SPICE + VNC, ["v"]),
        (VNC + SPICE, SPICE + VNC, ["v", "s"]),
        (VNC, OPEN, [""]),
        (VNC, "", [""]),
        (disk("a", "n", "one"), disk("b", "n", "two") + disk("a", "n", "three"), ["three"]),
        (disk("a", "n", "one"), disk("a", "m", "two"), [None]),
        (disk("a", "n", "one"), disk("a", "n", "two"), ["two"]),
    ],
)
def test_a_secret_comes_from_the_same_kind_of_thing(before, now, found):
    tree = domain(before)
    blank_secrets(tree)
    bring_secrets(tree, domain(now))
    assert [node.text if node.tag == "cookie" else node.get("passwd") for node in tree.iter("graphics", "cookie")] == found
