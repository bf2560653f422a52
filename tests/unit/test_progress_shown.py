# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work is, shown: how often, to whom, and over which connection."""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.names import text_mistake
from ansible_collections.virt.image.plugins.module_utils._core.progress import EACH_SECONDS
from ansible_collections.virt.image.plugins.module_utils._core.sample import MOST_BYTES, Sample, render
from ansible_collections.virt.image.plugins.plugin_utils import progress as shown
from ansible_collections.virt.image.plugins.plugin_utils.progress import Reader, Watch
from ansible_collections.virt.image.tests.unit.support import until

SAMPLE = Sample(1, "copy root.qcow2", 4.5, 5, 10)


@pytest.fixture(name="quick")
def _quick(monkeypatch):
    """Time is short here."""
    monkeypatch.setattr(shown, "FIRST_SECONDS", 0.01)


class Waits:
    """Stands in for the event that ends a watch: each wait is over at once, `count` times, and is noted."""

    def __init__(self, count):
        self.count, self.waits = count, []

    def wait(self, seconds):
        self.waits.append(seconds)
        return len(self.waits) > self.count

    def is_set(self):
        return False


def watched(looks, each=5.0):
    """Return the lines of a watch that finds these samples, and how long it waited before each look."""
    told, rest = [], iter(looks)

    def look():
        found = next(rest)
        if isinstance(found, Exception):
            raise found
        return found

    watch = Watch(look, told.append, each)
    watch._ended = waits = Waits(len(looks))
    watch.run()
    return told, waits.waits


def test_a_line_each_few_seconds():
    looks = [None, Sample(1, "copy", 3, 3, 100), Sample(1, "copy", 8, 4, 100), Sample(1, "copy", 8, 4, 100), None]
    told, waits = watched(looks)
    assert told == ["copy: 3 of 100 B, 3 %, 1 B/s, 97 s left", "copy: 4 of 100 B, 4 %, 0 B/s, 8 min left"]
    # The first soon, then no more than one in each interval.
    assert waits == [3, 5, 5, 5, 5, 5]
    assert watched([None], each=1)[1] == [1, 1]
    assert watched([None], each=60)[1] == [3, 60]


def test_what_goes_wrong_ends_the_lines_and_nothing_else():
    for error in (OSError("gone"), ValueError("no"), RuntimeError("not connected")):
        told, waits = watched([SAMPLE, error, Sample(2, "copy", 1)])
        assert len(told) == 1 and len(waits) == 2


@pytest.mark.usefixtures("quick")
def test_no_line_after_the_end():
    """Also where a look takes longer than the work: it is not waited for."""
    told, hold = [], threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "PATIENCE", 0.01)
        with Watch(lambda: hold.wait(10) and SAMPLE, told.append, 1) as watch:
            assert until(lambda: not hold.is_set())
            time.sleep(0.05)
    hold.set()
    watch.join(10)
    assert told == [] and not watch.is_alive()


class Connection:
    """Stands in for a connection plugin."""

    def __init__(self, answer):
        self.become, self.answer, self.asked = "sudo", answer, []

    def exec_command(self, command, sudoable=True):
        self.asked.append((command, sudoable, self.become))
        return self.answer


def test_a_reader_needs_no_other_user_and_changes_nothing_of_the_task_s():
    connection = Connection((0, render(SAMPLE).ljust(MOST_BYTES), b""))
    reader = Reader(connection, "head")
    assert reader.sample() == SAMPLE
    assert connection.asked == [("head", False, None)] and connection.become == "sudo"
    connection.answer = (1, b"head: no such file", b"")
    assert reader._connection.answer[0] == 0 and Reader(connection, "head").sample() is None


@pytest.mark.parametrize("status, told, number", [(0, b"123\n", 123), (1, b"5", None), (0, b"-1", None), (0, b"x", None), (0, b"", None)])
def test_a_reader_of_a_number(status, told, number):
    assert Reader(Connection((status, told, b"")), "stat").number() == number


