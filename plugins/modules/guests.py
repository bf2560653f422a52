#!/usr/bin/python
# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring guests from their image descriptors to the state that is asked for."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: guests
short_description: Bring guests from their image descriptors to the state that is asked for
version_added: 0.1.0
description:
  - Takes a list of guests the whole way, in one call and one connection. Each descriptor is matched with the host, its
    disks are brought, the domain is defined, the guest started.
  - All guests are planned before anything is touched, so that a mistake in one changes none.
  - A second run changes nothing. What differs is repaired, and only that.
author:
  - virt.image contributors (!UNKNOWN)
extends_documentation_fragment:
  - virt.image._attributes
  - virt.image._connection
options:
  guests:
    description:
      - The guests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The guest's name. By default the image's.
        type: str

      image:
        description:
          - The path of the descriptor. Its disk files are relative to it.
          - Needed for every O(guests[].state) but V(absent).
        type: str

      allow_outside_files:
        description:
          - Whether the descriptor may name files that are not in its own folder (absolute paths, C(..), and symbolic links
            where the files are read).
          - By default they are refused, because a descriptor may come from a stranger.
        type: bool
        default: false
      boot:
        description:
          - The index of the boot alternative to take, from 0 in the descriptor's order.
          - By default the best that fits is taken, paravirtualised before fully virtualised, hardware-assisted before
            emulated, then in the descriptor's order.
        type: int
      virt_type:
        description:
          - The hypervisor, as libvirt names the type of a domain, such as V(kvm), V(qemu) or V(xen).
          - V(auto) takes the best that the host has.
        type: str
        default: auto
      machine:
        description:
          - The machine, such as V(pc), V(q35) or V(virt).
          - By default a new guest gets the one that suits its architecture and drives, and an existing guest keeps its own.
        type: str

      firmware:
        description:
          - What starts the guest. V(auto) is BIOS, and UEFI on architectures that boot disks through it only.
        type: str
        choices: [auto, bios, efi]
        default: auto
      vcpus:
        description:
          - The number of virtual CPUs. By default the descriptor's.
        type: int
      memory:
        description:
          - The memory with its unit, such as V(512 MiB). By default the descriptor's.
        type: str
      networks:
        description:
          - The interfaces in their order.
          - By default as many as the descriptor has, on the network V(default), or of type V(user) where the daemon is a
            user's own.
        type: list
        elements: dict
        suboptions:
          type:
            description:
              - What the interface is connected to, in libvirt's terms.
            type: str
            choices: [user, network, bridge, ethernet, mcast, server, client]
            default: network
          source:
            description:
              - The name of the network or bridge, or the address for V(mcast), V(server) and V(client).
            type: str
          mac:
            description:
              - The MAC address. By default derived from host, guest and position, and kept from then on.
            type: str
          model:
            description:
              - The device that the guest sees. By default V(virtio) under QEMU and KVM.
            type: str
          target:
            description:
              - The name of the host's device.
            type: str
          script:
            description:
              - The script that connects the host's device.
            type: str
          port:
            description:
              - The port for V(mcast), V(server) and V(client).
            type: int
      graphics:
        description:
          - How the guest's screen is shown.
        type: dict
        suboptions:
          type:
            description:
              - V(auto) is VNC where the descriptor has C(<graphics/>), else none.
            type: str
            choices: [auto, none, vnc, spice, sdl]
            default: auto
          listen:
            description:
              - The address that the server listens on. By default V(127.0.0.1).
            type: str
          port:
            description:
              - The TCP port. By default libvirt chooses one at each start.
            type: int

      pool:
        description:
          - The storage pool for the guest's volumes. It is active, and its volumes are files (type V(dir), V(fs) or
            V(netfs)).
        type: str
        default: default
      clone:
        description:
          - How a system disk is made from the image's.
          - V(linked) is an overlay on the shared base volume, made in no time.
          - V(full) is a copy that needs no other file.
        type: str
        choices: [linked, full]
        default: linked
      disks:
        description:
          - What differs from the descriptor for single disks.
        type: list
        elements: dict
        suboptions:
          id:
            description:
              - The disk's id in the descriptor.
            type: str
            required: true
          size:
            description:
              - The disk's size with its unit, such as V(10 GiB).
              - A disk that exists grows to it, also while its guest runs. It is never made smaller.
            type: str
          pool:
            description:
              - Another pool for this disk.
            type: str

      unlisted_features:
        description:
          - What becomes of a feature (C(pae), C(acpi), C(apic)) that the descriptor does not name and the host can switch.
          - V(off) is the rule of virt-image(5). V(host_default) leaves it to the host.
        type: str
        choices: ["off", host_default]
        default: "off"

      xml:
        description:
          - Domain XML that is merged into what is rendered, element by element. Either the elements alone, such as
            C(<cpu mode='host-passthrough'/>), or a C(<domain>) with them.
          - libvirt judges it when it is written, so check mode does not find what libvirt refuses.
        type: str

      autostart:
        description:
          - Whether libvirt starts the guest with the host. By default it is left as it is.
        type: bool

      state:
        description:
          - V(started) and V(stopped) say whether the guest runs. V(present) leaves that as it is.
          - V(absent) removes the guest and what O(guests[].remove) says.
        type: str
        choices: [present, started, stopped, absent]
        default: started
      wait:
        description:
          - What is waited for when the guest runs.
        type: dict
        suboptions:
          agent:
            description:
              - The guest agent answers.
            type: bool
            default: false
          address:
            description:
              - An address of the guest is known, from its agent or from the host's leases.
            type: bool
            default: false
          timeout:
            description:
              - How many seconds to wait at most.
            type: int
            default: 120

      shutdown:
        description:
          - How a running guest is stopped.
        type: dict
        suboptions:
          timeout:
            description:
              - How many seconds the guest has to shut down when it is asked to.
            type: int
            default: 60
          force:
            description:
              - Whether the guest is powered off after that. If not, the task fails.
            type: bool
            default: false

      remove:
        description:
          - Which volumes go with the guest for O(guests[].state=absent). Base volumes, which guests share, stay.
          - V(disposable) are the system and scratch disks, V(all) the user disks too.
        type: str
        choices: [none, disposable, all]
        default: disposable
  image_source:
    description:
      - Where the descriptors and their disk files are. From the V(controller), disks are copied to a host only if it lacks
        their content.
    type: str
    choices: [host, controller]
    default: host
  _deliveries:
    description:
      - For the action plugin, which tells the module here what it read on the control node. Not to be set in a playbook.
    type: list
    elements: dict
    default: []
