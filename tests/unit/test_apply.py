# SPDX-License-Identifier: GPL-3.0-or-later
"""What performing a step does besides the step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import steps
from ansible_collections.virt.image.plugins.module_utils._core.moves import MergeDisk, is_merged, merged_xml
from ansible_collections.virt.image.plugins.module_utils._core.volume import Pool
from ansible_collections.virt.image.plugins.module_utils._io import apply as applying
from ansible_collections.virt.image.plugins.module_utils._io.url import Access
from ansible_collections.virt.image.tests.unit.support import message

POOL = Pool("default", "/pool", 2**40)
MERGES = [MergeDisk("web", f"vd{letter}", f"/p/{letter}-g2.qcow2", f"/p/{letter}.raw", "raw") for letter in "ab"]
DISK = """<disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="/p/{0}-g2.qcow2"/>
<backingStore type="file"><format type="raw"/><source file="/p/{0}.raw"/></backingStore><target dev="vd{0}"/></disk>"""
BEFORE = f"<domain><name>web</name><memory>1</memory><devices>{DISK.format('a')}{DISK.format('b')}</devices></domain>"


def carry_out(plan_steps, connection):
    return list(applying.apply(plan_steps, connection, Access()))


def test_no_pool_is_read_for_a_volume_that_has_grown(monkeypatch):
    refreshed = []
    monkeypatch.setattr(applying.qemu_img, "grow", lambda *_arguments: None)
    connection = SimpleNamespace(refresh_pool=refreshed.append)
    carry_out([steps.GrowVolume(POOL, "web1-data.raw", "raw", 2, 1)], connection)
    assert refreshed == []


class Link:
    """Stands in for a connection to one domain; `others` change it while its disk of that number is merged."""

    def __init__(self, others=None, text=BEFORE):
        self.text, self.others, self.merged, self.defined = text, others or {}, 0, {}

    def configuration(self, _name):
        return self.text

    def define(self, _name, text, _judge=False):
        self.text = text
        return text

    def merge(self, step):
        self.text = self.text if is_merged(self.text, step) else merged_xml(self.text, step)
        if self.merged in self.others:
            self.text = self.text.replace(*self.others[self.merged])
        self.merged += 1


@pytest.fixture(autouse=True)
def _merging(monkeypatch):
    monkeypatch.setattr(applying, "merge_disk", lambda step, connection: connection.merge(step))


def confirm(link, begins):
    """Merge both disks, as a run that begins with it does, or one that goes on with it."""
    begun = steps.DefineDomain("web", BEFORE, new=False, before=link.text)
    last = steps.DefineDomain("web", "<last/>", new=False, before=link.text, follows=True)
    return message(carry_out, [*([begun] if begins else []), *MERGES, last], link)


@pytest.mark.parametrize("begins", [True, False])
def test_a_merge_brings_the_definition_along(begins):
    link = Link()
    assert confirm(link, begins) == "" and link.text == "<last/>"


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("others", [{0: ("<memory>1", "<memory>2")}, {1: ("<memory>1", "<memory>2")}, {0: ('"vdb"', '"vdb" bus="scsi"')}])
def test_what_others_change_during_a_merge_is_not_written_over(begins, others):
    link = Link(others)
    assert confirm(link, begins) == "domain web was changed meanwhile by someone else; run again"
    assert link.merged == 2 and "-g2" not in link.text and others[next(iter(others))][1] in " ".join(link.text.split())
    assert confirm(Link(text=link.text), False) == ""


def test_a_run_that_goes_on_sees_what_others_changed_before_it_merged():
    link = Link(text=BEFORE.replace("<memory>1", "<memory>2"))
    last = steps.DefineDomain("web", "<last/>", new=False, before=BEFORE, follows=True)
    assert message(carry_out, [*MERGES, last], link) == "domain web was changed meanwhile by someone else; run again"
