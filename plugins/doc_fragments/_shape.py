# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say what one guest is."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that say what one guest is."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - The guest's name. By default the image's.
    type: str

  image:
    description:
      - The path of the descriptor on the host, or its URL (http, https). Its disk files are relative to it.
    type: str
    required: true

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
        choices: [user, network, bridge, ethernet, mcast, server, client, udp, direct]
        default: network
      source:
        description:
          - The name of the network or bridge, for V(direct) the host's device, or the address for V(mcast), V(server),
            V(client) and V(udp).
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
          - The script that connects the host's device, for V(ethernet), and under Xen for V(bridge).
        type: str
      port:
        description:
          - The port for V(mcast), V(server), V(client) and V(udp).
        type: int
      local_address:
        description:
          - The address of this side, for V(udp).
        type: str
      local_port:
        description:
          - The port of this side, for V(udp).
        type: int
      mode:
        description:
          - How V(direct) uses the host's device. By default libvirt's, V(vepa).
        type: str
        choices: [vepa, bridge, private, passthrough]
      ip:
        description:
          - The address that the guest gets, with its prefix if need be, such as V(192.0.2.7/24).
          - It is for V(user), and under Xen for V(network), V(bridge) and V(ethernet).
        type: str
      portgroup:
        description:
          - The port group of the V(network).
        type: str
      virtualport:
        description:
          - How a switch knows the interface.
        type: dict
        suboptions:
          type:
            description:
              - The kind of switch. The first two are for V(network) and V(bridge), the others for V(network) and V(direct).
            type: str
            choices: [openvswitch, midonet, 802.1Qbg, 802.1Qbh]
            required: true
          interfaceid:
            description:
              - The UUID of the interface, for V(openvswitch) and V(midonet). For V(openvswitch) libvirt makes one.
            type: str
          profileid:
            description:
              - The name of the profile, for V(openvswitch) and V(802.1Qbh).
            type: str
          instanceid:
            description:
              - The UUID of the instance, for V(802.1Qbg).
            type: str
          managerid:
            description:
              - The number of the manager, for V(802.1Qbg).
            type: str
          typeid:
            description:
              - The number of the type, for V(802.1Qbg).
            type: str
          typeidversion:
            description:
              - The version of the type, for V(802.1Qbg).
            type: str
      vlan:
        description:
          - The VLAN of the interface, where the network or switch can have one.
        type: dict
        suboptions:
          tags:
            description:
              - The tags. Several make a trunk.
            type: list
            elements: int
            required: true
          trunk:
            description:
              - Whether one tag is a trunk too.
            type: bool
      mtu:
        description:
          - The largest packet, for V(network), V(bridge) and V(ethernet).
        type: int
      queues:
        description:
          - The number of queues of the model V(virtio), where the host has a device for the interface.
        type: int
      link:
        description:
          - Whether the guest sees a cable.
        type: str
        choices: [up, down]
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

  xml:
    description:
      - Domain XML that is merged into what is rendered, element by element. Either the elements alone, such as
        C(<cpu mode='host-passthrough'/>), or a C(<domain>) with them.
      - libvirt judges it when it is written, so check mode does not find what libvirt refuses.
    type: str
"""