seealso:
  - module: virt.image.storage
  - module: virt.image.domain
  - module: virt.image.match_info
"""

EXAMPLES = r"""
---
- name: Two guests of one image
  virt.image.guests:
    guests:
      - name: web1
        image: /srv/images/web/image.xml
      - name: web2
        image: /srv/images/web/image.xml
        memory: 1 GiB
        networks:
          - type: bridge
            source: br0
        wait:
          agent: true

- name: A guest is to go, its user disks too
  virt.image.guests:
    guests:
      - name: web2
        state: absent
        remove: all
"""

RETURN = r"""
---
guests:
  description: What became of each guest, in the order of the call.
  returned: always, once all guests were planned
  type: list
  elements: dict
  contains:
    name:
      description: The guest's name.
      type: str
    state:
      description: Its state.
      type: str
    changed:
      description: Whether anything was done, or would be.
      type: bool
    actions:
      description: What was done, or would be, in order.
      type: list
      elements: str
    changes:
      description: Each place of an existing domain that differs, with path, before and after.
      type: list
      elements: dict
    restart_required:
      description: Whether the guest runs with another configuration than the one that is defined now.
      type: bool
    boot:
      description: The index of the boot alternative.
      type: int
    virt_type:
      description: The hypervisor that runs the guest.
      type: str
    volumes:
      description: The guest's volumes, with disk, use, pool, name, path, format, and capacity in bytes.
      type: list
      elements: dict
    addresses:
      description: The guest's addresses, if they were waited for.
      type: list
      elements: str
    error:
      description: Why the guest failed, if it did.
      type: str
"""

from ..module_utils._io import options
from ..module_utils._io.deploy import guests
from ..module_utils._io.module import run


def main() -> None:
    """Run the module."""
    run(options.GUESTS, guests)


if __name__ == "__main__":
    main()
