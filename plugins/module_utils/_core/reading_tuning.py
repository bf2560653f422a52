# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory, processors and what tunes them as libvirt reads them (see reading.py)."""

from __future__ import annotations

from copy import deepcopy
from typing import Optional

from . import xml
from .sameness import kib, members, spread, vcpu_counts

# util/virutil.h, VIR_DOMAIN_MEMORY_PARAM_UNLIMITED: what is not limited is not written.
UNLIMITED_KIB = 9007199254740991
LIMITS = ("hard_limit", "soft_limit", "swap_hard_limit")
SCHEDULERS = {"vcpusched": "vcpus", "iothreadsched": "iothreads"}
PINS = ("cputune/vcpupin", "cputune/emulatorpin", "cputune/iothreadpin")
MODELLED = ("custom", "host-model")


def read_memory(tree, live) -> None:
    """virDomainDefPostParseMemory in conf/domain_postparse.c: the nodes and modules tell how much there is.

    Domains that older versions defined may say something else; there it is kept.
    """
    memory, current, held = tree.find("memory"), tree.find("currentMemory"), live.find("memory")
    if memory is None:
        return
    wanted, there = _told(tree), _told(live)
    if wanted is not None and held is not None and kib(held) in (wanted, there):
        _set_size(memory, wanted)
    if current is not None and None not in (kib(current), kib(memory)) and not 0 < kib(current) <= kib(memory):
        _set_size(current, kib(memory))


def _told(tree) -> Optional[int]:
    """Return the KiB of all nodes and memory modules, or None where there are no nodes."""
    cells = [kib(cell, "memory") for cell in tree.findall("cpu/numa/cell")]
    sizes = cells + [kib(size) for size in tree.findall("devices/memory/target/size")]
    return sum(sizes) if any(cells) and None not in sizes else None


def _set_size(node, amount: int) -> None:
    node.text, node.attrib["unit"] = str(amount), "KiB"


def read_limits(tree, _live) -> None:
    """virDomainDefTuneParse: what is not limited says nothing."""
    for tag in LIMITS:
        for limit in tree.findall(f"memtune/{tag}"):
            if (kib(limit) or 0) >= UNLIMITED_KIB:
                limit.getparent().remove(limit)


def read_placement(tree, _live) -> None:
    """virDomainDefParseXML: numad places the processors with the memory, unless they have places."""
    vcpu, memory = tree.find("vcpu"), tree.find("numatune/memory[@placement='auto']")
    # virDomainNumatuneParseXML in conf/numa_conf.c.
    if memory is not None:
        memory.attrib.pop("nodeset", None)
    for node in tree.findall("numatune/memory[@nodeset]"):
        node.set("placement", "static")
    if vcpu is None:
        return
    pinned = vcpu.get("cpuset") is not None or any(tree.find(place) is not None for place in PINS)
    vcpus = tree.findall("vcpus/vcpu")
    if vcpus:
        # virDomainVcpuParse: they say how many are there.
        vcpu.set("current", str(sum(node.get("enabled") == "yes" for node in vcpus)))
    elif vcpu.get("current") is None and vcpu_counts(vcpu):
        # So that fewer are found: virDomainVcpuParse, "current" is the text where it is not said.
        vcpu.set("current", xml.text(vcpu))
    if memory is not None and not pinned:
        vcpu.set("placement", "auto")
    if vcpu.get("placement") == "auto":
        vcpu.attrib.pop("cpuset", None)


def _processors(tree) -> int:
    count = (tree.findtext("vcpu") or "1").strip()
    return int(count) if count.isdecimal() and len(count) < 6 else 0


def read_cells(tree, _live) -> None:
    """Nodes are numbered, and the first has what no other has: qemuDomainDefNumaCPUsRectify in qemu/qemu_domain.c."""
    cells = tree.findall("cpu/numa/cell")
    for index, cell in enumerate(cells):
        if cell.get("id") is None:
            cell.set("id", str(index))
    first = next((cell for cell in cells if cell.get("id") == "0"), None)
    held = [members(cell.get("cpus", "")) or frozenset() for cell in cells]
    if first is not None and any(held) and len(frozenset().union(*held)) < _processors(tree):
        others = frozenset().union(*(cpus for cell, cpus in zip(cells, held) if cell is not first))
        first.set("cpus", spread(set(range(_processors(tree))) - others))


def read_schedulers(tree, _live) -> None:
    """virDomainSchedulerFormat: each processor and thread has an element of its own."""
    for tag, key in SCHEDULERS.items():
        for node in tree.findall(f"cputune/{tag}"):
            numbers = sorted(members(node.get(key, "")) or ())
            for number in numbers:
                single = deepcopy(node)
                single.set(key, str(number))
                node.addprevious(single)
            if numbers:
                node.getparent().remove(node)


def read_tunes(tree, _live) -> None:
    """virDomainResctrlParseVcpus, virDomainVcpuPinDefParseXML: no more processors than the guest has."""
    for pin in tree.findall("cputune/vcpupin"):
        if not (members(pin.get("vcpu", "0")) or set()) & set(range(_processors(tree))):
            pin.getparent().remove(pin)
    for tag in ("cachetune", "memorytune"):
        for node in tree.findall(f"cputune/{tag}"):
            numbers = members(node.get("vcpus", ""))
            there = numbers and {number for number in numbers if number < _processors(tree)}
            if numbers and not there:
                node.getparent().remove(node)
            elif there and there != numbers:
                node.set("vcpus", spread(there))


def read_cpu(cpu) -> None:
    """virCPUDefParseXML and virCPUDefFormatBuf in conf/cpu_conf.c: only some modes have a model."""
    mode = cpu.get("mode", "custom")
    for model in cpu.findall("model"):
        if mode not in MODELLED:
            cpu.remove(model)
        elif not xml.text(model):
            model.attrib.pop("fallback", None)
            if not model.keys():
                cpu.remove(model)
