# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without the bindings: the module goes on in the system's Python, or says what to install."""

from __future__ import annotations

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._io import requirements

# What cannot be had here is a host without them: where the bindings are is asked of these two functions.


@pytest.fixture
def bare_host(monkeypatch):
    """Return the list of interpreters that the module went on in."""
    went: list = []
    monkeypatch.setattr(requirements, "libvirt", None)
    monkeypatch.setattr(requirements, "has_respawned", lambda: False)
    monkeypatch.setattr(requirements, "probe_interpreters_for_module", lambda _paths, _name: None)
    monkeypatch.setattr(requirements, "respawn_module", went.append)
    return went


def test_nothing_is_missing(bare_host):
    requirements.require("lxml")
    assert bare_host == []


def test_says_what_to_install(bare_host):
    with pytest.raises(ImageError) as caught:
        requirements.require("lxml", "libvirt")
    assert "bindings of libvirt are missing" in str(caught.value)
    assert "python3-libvirt (Debian" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert bare_host == []


def test_goes_on_where_they_are(bare_host, monkeypatch):
    monkeypatch.setattr(requirements, "probe_interpreters_for_module", lambda paths, _name: paths[0])
    with pytest.raises(ImageError):
        requirements.require("libvirt")
    assert bare_host == [requirements.SYSTEM_PYTHONS[0]]


def test_does_not_go_on_for_ever(bare_host, monkeypatch):
    monkeypatch.setattr(requirements, "has_respawned", lambda: True)
    monkeypatch.setattr(requirements, "probe_interpreters_for_module", lambda paths, _name: paths[0])
    with pytest.raises(ImageError):
        requirements.require("libvirt")
    assert bare_host == []
