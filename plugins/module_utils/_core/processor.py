# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processors of one guest: their number, their model, what the host gives them.

Source: https://libvirt.org/formatdomain.html#cpu-allocation, #cpu-model-and-topology, #cpu-tuning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from . import xen, xml
from .asker import Asker
from .errors import ImageError, Problem, Problems
from .machine import QEMU_TYPES
from .match import Verdict

# QEMU's default there has 32 bits, also in the emulator of 64: https://www.qemu.org/docs/master/system/arm/virt.html
EMULATED_MODELS = {"aarch64": "cortex-a57"}
# Architectures whose KVM knows no named CPU models.
PASSTHROUGH_ARCHES = ("aarch64", "armv7l", "riscv64")
MODES = ("host-model", "host-passthrough", "maximum", "custom")
POLICIES = ("force", "require", "optional", "disable", "forbid")
MODEL = r"[A-Za-z0-9_.,+-]{1,64}"
MOST = 65536
# OPTIONS are those of a guest that are read here.
OPTIONS = ("max_vcpus", "cpu", "cpu_tuning", "iothreads")


@dataclass(frozen=True)
class Cpu:
    """The CPU that the guest sees; `features` maps names to policies, None is what suits the guest."""

    mode: Optional[str] = None
    model: Optional[str] = None
    features: dict[str, str] = field(default_factory=dict)
    sockets: Optional[int] = None
    cores: Optional[int] = None
    threads: Optional[int] = None

    @property
    def has_topology(self) -> bool:
        """Return whether the guest's CPUs are asked to lie somehow."""
        return bool(self.sockets or self.cores or self.threads)

    def topology(self, count: int) -> tuple[int, int, int]:
        """Return sockets, cores, threads: what is not said is 1, and sockets what comes to `count`."""
        cores, threads = self.cores or 1, self.threads or 1
        return self.sockets or max(1, count // (cores * threads)), cores, threads


@dataclass(frozen=True)
class Tuning:
    """What the host gives the CPUs: weight, microseconds in each period, and the host's CPUs that they run on."""

    shares: Optional[int] = None
    period: Optional[int] = None
    quota: Optional[int] = None
    vcpu_pins: dict[int, str] = field(default_factory=dict)
    emulator_pin: Optional[str] = None
    iothread_pins: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Processor:
    """All that is asked of the CPUs but their number; None is "as now"."""

    max_vcpus: Optional[int] = None
    cpu: Cpu = Cpu()
    tuning: Tuning = Tuning()
    iothreads: Optional[int] = None


def parse_processor(asker: Asker) -> Processor:
    """Return what a user asks of the CPUs; mistakes are collected."""
    processor = Processor(
        max_vcpus=asker.number("max_vcpus", 1, MOST),
        cpu=asker.part("cpu", _cpu),
        tuning=asker.part("cpu_tuning", _tuning),
        iothreads=asker.number("iothreads", 1, 256),
    )
    for number in sorted(processor.tuning.iothread_pins):
        if not 1 <= number <= (processor.iothreads or 0):
            asker.wrong(f"cpu_tuning.iothread_pins: {number} is no IO thread; iothreads is {processor.iothreads or 0}")
    return processor


def _cpu(asker: Asker) -> Cpu:
    asker.refuse_unknown(("mode", "model", "features", "sockets", "cores", "threads"), "a CPU")
    mode, model = asker.choice("mode", MODES), asker.word("model", MODEL, "Skylake-Server")
    features = dict(asker.pairs("features"))
    for name, policy in features.items():
        if policy not in POLICIES:
            asker.wrong(f"features: {name}: {policy!r:.80} is unknown; it is one of {', '.join(POLICIES)}")
        if not re.fullmatch(MODEL, name):
            asker.wrong(f"features: {name!r:.80} is no feature; one is vmx")
    if model and mode not in (None, "custom"):
        asker.wrong(f"model {model} is for mode custom; mode {mode} has its own")
    if mode == "custom" and not model:
        asker.wrong("has no model, which mode custom needs")
    numbers = (asker.number(key, 1, MOST) for key in ("sockets", "cores", "threads"))
    return Cpu(mode or ("custom" if model else None), model, features, *numbers)


def _tuning(asker: Asker) -> Tuning:
    asker.refuse_unknown(
        ("shares", "period", "quota", "vcpu_pins", "emulator_pin", "iothread_pins"), "cpu_tuning"
    )
    return Tuning(
        # The bounds of Linux: https://libvirt.org/formatdomain.html#cpu-tuning.
        shares=asker.number("shares", 2, 262144),
        period=asker.number("period", 1000, 1000000),
        quota=asker.number("quota", 1000, 17592186044415),
        vcpu_pins=asker.pins("vcpu_pins"),
        emulator_pin=asker.cpuset("emulator_pin"),
        iothread_pins=asker.pins("iothread_pins"),
    )


def vcpu_mistakes(processor: Processor, vcpus: int):
    """Yield what does not go with that number of virtual CPUs."""
    most = processor.max_vcpus or vcpus
    if most < vcpus:
        yield f"max_vcpus is {most}, and the guest has {vcpus} vcpus; it is at least as many"
    if processor.cpu.has_topology:
        sockets, cores, threads = processor.cpu.topology(most)
        if sockets * cores * threads != most:
            name = "max_vcpus" if processor.max_vcpus else "vcpus"
            yield (
                f"cpu: {sockets} sockets of {cores} cores of {threads} threads are {sockets * cores * threads} CPUs, and "
                f"{name} is {most}"
            )
    for number in sorted(processor.tuning.vcpu_pins):
        if number >= most:
            yield f"cpu_tuning.vcpu_pins: {number} is no virtual CPU; they are 0 to {most - 1}"


def refuse_wrong_vcpus(processor: Processor, vcpus: int) -> None:
    """Raise ImageError where the options do not go with the number of CPUs, which may be the descriptor's."""
    problems = Problems()
    for message in vcpu_mistakes(processor, vcpus):
        problems.add(Problem(message))
    problems.raise_any()


def render_vcpu(processor: Processor, vcpus: int):
    """Return <vcpu>: the most there can be, and how many there are."""
    most = processor.max_vcpus or vcpus
    return xml.element("vcpu", {"current": vcpus if vcpus < most else None}, most)


def render_tuning(processor: Processor):
    """Return <cputune>, or None."""
    tuning = processor.tuning
    if tuning == Tuning():
        return None
    pin = tuning.emulator_pin
    return xml.element(
        "cputune",
        None,
        xml.leaf("shares", tuning.shares),
        xml.leaf("period", tuning.period),
        xml.leaf("quota", tuning.quota),
        *(xml.element("vcpupin", {"vcpu": vcpu, "cpuset": cpus}) for vcpu, cpus in sorted(tuning.vcpu_pins.items())),
        xml.element("emulatorpin", {"cpuset": pin}) if pin else None,
        *(
            xml.element("iothreadpin", {"iothread": number, "cpuset": cpus})
            for number, cpus in sorted(tuning.iothread_pins.items())
        ),
    )


def render_cpu(processor: Processor, vcpus: int, verdict: Verdict):
    """Return <cpu>, or None: an assisted guest gets the host's, an emulated one mostly the emulator's default.

    Raises ImageError for what its hypervisor cannot give it.
    """
    cpu = processor.cpu
    assisted = verdict.virt_type == "kvm"
    _refuse_impossible(cpu, verdict)
    mode, model = cpu.mode, cpu.model
    if mode is None and assisted:
        mode = "host-passthrough" if verdict.arch in PASSTHROUGH_ARCHES else "host-model"
    elif mode is None and verdict.virt_type in QEMU_TYPES:
        model = EMULATED_MODELS.get(verdict.arch)
        mode = "custom" if model else None
    if mode is None and not cpu.has_topology:
        return None
    sockets, cores, threads = cpu.topology(processor.max_vcpus or vcpus)
    topology = {"sockets": sockets, "cores": cores, "threads": threads}
    return xml.element(
        "cpu",
        {"mode": mode},
        xml.element("model", {"fallback": "forbid"}, model) if model else None,
        xml.element("topology", topology) if cpu.has_topology else None,
        *(xml.element("feature", {"policy": policy, "name": name}) for name, policy in sorted(cpu.features.items())),
    )


def _refuse_impossible(cpu: Cpu, verdict: Verdict) -> None:
    emulated, type = verdict.virt_type == "qemu", verdict.virt_type
    if emulated and cpu.mode == "host-passthrough":
        raise ImageError("cpu.mode: host-passthrough needs kvm; an emulated guest (virt_type: qemu) can have maximum")
    if emulated and cpu.features and not cpu.mode:
        raise ImageError(
            "cpu.features needs cpu.mode (such as maximum) or cpu.model where the guest is emulated (virt_type: qemu): its "
            "default CPU has no name"
        )
    if type == xen.TYPE and cpu.mode not in (None, "host-passthrough"):
        raise ImageError(f"cpu.mode: {cpu.mode} is not for guests of type xen; they can have host-passthrough")
    if type == xen.TYPE and cpu.features and not cpu.mode:
        raise ImageError("cpu.features needs cpu.mode: host-passthrough for a guest of type xen")
