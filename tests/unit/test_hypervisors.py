# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking libvirts: the program that does it, and how the control node runs it; libvirt and the Pythons are stand-ins."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.report import Look
from ansible_collections.virt.image.plugins.module_utils._core.telling import Answer
from ansible_collections.virt.image.plugins.module_utils._core.values import to_plain
from ansible_collections.virt.image.plugins.module_utils._io import connection as door
from ansible_collections.virt.image.plugins.module_utils._io import inventory as program
from ansible_collections.virt.image.plugins.plugin_utils import hypervisors
from ansible_collections.virt.image.plugins.plugin_utils.hypervisors import Asking, NoBindings, pythons
from ansible_collections.virt.image.tests.unit.support import message, text

LIVE = text("live/web1.xml")
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel></devices>"
RUNS = LIVE.replace("</devices>", AGENT)
LAN = "52:54:00:aa:bb:02"
REQUEST = {"uri": "qemu+ssh://kvm1/system", "everyone": False, "sources": ["lease", "agent"], "seconds": 9}


@pytest.fixture
def world(monkeypatch):
    """Return what libvirt holds: looks by the name of the domain (or an error), and addresses by name and source."""
    made = SimpleNamespace(looks={}, told={}, asked=[], bounded=[], missing=[], readonly=[])

    @contextmanager
    def connection(uri, readonly):
        made.readonly.append(readonly)
        if "down" in uri:
            raise ImageError(f"cannot connect to {uri}: no route")
        yield SimpleNamespace(hostname=lambda: "here")

    def look_at(name, _everyone):
        look = made.looks[name]
        if isinstance(look, ImageError):
            raise look
        return look

    def tell(name, source):
        made.asked.append((name, source))
        return made.told.get((name, source))

    @contextmanager
    def bounded(name):
        made.bounded.append(name)
        yield

    monkeypatch.setattr(program, "Connection", connection)
    monkeypatch.setattr(program, "domains_of", lambda _connection: {name: name for name in made.looks})
    monkeypatch.setattr(program, "look_at", look_at)
    monkeypatch.setattr(program, "tell", tell)
    monkeypatch.setattr(program, "bounded_agent", bounded)
    monkeypatch.setattr(program, "missing_of", lambda *_names: made.missing)
    return made


