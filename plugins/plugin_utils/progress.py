# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the user how far long work is, while an action plugin waits for it: a line each few seconds."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import Callable, Optional

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.names import plain
from ansible_collections.virt.image.plugins.module_utils._core.progress import EACH_SECONDS, is_news, line, parse, parse_interval
from ansible_collections.virt.image.plugins.module_utils._core.sample import Sample
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.plugin_utils.progress_reader import NotAsked, reader_of

VARIABLE = "virt_image_progress"
FIRST_SECONDS = 3
# What is being read when the work has ended is ended too. Should that take longer, nobody waits for it: it does no harm.
PATIENCE = 1

display = Display()


class Watch(threading.Thread):
    """Shows a line of what `look` finds, at the beginning after a few seconds; what goes wrong in it ends it, no more."""

    def __init__(
        self, look: Callable[[], Optional[Sample]], show: Callable[[str], None], each: float, reader=None
    ) -> None:
        super().__init__(name="progress", daemon=True)
        self._look, self._show, self._each = look, show, each
        self._reader = reader
        self._ended = threading.Event()
        self._showing = threading.Lock()

    def run(self) -> None:
        before, pause = None, min(FIRST_SECONDS, self._each)
        while not self._ended.wait(pause):
            pause = self._each
            try:
                sample = self._look()
                if is_news(sample, before):
                    self._tell(line(sample, before))
                    before = sample
            except Exception:  # pylint: disable=broad-exception-caught
                # Not to see how far it is is no reason to fail it.
                return

    def _tell(self, text: str) -> None:
        with self._showing:
            # Never after the result.
            if not self._ended.is_set():
                self._show(text)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_exception) -> None:
        with self._showing:
            self._ended.set()
        if self._reader:
            self._reader.stop()
        self.join(PATIENCE)


class ProgressAction(ActionBase):
    """An action plugin that runs one module, and tells how far it is."""

    MODULE = ""
    _supports_async = True
    # The seconds from line to line, none where it is 0, and the host that they are about.
    _each, _shown_as = 0.0, ""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        try:
            self._each, self._shown_as = self._seconds(task_vars or {}), self._host(task_vars or {})
            result.update(self._work(task_vars))
        except ImageError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            if not self._task.async_val:
                # In the background the module cleans up itself.
                self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _work(self, task_vars) -> dict:
        return self._module(self._task.args, task_vars)

    def _module(self, arguments: dict, task_vars) -> dict:
        """Run the module, and return its result."""
        if self._task.async_val or not self._each:
            return self._run(arguments, task_vars)
        jobs, reader = Jobs(), reader_of(self._connection)
        with jobs.job(self.MODULE):
            if not reader:
                with self._watching(jobs.sample):
                    return self._run(arguments, task_vars)
            path = self._record()
            with self._watching(lambda: _recorded(reader, path, jobs), reader):
                told = self._run({**arguments, "_progress": path}, task_vars)
        self._tidy(told, path)
        return told

    def _run(self, arguments: dict, task_vars) -> dict:
        return self._execute_module(
            self.MODULE, module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
        )

    def _tidy(self, told: dict, path: str) -> None:
        """Remove what a module has left that was killed, which only then says nothing that can be read."""
        folder = self._connection._shell.tmpdir
        if "module_stdout" in told and not (folder and path.startswith(folder)):
            with suppress(AnsibleError):
                self._low_level_execute_command(self._connection._shell.remove(path))

    def _watching(self, look, reader=None):
        """Return a context in which the user sees what `look` returns, which asks that reader."""
        return Watch(look, self._show, self._each, reader) if self._each else nullcontext()

    @contextmanager
    def _sending(self, path: str, target: str, name: str):
        """Have the user see how far a file is on its way to a path on the host."""
        jobs = Jobs()
        with jobs.job(f"send {name} to the host", os.path.getsize(path)) as job:
            reader = reader_of(self._connection) if self._each else None
            if reader:
                job.look = lambda: _arrived(reader, target)
            with self._watching(jobs.sample, reader):
                yield

    def _show(self, text: str) -> None:
        # Not where programs read the results; without colours, which are escape codes.
        display.display(f"[{self._shown_as}] {text}", stderr=True)

    def _record(self) -> str:
        """Return where the module is to write down how far it is; until something takes long it does not."""
        if not self._connection._shell.tmpdir and not self._is_pipelining_enabled("new"):
            # As _execute_module does in any case.
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        if folder and not self._is_become_unprivileged():
            return self._connection._shell.join_path(folder, "progress")
        # Where there is none, or the module's user may not write to it: a name that nobody can have put there before.
        folder = self.get_shell_option("system_tmpdirs", default=["/tmp"])[0]
        return self._connection._shell.join_path(folder, f"virt.image-{secrets.token_hex(16)}")

    def _seconds(self, task_vars) -> float:
        """Return the seconds from line to line, 0 for none; what is neither has a warning, as no task is to fail of it."""
        # Ansible has no -q; a verbosity below its usual one (ANSIBLE_VERBOSITY) is what comes closest.
        if self._task.no_log or self._task.async_val or display.verbosity < 0:
            return 0
        try:
            return parse_interval(self._templar.template(task_vars.get(VARIABLE)), VARIABLE)
        except ImageError as error:
            why = str(error)
        except Exception as error:  # pylint: disable=broad-exception-caught
            # A template can fail in any way.
            why = f"{VARIABLE} cannot be read: {plain(str(error))}"
        # The display says the same only once.
        display.warning(f"{why}; it is taken for {EACH_SECONDS}")
        return EACH_SECONDS

    def _host(self, task_vars) -> str:
        """Return the host as Ansible's own lines have it."""
        host, other = task_vars.get("inventory_hostname", ""), self._task.delegate_to
        return plain(f"{host} -> {other}" if other else str(host))


def _recorded(reader, path: str, jobs: Jobs) -> Optional[Sample]:
    """Return what a module wrote down; where its host cannot be asked, how long it runs."""
    try:
        return parse(reader.record(path))
    except NotAsked:
        return jobs.sample()


def _arrived(reader, path: str) -> Optional[int]:
    """Return how many bytes of a file have arrived, or None."""
    try:
        return reader.size(path)
    except NotAsked:
        return None
