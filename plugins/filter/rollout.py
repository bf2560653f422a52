# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the role virt.image.rollout: its guests, and the page that shows what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.virt.image.plugins.module_utils._core import rollout_page as core
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.page import render
from ansible_collections.virt.image.plugins.module_utils._core.rollout import rollout_guests
from ansible_collections.virt.image.plugins.module_utils._core.story import read_story, seconds_of
from ansible_collections.virt.image.plugins.plugin_utils.door import door, flag_of, text_of
from ansible_collections.virt.image.plugins.plugin_utils.page_file import check_target
from ansible_collections.virt.image.plugins.plugin_utils.time import show_time, time_of

# What the role notes of each host, and registers.
FACTS = "began staged activated seen returned confirmed wave wave_began passed failed done moves backs".split()


OUT = "was out of the run before this rollout began: it had failed, or could not be reached"


def rollout_page(hostvars, hosts, image, phase, now, clock, stopped=False, check=False, path=None, out=()) -> str:
    plan = flag_of(check, "check")
    if path is not None:
        check_target(text_of(path, "the path of a page"), core.kind_of_page(plan))
    written = time_of(now, "now")
    if phase not in core.PHASES:
        raise ImageError(f"is {phase!r:.80}; it is one of {', '.join(core.PHASES)}", "phase")
    seconds = seconds_of(clock)
    if seconds is None:
        raise ImageError(f"must be a number of seconds, is {clock!r:.80}", "clock")
    lost = set(_hosts_of(hostvars, out, "out"))
    stories = tuple(
        # What it noted is of an earlier rollout.
        replace(read_story(host, {}, plan), error=OUT) if host in lost else read_story(host, _facts(hostvars[host]), plan)
        for host in _hosts_of(hostvars, hosts, "hosts")
    )
    shown = (show_time(written, seconds - core.begin_of(stories, seconds)), show_time(written))
    moment = core.Moment(phase, seconds, *shown, flag_of(stopped, "stopped"), plan)
    return render(core.rollout_page(text_of(image, "the path of a descriptor"), stories, moment))


def _hosts_of(hostvars, hosts, name: str) -> list:
    """Return the hosts if each has variables; raise ImageError. Ansible's hostvars are no dictionary, but a mapping."""
    if not isinstance(hostvars, Mapping):
        raise ImageError(f"a dictionary of hosts and their variables is needed, not {type(hostvars).__name__}")
    if not isinstance(hosts, (list, tuple)):
        raise ImageError(f"must be a list of hosts, is {hosts!r:.80}", name)
    for host in hosts:
        if not isinstance(host, str) or host not in hostvars or not isinstance(hostvars[host], Mapping):
            raise ImageError(f"{host!r:.80} is no host with variables", name)
    return list(hosts)


def _facts(known) -> dict:
    return {name: known[f"__rollout_{name}"] for name in FACTS if f"__rollout_{name}" in known}


class FilterModule:
    """The filters of the role virt.image.rollout."""

    def filters(self) -> dict:
        return {function.__name__: door(function) for function in (rollout_guests, rollout_page)}
