# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the process that fills a file, once some of it is there, and prints how much that is: kill_writer.py FILE."""

import glob
import os
import signal
import sys
import time

SECONDS = 30


def writers(path: str) -> set:
    """Return the ids of the processes that have the file open."""
    found = set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) == path:
                found.add(int(link.split("/")[2]))
        except OSError:
            # It was closed meanwhile.
            pass
    return found


def main() -> None:
    """Wait for the file to grow and then to stand still, and kill."""
    path, before = sys.argv[1], 0
    for _try in range(SECONDS * 4):
        time.sleep(0.25)
        size = os.path.getsize(path) if os.path.exists(path) else 0
        if size and size == before:
            break
        before = size
    found = writers(path)
    for process in found:
        os.kill(process, signal.SIGKILL)
    while writers(path):
        time.sleep(0.05)
    print(os.path.getsize(path) if found else "nobody writes it")


main()
