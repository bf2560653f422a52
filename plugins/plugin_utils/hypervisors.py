# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks libvirts for their guests: each in a process of its own, several at once, none longer than it may."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Union

from ansible_collections.virt.image.plugins.module_utils import _io
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.telling import Answer
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain
from ansible_collections.virt.image.plugins.module_utils._io.requirements import SYSTEM_PYTHONS, packages_of

AT_ONCE = 16
MODULE_UTILS = Path(next(iter(_io.__path__))).parent
# The collection need not be on that Python's path, and the working folder must not be: what lies there is not ours. sys is
# part of Python itself; what else is imported comes after. Not with -I, for the bindings may be where PYTHONPATH says.
PROGRAM = """
import sys
sys.path = [folder for folder in sys.path if folder]
import types
package = types.ModuleType("virt_image")
package.__path__ = [sys.argv[1]]
sys.modules["virt_image"] = package
from virt_image._io.inventory import main
main()
"""


class NoBindings(ImageError):
    """A Python that lacks what is needed to ask libvirt."""


def pythons(told: str = "") -> list[str]:
    """Return the interpreters that may have the bindings: the one that a user told, or Ansible's own and the system's."""
    if told:
        return [told]
    own = [sys.executable] if all(importlib.util.find_spec(name) for name in ("libvirt", "lxml")) else []
    return list(dict.fromkeys((*own, *filter(os.path.exists, SYSTEM_PYTHONS)))) or [sys.executable]


class Asking:
    """Questions to several libvirts; `requests` are plain (inventory.Request), the answers in their order."""

    def __init__(self, candidates: list[str], timeout: float) -> None:
        self._pythons, self._timeout = candidates, timeout
        self._running: set = set()
        self._over = False

    def ask(self, requests: list[dict]) -> list[Union[Answer, ImageError]]:
        """Return each answer, or why there is none; raise NoBindings where no Python has the bindings."""
        with ThreadPoolExecutor(max(1, min(AT_ONCE, len(requests)))) as pool:
            try:
                return list(pool.map(self._answer, requests))
            finally:
                # Someone has pressed Ctrl-C, or no Python has the bindings: what runs still is of no use.
                self._over = True
                for process in list(self._running):
                    _kill(process)

    def _answer(self, request: dict) -> Union[Answer, ImageError]:
        lacks = {}
        try:
            for python in self._pythons:
                reply = self._reply(python, request)
                if "missing" not in reply:
                    break
                lacks[python] = reply["missing"]
            else:
                raise NoBindings(_advice(lacks))
            if "error" in reply:
                return ImageError(str(reply["error"]))
            return from_plain(Answer, reply.get("answer"), "its answer")
        except NoBindings:
            raise
        except ImageError as error:
            return error

    def _reply(self, python: str, request: dict) -> dict:
        """Return what the program replies; raise ImageError where it does not."""
        try:
            # A session of its own: ssh, which libvirt may start, ends with it, and asks nobody for a password.
            process = subprocess.Popen(
                [python, "-c", PROGRAM, str(MODULE_UTILS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NoBindings(f"cannot run {python}, which is to ask libvirt: {error}") from None
        self._running.add(process)
        try:
            if self._over:
                _kill(process)
            out, err = process.communicate(json.dumps(request).encode("ascii"), self._timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.communicate()
            raise ImageError(f"did not answer within {self._timeout} s") from None
        finally:
            self._running.discard(process)
        return _parse_reply(out, err, process.returncode)


def _parse_reply(out: bytes, err: bytes, code: int) -> dict:
    try:
        reply = json.loads(out)
    except ValueError:
        reply = None
    if code or not isinstance(reply, dict):
        lines = err.decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1]:.300}" if lines else ""
        raise ImageError(f"was not asked; what asks it ended with {code}{last}")
    return reply


def _kill(process) -> None:
    try:
        # Its group: the ssh that it started, too.
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _advice(lacks: dict) -> str:
    where = " and ".join(f"{', '.join(names)} for {python}" for python, names in lacks.items())
    names = dict.fromkeys(name for missing in lacks.values() for name in missing)
    return (
        f"the control node has no Python with the bindings that ask libvirt (there is no {where}); "
        f"install {packages_of(names)}, or name a Python that has them in the option python_interpreter"
    )