def reply(monkeypatch, **changes):
    """Return what the program writes to stdout for a request."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({**REQUEST, **changes})))
    monkeypatch.setattr(sys, "stdout", out)
    program.main()
    return json.loads(out.getvalue())


def look(name, state="running", active=RUNS):
    return Look(name, LIVE, state, active=active if state == "running" else None)


def test_the_program_tells_of_guests(world, monkeypatch):
    world.looks = {"web2": look("web2", "shutoff"), "web1": look("web1"), "gone": None}
    world.told = {("web1", "LEASE"): [("vnet0", LAN, "192.0.2.7")], ("web1", "AGENT"): [("eth1", LAN, "192.0.2.7")]}
    answer = reply(monkeypatch)["answer"]
    assert (answer["hostname"], answer["left_out"], answer["warnings"]) == ("kvm1", [], [])
    assert [(guest["facts"]["name"], guest["facts"]["state"]) for guest in answer["guests"]] == [
        ("web1", "running"),
        ("web2", "shutoff"),
    ]
    assert [(one["address"], one["source"], one["interface"]) for one in answer["guests"][0]["addresses"]] == [
        ("192.0.2.7", "lease", "eth1")
    ]
    # Who does not run is not asked, and agents have a bounded time.
    assert (world.asked, world.bounded) == ([("web1", "LEASE"), ("web1", "AGENT")], ["web1"])


@pytest.mark.parametrize(
    "changes, active, asked",
    [
        ({"sources": ["arp"]}, RUNS, ["ARP"]),
        ({"seconds": -1}, RUNS, ["LEASE"]),
        ({}, LIVE, ["LEASE"]),
        ({}, RUNS.replace("connected", "disconnected"), ["LEASE"]),
    ],
    ids=["not wanted", "too late", "no channel", "not connected"],
)
def test_which_agents_are_asked(world, monkeypatch, changes, active, asked):
    world.looks = {"web1": look("web1", active=active)}
    reply(monkeypatch, **changes)
    assert world.asked == [("web1", source) for source in asked]
    # Only agents need more than to read.
    assert world.readonly == ["agent" not in changes.get("sources", REQUEST["sources"])]


@pytest.mark.parametrize(
    "uri, hostname",
    [
        ("qemu+ssh://root@KVM1.Example.com:2222/system?keyfile=a@b", "KVM1.Example.com"),
        ("qemu+ssh://KVM1", "KVM1"),
        ("qemu+tls://a:b@c@KVM1/system", "KVM1"),
        ("qemu+ssh://root@[2001:DB8::1]:22/system", "2001:DB8::1"),
        ("qemu+ssh://[2001:DB8::1/system", "2001:DB8::1"),
        ("qemu:///system", "here"),
        ("qemu:///system?socket=//KVM1/", "here"),
        ("qemu+ssh://root@:22/system", "here"),
        ("", "here"),
    ],
)
def test_the_host_is_called_as_the_uri_has_it(world, monkeypatch, uri, hostname):
    assert reply(monkeypatch, uri=uri)["answer"]["hostname"] == hostname


def test_an_agent_that_does_not_answer_is_told_where_it_matters(world, monkeypatch):
    world.looks = {"web1": look("web1"), "web2": look("web2")}
    world.told = {("web2", "LEASE"): [("vnet0", LAN, "192.0.2.7")]}
    assert reply(monkeypatch)["answer"]["warnings"] == ["guest web1 has no address: its agent does not answer"]


def test_an_odd_domain_does_not_hide_the_others(world, monkeypatch):
    broken = Look("odd", "<domain", "shutoff")
    world.looks = {"web1": look("web1"), "odd": broken, "denied": ImageError("cannot read it: not allowed")}
    answer = reply(monkeypatch, uri="test:///default")["answer"]
    assert (answer["hostname"], [guest["facts"]["name"] for guest in answer["guests"]]) == ("here", ["web1"])
    denied, odd = sorted(answer["left_out"])
    assert denied == "domain denied is left out: cannot read it: not allowed"
    assert odd.startswith("domain odd is left out: domain odd:1: is not well-formed XML: ")


def test_a_libvirt_that_is_down(world, monkeypatch):
    assert reply(monkeypatch, uri="qemu+ssh://down/") == {"error": "cannot connect to qemu+ssh://down/: no route"}
    world.missing = ["libvirt"]
    assert reply(monkeypatch) == {"missing": ["libvirt"]}


EMPTY = json.dumps({"answer": to_plain(Answer("kvm1", (), (), ()))})


def fake(folder, body, name="python"):
    """Return a program that stands in for a Python."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\nrequest = json.load(sys.stdin)\n{body}\n")
    path.chmod(0o755)
    return str(path)


def ask(*candidates, timeout=20, requests=(REQUEST,)):
    return Asking(list(candidates), timeout).ask(list(requests))


def test_an_answer(tmp_path):
    requests = [{**REQUEST, "uri": uri} for uri in ("qemu:///system", "down", "xen:///")]
    body = f"print('{{\"error\": \"no\"}}' if request['uri'] == 'down' else '{EMPTY}')"
    one, error, other = ask(fake(tmp_path, body), requests=requests)
    assert (one, str(error), other) == (Answer("kvm1", (), (), ()), "no", one)


@pytest.mark.parametrize(
    "body, words",
    [
        ("sys.exit('no\\nlibvirt.so.0 is broken')", "was not asked; what asks it ended with 1: libvirt.so.0 is broken"),
        ("os.kill(os.getpid(), 11)", "was not asked; what asks it ended with -11"),
        ("print('hello')", "was not asked; what asks it ended with 0"),
        ("print('[]')", "was not asked; what asks it ended with 0"),
        ("print('{}')", "its answer: must be a dictionary (answer), is None"),
        ("print('{\"answer\": {\"hostname\": 7}}')", "its answer.hostname: must be text, is 7"),
    ],
)
def test_no_answer(tmp_path, body, words):
    (error,) = ask(fake(tmp_path, body))
    assert str(error) == words


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    note = tmp_path / "pid"
    body = f"import subprocess\nopen({str(note)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))\ntime.sleep(60)"
    begun = time.monotonic()
    (error,) = ask(fake(tmp_path, body), timeout=2)
    assert str(error) == "did not answer within 2 s"
    assert time.monotonic() - begun < 20
    pid = int(note.read_text())
    while os.path.exists(f"/proc/{pid}") and "Z" not in open(f"/proc/{pid}/stat", encoding="utf-8").read().split()[2]:
        assert time.monotonic() - begun < 20
        time.sleep(0.05)


