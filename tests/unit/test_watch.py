# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that come from a thread; libvirt is a stand-in, time is real."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._io import watch as watching
from ansible_collections.virt.image.tests.unit.stand_in import Failure, failing


class Daemon:
    """Stands in for libvirt's module and its connection, with an event loop that ticks; `has` are the kinds of events."""

    libvirtError = Failure

    def __init__(self, has=watching.KINDS):
        self.has, self.listeners, self.calls = has, {}, []
        self.bell = threading.Event()
        for number, kind in enumerate(watching.KINDS):
            setattr(self, f"VIR_DOMAIN_EVENT_ID_{kind}", number)

    def virEventRegisterDefaultImpl(self):
        self.calls.append("loop")

    def virEventAddTimeout(self, *_arguments):
        return 7

    def virEventUpdateTimeout(self, _timer, _when):
        self.bell.set()

    def virEventRemoveTimeout(self, timer):
        self.calls.append(timer)

    def virEventRunDefaultImpl(self):
        self.bell.wait()
        self.bell.clear()

    def open(self, uri):
        self.calls.append(uri)
        return self

    def domainEventRegisterAny(self, _domain, number, callback, _opaque):
        if watching.KINDS[number] not in self.has:
            raise Failure(3)
        self.listeners[watching.KINDS[number]] = callback
        return number

    def domainEventDeregisterAny(self, number):
        self.calls.append(number)

    def close(self):
        self.calls.append("close")

    def happen(self, kind, name, *facts):
        self.listeners[kind](self, SimpleNamespace(name=lambda: name), *facts, None)


@pytest.fixture(name="daemon")
def _daemon(monkeypatch):
    daemon = Daemon()
    monkeypatch.setattr(watching, "libvirt", daemon)
    return daemon


def test_it_wakes_when_something_happens(daemon, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_SECONDS", 30)
    watch = watching.Watch("uri")
    assert daemon.calls == []
    assert watch.begin() is daemon
    assert daemon.calls == ["loop", "uri"]
    begun = time.monotonic()
    timer = threading.Timer(0.05, daemon.happen, ("LIFECYCLE", "web", 5, 1))
    timer.start()
    watch.wait(60)
    assert time.monotonic() - begun < watching.LOOK_SECONDS
    (one,) = watch.happenings("web", begun, time.monotonic())
    assert (one.kind, one.facts) == ("LIFECYCLE", (5, 1))
    assert watch.happenings("web", 0, begun) == watch.happenings("other", 0, time.monotonic()) == []
    watch.close()
    assert daemon.calls[2:] == [*range(len(watching.KINDS)), 7, "close"]
    assert not watch._thread.is_alive()


def test_what_happened_before_the_wait_is_not_missed(daemon, monkeypatch):
    monkeypatch.setattr(watching, "LOOK_SECONDS", 30)
    watch = watching.Watch("uri")
    watch.begin()
    daemon.happen("REBOOT", "web")
    begun = time.monotonic()
    watch.wait(60)
    assert time.monotonic() - begun < 30
    # And at times it returns because events can be lost.
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.1)
    watch.wait(60)
    assert time.monotonic() - begun < 30
    watch.close()


def test_some_kinds_are_enough(daemon):
    daemon.has = ("LIFECYCLE", "REBOOT")
    watch = watching.Watch("uri")
    assert watch.begin() is daemon
    assert sorted(daemon.listeners) == ["LIFECYCLE", "REBOOT"]
    watch.close()


@pytest.mark.parametrize("broken", ["open", "domainEventRegisterAny"])
def test_without_events_it_is_a_clock(daemon, monkeypatch, broken):
    monkeypatch.setattr(daemon, broken, failing(3), raising=False)
    watch = watching.Watch("uri")
    assert watch.begin() is None
    begun = time.monotonic()
    watch.wait(60)
    assert watching.POLL_SECONDS <= time.monotonic() - begun < 30
    watch.wait(0)
    watch.close()
