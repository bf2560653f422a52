# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one guest's machine: how it starts, processors, memory, devices."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of one guest's machine: how it starts, processors, memory, devices."""

    DOCUMENTATION = r"""
options:
  secure_boot:
    description:
      - Whether the firmware starts signed systems only, with the usual keys enrolled. It needs UEFI and, on x86, the machine
        V(q35).
      - By default libvirt takes the firmware that the host prefers.
    type: bool
  boot_devices:
    description:
      - What the guest starts from, in order. By default what the descriptor says, or V(hd).
    type: list
    elements: str
    choices: [fd, hd, cdrom, network]
  clock:
    description:
      - What the guest's clock shows when it starts. Windows wants V(localtime).
    type: str
    choices: [utc, localtime]
    default: utc
  on_poweroff:
    description:
      - What becomes of the domain when the guest powers off. V(rename-restart) is Xen's.
    type: str
    choices: [destroy, restart, preserve, rename-restart]
    default: destroy
  on_reboot:
    description:
      - What becomes of the domain when the guest reboots.
    type: str
    choices: [destroy, restart, preserve, rename-restart]
    default: restart
  on_crash:
    description:
      - What becomes of the domain when the guest crashes.
    type: str
    choices: [destroy, restart, preserve, rename-restart, coredump-destroy, coredump-restart]
    default: destroy
  max_vcpus:
    description:
      - The most virtual CPUs that the guest can have while it runs. By default as many as it has.
    type: int
  cpu:
    description:
      - The CPU that the guest sees. By default the host's under KVM, and the emulator's own where it is emulated.
    type: dict
    suboptions:
      mode:
        description:
          - V(host-model) is like the host's and can be migrated, V(host-passthrough) is the host's, V(maximum) has all that
            can be, V(custom) is O(cpu.model).
        type: str
        choices: [host-model, host-passthrough, maximum, custom]
      model:
        description:
          - The name of a model, such as V(Skylake-Server), for V(custom).
        type: str
      features:
        description:
          - What differs from the model. A key is a feature, such as C(vmx), a value is V(force), V(require), V(optional),
            V(disable) or V(forbid).
        type: dict
      sockets:
        description:
          - The number of sockets. By default what comes to the number of CPUs.
          - Sockets, cores and threads multiplied are O(max_vcpus), or O(vcpus) without it.
        type: int
      cores:
        description:
          - The cores of a socket. By default 1.
        type: int
      threads:
        description:
          - The threads of a core. By default 1.
        type: int
  cpu_tuning:
    description:
      - What the host gives the guest's CPUs.
    type: dict
    suboptions:
      shares:
        description:
          - The weight beside other guests.
        type: int
      period:
        description:
          - The microseconds of a period, 1000 to 1000000.
        type: int
      quota:
        description:
          - The microseconds that each virtual CPU has in a period, at least 1000.
        type: int
      vcpu_pins:
        description:
          - The CPUs of the host for each virtual CPU. A key is its number from 0, a value is a set such as V(0-3,^2).
        type: dict
      emulator_pin:
        description:
          - The CPUs of the host for the emulator.
        type: str
      iothread_pins:
        description:
          - The CPUs of the host for each IO thread, by its number from 1.
        type: dict
  iothreads:
    description:
      - The number of IO threads. A disk's C(iothread) says which one serves it.
    type: int
  max_memory:
    description:
      - The most memory that the guest can have while it runs, with its unit. By default as much as it has.
    type: str
  hugepages:
    description:
      - The guest's memory consists of the host's huge pages. V({}) takes those of the host's default size.
    type: dict
    suboptions:
      size:
        description:
          - The size of a page with its unit, such as V(2 MiB).
        type: str
  video:
    description:
      - The device that draws the screen.
    type: dict
    suboptions:
      model:
        description:
          - By default what suits the machine, where there is a screen. V(none) is no device.
        type: str
        choices: [vga, cirrus, vmvga, qxl, virtio, bochs, ramfb, none, xen, vbox, gop]
      vram:
        description:
          - The device's memory with its unit.
        type: str
      heads:
        description:
          - The number of screens, with V(qxl) and V(virtio).
        type: int
  tpm:
    description:
      - A TPM. V({}) is an emulated TPM 2.0, for which the host needs swtpm.
    type: dict
    suboptions:
      type:
        description:
          - V(passthrough) is the host's own.
        type: str
        choices: [emulator, passthrough]
        default: emulator
      model:
        description:
          - What the guest sees. By default what suits the machine.
        type: str
        choices: [tpm-tis, tpm-crb, tpm-tis-device, tpm-spapr]
      version:
        description:
          - The version of an emulated TPM. By default V(2.0).
        type: str
        choices: ["1.2", "2.0"]
      device:
        description:
          - The host's TPM. By default C(/dev/tpm0).
        type: path
  agent:
    description:
      - Whether the guest has the channel of the QEMU guest agent.
    type: bool
    default: true
  serial:
    description:
      - The serial console.
    type: dict
    suboptions:
      log:
        description:
          - The absolute path of a file on the host, to which all that the console shows is written. Its folder must exist.
        type: path
      append:
        description:
          - Whether the file is kept when the guest starts.
        type: bool
        default: false
  rng:
    description:
      - Whether the guest gets random numbers from the host.
    type: bool
    default: true
  memballoon:
    description:
      - The device through which memory is given back. V(auto) leaves it to libvirt.
    type: str
    choices: [auto, virtio, none]
    default: auto
  watchdog:
    description:
      - A device that acts when the guest no longer answers it. V({}) resets the guest.
    type: dict
    suboptions:
      model:
        description:
          - What the guest sees. By default what suits the machine.
        type: str
        choices: [i6300esb, ib700, itco, diag288]
      action:
        description:
          - What is done.
        type: str
        choices: [reset, shutdown, poweroff, pause, none, dump, inject-nmi]
        default: reset
  filesystems:
    description:
      - Folders of the host that the guest can mount.
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - The absolute path of the folder.
        type: path
        required: true
      target:
        description:
          - The tag by which the guest mounts it.
        type: str
        required: true
      driver:
        description:
          - V(virtiofs) makes the guest's memory shared. V(path) is 9p.
        type: str
        choices: [virtiofs, path]
        default: virtiofs
      readonly:
        description:
          - Whether the guest can only read. V(virtiofs) can do that since libvirt 11.0.
        type: bool
        default: false
  hostdevs:
    description:
      - Devices of the host that the guest gets.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - What kind of device it is.
        type: str
        choices: [pci, usb]
        default: pci
      address:
        description:
          - Where it is, V(0000:01:00.0) for V(pci), and bus and device for V(usb), such as V(1:4).
        type: str
      vendor:
        description:
          - The vendor of a device of type V(usb), such as V(0x1d6b).
        type: str
      product:
        description:
          - The product of a device of type V(usb).
        type: str
      managed:
        description:
          - Whether libvirt takes a device of type V(pci) from the host's driver and gives it back. By default it does.
        type: bool
"""
