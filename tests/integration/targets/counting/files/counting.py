# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON what the guests module costs, in calls of libvirt's library and bytes written.

    PYTHON counting.py --path FOLDER... --pool POOL IMAGE

The FOLDERs are where ansible and the collections are.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import libvirt
import libvirtmod

MODULE = "ansible_collections.virt.image.plugins.modules.guests"
PREFIX = "vi-count-"
FEW, MANY = 2, 5
# What the library answers by itself.
LOCAL = re.compile("vir.*Free|vir.*GetName|virGetLastError|virRegisterErrorHandler|virConnectGetURI")


def count_calls() -> Counter:
    """Wrap libvirt's C functions, below all of its Python classes, and return what counts them."""
    seen: Counter = Counter()

    def counted(name: str, original):
        def call(*arguments):
            seen[name] += 1
            return original(*arguments)

        return call

    for name in dir(libvirtmod):
        if name.startswith("vir") and not LOCAL.fullmatch(name) and callable(getattr(libvirtmod, name)):
            setattr(libvirtmod, name, counted(name, getattr(libvirtmod, name)))
    return seen


def written() -> int:
    """Return the bytes that this process has written so far."""
    return int(re.search(r"wchar: (\d+)", Path("/proc/self/io").read_text(encoding="ascii"))[1])


def be_module(options: str) -> None:
    """Run the module with these options (JSON) in this process, and print what it cost."""
    basic = importlib.import_module("ansible.module_utils.basic")
    # What the module's process is told by Ansible.
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(options)}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    run, seen, said = importlib.import_module(MODULE).main, count_calls(), io.StringIO()
    before = written()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        run()
    told = json.loads(said.getvalue().strip().splitlines()[-1])
    print(json.dumps({"calls": seen, "written": written() - before, "changed": told["changed"], "msg": told.get("msg")}))


class Driver:
    """Brings guests of one image, each time in a process of its own."""

    def __init__(self, image: str, pool: str) -> None:
        self.options = {"image": image, "pool": pool, "virt_type": "qemu", "state": "stopped"}

    def bring(self, number: int, changed: bool, **more) -> dict:
        """Return what it costs to bring so many guests; ends the process where it fails, or changes other than it should."""
        guests = [{**self.options, "name": f"{PREFIX}{index}", **more} for index in range(number)]
        command = [sys.executable, *sys.argv, "--be", json.dumps({"guests": guests})]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = json.loads(done.stdout) if done.returncode == 0 else {"msg": done.stderr}
        if told["msg"] or told["changed"] != changed:
            sys.exit(f"{number} guests, {more}: {told}")
        return told

    def twice(self, number: int) -> tuple[dict, dict]:
        """Return what it costs to make guests, and to run again; then take them away."""
        both = self.bring(number, True), self.bring(number, False)
        self.bring(number, True, state="absent", remove="all")
        return both


def drive(driver: Driver) -> dict:
    """Return calls per guest and calls that do not depend on their number, and bytes, of first run and re-run."""
    # What others have on this host is looked at too, for the disks that it uses.
    with libvirt.open("qemu:///system") as link:
        active, others = link.numOfDomains(), link.numOfDomains() + link.numOfDefinedDomains()
    wanted = {"virDomainIsActive": others, "virDomainGetXMLDesc": others + active}
    told = {"others": {call: number for call, number in wanted.items() if number}}
    # The base comes with the first guest.
    told["bytes_with_base"] = driver.bring(1, True)["written"]
    driver.bring(1, True, state="absent", remove="all")
    few, many = driver.twice(FEW), driver.twice(MANY)
    for name, less, more in zip(("first", "again"), few, many):
        grown = Counter(more["calls"])
        grown.subtract(less["calls"])
        each = {call: number / (MANY - FEW) for call, number in sorted(grown.items()) if number}
        fixed = {call: number - FEW * each.get(call, 0) for call, number in sorted(less["calls"].items())}
        told[name] = {"each": each, "fixed": {call: number for call, number in fixed.items() if number}}
        told[name]["bytes"] = more["written"]
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--pool", required=True)
    parser.add_argument("--be", help="the options of the module that this process is to be")
    parser.add_argument("image")
    arguments = parser.parse_args()
    sys.path[:0] = arguments.path
    # That would count as written.
    sys.dont_write_bytecode = True
    if arguments.be:
        be_module(arguments.be)
        return
    print(json.dumps(drive(Driver(os.path.abspath(arguments.image), arguments.pool))))


if __name__ == "__main__":
    main()
