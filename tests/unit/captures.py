# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of captures share: in the current folder, a capture is made, and checked as check, run, repeat."""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import contextmanager

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io import carry_capture
from ansible_collections.virt.image.plugins.module_utils._io.capture import capture
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.tests.unit import platters

MIB = 2**20
DISK = platters.gpt((platters.ESP, platters.fat(loader="BOOTAA64")))
# Another image.
OTHER = b'<image><name>x</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest></boot></domain></image>'
# What is replaced in a descriptor, and by what.
SCRATCH_ADDED = ("</storage>", '<disk file="more.raw" use="scratch" size="8" format="raw"/></storage>')


def params(**given):
    usual = {"disk": None, "domain": None, "ovf": None, "folder": None, "name": None, "version": None, "replace": False}
    return {**usual, "descriptor": "image.xml", "uri": "qemu:///system", **given}


class Heard(Jobs):
    """Jobs, of which each that has ended is in `all`: what it was, its bytes, and how many of them it said were done."""

    def __init__(self):
        super().__init__()
        self.all = []

    @contextmanager
    def job(self, what, total=None):
        with super().job(what, total) as job:
            yield job
        self.all.append((what, total, job.done))


def plan_of(**given):
    return capture(params(**given)).plans[0]


def made(**given):
    """Make an image; return what was done, once check mode said the same and a repeat does nothing."""
    outcome = capture(params(**given))
    before = sorted(os.walk("."))
    said = [str(step) for step in capture(params(**given)).plans[0].steps]
    assert sorted(os.walk(".")) == before
    done = carry_capture.carry_out(outcome, None)
    if done[0].error:
        raise ImageError(done[0].error)
    told = outcome.report(done)
    assert told["actions"] == said
    assert not [name for _folder, _folders, names in os.walk(".") for name in names if name.endswith(".part")]
    assert plan_of(**{**given, "replace": False}).steps == ()
    return told


def contents(folder):
    return {name: open(os.path.join(folder, name), "rb").read() for name in sorted(os.listdir(folder))}


def write(name, content):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "wb") as file:
        file.write(content)


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
