# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs from its options to its answer, where it needs no libvirt."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ansible.module_utils import basic

from ansible_collections.virt.image.plugins.module_utils._core import steps
from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.header import Header
from ansible_collections.virt.image.plugins.module_utils._core.live_steps import DetachDevice
from ansible_collections.virt.image.plugins.module_utils._core.plan import Live, Plan
from ansible_collections.virt.image.plugins.module_utils._core.volume import Pool, Source
from ansible_collections.virt.image.plugins.module_utils._io import life, module, perform
from ansible_collections.virt.image.plugins.modules import descriptor_info


NEW = steps.DefineDomain("web", "<new/>", new=False)
DETACH = DetachDevice("web", "disk[vdb]", "<disk/>", "vdb")
GONE = steps.DeleteVolume(Pool("default", "/pool", 2**30), "web-old.iso")
START = steps.StartDomain("web", "qemu", settle=1)
OLD = steps.DefineDomain("web", "<old/>", new=False, restored=True)


@pytest.mark.parametrize(
    "done, reason, changed",
    [
        (module.Done(Plan("web"), (), "shutoff", "no"), "no", False),
        (module.Done(Plan("web"), (NEW,), "shutoff", "no\nQEMU's log ends:\n  x"), "no\nQEMU's log ends:\n  x", True),
        (
            module.Done(Plan("web"), (NEW,), "shutoff", "no\nQEMU's log ends:\n  x", undone=(OLD,)),
            "no; then: restore the definition of domain web\nQEMU's log ends:\n  x",
            False,
        ),
    ],
)
def test_what_was_taken_back_is_told_and_no_change(done, reason, changed):
    assert (done.reason, done.changed) == (reason, changed)
    told = module.describe(done)
    assert (told["error"], told["changed"]) == (reason, changed)
    assert told["actions"] == [str(step) for step in (*done.steps, *done.undone)]


@pytest.mark.parametrize(
    "step, number, undone",
    [
        (START, 1, ["power off domain web", "restore the definition of domain web"]),
        # Someone else has begun another life.
        (START, 2, ["restore the definition of domain web"]),
        (START, None, []),
        (replace(START, resume=True), 1, ["restore the definition of domain web"]),
    ],
)
def test_what_did_not_stay_is_powered_off_only_in_the_life_that_this_run_began(monkeypatch, step, number, undone):
    monkeypatch.setattr(perform, "apply", lambda plan_steps, *_arguments: iter(plan_steps))
    one = module.Done(Plan("web", was="shutoff", before="<old/>"), (NEW, step), "running", "was paused")
    perform._after_fall(one, connection(number))
    assert [str(step) for step in one.undone] == undone
    assert one.state == ("paused" if number else "absent")


@pytest.mark.parametrize(
    "was, failing, undone",
    [
        ("paused", DETACH, ["restore the definition of domain web"]),
        ("paused", GONE, []),
        ("absent", GONE, []),
    ],
)
def test_a_change_that_fails_after_a_resume_is_tried_again(monkeypatch, was, failing, undone):
    def apply(plan_steps, *_arguments):
        for step in plan_steps:
            if step is failing:
                raise ImageError("no")
            yield step

    monkeypatch.setattr(perform, "apply", apply)
    taken = (NEW, replace(START, resume=was == "paused"))
    plan = Plan("web", steps=(*taken, failing), was=was, before="" if was == "absent" else "<old/>")
    one = module.Done(plan, taken, "running")
    perform._apply_rest(one, connection(1), None)
    assert (one.error, [str(step) for step in one.undone]) == ("no", undone)
    assert one.steps == taken


def test_a_guest_is_not_stopped_for_what_another_could_not_bring(monkeypatch):
    source = Source("/img/x", "x", 1, "s", "e" * 64, Header("boot", 1))
    kernel, initrd, root = (steps.ImportBase(GONE.pool, name, source, "boot", "boot") for name in ("kernel", "initrd", "root"))
    taken = []

    def apply(plan_steps, *_arguments):
        for step in plan_steps:
            if step is kernel:
                raise ImageError("no room")
            taken.append(step)
            yield step

    monkeypatch.setattr(perform, "apply", apply)
    plans = [
        Plan("a", steps=(kernel, initrd), was="running"),
        Plan("b", steps=(root, steps.StopDomain("b", 1, False)), was="running", shared=(initrd.path,)),
        # What it needs, the guest before it was to bring, which was not begun.
        Plan("c", steps=(steps.StopDomain("c", 1, False),), was="running", shared=(root.path,)),
        Plan("d", steps=(steps.StopDomain("d", 1, False),), was="running", shared=("/pool/other",)),
    ]
    link = SimpleNamespace(live=lambda _name: None, find_domain=lambda _name: None, locks=SimpleNamespace(release=lambda: None))
    done = perform.perform(module.Outcome(plans=plans), link)
    assert [one.error for one in done] == ["no room", "no room", "no room", ""]
    assert taken == [steps.StopDomain("d", 1, False)]


def connection(number):
    """Return a connection to a paused domain of that id, or to none; this run began the life 1."""
    domain = SimpleNamespace(ID=lambda: number) if number else None
    live = Live("web", "<new/>", "paused", False) if number else None
    started = {"web": life.Started(0, 1, "qemu", None, None)}
    return SimpleNamespace(live=lambda _name: live, find_domain=lambda _name: domain, started=started)


def test_a_module_without_a_connection(monkeypatch, capsys):
    text = '<image><name>web</name><domain><boot type="hvm"><guest><arch>x86_64</arch></guest></boot></domain></image>'
    arguments = {"ANSIBLE_MODULE_ARGS": {"descriptor": text, "fetch": {"password": "swordfish"}}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit) as ended:
        descriptor_info.main()
    said = capsys.readouterr().out
    told = json.loads(said)
    assert (ended.value.code, told.get("msg"), told["image"]["name"], told["changed"]) == (0, None, "web", False)
    given = told["invocation"]["module_args"]
    # Options that nobody gave are not there; a secret is masked as Ansible does it.
    assert (given["descriptor"], given["strict"], "path" in given) == (text, False, False)
    assert given["fetch"]["password"].startswith("VALUE_SPECIFIED") and "swordfish" not in said
