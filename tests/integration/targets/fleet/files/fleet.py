# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of hosts on one machine: libvirtd daemons of one ordinary user, each with folders, a socket and a pool of its own.

    PYTHON fleet.py make NUMBER
    PYTHON fleet.py play ARGUMENT...     ansible-playbook, as the fleet's user
    PYTHON fleet.py look                 what each guest wrote to its user disk: how often it booted, the last version
    PYTHON fleet.py page FILE            what a page of the home folder shows
    PYTHON fleet.py stop HOST            its daemon
    PYTHON fleet.py remove

PYTHON is one with ansible-core. What it needs is copied, as is the collection: the user may not be able to read the
originals.
"""

from __future__ import annotations

import grp
import importlib.metadata
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

NAME = "virt-image-fleet"
BASE = Path("/var/lib") / NAME
# The path of a socket has 107 letters at most.
RUN = Path("/run") / NAME
HERE = Path(__file__).resolve().parent
# ansible-test runs a copy of the targets alone, below a copy of the collection.
COLLECTION = next(folder for folder in HERE.parents if (folder / "plugins/modules").is_dir())
# Where sector.py is, which makes the guests.
GENERATOR = "tests/integration/targets/rollout_kills/files"
SECONDS = 60
MIB = 1024 * 1024
DESCRIPTOR = """<image><name version="{version}">fleet</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest>
<os><loader dev="hd"/></os><drive disk="root" target="hda"/><drive disk="data" target="hdb"/></boot>
<devices><memory>16384</memory></devices></domain><storage>
<disk id="root" file="root.raw" use="system" format="raw"/><disk id="data" file="data.raw" use="user" format="raw"/>
</storage></image>
"""
POOL = "<pool type='dir'><name>fleet</name><target><path>{path}</path></target></pool>"
# All that the daemons find: to probe every emulator of a machine takes a minute.
TOOLS = ("qemu-system-x86_64", "qemu-img")
# A process less for each host.
QEMU = 'stdio_handler = "file"\n'


def make(number: int) -> None:
    """Make the user, and as many hosts."""
    remove()
    kvm = ["--groups", "kvm"] if any(group.gr_name == "kvm" for group in grp.getgrall()) else []
    # In that group, libvirt's probing of the emulator is quick.
    call("useradd", "--system", "--user-group", *kvm, "--home-dir", BASE / "home", "--no-create-home", "--shell", "/bin/sh", NAME)
    for folder in (BASE, BASE / "home", RUN):
        folder.mkdir(mode=0o755)
    (BASE / "bin").mkdir()
    for tool in TOOLS:
        (BASE / "bin" / tool).symlink_to(shutil.which(tool) or f"/usr/bin/{tool}")
    copy_python(BASE / "python")
    target = BASE / "collections/ansible_collections/virt/image"
    shutil.copytree(COLLECTION, target, ignore=shutil.ignore_patterns(".*", "tests", "output"))
    make_images(BASE / "home/images", COLLECTION / GENERATOR)
    for file in HERE.glob("*.yml"):
        shutil.copy(file, BASE / "home")
    hosts = [f"host{index:02}" for index in range(1, number + 1)]
    (BASE / "home/inventory.json").write_text(json.dumps(inventory(hosts)))
    for host in hosts:
        make_host(host)
    call("chown", "-R", f"{NAME}:{NAME}", BASE / "home", RUN)
    first, *others = hosts
    start(first)
    # The others find what it has learned of the emulator.
    for host in others:
        shutil.copytree(RUN / first / "cache", RUN / host / "cache", dirs_exist_ok=True)
    call("chown", "-R", f"{NAME}:{NAME}", RUN)
    for host in others:
        start(host)


def copy_python(target: Path) -> None:
    """Copy what ansible-core and the collection import on the control node."""
    names, done = ["ansible-core", "lxml"], set()
    while names:
        name = names.pop()
        # ansible-test puts a stand-in of ansible-core before the real one.
        found = next(iter(importlib.metadata.distributions(name=name, path=[sysconfig.get_path("purelib")])), None)
        if found is None or name in done:
            continue
        done.add(name)
        names += [re.match(r"[\w.-]+", needed)[0] for needed in found.requires or () if "extra ==" not in needed]
        for file in found.files or ():
            if not file.parts[0].startswith((".", "ansible_test")) and "__pycache__" not in file.parts:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target / file)


def make_images(folder: Path, generator: Path) -> None:
    """Make the versions of the image; 9 never says that it is ready."""
    sys.path.insert(0, str(generator))
    from sector import DIGITS, SECTOR, boot_sector

    zeros = b"0" * DIGITS
    for version in (1, 2, 3, 9):
        own = folder / str(version)
        own.mkdir(parents=True)
        (own / "root.raw").write_bytes((boot_sector(version) + zeros).ljust(MIB, b"\0"))
        (own / "data.raw").write_bytes((zeros + b"-").ljust(SECTOR, b"\0").ljust(MIB, b"\0"))
        (own / "image.xml").write_text(DESCRIPTOR.format(version=version))


def inventory(hosts: list) -> dict:
    """Return the inventory; all hosts are this machine, each with the socket of its daemon."""
    uri = f"qemu:///session?socket={RUN}/{{{{ inventory_hostname }}}}/libvirt/libvirt-sock"
    return {
        "all": {
            "hosts": {host: {} for host in hosts},
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": "/usr/bin/python3",
                "appliance_uri": uri,
                "rollout_uri": uri,
            },
        }
    }


def make_host(host: str) -> None:
    """Make the folders and the configuration of a host."""
    pool, storage = RUN / host / "pool", RUN / host / "config/libvirt/storage"
    for folder in (pool, storage / "autostart", RUN / host / "cache"):
        folder.mkdir(parents=True)
    (storage / "fleet.xml").write_text(POOL.format(path=pool))
    (storage / "autostart/fleet.xml").symlink_to(storage / "fleet.xml")
    (storage.parent / "qemu.conf").write_text(QEMU)


def start(host: str) -> None:
    """Start the daemon of a host, and wait until it knows its emulators."""
    own = RUN / host
    as_user(shutil.which("libvirtd"), "--daemon", **folders(host), PATH=BASE / "bin")
    end, uri = time.monotonic() + SECONDS, f"qemu:///session?socket={own}/libvirt/libvirt-sock"
    while True:
        try:
            as_user("virsh", "-c", uri, "capabilities", **folders(host))
            return
        except subprocess.CalledProcessError as error:
            if time.monotonic() > end:
                sys.exit(f"the daemon of {host} does not answer: {error.stderr}")
        time.sleep(0.1)


def folders(host: str) -> dict:
    """Return what makes a daemon another one."""
    own = RUN / host
    return {"XDG_RUNTIME_DIR": own, "XDG_CONFIG_HOME": own / "config", "XDG_CACHE_HOME": own / "cache", "XDG_DATA_HOME": own}


def as_user(*command, **environment) -> None:
    """Run a command as the fleet's user."""
    told = {"HOME": BASE / "home", "PATH": "/usr/bin:/usr/sbin:/bin:/sbin", "LC_ALL": "C.UTF-8", **environment}
    lead = (shutil.which("setpriv"), "--reuid", NAME, "--regid", NAME, "--init-groups", "--")
    call(*lead, *command, cwd=BASE / "home", env={key: str(value) for key, value in told.items()})


