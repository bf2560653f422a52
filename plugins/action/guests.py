# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the guests module; images on the control node are read here, and only what the host lacks is sent to it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.asker import Asker
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError, Problems
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image
from ansible_collections.virt.image.plugins.module_utils._core.trust import parse_trust
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.source import File, Folder
from ansible_collections.virt.image.plugins.module_utils._io.url import is_url
from ansible_collections.virt.image.plugins.plugin_utils.progress import ProgressAction

# Of this process, which has one task, as what _read keeps.
_jobs = Jobs()


class ActionModule(ProgressAction):
    """The guests module with images from either side."""

    MODULE = "virt.image.guests"

    def _work(self, task_vars) -> dict:
        with self._watching(_jobs.sample):
            deliveries = self._deliveries()
        told = self._module({**self._task.args, "_deliveries": deliveries}, task_vars)
        if told.get("missing"):
            self._bring(told["missing"], deliveries)
            told = self._module({**self._task.args, "_deliveries": deliveries}, task_vars)
        return told

    def _deliveries(self) -> list:
        """Return what the control node has of each image, if that is where they are."""
        if self._task.args.get("image_source", "host") != "controller":
            return []
        if self._task.async_val:
            raise AnsibleActionFail(
                "async is for images that the host has or fetches; what is on the control node is brought by two calls, "
                "which cannot run in the background"
            )
        if xml.etree is None:
            raise AnsibleActionFail(
                "image_source: controller reads descriptors on the control node, whose Python has no lxml; "
                "install it there (pip install lxml)"
            )
        guests = self._task.args.get("guests")
        wanted = [guest for guest in guests if _is_wanted(guest)] if isinstance(guests, list) else []
        deliveries, problems = [], Problems()
        for image, outside in dict.fromkeys((guest["image"], _outside(guest)) for guest in wanted):
            asking = [guest for guest in wanted if (guest["image"], _outside(guest)) == (image, outside)]
            try:
                trusts = [self._trust(guest, f"guest {guest.get('name', image)}") for guest in asking]
                # A copy: what is brought for one item of a loop is gone when the next one runs, in the same process.
                read = deepcopy(_read(self._find(image), outside, _Trusts(trusts)))
                deliveries.append({"image": image, "outside": outside, **read})
            except ImageError as error:
                problems.extend(error)
        problems.raise_any()
        return deliveries

    def _trust(self, guest: dict, where: str):
        """Return what a guest's options say of its image's files, with keys that are on the control node."""
        asker = Asker(guest, where)
        trust = parse_trust(asker)
        asker.problems.raise_any()
        signature = trust.signature
        keys = {key: self._find(path) for key in ("keyring", "allowed_signers") if (path := getattr(signature, key))}
        return replace(trust, signature=replace(signature, **keys))

    def _find(self, path: str) -> str:
        """Return the path of a file, looked for where the task's other files are, then in the current folder."""
        try:
            return self._find_needle("files", os.path.expanduser(path))
        except AnsibleError:
            # Beside a playbook of a collection, such as virt.image.deploy, nobody has files.
            here = os.path.abspath(os.path.expanduser(path))
            if os.path.isfile(here):
                return here
            raise ImageError(
                "is not on the control node; relative paths begin at the playbook, its folder files/, or the current folder",
                path,
            ) from None

    def _bring(self, missing: list, deliveries: list) -> None:
        """Copy the files that the host asked for into its temporary folder."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        for number, (image, name) in enumerate(dict.fromkeys((one["image"], one["file"]) for one in missing)):
            having = [told for told in deliveries if told["image"] == image and name in told["files"]]
            if not having:
                raise ImageError("is not at hand on the control node, and the host needs it", name)
            target = self._connection._shell.join_path(self._connection._shell.tmpdir, f"image-{number}")
            local = os.path.join(os.path.dirname(having[0]["path"]), name)
            with self._sending(local, target, name):
                brought = self._transfer_file(local, target)
            for told in having:
                told["files"][name]["brought"] = brought
            self._fixup_perms2([self._connection._shell.tmpdir, target])


def _is_wanted(guest) -> bool:
    """Return whether a guest's image is read here: one that is to go needs only its name, and hosts fetch from URLs."""
    image = guest.get("image") if isinstance(guest, dict) else None
    going = isinstance(guest, dict) and guest.get("state") == "absent" and guest.get("name")
    return isinstance(image, str) and bool(image) and not is_url(image) and not going


