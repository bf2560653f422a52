# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a domain that lives: it is started, hears or does not, stops, and says what it was asked."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io.watch import LOOK_SECONDS
from ansible_collections.virt.image.tests.unit.stand_in import Failure

NO_DOMAIN, UNSUPPORTED, FAILED, INVALID = 42, 3, 38, 8
AGENT, BUTTON = 4, 2
# libvirt's numbers; only that they differ matters here.
NUMBERS = {
    "VIR_ERR_NO_DOMAIN": NO_DOMAIN,
    "VIR_ERR_NO_SUPPORT": UNSUPPORTED,
    "VIR_ERR_INVALID_ARG": INVALID,
    "VIR_ERR_OPERATION_UNSUPPORTED": 84,
    "VIR_ERR_SYSTEM_ERROR": FAILED,
    "VIR_ERR_OPERATION_TIMEOUT": 68,
    "VIR_DOMAIN_DESTROY_GRACEFUL": 1,
    "VIR_DOMAIN_SHUTDOWN_GUEST_AGENT": AGENT,
    "VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN": BUTTON,
    "VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK": -2,
    "VIR_DOMAIN_UNDEFINE_MANAGED_SAVE": 1,
    "VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA": 2,
    "VIR_DOMAIN_UNDEFINE_NVRAM": 4,
    "VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA": 16,
    "VIR_DOMAIN_UNDEFINE_KEEP_NVRAM": 8,
    "VIR_DOMAIN_UNDEFINE_TPM": 32,
    "VIR_DOMAIN_UNDEFINE_KEEP_TPM": 64,
    "VIR_DOMAIN_AFFECT_LIVE": 1,
    "VIR_DOMAIN_START_PAUSED": 1,
    "VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT": 1,
    "VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE": 0,
    "VIR_DOMAIN_EVENT_SUSPENDED": 3,
    "VIR_DOMAIN_EVENT_STOPPED": 5,
    "VIR_DOMAIN_EVENT_SHUTDOWN": 6,
    "VIR_DOMAIN_EVENT_CRASHED": 8,
    "VIR_DOMAIN_PAUSED_IOERROR": 5,
    "VIR_DOMAIN_SHUTOFF_SHUTDOWN": 1,
    **{constant: number for number, constant in enumerate(door.STATES)},
}
LIBVIRT = SimpleNamespace(libvirtError=Failure, **NUMBERS)
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{}'/></channel>"


class Clock:
    """Stands in for time, and for the watch that waits: nothing is waited for, and something may happen at a moment."""

    def __init__(self):
        self.now, self.later, self.seen = 0.0, [], []

    def monotonic(self):
        return self.now

    def at(self, moment, call):
        self.later.append((moment, call))

    def begin(self):
        return None

    def sleep(self, seconds):
        self.now += seconds

    def wait(self, seconds):
        # Not on and on, where nobody counts time.
        assert self.now < 10000
        self.now += min(max(seconds, 0.001), LOOK_SECONDS)
        for one in [one for one in self.later if one[0] <= self.now]:
            self.later.remove(one)
            one[1]()

    def happenings(self, _name, since, until):
        return [one for one in self.seen if since <= one.moment <= until]


class Domain:
    """Stands in for a domain; `hears` are the ways of asking that it answers, `calls` what it was asked."""

    def __init__(self, state="running", hears=(), refuses=(), agent="disconnected"):
        self.now, self.reason, self.hears, self.refuses, self.agent = state, 0, hears, refuses, agent
        self.calls, self.number = [], 1

    def name(self):
        return "web"

    def ID(self):
        return self.number

    def state(self):
        if self.now == "gone":
            raise Failure(NO_DOMAIN)
        return [list(door.STATES.values()).index(self.now), self.reason]

    def isActive(self):
        return self.now in ("running", "paused", "pmsuspended")

    def XMLDesc(self, _flags=0):
        return f"<domain><devices>{CHANNEL.format(self.agent)}</devices></domain>"

    def agentSetResponseTimeout(self, seconds):
        self._call("patience", seconds)

    def shutdownFlags(self, flags):
        self._ask({AGENT: "agent", BUTTON: "button"}[flags])

    def shutdown(self):
        self._ask("plain")

    def _ask(self, way):
        self._call(way)
        if way in self.hears:
            self.now = "shutoff"

    def destroyFlags(self, flags):
        self._call("off", flags)
        self.now = "shutoff"

    def destroy(self):
        self._call("destroy")
        self.now = "shutoff"

    def create(self):
        self._call("create")
        self.now = "running"

    def createWithFlags(self, flags):
        self._call("paused", flags)
        self.now = "paused"

    def resume(self):
        self._call("resume")
        self.now = "running"

    def pMWakeup(self):
        self._call("wake")
        self.now = "running"

    def undefineFlags(self, flags):
        self._call("undefine", flags)

    def undefine(self):
        self._call("undefine")

    def hasManagedSaveImage(self):
        return 1

    def managedSaveRemove(self):
        self._call("drop save")

    def _call(self, *call):
        self.calls.append(call if len(call) > 1 else call[0])
        if call[0] in self.refuses or call in self.refuses:
            raise Failure(INVALID)


def connection(domain, clock, started=None, **more):
    """Return a connection that knows this domain."""
    found = {"domain": lambda _name: domain, "find_domain": lambda _name: domain, "is_xen": False}
    return SimpleNamespace(watch=clock, started={"web": started} if started else {}, **{**found, **more})
