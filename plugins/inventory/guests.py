# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of one or many libvirts as hosts of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: guests
short_description: The guests of libvirt as an inventory
version_added: 0.1.0
description:
  - Makes hosts of the guests that were made from images, or of all domains, of one or many libvirts.
  - A guest's C(ansible_host) is an address that libvirt knows from its DHCP server, from the guest's agent or from the host's
    ARP table. A guest without one has no C(ansible_host). How Ansible connects is not changed.
  - The name of the configuration file ends with C(virt_image.yml) or C(virt_image.yaml).
  - Each libvirt is asked by a process of its own, several at the same time.
  - Guests are only looked at, with one exception. To ask an agent, libvirt's limit for the time of its answers is set, and set to
    libvirt's default after it. Where O(address_sources) has no V(agent), the connection is one that can only read.
author:
  - virt.image contributors (!UNKNOWN)
requirements:
  - The Python bindings C(libvirt) and C(lxml) on the control node, for Ansible's own Python, for the system's, or for that of
    O(python_interpreter)
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [virt.image.guests]
  uris:
    description:
      - The libvirts to ask. Each is a connection URI, or a dictionary with C(uri) and C(name).
      - C(name) is what the hypervisor is called in variables and groups. Give it the name that it has in your inventory, and
        C(hostvars[virt_hypervisor]) and C(delegate_to) find it. By default it is the URI's host, or the name of this host.
      - ssh asks for no password or host key here. Use keys, and known hosts.
    type: list
    elements: raw
    default: [qemu:///system]
  all:
    description: Whether the domains that this collection did not make become hosts, too.
    type: bool
    default: false
  states:
    description: The states that a guest is in to become a host, such as V(running). By default all.
    type: list
    elements: str
    choices: [nostate, running, blocked, paused, shutdown, shutoff, crashed, pmsuspended]
    default: []
  address_sources:
    description:
      - Who is asked for addresses, the preferred first.
      - V(lease) is the DHCP server of libvirt's networks, V(arp) the ARP table of the host. V(agent) is the guest agent, which
        also knows addresses on bridges, and the names of the guest's interfaces.
      - What an agent tells is the guest's own word. Leave V(agent) out where a guest may want to be taken for another machine.
      - An agent that hangs delays the inventory by some seconds, for libvirt's limit for its answers (C(virsh guest-agent-timeout))
        is set for the question, and libvirt's default after it, whatever it was before. All agents of one libvirt have half of
        O(timeout).
    type: list
    elements: str
    choices: [lease, agent, arp]
    default: [lease, agent, arp]
  address_families:
    description: The kinds of addresses that are taken for C(ansible_host), the preferred first.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  networks:
    description:
      - Patterns of the libvirt networks, bridges and devices of the host that an address for C(ansible_host) is on, the preferred
        first. By default all.
      - One that begins with V(!) takes networks out, such as V(!storage*).
    type: list
    elements: str
    default: []
  interfaces:
    description:
      - Patterns of the guest's own interfaces that have the address for C(ansible_host), the preferred first, such as V(eth*). One
        that begins with V(!) takes interfaces out.
      - Only agents know these names. Where no agent tells the name, an address is taken only if nothing but V(!) is here.
      - By default those that the domain has. Others, such as C(docker0), a tunnel, or hardware that is passed through, are taken
        only where a pattern names them.
    type: list
    elements: str
    default: []
  hostnames:
    description:
      - Jinja2 expressions for the name of the host, over the guest's variables. The first that gives a text is taken. By default
        it is the guest's name.
      - Two guests that come to one name are both left out, with a warning that names them. But a guest that is on two
        hypervisors under one UUID, as after a migration, is taken from where it runs.
      - Where one of them is in another file, Ansible makes one host of them, as of any hosts of one name. A warning names them.
      - A guest is left out, with a warning, that has a name which means something else to Ansible, such as C(localhost),
        C(all), or one with C(*), C(?), C([), C(]), a comma, a colon or white space. At the last three Ansible takes patterns
        of hosts apart. An IPv6 address can be a name. V(virt_name | replace(' ', '-'\)) makes a name of one with spaces.
    type: list
    elements: str
    default: []
  hostvars_prefix:
    description:
      - What the names of a guest's variables begin with.
      - After it come C(name), C(uuid), C(state), C(persistent), C(autostart), C(arch), C(machine), C(owned), C(image),
        C(version), C(release), C(generation), C(generation_state), C(since) and C(owner), as M(virt.image.guest_info) tells
        them, and C(type), the C(virt_type) there.
      - C(uri) and C(hypervisor) tell where the guest is.
      - C(interfaces) is a list of dictionaries with C(mac), C(type), and C(source), the network, bridge or device.
      - C(addresses) is a list of dictionaries with C(address), C(family), C(source), who told it, C(interface), the guest's name of
        it, C(mac), and C(network). Addresses that are of the guest's own side (loopback, link-local) are left out.
      - Any key may be null. No value is a template to Ansible.
    type: str
    default: virt_
  group_by:
    description:
      - What groups are made of. With the usual prefix, a guest of version 1.0 of the image web that runs on kvm1 is in
        C(virt_image_web), in C(virt_version_web_1_0), in C(virt_state_running) and C(virt_hypervisor_kvm1).
      - In the names of groups, what is no letter, digit or C(_) becomes C(_). So the images web-a and web.a have one group, and so
        have version 1 of debian-12 and version 12-1 of debian. A warning names them, also where they are of several files.
      - The same version of an image on the hypervisors of several files is one group, as it is meant to be.
      - All guests are in C(virt_guests), whatever is here.
    type: list
    elements: str
    choices: [image, version, state, hypervisor]
    default: [image, version, state, hypervisor]
  group_prefix:
    description: What the names of the groups of O(group_by) begin with.
    type: str
    default: virt_
  fail_on_errors:
    description:
      - Whether there are no hosts at all if a libvirt does not answer, or a guest had to be left out. By default that is a
        warning, and the others are there.
    type: bool
    default: false
  timeout:
    description: How many seconds a libvirt may take for all of its answer.
    type: int
    default: 30
  python_interpreter:
    description:
      - The Python on the control node that has the bindings. By default Ansible's own where it has them, else
        C(/usr/bin/python3).
    type: path
seealso:
  - module: virt.image.guest_info
"""

EXAMPLES = r"""
---
# guests.virt_image.yml: the guests of this host
plugin: virt.image.guests
---
# fleet.virt_image.yml: the guests of two hypervisors that run, reached through these. One that is down is an error.
plugin: virt.image.guests
uris:
  - uri: qemu+ssh://root@kvm1.example.com/system
    name: kvm1
  - uri: qemu+ssh://root@kvm2.example.com/system
    name: kvm2
states: [running]
fail_on_errors: true
hostnames:
  - virt_name ~ '.' ~ virt_hypervisor
compose:
  ansible_user: "'admin'"
  ansible_ssh_common_args: "'-J root@' ~ virt_hypervisor ~ '.example.com'"
---
# bridged.virt_image.yml: all domains; addresses on the bridge of the administrators, which their agents tell
plugin: virt.image.guests
all: true
address_sources: [agent]
networks: [br-admin]
interfaces: ["!docker*"]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/virt_image
keyed_groups:
  - key: virt_arch
    prefix: arch
groups:
  unproved: virt_generation_state == 'pending'
"""

import hashlib
import json
from weakref import WeakKeyDictionary

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.inventory import (
    Met,
    Preferences,
    Seen,
    doubled_hosts,
    groups_of,
    merged_groups,
    parse_targets,
    settle_names,
    variables_of,
)
from ansible_collections.virt.image.plugins.module_utils._core.telling import Answer
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.plugins.plugin_utils.hypervisors import Asking, pythons
from ansible_collections.virt.image.plugins.plugin_utils.untemplated import untemplated

ENDINGS = ("virt_image.yml", "virt_image.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The guests of one or many libvirts."""

    NAME = "virt.image.guests"
    # By the group of all hosts, which the files of a run have together: each has a plugin of its own, and a proxy of the inventory.
    _met: WeakKeyDictionary = WeakKeyDictionary()

    def verify_file(self, path):
        """Return whether the file may be this plugin's."""
        return super().verify_file(path) and path.endswith(ENDINGS)

    def parse(self, inventory, loader, path, cache=True):
        """Put the guests into the inventory."""
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        try:
            self._check(config)
            guests, troubles = self._guests(path, cache)
            named = [(self._name_of(seen), seen) for seen in guests]
            names = settle_names(named)
            self._tell([*troubles, *names.left_out])
            met = self._met.setdefault(inventory.groups["all"], Met())
            grouping = self.get_option("group_by"), self.get_option("group_prefix")
            merged = merged_groups(names.kept.values(), *grouping, self._sanitize_group_name, met)
            for warning in [*merged, *doubled_hosts(names.kept, met)]:
                self.display.warning(f"{self.NAME}: {warning}")
            for name, seen in sorted(names.kept.items()):
                self._add(name, seen)
        except ImageError as error:
            raise AnsibleParserError(f"{self.NAME}: {error}") from error

    def _check(self, config) -> None:
        known = self.option_definitions
        for name in config:
            if name not in known:
                raise ImageError(f"there is no option {name}; there are {', '.join(sorted(known))}")
        if self.get_option("timeout") < 1:
            raise ImageError(f"timeout is {self.get_option('timeout')}; it is at least 1")
        prefix = self.get_option("hostvars_prefix")
        if not f"{prefix}name".isidentifier():
            raise ImageError(f"hostvars_prefix is {prefix!r:.80}; variables are made of letters, digits and _")
        self._wish = Preferences(
            networks=tuple(self.get_option("networks")),
            interfaces=tuple(self.get_option("interfaces")),
            families=tuple(self.get_option("address_families")),
            sources=tuple(self.get_option("address_sources")),
        )

    def _guests(self, path, cache) -> tuple:
        """Return the guests that are asked for, and why others could not be read."""
        targets = parse_targets(self.get_option("uris"))
        answers = self._answers([self._request(target.uri) for target in targets], self.get_cache_key(path), cache)
        guests, troubles, states = [], [], self.get_option("states")
        for target, answer in zip(targets, answers):
            if isinstance(answer, ImageError):
                # Where it could not be connected to, the error names it.
                troubles.append(str(answer) if f" {target.uri}: " in str(answer) else f"{target.uri}: {answer}")
                continue
            hypervisor = target.name or answer.hostname or "localhost"
            troubles += [f"{hypervisor}: {why}" for why in answer.left_out]
            for warning in answer.warnings:
                self.display.warning(f"{hypervisor}: {warning}")
            told = [guest for guest in answer.guests if not states or guest.facts.state in states]
            guests += [Seen(target.uri, hypervisor, guest) for guest in told]
        return guests, troubles

    def _request(self, uri: str) -> dict:
        # Agents have half of the time, so that one that hangs does not hide all guests.
        seconds = self.get_option("timeout") // 2
        return {"uri": uri, "everyone": self.get_option("all"), "sources": self._wish.sources, "seconds": seconds}

    def _answers(self, requests, key, cache) -> list:
        """Return what each libvirt answers, from the cache where it may be and is there."""
        use = self.get_option("cache")
        keys = [f"{key}_{hashlib.sha256(json.dumps(request).encode()).hexdigest()[:16]}" for request in requests]
        known = {key: self._cached(key) for key in keys} if use and cache else {}
        asked = [(key, request) for key, request in zip(keys, requests) if known.get(key) is None]
        if asked:
            asking = Asking(pythons(self.get_option("python_interpreter")), self.get_option("timeout"))
            for (one, _request), answer in zip(asked, asking.ask([request for _key, request in asked])):
                known[one] = answer
                if use and isinstance(answer, Answer):
                    self._cache[one] = to_plain(answer)
        return [known[one] for one in keys]

    def _cached(self, key):
        """Return the answer that is in the cache, or None."""
        try:
            told = self._cache[key]
            # What stays in there is written once more, and would never be too old.
            self._cache.pop(key)
            return from_plain(Answer, told, "the cache")
        except KeyError:
            return None
        except (AnsibleError, ImageError) as error:
            self.display.warning(f"{self.NAME}: libvirt is asked, for the cache cannot be read: {error}")
            return None

    def _name_of(self, seen: Seen) -> str:
        variables = untemplated(self._variables(seen))
        for expression in self.get_option("hostnames"):
            try:
                name = self._compose(expression, variables)
            except Exception as error:  # pylint: disable=broad-exception-caught
                # Whatever an expression of the user's raises.
                if self.get_option("strict"):
                    raise ImageError(f"hostnames: {expression} of guest {seen}: {error}") from error
                continue
            if name not in (None, ""):
                return str(name)
        return seen.guest.facts.name

    def _variables(self, seen: Seen) -> dict:
        return variables_of(seen, self.get_option("hostvars_prefix"), self._wish)

    def _tell(self, troubles) -> None:
        if troubles and self.get_option("fail_on_errors"):
            raise ImageError("\n".join(troubles))
        for trouble in troubles:
            self.display.warning(f"{self.NAME}: {trouble}")

    def _add(self, name: str, seen: Seen) -> None:
        host = self.inventory.add_host(untemplated(name))
        variables = untemplated(self._variables(seen))
        for key, value in variables.items():
            self.inventory.set_variable(host, key, value)
        for group in groups_of(seen, self.get_option("group_by"), self.get_option("group_prefix")):
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), host)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
