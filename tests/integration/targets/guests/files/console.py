# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command in the shell on a domain's serial console and prints what came back: console.py DOMAIN [COMMAND]."""

import signal
import sys

import libvirt

SECONDS = 30


def main() -> None:
    """Type the command and read until its end marker comes back."""
    name, command = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "echo the answer is $((6 * 7))"
    # recv() blocks outside of Python: the signal's default action, the end of the process, is the only time limit.
    signal.alarm(SECONDS)
    connection = libvirt.open("qemu:///system")
    stream = connection.newStream()
    connection.lookupByName(name).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    # Computed by the shell, so that the echo of what we type is not taken for the answer.
    stream.send(f"\n{command}; echo end-$((10 + 7))\n".encode())
    heard = b""
    while b"end-17" not in heard:
        heard += stream.recv(4096)
    stream.abort()
    print(heard.decode(errors="replace"))


main()
