# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that are read where two domains are compared; that they are compared rightly: test_definition.py, pairs.yml."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.sameness import vcpu_counts


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ("<vcpu>4</vcpu>", (4, 4)),
        ("<vcpu current='2'>\n 4 </vcpu>", (2, 4)),
        ("<vcpu current='x'>4</vcpu>", None),
        ("<vcpu current=''>4</vcpu>", None),
        ("<vcpu current='²'>4</vcpu>", None),
        ("<vcpu current='-1'>4</vcpu>", None),
        ("<vcpu placement='auto'/>", None),
        ("<vcpu>four</vcpu>", None),
        (f"<vcpu>{'9' * 5000}</vcpu>", None),
    ],
)
def test_counts_of_processors(told, counts):
    assert vcpu_counts(xml.parse(told, "vcpu")) == counts
