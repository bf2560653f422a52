# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work is, shown: how often, to whom, and over which connection."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError

from ansible_collections.virt.image.plugins.module_utils._core.names import text_mistake
from ansible_collections.virt.image.plugins.module_utils._core.progress import EACH_SECONDS
from ansible_collections.virt.image.plugins.module_utils._core.sample import MOST_BYTES, Sample, render
from ansible_collections.virt.image.plugins.plugin_utils import progress as shown
from ansible_collections.virt.image.plugins.plugin_utils.progress import Watch
from ansible_collections.virt.image.plugins.plugin_utils.progress_reader import NotAsked
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
    told, looking, hold = [], threading.Event(), threading.Event()

    def look():
        looking.set()
        return hold.wait(10) and SAMPLE

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "PATIENCE", 0.01)
        with Watch(look, told.append, 1) as watch:
            assert looking.wait(10)
    hold.set()
    watch.join(10)
    assert told == [] and not watch.is_alive()


class Options:
    """Stands in for a connection plugin, of which only its kind is looked at."""


def connection_of(module):
    """Return a connection whose plugin is in that module."""
    return type("Connection", (Options,), {"__module__": module})()


class Answers:
    """Stands in for what reads on a host."""

    def __init__(self, answer):
        self.answer, self.asked, self.stopped = answer, [], False

    def record(self, path):
        self.asked.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    size = record

    def stop(self):
        self.stopped = True


def action(**task):
    made = shown.ProgressAction.__new__(shown.ProgressAction)
    made._task = SimpleNamespace(**{"no_log": False, "delegate_to": None, "async_val": 0, "args": {}, **task})
    made._templar = SimpleNamespace(template=lambda told: told)
    return made


@pytest.fixture(name="warnings")
def _warnings(monkeypatch):
    """The warnings that the user sees."""
    told = []
    monkeypatch.setattr(shown.display, "warning", told.append)
    return told


def test_who_wants_no_lines_gets_none(monkeypatch, warnings):
    assert action()._seconds({}) == EACH_SECONDS
    assert action()._seconds({"virt_image_progress": 10}) == 10
    assert action()._seconds({"virt_image_progress": False}) == 0
    # What these have is not even read.
    assert action(no_log=True)._seconds({"virt_image_progress": "secret"}) == 0
    assert action(async_val=60)._seconds({"virt_image_progress": "x"}) == 0
    monkeypatch.setattr(shown.display, "verbosity", -1)
    assert action()._seconds({"virt_image_progress": "x"}) == 0
    assert warnings == []


@pytest.mark.parametrize("told", [0.5, "none", "", [], {}, float("nan"), "9" * 999, "\x1b[31m", AnsibleError("'each' is undefined"), ZeroDivisionError()])
def test_no_task_fails_of_how_often_it_would_tell(warnings, told):
    made = action()

    def template(value):
        if isinstance(value, Exception):
            raise value
        return value

    made._templar = SimpleNamespace(template=template)
    assert made._seconds({"virt_image_progress": told}) == EACH_SECONDS
    (warning,) = warnings
    assert warning.startswith("virt_image_progress ") and warning.endswith("; it is taken for 5") and text_mistake(warning) is None


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
@pytest.mark.parametrize("reader", [None, Answers(NotAsked())])
def test_where_the_host_cannot_be_asked_it_is_said_what_is_sent_and_run(tmp_path, monkeypatch, reader):
    """But not how far that is."""
    made, told = action(), []
    made._each, made._show, made._connection, made.MODULE = 0.01, told.append, None, "virt.image.storage"
    made._record, made._tidy = lambda: "/there", lambda *_told: None
    monkeypatch.setattr(shown, "reader_of", lambda _connection: reader)
    (tmp_path / "root.raw").write_bytes(bytes(2048))
    with made._sending(str(tmp_path / "root.raw"), "/there", "root.raw"):
        assert until(lambda: told)
    assert told.pop(0) == "send root.raw to the host: 2.0 KiB, for 1 s now"
    told.clear()
    made._run = lambda arguments, _vars: until(lambda: told) and arguments
    assert made._module({"name": "web1"}, {}) == {"name": "web1", **({"_progress": "/there"} if reader else {})}
    assert told[0] == "virt.image.storage: for 1 s now"


@pytest.mark.usefixtures("quick")
def test_how_far_it_is_is_asked_of_the_host(tmp_path, monkeypatch):
    made, told = action(), []
    made._each, made._show, made._connection = 0.01, told.append, None
    made._record, made._tidy = lambda: "/there", lambda *_told: None
    reader = Answers(1024)
    monkeypatch.setattr(shown, "reader_of", lambda _connection: reader)
    (tmp_path / "root.raw").write_bytes(bytes(2048))
    with made._sending(str(tmp_path / "root.raw"), "/the re", "root.raw"):
        assert until(lambda: told)
    assert told[0].startswith("send root.raw to the host: 1.0 of 2.0 KiB, 50 %, ")
    assert reader.asked[0] == "/the re" and reader.stopped
    reader.answer, reader.stopped = render(SAMPLE).ljust(MOST_BYTES), False
    told.clear()
    made._run = lambda _arguments, _vars: until(lambda: told) and {}
    made._module({}, {})
    assert told[0].startswith("copy root.qcow2: 5 of 10 B") and reader.asked[-1] == "/there" and reader.stopped
    # It does nothing long: that is not told.
    reader.answer = b""
    told.clear()
    made._run = lambda _arguments, _vars: until(lambda: len(reader.asked) > 10) and {}
    made._module({}, {})
    assert told == []


@pytest.mark.parametrize(
    "told, tmpdir, removed",
    [
        ({"changed": True}, None, []),
        ({"failed": True, "msg": "no"}, None, []),
        ({"failed": True, "module_stdout": "", "rc": 137}, "/var/t", []),
        ({"failed": True, "module_stdout": "", "rc": 137}, None, ["rm -f /var/tmp/virt.image-1"]),
        ({"failed": True, "module_stdout": "Killed", "rc": 137}, "/root/t", ["rm -f /var/tmp/virt.image-1"]),
    ],
)
def test_what_a_killed_module_left_is_removed(told, tmpdir, removed):
    """Where no folder goes with it; a run that says something has removed its own."""
    made, ran = action(), []
    made._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=tmpdir, remove="rm -f {}".format))
    made._low_level_execute_command = ran.append
    made._tidy(told, f"{tmpdir}/progress" if tmpdir == "/var/t" else "/var/tmp/virt.image-1")
    assert ran == removed
