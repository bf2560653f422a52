# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is killed: a call of a module, after others; and the images that those use."""

from __future__ import annotations

from dataclasses import dataclass

SEED = {"user_data": "#cloud-config\npassword: secret\n"}
AT_ONCE = {"timeout": 0, "force": True}
OTHER_SEED = {"user_data": "#!/bin/sh\n"}
LARGER = [{"id": "root", "size": "12 MiB"}, {"id": "data", "size": "5 MiB"}]

# The system disk's file and format, whether the descriptor tells its SHA-256, and whether the user disk has a file too.
IMAGES = {
    "qcow2": ("root.qcow2", "qcow2", True, False),
    "both": ("root.qcow2", "qcow2", True, True),
    "raw": ("root.raw", "raw", False, False),
    "xz": ("root.xz", "raw", False, False),
    "vmdk": ("root.vmdk", "vmdk", True, False),
}


@dataclass(frozen=True)
class Scenario:
    """A call that is killed; `given` are calls before it. `kind` is that of the pool.

    `again` is the call that mends: the same one, or those that remove what the killed one made.
    """

    name: str
    call: tuple
    given: tuple = ()
    kind: str = "folder"
    again: tuple = ()


def guest(image: str = "qcow2", own: str = "a", **more) -> tuple:
    """Return a call that makes a guest; what begins with @ is the trial's."""
    one = {
        "name": f"@name-{own}",
        "image": f"@images/{image}/image.xml",
        "virt_type": "qemu",
        "pool": "@pool",
        "state": "present",
        **more,
    }
    return "guests", {"guests": [one], "fetch": {"use_proxy": False, "retries": 0}}


def volumes(state: str, image: str = "qcow2", **more) -> tuple:
    """Return a call about the volumes of that guest."""
    one = {"name": "@name-a", "image": f"@images/{image}/image.xml", "virt_type": "qemu", "pool": "@pool"}
    return "storage", {**one, "state": state, **more}


def absent(remove: str = "all", own: str = "a") -> tuple:
    return "guests", {"guests": [{"name": f"@name-{own}", "state": "absent", "remove": remove, "shutdown": AT_ONCE}]}


def served(image: str, **more) -> tuple:
    """Return a call that makes a guest of an image on a server."""
    module, params = guest(image, **more)
    params["guests"][0]["image"] = f"@server/{image}/image.xml"
    return module, params


PRUNE = ("storage", {"pool": "@pool", "state": "pruned"})
HERE = {"pool": "none", "folder": "@folder"}
FIRST = guest(autostart=True)
# Nothing is on its disks; its firmware says so and waits.
STARTED = guest(state="started")

SCENARIOS = (
    Scenario("remote", guest("both", seed=SEED), kind="remote"),
    Scenario("grown_running", guest(state="started", disks=LARGER), (STARTED,)),
    Scenario("flattened_running", volumes("present", flatten=True), (STARTED,)),
    Scenario("linked", guest("both", autostart=True)),
    Scenario("remote_packed", served("xz"), kind="remote"),
    Scenario("http_packed", served("xz")),
    Scenario("vmdk", guest("vmdk", clone="full", disks=LARGER)),
    Scenario("http_raw", served("raw")),
    Scenario("no_pool", guest(**HERE), kind="plain"),
    Scenario("reseeded", guest(seed=OTHER_SEED, vcpus=2), (guest(seed=SEED),)),
    Scenario("packed", guest("xz", clone="full")),
    Scenario("http", served("qcow2")),
    Scenario("second", guest(own="b"), (FIRST,)),
    Scenario("grown", guest(autostart=True, disks=LARGER), (FIRST,)),
    Scenario("flattened", volumes("present", flatten=True), (guest(),)),
    Scenario("absent", absent("disposable"), (FIRST,)),
    Scenario("absent_all", absent(), (FIRST,)),
    Scenario("pruned", PRUNE, (FIRST, guest("vmdk", own="b"), absent(), absent(own="b"))),
    Scenario("given_up", guest("vmdk"), again=(absent(), volumes("absent", "vmdk", remove="all"), PRUNE)),
    Scenario("logical", guest(clone="full", disks=LARGER), kind="logical"),
)
