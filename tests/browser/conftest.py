# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests in a browser find this checkout as the unit tests do, and share one browser."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("virt_image_unit_conftest", HERE.parent / "unit/conftest.py")
SPEC.loader.exec_module(importlib.util.module_from_spec(SPEC))
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Give a browser."""
    # Only now: it is found beside this file.
    from chromium import Chromium

    with Chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started
