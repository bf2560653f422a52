# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-inventory and ansible-playbook, many times: Ansible is loaded once, and each call has a fork of that process.

So nothing of a call stays for the next, neither its caches nor its warnings, which Ansible shows once in a process. The tests
start this as a program; a question is a line of JSON on stdin (folder, command, arguments), and so is the answer (out, err, code).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback


class Ansible:
    """The program, as the tests see it; `collections` is the folder of Ansible's collections."""

    def __init__(self, collections, home) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE")}
        env.update(
            ANSIBLE_COLLECTIONS_PATH=str(collections),
            ANSIBLE_HOME=str(home),
            ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true",
            ANSIBLE_PIPELINING="true",
            COLUMNS="10000",
        )
        self._process = subprocess.Popen(
            [sys.executable, __file__], cwd=home, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder, command, *arguments) -> tuple:
        """Return what a command (of COMMANDS) says to stdout and to stderr, run in this folder, and its code."""
        self._process.stdin.write(json.dumps([str(folder), command, [str(one) for one in arguments]]) + "\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def answer(question) -> tuple:
    """Run a command in a fork, and return what became of it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            be(*question, out, err)
        _child, status = os.waitpid(child, 0)
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode())
    return (*told, os.waitstatus_to_exitcode(status))


def be(folder, command, arguments, out, err) -> None:
    """Be the command; this process ends with it."""
    code = 250
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        COMMANDS[command].cli_executor([f"ansible-{command}", *arguments])
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # pylint: disable=broad-exception-caught
        # Else it would be lost with the process.
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    # Here, and not where the tests import this: Ansible finds collections by its own importer, pytest by that of Python.
    from ansible.cli.inventory import InventoryCLI
    from ansible.cli.playbook import PlaybookCLI

    COMMANDS = {"inventory": InventoryCLI, "playbook": PlaybookCLI}
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
