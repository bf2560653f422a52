# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `import ansible_collections.virt.image...` find this checkout, wherever it lies and however pytest is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[2]


def collection_path() -> Path:
    """Return the folder above ansible_collections/virt/image: where the checkout lies in one, else a tree of a link."""
    if ROOT.parts[-3:] == ("ansible_collections", "virt", "image"):
        return ROOT.parents[2]
    path = ROOT / ".build" / "collections"
    link = path / "ansible_collections" / "virt" / "image"
    if not link.is_symlink() or link.resolve() != ROOT:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT)
    return path


def pytest_configure(config):
    config.addinivalue_line("markers", "fuzz: a test over generated input, which script/test fuzz runs with many more")


sys.path.insert(0, str(collection_path()))


@pytest.fixture(scope="session")
def ansible(tmp_path_factory):
    """Return Ansible's commands, which are loaded once."""
    from ansible_collections.virt.image.tests.unit.ansible_cli import Ansible

    made = Ansible(collection_path(), tmp_path_factory.mktemp("home"))
    yield made
    made.close()


# A slow machine is no defect. The same examples each time, so that what passes here passes elsewhere too; new ones for
# a person who looks for defects.
hypothesis.settings.register_profile("virt.image", deadline=None, derandomize=not os.environ.get("VIRT_IMAGE_RANDOM"))
hypothesis.settings.load_profile("virt.image")