def connection_of(module):
    """Return a connection whose plugin is in that module."""
    return type("Connection", (Connection,), {"__module__": module})((0, b"", b""))


def action(**task):
    made = shown.ProgressAction.__new__(shown.ProgressAction)
    made._task = SimpleNamespace(**{"no_log": False, "delegate_to": None, "async_val": 0, "args": {}, **task})
    made._templar = SimpleNamespace(template=lambda told: told)
    return made


def test_who_wants_no_lines_gets_none(monkeypatch):
    assert action()._seconds({}) == EACH_SECONDS
    assert action()._seconds({"virt_image_progress": 10}) == 10
    assert action()._seconds({"virt_image_progress": False}) == 0
    assert action(no_log=True)._seconds({}) == 0
    monkeypatch.setattr(shown.display, "verbosity", -1)
    assert action()._seconds({}) == 0


def test_a_line_names_the_host():
    assert action()._host({"inventory_hostname": "host1"}) == "host1"
    assert action(delegate_to="kvm1")._host({"inventory_hostname": "web1"}) == "web1 -> kvm1"
    assert text_mistake(action()._host({"inventory_hostname": "a\x1b[31m"})) is None


@pytest.mark.parametrize("each, background, place", [(0, 0, "ssh"), (5, 60, "ssh"), (5, 0, "libssh")])
def test_where_nobody_can_watch_the_module_is_run_as_it_is(each, background, place):
    made, ran = action(async_val=background), []
    made._connection = connection_of(f"ansible.plugins.connection.{place}")
    made._each, made._run = each, lambda arguments, _vars: ran.append(arguments) or {}
    made._module({"name": "web1"}, {})
    assert ran == [{"name": "web1"}]


@pytest.mark.parametrize(
    "tmpdir, pipelining, unprivileged",
    [("/t", False, False), (None, False, False), (None, True, False), ("/t", False, True)],
)
def test_where_the_module_writes(tmpdir, pipelining, unprivileged):
    """In the task's folder, which is made if it would be made anyway; else under a name of which nobody knows."""
    made, shell = action(), SimpleNamespace(tmpdir=tmpdir, join_path=os.path.join)
    made._connection = SimpleNamespace(_shell=shell)
    made._is_pipelining_enabled = lambda _style: pipelining
    made._is_become_unprivileged = lambda: unprivileged
    made._make_tmp_path = lambda: setattr(shell, "tmpdir", "/made")
    made.get_shell_option = lambda _name, default: ["/var/tmp", "/tmp"]
    path, again = made._record(), made._record()
    if pipelining or unprivileged:
        assert path.startswith("/var/tmp/virt.image-") and len(path) > 50 and path != again
        assert shell.tmpdir == tmpdir
    else:
        assert path == f"{tmpdir or '/made'}/progress"


@pytest.mark.usefixtures("quick")
def test_over_a_connection_for_one_thread_it_is_said_what_is_sent(tmp_path):
    """But not how far that is: nobody asks the host meanwhile."""
    made, told = action(), []
    made._each, made._show = 0.01, told.append
    made._connection = connection_of("ansible_mitogen.connection")
    (tmp_path / "root.raw").write_bytes(bytes(2048))
    with made._sending(str(tmp_path / "root.raw"), "/there", "root.raw"):
        assert until(lambda: told)
    assert told[0] == "send root.raw to the host: 2.0 KiB, for 1 s now" and made._connection.asked == []


@pytest.mark.usefixtures("quick")
def test_how_much_was_sent_is_asked_of_the_host(tmp_path):
    made, told = action(), []
    made._each, made._show = 0.01, told.append
    made._connection = connection_of("ansible.plugins.connection.ssh")
    made._connection.answer = (0, b"1024\n", b"")
    (tmp_path / "root.raw").write_bytes(bytes(2048))
    with made._sending(str(tmp_path / "root.raw"), "/the re", "root.raw"):
        assert until(lambda: told)
    assert told[0].startswith("send root.raw to the host: 1.0 of 2.0 KiB, 50 %, ")
