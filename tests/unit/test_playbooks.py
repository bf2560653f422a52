# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as ansible-playbook runs them, as far as they need neither libvirt nor another host."""

from __future__ import annotations

import json
import sys

import pytest

from ansible_collections.virt.image.tests.unit.support import text


@pytest.fixture
def play(ansible, tmp_path):
    """Return the way to run a playbook in a folder of its own, on this host; the Python of the host has no bindings."""

    def run(name, *options, **variables):
        told = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
        given = ("-i", "host1,", name, "-e", json.dumps(told), *options)
        out, err, code = ansible.run(tmp_path, "playbook", *given)
        assert code == 0, out + err
        return out

    return run


def mode_of(path):
    return oct(path.stat().st_mode & 0o777)


STATUS = {"rollout_become": False, "rollout_uri": "nowhere:///", "rollout_status_file": "report.json"}


def hosts_of(report):
    return [row["host"] for row in json.loads(report.read_text())]


def test_a_report_on_guests_is_its_users_alone(play, tmp_path):
    report = tmp_path / "report.json"
    play("virt.image.rollout_status", **STATUS)
    assert (hosts_of(report), mode_of(report)) == (["host1"], "0o600")
    # Whoever made the file that is there has chosen.
    report.write_text("[]")
    report.chmod(0o640)
    play("virt.image.rollout_status", **STATUS)
    assert (hosts_of(report), mode_of(report)) == (["host1"], "0o640")


def test_so_is_one_on_hosts(play, tmp_path):
    (tmp_path / "image.xml").write_text(text("descriptors/manual.xml"))
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/host1.xml").write_text(text("capabilities/qemu.xml"))
    play("virt.image.fit", fit_image="image.xml", fit_capabilities="saved", fit_json="report.json")
    assert (hosts_of(tmp_path / "report.json"), mode_of(tmp_path / "report.json")) == (["host1"], "0o600")