def _outside(guest: dict) -> bool:
    return boolean(guest.get("allow_outside_files", False), strict=False)


class _Trusts:
    """What the guests of an image know of its files; equal where that is the same, so that a file is read once."""

    def __init__(self, trusts: list) -> None:
        self.all = trusts

    def __eq__(self, other) -> bool:
        return self.all == other.all

    def __hash__(self) -> int:
        return len(self.all)

    def kinds(self, name: str, checksums: dict) -> set:
        """Return the algorithms that a file is to be read with; none where the host verifies it when it comes."""
        known = [trust.checksum.get(name, {}) for trust in self.all]
        if "sha256" in checksums or all("sha256" in one for one in known):
            return set()
        return {"sha256", *checksums, *(kind for one in known for kind in one)}


def _digests(folder: Folder, file: File, kinds: set) -> dict[str, str]:
    """Return a file's digests; it is read once in a run of Ansible, whose hosts each have a process of their own."""
    if not kinds:
        return {}
    key = hashlib.sha256(repr((file.path, file.stamp, sorted(kinds))).encode("utf-8", "surrogateescape")).hexdigest()
    # Ansible's own, where its payloads are kept too; it goes with the run.
    with _kept(os.path.join(C.DEFAULT_LOCAL_TMP, f"virt.image-{key}")) as kept:
        found = _told(kept) if kept else None
        if found is None:
            with _jobs.job(f"read {file.label} on the control node for its SHA-256", file.size) as job:
                found = folder.digests(file, kinds, job)
            if kept:
                _tell(kept, found)
    return found


@contextmanager
def _kept(path: str):
    """Give a file that one process at a time reads and writes, or None where there can be none: then each does the work."""
    with ExitStack() as stack:
        try:
            # Without a buffer, whose last writing could fail late.
            file = stack.enter_context(open(path, "a+b", buffering=0))
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            file = None
        yield file


def _told(kept) -> dict[str, str] | None:
    """Return what a process before this one wrote down whole, or None."""
    try:
        kept.seek(0)
        return json.loads(kept.read())
    except (OSError, ValueError):
        return None


def _tell(kept, found: dict[str, str]) -> None:
    try:
        kept.truncate(0)
        kept.write(json.dumps(found).encode())
    except OSError:
        # The next one reads the file itself.
        pass


@lru_cache(maxsize=None)
def _read(path: str, outside: bool, trusts: _Trusts) -> dict:
    """Return the descriptor's text, and what the host needs to know of each file that it names."""
    folder = Folder(path, outside)
    for trust in trusts.all:
        descriptor = folder.descriptor(trust)
    image = parse_image(descriptor, folder.path, outside=outside)
    files, problems = {}, Problems()
    wanted = [(disk.file, disk.checksums, True) for disk in image.disks if disk.file]
    wanted += [(name, {}, False) for boot in image.boots for name in (boot.kernel, boot.initrd) if name]
    for name, checksums, unpack in wanted:
        try:
            file = folder.file(name, unpack)
            if file:
                digests = _digests(folder, file, trusts.kinds(name, checksums))
                files[name] = {
                    "size": file.size,
                    "digests": digests,
                    "header": to_plain(file.header),
                    "packing": file.packing,
                }
        except ImageError as error:
            problems.extend(error)
    problems.raise_any()
    return {"path": folder.path, "descriptor": xml.decode(descriptor, folder.path), "files": files}
