# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs from its options to its answer, where it needs no libvirt."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic

from ansible_collections.virt.image.plugins.module_utils._core import steps
from ansible_collections.virt.image.plugins.module_utils._core.plan import Plan
from ansible_collections.virt.image.plugins.module_utils._io import module
from ansible_collections.virt.image.plugins.modules import descriptor_info


NEW = steps.DefineDomain("web", "<new/>", new=False)
OLD = steps.DefineDomain("web", "<old/>", new=False, restored=True)


@pytest.mark.parametrize(
    "done, reason, changed",
    [
        (module.Done(Plan("web"), (), "shutoff", "no"), "no", False),
        (module.Done(Plan("web"), (NEW,), "shutoff", "no\nQEMU's log ends:\n  x"), "no\nQEMU's log ends:\n  x", True),
        (
            module.Done(Plan("web"), (NEW,), "shutoff", "no\nQEMU's log ends:\n  x", undone=(OLD,)),
            "no; then: restore the definition of domain web\nQEMU's log ends:\n  x",
            False,
        ),
    ],
)
def test_what_was_taken_back_is_told_and_no_change(done, reason, changed):
    assert (done.reason, done.changed) == (reason, changed)
    told = module.describe(done)
    assert (told["error"], told["changed"]) == (reason, changed)
    assert told["actions"] == [str(step) for step in (*done.steps, *done.undone)]


def test_a_module_without_a_connection(monkeypatch, capsys):
    text = '<image><name>web</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest></boot></domain></image>'
    arguments = {"ANSIBLE_MODULE_ARGS": {"descriptor": text}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit) as ended:
        descriptor_info.main()
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told.get("msg"), told["image"]["name"], told["changed"]) == (0, None, "web", False)
