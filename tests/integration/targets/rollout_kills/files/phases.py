# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is killed: a call of the module generation, after others."""

from __future__ import annotations

from dataclasses import dataclass

from sector import BAD

# What happens between the kill and the next run: nothing; the host loses its power, and the guest is started by hand; it
# loses its power, and the guest stays off; nothing, and the next run goes back instead of on.
KILL, POWER, OFF, BACK = "kill", "power", "off", "back"


@dataclass(frozen=True)
class Phase:
    """A call that is killed; `given` are calls before it, `again` those of another control node that finish it.

    `back` are the calls that go back instead, and `dark` those that finish it with a guest that is off after a loss of
    power. `cut`: after `given` the call has been killed there, and the guest is off.
    """

    name: str
    call: tuple
    given: tuple = ()
    again: tuple = ()
    back: tuple = ()
    dark: tuple = ()
    cut: str = ""

    @property
    def calls(self) -> dict:
        """Return for each column the calls that are made after the kill."""
        found = {KILL: self.again, POWER: self.again, OFF: self.dark, BACK: self.back}
        return {column: calls for column, calls in found.items() if calls}

    def goes_back(self, column: str) -> bool:
        """Return whether the guest ends on the generation before."""
        return column == BACK or self.call[1]["state"] == "rolled_back"

    @property
    def weight(self) -> int:
        """Return how long it takes, more or less: workers begin with the longest."""
        return len(self.again) + len(self.given)


def guest(version: int, **more) -> dict:
    """Return a guest of a version of the image; what begins with @ is the place's."""
    return {
        "name": "@name",
        "image": f"@images/{version}/image.xml",
        "virt_type": "qemu",
        "pool": "@name",
        "graphics": {"type": "none"},
        "networks": [],
        # Each device is time in the firmware, of which there are some hundred boots.
        "agent": False,
        "rng": False,
        "memballoon": "none",
        "xml": "<devices><controller type='usb' model='none'/></devices>",
        "state": "started",
        "wait": {"serial": "guest version [0-9] .* ready", "timeout": 20, "settle": 0},
        # It has no ACPI.
        "shutdown": {"timeout": 0, "force": True},
        **more,
    }


def deployed(version: int = 1, **more) -> tuple:
    return "guests", {"guests": [guest(version, **more)]}


def generation(state: str, version: int = 2, **more) -> tuple:
    """Return a call by the first control node, which is killed."""
    return "generation", {"guests": [guest(version)], "state": state, "owner": "first", **more}


def other(call: tuple, **more) -> tuple:
    """Return that call by another control node: the first one's lease has not ended."""
    return call[0], {**call[1], "owner": "second", "takeover": True, **more}


SNAPSHOT = {"user_disks": "snapshot"}
STAGED, STAGED_SNAPSHOT = generation("staged"), generation("staged", **SNAPSHOT)
ACTIVE, ACTIVE_SNAPSHOT = generation("active"), generation("active", **SNAPSHOT)
CONFIRMED, CONFIRMED_SNAPSHOT = generation("confirmed"), generation("confirmed", **SNAPSHOT)
BACK_CALL, BACK_SNAPSHOT = generation("rolled_back"), generation("rolled_back", **SNAPSHOT)
# What was confirmed goes back where its version is named.
BACK_CONFIRMED = BACK_CALL[0], {**BACK_CALL[1], "version": "2"}
ACTIVE_3, CONFIRMED_3 = generation("active", 3), generation("confirmed", 3)
PENDING, PENDING_SNAPSHOT = (deployed(), ACTIVE), (deployed(), ACTIVE_SNAPSHOT)
THIRD = (*PENDING, CONFIRMED, ACTIVE_3, CONFIRMED_3)
PRUNED = generation("pruned", 3)

MERGE = "virDomainBlockCommit"

PHASES = (
    Phase("stage", STAGED, (deployed(),), (STAGED,)),
    Phase("activate keep", ACTIVE, (deployed(), STAGED), (ACTIVE, CONFIRMED), (BACK_CALL,)),
    Phase(
        "activate snapshot",
        ACTIVE_SNAPSHOT,
        (deployed(), STAGED_SNAPSHOT),
        (ACTIVE_SNAPSHOT, CONFIRMED_SNAPSHOT),
        (BACK_SNAPSHOT,),
        (ACTIVE_SNAPSHOT, CONFIRMED_SNAPSHOT),
    ),
    Phase("confirm keep", CONFIRMED, PENDING, (CONFIRMED,)),
    # Only a guest that runs can be confirmed, so it is started first; but one whose disks are being merged may be off.
    Phase(
        "confirm snapshot",
        CONFIRMED_SNAPSHOT,
        PENDING_SNAPSHOT,
        (CONFIRMED_SNAPSHOT,),
        dark=(ACTIVE_SNAPSHOT, CONFIRMED_SNAPSHOT),
    ),
    Phase("confirm snapshot, off", CONFIRMED_SNAPSHOT, PENDING_SNAPSHOT, (CONFIRMED_SNAPSHOT,), cut=MERGE),
    Phase("rollback keep", BACK_CALL, PENDING, (BACK_CALL,)),
    Phase("rollback snapshot", BACK_SNAPSHOT, PENDING_SNAPSHOT, (BACK_SNAPSHOT,), (), (BACK_SNAPSHOT,)),
    Phase("rollback confirmed", BACK_CONFIRMED, (*PENDING, CONFIRMED), (BACK_CONFIRMED,)),
    Phase("prune", PRUNED, THIRD, (PRUNED,)),
)
# The harness itself, on what was there before the module generation.
RESIZED = deployed(memory="128 MiB", apply="restart")
TRIALS = (Phase("trial restart", RESIZED, (deployed(),), (RESIZED,)),)
VERSIONS = (1, 2, 3, BAD)
