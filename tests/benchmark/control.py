# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control node does: the modules that it sends, and a fleet where there is nothing to do."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

from measure import ratio, seconds_of, table, take_turns
from place import HERE, HOST_PYTHON, ROOT, URI, Place, make_place

MODULES = (
    "ansible.builtin.ping",
    *(f"virt.image.{name}" for name in "guests generation domain storage guest_info match_info capabilities_facts descriptor_info".split()),
)
GUESTS = "virt.image.guests"
HOSTS, FORKS = 200, 20
MANY = 5
NOOP = "one no-op module task"
# Rows of the fleet's table: the playbook, and the guests of each host.
FLEET = {NOOP: ("noop", 1), "appliance, 1 guest a host": ("fleet", 1), f"appliance, {MANY} guests a host": ("fleet", MANY)}


def send(_folder: str | None, _rounds: int) -> str:
    """Return the table of what is sent to a host for a module."""
    found = json.loads(Place(Path("/"), "").run(ROOT / ".build/venv/bin/python", HERE / "payload.py", *MODULES))
    heads = ["module", "sent KiB", "zipped KiB", "of it the collection's", "files", "of it the collection's"]
    return table(heads, [[name, *told.values()] for name, told in found.items()])


def spend(folder: str | None, rounds: int) -> str:
    """Return the table of where the time of a re-run goes, on the control node and on the host."""
    number = 50
    with make_place(folder) as place:
        place.play("guests", number)
        files = {
            "no-op": _payload(place, "ansible.builtin.ping", {}),
            "none": _payload(place, GUESTS, {"guests": []}),
            "all": _payload(place, GUESTS, {"guests": place.guests(number)}),
        }
        acts = {
            "play with one no-op module": lambda: place.play("noop", 0),
            f"play with {number} guests, nothing to do": lambda: place.play("guests", number),
            "build the no-op module": lambda: _payload(place, "ansible.builtin.ping", {}),
            "build the module guests": lambda: _payload(place, GUESTS, {"guests": []}),
            "no-op module's process": lambda: place.run(HOST_PYTHON, files["no-op"]),
            "module guests, no guest": lambda: place.run(HOST_PYTHON, files["none"]),
            f"module guests, {number} guests": lambda: place.run(HOST_PYTHON, files["all"]),
        }
        taken = take_turns(acts, rounds, lambda row: seconds_of(acts[row]))
    return table(["where", "s"], [[row, statistics.median(found)] for row, found in taken.items()])


def _payload(place: Place, name: str, options: dict) -> Path:
    """Return the file that goes to a host for a module with these options, made by a process of its own."""
    file = place.folder / f"{name}-{len(options.get('guests', []))}"
    place.run(ROOT / ".build/venv/bin/python", HERE / "payload.py", "--write", file, "--options", json.dumps(options), name)
    return file


def command(folder: str | None, rounds: int) -> str:
    """Return the table of plays over a fleet; all its hosts are this machine, each with guests of its own."""
    hosts = [f"host{index:03}" for index in range(HOSTS)]
    with make_place(folder) as place:
        fleet = {host: place.guests(MANY, f"vibench-{host}-") for host in hosts}
        place.play("guests", 0, {"wanted": sum(fleet.values(), [])})
        taken = take_turns(FLEET, rounds, lambda row: seconds_of(lambda: _play(place, fleet, *FLEET[row])), warm=False)
        place.clear("vibench-host")
    lines = [
        [row, statistics.median(found), 1000 * statistics.median(found) / HOSTS, ratio(found, taken[NOOP])]
        for row, found in taken.items()
    ]
    return table([f"{HOSTS} hosts, {FORKS} forks", "s", "ms a host", f"/ {NOOP}"], lines)


def _play(place: Place, fleet: dict, name: str, guests: int) -> None:
    told = place.folder / f"fleet-{guests}.json"
    variables = {"uri": URI, "ansible_connection": "local", "ansible_python_interpreter": HOST_PYTHON}
    variables["fleet"] = {host: some[:guests] for host, some in fleet.items()}
    told.write_text(json.dumps({"all": {"hosts": dict.fromkeys(fleet, {}), "vars": variables}}))
    said = place.run(ROOT / ".build/venv/bin/ansible-playbook", "-i", told, "-f", str(FORKS), HERE / "plays" / f"{name}.yml")
    if len(re.findall(r"changed=0 .*failed=0", said)) != HOSTS:
        raise SystemExit(f"not all hosts are as they should be:\n{said}")
