# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs from its options to its answer, where it needs no libvirt."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic

from ansible_collections.virt.image.plugins.modules import descriptor_info


def test_a_module_without_a_connection(monkeypatch, capsys):
    text = '<image><name>web</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest></boot></domain></image>'
    arguments = {"ANSIBLE_MODULE_ARGS": {"descriptor": text}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit) as ended:
        descriptor_info.main()
    told = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told.get("msg"), told["image"]["name"], told["changed"]) == (0, None, "web", False)
