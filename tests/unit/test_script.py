# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of script/test are known where they are told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "script").is_dir(), reason="the tarball has no scripts")


def parts() -> list[str]:
    told = subprocess.run([ROOT / "script/test", "--list"], check=True, capture_output=True, text=True, timeout=60).stdout
    assert all(re.fullmatch(r"[a-z-]+ \S.*", line) for line in told.splitlines())
    return [line.split()[0] for line in told.splitlines()]


@pytest.mark.parametrize("file, row", [("CONTRIBUTING.md", "| `script/test {}` |"), ("script/setup", "\n    [{}]=")])
def test_each_part_is_told(file, row):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert [part for part in parts() if row.format(part) not in text] == []
