# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain module, as far as it takes no libvirt: what it asks is answered from live/web1.xml."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live
from ansible_collections.virt.image.plugins.module_utils._io.define import domain
from ansible_collections.virt.image.tests.unit.support import text

GUEST, WANTED = text("live/web1.xml"), text("live/web1.wanted.xml")
# A domain of one's own has no image.
LIVE = re.sub(r' image="web"', "", GUEST)
OPTIONS = {
    **dict.fromkeys(("name", "autostart", "shutdown", "wait")),
    **{"state": "present", "adopt": False, "apply": "live", "on_drift": "repair"},
}
UUID = "c5348c9b-2fad-5cd5-b673-38d4057abb81"


def plan_of(wanted, live=LIVE):
    """Return the plan for a domain that is there as live/web1.xml has it."""
    connection = SimpleNamespace(live=lambda name: Live(name, live, "shutoff", False))
    return domain({**OPTIONS, "xml": wanted}, connection).plans[0]


@pytest.mark.parametrize("uuid", [UUID, UUID.upper(), UUID.replace("-", ""), f"\n  {UUID}\n"])
def test_a_uuid_in_any_writing(uuid):
    changes = plan_of(WANTED.replace(UUID, uuid)).changes
    # The record has the text as it is given.
    assert {change.path for change in changes} <= {"metadata/record/applied"}


def test_a_guest_is_the_other_module_s():
    with pytest.raises(ImageError, match="is a guest of image web; the guests module keeps it as described"):
        plan_of(WANTED, GUEST)


def test_another_uuid():
    with pytest.raises(ImageError, match=re.escape("<uuid> is 0, and domain web1 has another")):
        plan_of(WANTED.replace(UUID, "0"))