def test_the_next_python_is_tried(tmp_path):
    bare = fake(tmp_path, "print('{\"missing\": [\"libvirt\"]}')", "bare")
    assert ask(bare, fake(tmp_path, f"print('{EMPTY}')")) == [Answer("kvm1", (), (), ())]
    with pytest.raises(NoBindings, match=f"there is no libvirt for {bare}\\); install python3-libvirt .*python_interpreter"):
        ask(bare)
    with pytest.raises(NoBindings, match="cannot run /nowhere/python, which is to ask libvirt: .*No such file"):
        ask("/nowhere/python")


def test_pythons(monkeypatch):
    assert pythons("/opt/python") == ["/opt/python"]
    monkeypatch.setattr(hypervisors.importlib.util, "find_spec", lambda name: name == "lxml")
    monkeypatch.setattr(hypervisors.os.path, "exists", lambda path: path == "/usr/bin/python3")
    assert pythons() == ["/usr/bin/python3"]
    monkeypatch.setattr(hypervisors.importlib.util, "find_spec", lambda name: name)
    assert pythons()[0] == sys.executable
    monkeypatch.setattr(hypervisors.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(hypervisors.os.path, "exists", lambda _path: False)
    assert pythons() == [sys.executable]


def test_the_program_needs_no_ansible(tmp_path):
    # A Python that finds neither Ansible nor this collection, in a folder with a trap.
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncd {tmp_path} && exec {sys.executable} -S \"$@\"\n")
    python.chmod(0o755)
    set_traps(tmp_path)
    with pytest.raises(NoBindings, match="there is no libvirt, lxml for"):
        ask(str(python))
    assert not (tmp_path / "trap").exists()


def test_what_lies_in_the_working_folder_is_not_run(tmp_path, monkeypatch):
    set_traps(tmp_path)
    monkeypatch.chdir(tmp_path)
    for python in pythons():
        try:
            (said,) = ask(python, requests=[{**REQUEST, "uri": "nothing:///"}])
        except NoBindings as error:
            said = error
        # It got as far as libvirt, or to where the bindings are missing.
        assert re.search("cannot connect to nothing:///|there is no ", str(said)), said
    assert not (tmp_path / "trap").exists()


def set_traps(folder):
    """Put modules into a folder that are called as those that the program imports, and leave a note where they run."""
    trap = f"open({str(folder / 'trap')!r}, 'a').write(__name__)\nraise SystemExit('the working folder is on the path')\n"
    for name in ("types", "json", "time", "typing", "dataclasses", "concurrent", "urllib", "virt_image", "libvirt"):
        (folder / f"{name}.py").write_text(trap)
    (folder / "lxml").mkdir()
    (folder / "lxml" / "__init__.py").write_text(trap)


def test_a_connection_that_only_reads(monkeypatch):
    calls = {"open": lambda uri: f"may change {uri}", "openReadOnly": lambda uri: f"reads {uri}"}
    stand_in = SimpleNamespace(libvirtError=OSError, registerErrorHandler=lambda *_arguments: None, **calls)
    monkeypatch.setattr(door, "libvirt", stand_in)
    assert [door.Connection("u").link, door.Connection("u", readonly=True).link] == ["may change u", "reads u"]


def test_what_is_no_uri_is_an_error_in_words():
    link = door.Connection.__new__(door.Connection)
    link.uri = "qemu+ssh://[kvm1/system"
    assert message(lambda: link.is_local) == "qemu+ssh://[kvm1/system is no URI: Invalid IPv6 URL"
