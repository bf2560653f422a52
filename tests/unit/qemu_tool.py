# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of qemu-img share: folders with a disk, a stand-in for the tool, and what it tells of a disk."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile

import pytest

from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.qemu_img import create

MIB = 2**20
# Data, zeros, text, zeros: what each format stores in another way.
CONTENT = random.Random(1).randbytes(MIB) + bytes(MIB) + b"text" * (MIB // 4) + bytes(2 * MIB)


@pytest.fixture(name="real")
def _real(tmp_path, monkeypatch):
    """A folder with a raw disk, for a real qemu-img."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not on this machine")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    return tmp_path


@pytest.fixture(name="near")
def _near(real, monkeypatch):
    """The same in a folder with a short path: what a message says of a path is cut."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.move("disk.raw", folder)
        monkeypatch.chdir(folder)
        yield


@pytest.fixture(name="stand_in")
def _stand_in(tmp_path, monkeypatch):
    """Give a shell script for qemu-img: one that goes wrong as it is told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.raw").write_bytes(CONTENT)
    (tmp_path / "bin").mkdir()

    def set_up(script):
        (tmp_path / "bin" / "qemu-img").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / "qemu-img").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        return tmp_path

    return set_up


def run(*arguments):
    return subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True).stdout


def watched():
    """Return jobs that somebody looks at."""
    jobs = Jobs()
    jobs.watched = True
    return jobs


def content(path, format):
    run("convert", "-f", format, "-O", "raw", path, f"{path}.content")
    with open(f"{path}.content", "rb") as file:
        return file.read()


def info(path, format):
    return json.loads(run("info", "--output=json", "-f", format, path))


def chain():
    """Make base.raw, with middle on it and top on that, and something of its own in each."""
    os.rename("disk.raw", "base.raw")
    create("middle", "qcow2", 6 * MIB, ("base.raw", "raw"))
    create("top", "qcow2", 7 * MIB, ("middle", "qcow2"))
    for name, number, place in (("middle", 1, 1), ("top", 2, 6)):
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {number} {place}M 1M", name], check=True, timeout=60)
    return CONTENT[:MIB] + b"\1" * MIB + CONTENT[2 * MIB :] + bytes(MIB) + b"\2" * MIB
