# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of guests, each with all that is asked of it."""

from __future__ import annotations

from ansible_collections.virt.image.plugins.doc_fragments import _extra_disks, _hardware, _place, _shape
from ansible_collections.virt.image.plugins.plugin_utils.docs import of_guests


class ModuleDocFragment:
    """The list of guests, each with all that is asked of it."""

    # Annotated, because ansible-test reads what is assigned without it as a constant.
    DOCUMENTATION: str = (
        r"""
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
          - The path of the descriptor, or its URL (http, https), which the host fetches. Its disk files are relative to it.
          - Disk files may be compressed (gzip, bzip2, xz, zstd); that is seen from their content.
          - Needed for every O(guests[].state) but V(absent).
        type: str

      allow_outside_files:
        description:
          - Whether the descriptor may name files that are not in its own folder (absolute paths, C(..), and symbolic links
            where the files are read).
          - By default they are refused, because a descriptor may come from a stranger.
        type: bool
        default: false
      checksum:
        description:
          - Checksums of the image's files, besides those in the descriptor. A key is a file's name as the descriptor has it, or
            the descriptor's own; a value is an algorithm and a digest, such as V(sha256:DIGEST).
          - Known are sha224, sha256, sha384 and sha512, and with a warning sha1 and md5. They are those of the file as it is
            delivered, compressed or not.
        type: dict
      require_checksum:
        description:
          - Whether a file without any checksum is refused.
        type: bool
        default: false
      signature:
        description:
          - Whose detached signature over the descriptor is taken. The checksums in it then cover the disks.
          - One of O(guests[].signature.keyring) and O(guests[].signature.allowed_signers) is needed.
          - A signature that is there must be right. That there is none is accepted, unless O(guests[].signature.file) or
            O(guests[].require_signature) says otherwise.
        type: dict
        suboptions:
          file:
            description:
              - The signature's file, relative to the descriptor. By default the descriptor's name with C(.asc), C(.sig) or
                C(.gpg), whichever is there.
            type: str
          keyring:
            description:
              - The path of a keyring with OpenPGP keys, for C(gpgv). It is on the machine where the image is, or on the host
                where that is a URL.
            type: path
          allowed_signers:
            description:
              - The path of a file with SSH keys as C(ssh-keygen -Y verify) takes it, on the same machine.
            type: path
          signer:
            description:
              - Who must have signed, the principal of an SSH key or the fingerprint of an OpenPGP key. By default any of them.
            type: str
          namespace:
            description:
              - The namespace of an SSH signature.
            type: str
            default: file
      require_signature:
        description:
          - Whether a descriptor without a valid signature is refused, and files that its checksums do not cover. md5 and sha1
            do not.
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
{networks}
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
{hardware}

{place}
{extra_disks}
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
      adopt:
        description:
          - Whether a domain of that name that was not made by this collection is taken over, without a restart. If not, the
            guest fails.
          - Its disks stay. They must be the files that the guest would have; O(guests[].disks[].volume) names them.
        type: bool
        default: false
      on_drift:
        description:
          - What becomes of drift, that is, of what was applied and what someone else has changed since.
          - V(repair) brings it back. V(report) leaves it, returns it in RV(ignore:drift) and warns. V(ignore) leaves it.
          - What the playbook itself has changed is applied in any case, and passwords are always brought back.
        type: str
        choices: [repair, report, ignore]
        default: repair
      apply:
        description:
          - When changes come to a domain that runs. All are written to its configuration.
          - V(live) also changes at once what can be changed while it runs. These are more virtual CPUs and any memory within their
            maximum, media, links and networks of interfaces, disks and interfaces that come or go, title and description. The rest
            waits until the domain is stopped and started again.
          - A disk is taken from a running guest only if the guest agent tells that no file system of it is mounted.
          - V(next_boot) leaves what runs as it is.
          - V(restart) stops the domain and starts it again, if a change takes that. A domain that is being adopted is not restarted.
        type: str
        choices: [live, next_boot, restart]
        default: live
      wait:
        description:
          - What is waited for when the guest runs. A guest that stops or pauses meanwhile fails the task, with the reason and
            the ends of QEMU's log and of its console.
        type: dict
        suboptions:
          settle:
            description:
              - For how many seconds a guest that was started has to run, without a reset, before its start counts.
              - One that does not is powered off, and an existing guest gets its former definition back. V(0) is not at all.
            type: int
            default: 1
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
          tcp:
            description:
              - A TCP port, or several, that take connections from the host at one of the guest's addresses.
            type: list
            elements: int
          serial:
            description:
              - A regular expression of Python for what a guest that was started writes on its first serial console.
              - It is looked for in the last 64 KiB, without the terminal's control sequences; C(^) and C($) match at each line.
              - A guest that runs already is not asked for it.
            type: str
          timeout:
            description:
              - How many seconds to wait at most, for all of it.
            type: int
            default: 120

      shutdown:
        description:
          - How a running guest is stopped. Its agent is asked first, where it has one, then the power button is pressed,
            again every five seconds.
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
"""
        # Written once, with the options of the modules for one guest.
        .replace("{networks}", of_guests(_shape.ModuleDocFragment, "networks"))
        .replace("{hardware}", of_guests(_hardware.ModuleDocFragment))
        .replace("{place}", of_guests(_place.ModuleDocFragment))
        .replace("{extra_disks}", of_guests(_extra_disks.ModuleDocFragment))
    )
