# SPDX-License-Identifier: GPL-3.0-or-later
"""How guests are waited for; libvirt and time are stand-ins."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import steps
from ansible_collections.virt.image.plugins.module_utils._core.lifecycle import Wait
from ansible_collections.virt.image.plugins.module_utils._io import addresses as telling
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io import life
from ansible_collections.virt.image.plugins.module_utils._io import wait as waiting
from ansible_collections.virt.image.plugins.module_utils._io.watch import Happening
from ansible_collections.virt.image.tests.unit.lives import LIBVIRT, Clock, Domain, connection
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing


@pytest.fixture(name="clock", autouse=True)
def _clock(monkeypatch):
    clock = Clock()
    for module in (door, life, waiting, telling):
        monkeypatch.setattr(module, "libvirt", LIBVIRT)
    for module in (life, waiting):
        monkeypatch.setattr(module, "time", clock)
    return clock


def wait(domain, clock, started=True, **asked):
    """Return the result of waiting for one guest, which was started at this moment."""
    domain.interfaceAddresses = lambda source: {"eth0": {"addrs": [{"addr": "10.0.0.2"}]}} if source == 1 else {}
    log = SimpleNamespace(text=lambda: "qemu-system-x86_64: oh no\n")
    console = SimpleNamespace(text=lambda: "boots\n", close=lambda: domain.calls.append("closed"))
    beginning = life.Started(clock.now, 1, "qemu", log, console) if started else None
    step = steps.WaitForGuest("web", Wait(**asked))
    return waiting.wait_for([step], connection(domain, clock, beginning), clock.now)["web"]


def test_one_that_runs_on_has_settled(clock):
    domain = Domain()
    assert wait(domain, clock, settle=3) == waiting.Result()
    assert clock.now == 3
    # Its console is for others again.
    assert domain.calls == ["closed"]


@pytest.mark.parametrize(
    "state, reason, told",
    [
        ("paused", 5, "was paused 2.0 s after its start (a disk had an I/O error)"),
        ("shutoff", 1, "stopped 2.0 s after its start (it shut itself down)"),
        ("gone", 0, "stopped 2.0 s after its start"),
    ],
)
def test_one_that_ends_while_it_settles_fell(clock, state, reason, told):
    domain = Domain()

    def end():
        domain.now, domain.reason = state, reason

    clock.seen = [Happening(0.1, "LIFECYCLE", (2, 0)), Happening(2.0, "LIFECYCLE", (5, 0))]
    clock.at(2, end)
    result = wait(domain, clock, settle=3)
    assert result.fell
    assert result.error == f"{told}\nQEMU's log ends:\n  oh no\nits console ends:\n  boots"


@pytest.mark.parametrize(
    "happening, told",
    [
        (Happening(0.5, "REBOOT", ()), "was reset 0.5 s after its start"),
        (Happening(0.5, "WATCHDOG", (2,)), "was caught by its watchdog 0.5 s after its start"),
        (Happening(0.5, "AGENT_LIFECYCLE", (1, 1)), ""),
        # Later it is its own business.
        (Happening(1.5, "REBOOT", ()), ""),
    ],
)
def test_one_that_is_reset_while_it_settles_fell(clock, happening, told):
    clock.seen = [happening]
    result = wait(Domain(), clock)
    assert (result.fell, result.error.partition("\n")[0]) == (bool(told), told)


def test_one_that_others_started_again_fell(clock):
    domain = Domain()
    clock.at(0.5, lambda: setattr(domain, "number", 2))
    assert wait(domain, clock).error.startswith("was stopped and started again by someone else\n")


@pytest.mark.parametrize(
    "agent, addresses, told",
    [
        ("connected", ("10.0.0.2",), "after 7 s its guest agent does not answer"),
        # It is not asked.
        ("disconnected", (), "after 7 s its guest agent does not answer and it has no address"),
    ],
)
def test_what_is_missing_is_named_and_the_guest_runs_on(clock, agent, addresses, told):
    domain = Domain(agent=agent)
    domain.getTime = failing(1)
    result = wait(domain, clock, agent=True, address=True, timeout=7)
    assert not result.fell
    assert result.error.partition("\n")[0] == told
    assert result.addresses == addresses
    assert 7 < clock.now < 8
    assert (("patience", 5) in domain.calls) == (agent == "connected")
    assert domain.calls[-1] == "closed"


def test_an_agent_is_held_to_some_seconds_only_while_it_is_asked(clock, monkeypatch):
    domain, answers = Domain(agent="connected"), iter([Failure(1), Failure(1), 5])

    def get_time():
        domain.calls.append("time")
        answer = next(answers)
        if isinstance(answer, Failure):
            raise answer

    def connect(_address, _timeout):
        domain.calls.append("connect")
        if domain.calls.count("connect") < 3:
            raise OSError
        return SimpleNamespace(close=lambda: None)

    domain.getTime = get_time
    monkeypatch.setattr(waiting.socket, "create_connection", connect)
    assert wait(domain, clock, agent=True, tcp=(22,)).error == ""
    asked = [("patience", 5), "time", ("patience", -2), "connect"]
    assert domain.calls == [*asked * 3, "closed"]


def test_one_that_stops_after_it_has_settled_is_told_of_and_left(clock):
    domain = Domain(agent="connected")
    domain.getTime = failing(1)
    clock.at(5, lambda: setattr(domain, "now", "shutoff"))
    result = wait(domain, clock, agent=True)
    assert not result.fell
    assert result.error.startswith("stopped 5.")


def test_one_that_runs_already_is_not_asked_for_its_console(clock):
    assert wait(Domain(), clock, started=False, serial="never") == waiting.Result()


def test_what_shows_that_it_lives_may_come_one_after_the_other(clock, monkeypatch):
    domain, answers = Domain(agent="connected"), iter([Failure(1), Failure(1), 5])
    opened = []

    def get_time():
        answer = next(answers)
        if isinstance(answer, Failure):
            raise answer
        # Once is enough.
        domain.getTime = None

    def connect(address, _timeout):
        opened.append(address)
        if len(opened) < 6:
            raise OSError
        return SimpleNamespace(close=lambda: None)

    domain.getTime = get_time
    monkeypatch.setattr(waiting.socket, "create_connection", connect)
    result = wait(domain, clock, agent=True, tcp=(22,), serial="^boots$")
    assert (result.error, result.addresses) == ("", ("10.0.0.2",))
    assert opened == [("10.0.0.2", 22)] * 6
