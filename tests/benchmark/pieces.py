# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pure core takes: for each guest, and for many hosts."""

from __future__ import annotations

import statistics
import sys
import time
from itertools import count

from measure import table
from place import ROOT

CASE = ROOT / "tests/unit/cases/linux-qemu"
LIVE = ROOT / "tests/unit/live"
CAPABILITIES = ROOT / "tests/unit/capabilities"
HOSTS = 200
TIMES = 200


def time_pieces(_folder: str | None, rounds: int) -> str:
    """Return the table of the core's pieces."""
    sys.path[:0] = [str(ROOT / ".build/collections"), *map(str, (ROOT / ".build/venv/lib").glob("python3*/site-packages"))]
    acts = _acts()
    lines = []
    for name, (act, times, unit) in acts.items():
        act()
        found = [_each(act, times) for _round in range(rounds)]
        lines.append([name, statistics.median(found) * {"us": 1e6, "ms": 1e3}[unit], unit])
    return table(["the core", "median", ""], lines)


def _each(act, times: int) -> float:
    start = time.perf_counter()
    for _turn in range(times):
        act()
    return (time.perf_counter() - start) / times


def _acts() -> dict:
    """Return each piece: what it does, how often in a round, and the unit it is told in."""
    from ansible_collections.virt.image.plugins.filter import changes, fit, image

    descriptor = (CASE / "image.xml").read_text()
    capabilities = (CAPABILITIES / "qemu.xml").read_text()
    described, host = image.from_descriptor(descriptor), image.from_capabilities(capabilities)
    wanted, live = (LIVE / "web1.wanted.xml").read_text(), (LIVE / "web1.xml").read_text()
    saved = [file.read_text() for file in sorted(CAPABILITIES.glob("*.xml")) if not file.name.startswith("domain-")]
    fleet = {f"host{index}": saved[index % len(saved)] for index in range(HOSTS)}

    turns = count()

    def fresh(text: str) -> str:
        # A text that was read before is not looked at as closely again.
        return f"{text}<!-- {next(turns)} -->"

    def report() -> None:
        fit.fit_table(fit.fit_rows({name: fresh(text) for name, text in fleet.items()}, described))

    return {
        "parse a descriptor": (lambda: image.from_descriptor(fresh(descriptor)), TIMES, "us"),
        "parse capabilities": (lambda: image.from_capabilities(fresh(capabilities)), TIMES, "us"),
        "match, render a guest's domain": (lambda: image.to_domain_xml(described, host, {"virt_type": "qemu"}), TIMES, "us"),
        "domain_changes of a domain": (lambda: changes.domain_changes(fresh(wanted), fresh(live)), TIMES, "us"),
        f"fit over {HOSTS} saved capabilities": (report, 1, "ms"),
    }
