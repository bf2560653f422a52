# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of this program's own, which others do not see, and which does not see their guests.

libvirtd waits for the end of a QEMU until nobody has it as a zombie. Not every machine's first process looks after those
at once, and while libvirtd waits for one, who lists all domains waits too. Here somebody does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

SOCKET = "/run/libvirt/libvirt-sock"
# What the daemons keep of domains and pools, and where they are reached.
FOLDERS = ("/run/libvirt", "/etc/libvirt/qemu", "/etc/libvirt/storage", "/var/lib/libvirt/qemu")
DAEMONS = ("virtlogd", "libvirtd")
SECONDS = 30
CLONE_NEWNS, PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 0x20000, 1, 36
LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_daemons():
    """Let this process and its children reach daemons of their own, as far as the machine allows it."""
    if LIBC.unshare(CLONE_NEWNS):
        print(f"no libvirtd of its own, but the machine's: {os.strerror(ctypes.get_errno())}", flush=True)
        yield
        return
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for folder in FOLDERS:
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "libvirt", folder], check=True)
    keeper = os.fork()
    if not keeper:
        _keep()
    try:
        deadline = time.monotonic() + SECONDS
        while not os.path.exists(SOCKET):
            if time.monotonic() > deadline:
                sys.exit("libvirtd does not come up")
            time.sleep(0.05)
        yield
    finally:
        os.kill(keeper, signal.SIGTERM)
        os.waitpid(keeper, 0)


def _keep() -> None:
    """Start the daemons, and bury who ends below them; never return."""
    # What ends all processes of this program ends these when their guests are taken away, not before.
    os.setsid()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    daemons, ended = [], []
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.append(True))
    for name in DAEMONS:
        command = [name, "--pid-file", f"/run/libvirt/own-{name}.pid"]
        daemons.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    while not ended:
        os.waitpid(-1, os.WNOHANG)
        time.sleep(0.02)
    for one in daemons[::-1]:
        one.terminate()
    # With the daemons also what they left: a guest that nobody stopped.
    deadline = time.monotonic() + SECONDS
    try:
        while True:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.02)
            if time.monotonic() > deadline or all(one.poll() is not None for one in daemons):
                _kill_children()
    except ChildProcessError:
        os._exit(0)


def _kill_children() -> None:
    with open("/proc/thread-self/children", encoding="ascii") as file:
        for number in file.read().split():
            os.kill(int(number), signal.SIGKILL)
