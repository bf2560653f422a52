# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents made to hurt: each is answered in words, in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from ansible_collections.virt.image.tests.unit import hostile
from ansible_collections.virt.image.tests.unit.support import HERE, text

SECONDS = 5
TOLD = yaml.safe_load(text("hostile.yml"))
LONGEST = 20000


@pytest.fixture(name="answers", scope="module")
def _answers():
    """Return the answer to each document; the reader runs in a process of its own, under limits."""
    script = f"{HERE}/hostile.py"
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=hostile.SECONDS * 2,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {answer.pop("document"): answer for answer in map(json.loads, done.stdout.splitlines())}


def test_every_document_was_read(answers):
    assert list(answers) == list(TOLD)


@pytest.mark.parametrize("document", TOLD)
def test_answer(answers, document):
    answer = answers[document]
    assert answer["seconds"] < SECONDS
    if TOLD[document] is None:
        assert answer["error"] is None
    else:
        assert answer["error"].startswith(TOLD[document])
        assert len(answer["error"]) < LONGEST