def call(*command, **options) -> None:
    """Run a command; raise an error with what it said."""
    subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **options)


def play(*arguments) -> None:
    """Become ansible-playbook, as the fleet's user and without the environment of the test."""
    told = {
        "HOME": BASE / "home",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
        "PYTHONPATH": BASE / "python",
        "ANSIBLE_COLLECTIONS_PATH": BASE / "collections",
        "ANSIBLE_FORKS": 4,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_PIPELINING": "true",
    }
    os.chdir(BASE / "home")
    lead = ["setpriv", "--reuid", NAME, "--regid", NAME, "--init-groups", "--", "/usr/bin/env", "-i"]
    settings = [f"{key}={value}" for key, value in told.items()]
    # The Python of the distribution, of the same version as the one whose packages were copied.
    command = [f"/usr/bin/python3.{sys.version_info[1]}", "-m", "ansible", "playbook", "-i", "inventory.json", *arguments]
    os.execvp(lead[0], [*lead, *settings, *command])


def look() -> None:
    """Print, for each host, what its guest wrote to the user disk."""
    disks = sorted(RUN.glob("*/pool/app-data.raw"))
    print(json.dumps({disk.parts[-3]: disk.read_bytes()[:5].decode() for disk in disks}))


def page(name: str) -> None:
    """Print what a page shows: the verdict, the waves, each host's guests with the words of its row, the reasons."""
    # Only this verb needs it.
    from lxml import html

    def said(node):
        return " ".join(node.text_content().split())

    tree = html.parse(str(BASE / "home" / name)).getroot()
    rows = {said(row[0]): row for row in tree.findall(".//table[@class]/tbody/tr") if row[0].get("scope") == "row"}
    told = {
        "title": tree.findtext(".//title"),
        "verdict": said(tree.find(".//strong")),
        "waves": [[said(cell) for cell in row[:5]] for row in tree.findall(".//section[@class='waves']//tbody/tr")],
        "hosts": {host: said(row[1]) for host, row in rows.items()},
        "colours": {host: row[1].xpath("string(.//li/@class)") for host, row in rows.items()},
        "times": {host: [title.text for title in row.findall(".//title")] for host, row in rows.items()},
        "reasons": [said(item) for item in tree.findall(".//section[@class='troubles']//li")],
    }
    print(json.dumps(told))


def stop(host: str) -> None:
    """Stop the daemon of a host; its guest runs on."""
    os.kill(int((RUN / host / "libvirt/libvirtd.pid").read_text()), signal.SIGTERM)


def remove() -> None:
    """Take all of it away: the user's processes first, who has no other purpose."""
    try:
        user = pwd.getpwnam(NAME)
    except KeyError:
        user = None
    if user:
        if user.pw_dir != str(BASE / "home"):
            sys.exit(f"there is a user {NAME} already, with the home {user.pw_dir}; the test needs that name")
        end_processes(user.pw_uid)
        call("userdel", NAME)
    for folder in (RUN, BASE):
        shutil.rmtree(folder, ignore_errors=True)


def end_processes(uid: int) -> None:
    """End what runs as the user."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for number in processes_of(uid):
            try:
                os.kill(number, kind)
            except ProcessLookupError:
                pass
        end = time.monotonic() + SECONDS / 6
        while time.monotonic() < end:
            if not processes_of(uid):
                return
            time.sleep(0.1)


def processes_of(uid: int) -> list:
    """Return the numbers of the user's processes."""
    found = []
    for number in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            if os.stat(f"/proc/{number}").st_uid == uid:
                found.append(int(number))
        except FileNotFoundError:
            pass
    return found


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "make":
        make(int(*words))
    else:
        {"play": play, "look": look, "page": page, "stop": stop, "remove": remove}[verb](*words)
