# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities of hosts and of single emulators: those of every kind (hosts.yml), then each rule by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.host import (
    DomainCapabilities,
    Feature,
    Host,
    Kvm,
    parse_capabilities,
    parse_domain_capabilities,
)
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.support import HERE, host, message, table, text, value_or_words

HOSTS = [row for row in table("hosts.yml") if not row.id.startswith("domain-")]
EMULATORS = [row for row in table("hosts.yml") if row.id.startswith("domain-")]
ON, TOGGLE, OFF = Feature(True, False, True), Feature(True, True, True), Feature(False, True, False)
EITHER = Feature(True, True, False)
HOST = "<host><cpu><arch>a</arch></cpu></host>"
NO_ARCH = "capabilities:2: <guest> has no <arch name=''> [/capabilities/guest]"
COUNTS = ("sockets", "dies", "clusters", "cores", "threads")
ODD = ["", "x", "-1", "+1", "1.5", "0x10", "1_0", "６４", "²", "9" * 50, "9" * 5000]


def made(guests="", cpu="", inside="", arch="x86_64"):
    """Return the host of these elements, inside <host> and its <cpu>, and of these guests."""
    return parse_capabilities(
        f"<capabilities><host><cpu><arch>{arch}</arch>{cpu}</cpu>{inside}</host>{guests}</capabilities>"
    )


def made_guest(inside="", features="", arch="x86_64"):
    """Return the one guest with these elements in its <arch> and <features>."""
    return made(
        f"<guest><os_type>hvm</os_type><arch name='{arch}'>{inside}</arch><features>{features}</features></guest>"
    ).guests[0]


def made_cell(inside):
    """Return the NUMA cell 0 with these elements."""
    return made(inside=f"<topology><cells><cell id='0'>{inside}</cell></cells></topology>").cells[0]


def for_each(told, kinds):
    """Return what a row tells of each domain type: one value for all, or a dictionary."""
    return [told.get(kind) if isinstance(told, dict) else told for kind in kinds]


def test_every_sample_has_a_row():
    samples = sorted(path.stem for path in (HERE / "capabilities").glob("*.xml"))
    assert sorted(row.id for row in HOSTS + EMULATORS) == samples


@pytest.mark.parametrize("row", HOSTS)
def test_kinds_of_guests(row):
    found = host(row["name"])
    assert from_plain(Host, to_plain(found), "host") == found
    assert (found.arch, found.uuid) == (row["arch"], row["uuid"])
    assert len(found.guests) == len(row["guests"])
    for guest, told in zip(found.guests, row["guests"]):
        os_type, arch, wordsize, kinds, emulator, machine, loader = (told + [None] * 3)[:7]
        assert (guest.os_type, guest.arch, guest.wordsize) == (os_type, arch, wordsize)
        assert [domain.type for domain in guest.domains] == kinds
        assert [domain.emulator for domain in guest.domains] == for_each(emulator, kinds)
        assert [domain.default_machine for domain in guest.domains] == for_each(machine, kinds)
        assert [domain.loader for domain in guest.domains] == for_each(loader, kinds)


@pytest.mark.parametrize("row", HOSTS)
def test_hardware(row):
    found = host(row["name"])
    topology, migration = found.cpu.topology, found.migration
    assert [found.cpu.model, found.cpu.vendor] == row.get("cpu", [None, None])
    assert list(found.cpu.features) == row.get("features", [])
    assert (topology and [getattr(topology, name) for name in COUNTS]) == row.get("topology")
    cells = [[cell.id, cell.memory_kib, list(cell.cpus), cell.distances] for cell in found.cells]
    assert cells == row.get("cells", [])
    assert [[one.model, one.doi, one.labels] for one in found.security_models] == row.get("security_models", [])
    assert (migration and [migration.live, list(migration.transports)]) == row.get("migration")


@pytest.mark.parametrize("row", EMULATORS)
def test_domain_capabilities(row):
    found = to_plain(parse_domain_capabilities(text(f"capabilities/{row['name']}.xml")))
    told = {key: value for key, value in row.items() if key not in ("name", "devices")}
    assert {key: value for key, value in found.items() if key != "devices"} == told
    assert sorted(found["devices"]) == sorted(row["devices"])
    for kind, enumerations in row["devices"].items():
        assert {name: found["devices"][kind][name] for name in enumerations} == enumerations


def test_plain_form_and_back_with_all_there_is():
    texts = [text(f"capabilities/{row.id}.xml") for row in EMULATORS]
    parsed = replace(parse_capabilities(text("capabilities/ppc64le.xml"), texts), kvm=Kvm(False, "no CPU help"))
    assert len(parsed.domain_capabilities) == len(texts)
    assert from_plain(Host, to_plain(parsed), "host") == parsed


def test_facts_of_an_older_version_still_load():
    parsed = parse_capabilities(text("capabilities/ppc64le.xml"), [text("capabilities/domain-secure-boot.xml")])
    plain = to_plain(parsed)
    for new in ("cells", "security_models", "migration", "kvm"):
        del plain[new]
    del plain["cpu"]["topology"]
    for new in ("secure_boot", "loader_types", "loaders", "cpu_models", "features"):
        del plain["domain_capabilities"][0][new]
    loaded = from_plain(Host, plain, "host")
    assert (loaded.cells, loaded.security_models, loaded.migration, loaded.kvm) == ((), (), None, None)
    assert (loaded.cpu.topology, loaded.domain_capabilities[0].secure_boot) == (None, False)
    assert (loaded.guests, loaded.cpu.model) == (parsed.guests, "POWER9")


@pytest.mark.parametrize(
    "name, index, features",
    [
        ("qemu", 0, {"pae": EITHER, "acpi": TOGGLE, "apic": ON, "disksnapshot": ON}),
        ("qemu", 1, {"pae": ON, "acpi": TOGGLE, "apic": ON, "disksnapshot": ON}),
        ("qemu-only", 0, {"acpi": TOGGLE, "disksnapshot": ON}),
        ("s390x", 0, {"disksnapshot": ON}),
        ("xen", 0, {"pae": ON}),
        ("xen", 2, {"hap": TOGGLE}),
        ("libvirt-0.4.0", 1, {"pae": ON}),
        ("libvirt-0.4.0", 2, {"pae": EITHER, "acpi": TOGGLE, "apic": EITHER}),
        ("libvirt-0.4.0", 3, {}),
    ],
)
def test_features(name, index, features):
    found = host(name).guests[index].features
    assert {key: value for key, value in found.items() if key not in ("cpuselection", "deviceboot")} == features


@pytest.mark.parametrize(
    "told, arch, features",
    [
        ("<acpi default='on' toggle='yes'/>", "i686", {"acpi": TOGGLE}),
        ("<acpi default='off' toggle='yes'/>", "i686", {"acpi": EITHER}),
        ("<acpi default='on' toggle='no'/>", "i686", {"acpi": ON}),
        ("<acpi default='off' toggle='no'/>", "i686", {"acpi": OFF}),
        ("<acpi/><hap default=' on '/>", "i686", {"acpi": ON, "hap": ON}),
        ("<ia64_be/><a.new-one default=' off '/>", "ia64", {"ia64_be": ON, "a.new-one": OFF}),
        ("<pae/>", "i686", {"pae": ON}),
        ("<nonpae/>", "i686", {"pae": OFF}),
        ("<pae/><nonpae/>", "i686", {"pae": EITHER}),
        ("<pae/><nonpae/>", "x86_64", {"pae": EITHER}),
        ("", "x86_64", {"pae": ON}),
        ("", "i686", {}),
    ],
)
def test_toggles(told, arch, features):
    assert made_guest(features=told, arch=arch).features == features


@pytest.mark.parametrize("tag", ["emulator", "loader"])
@pytest.mark.parametrize(
    "of_arch, of_domain, found",
    [("/a", None, "/a"), ("/a", "/b", "/b"), (None, " /b\n", "/b"), ("/a", " ", "/a"), (" ", "", None)],
)
def test_a_domain_type_has_from_its_arch_what_it_does_not_say(tag, of_arch, of_domain, found):
    def element(content):
        return "" if content is None else f"<{tag}>{content}</{tag}>"

    guest = made_guest(f"{element(of_arch)}<domain type='kvm'>{element(of_domain)}</domain><domain type='qemu'/>")
    assert getattr(guest.domains[0], tag) == found
    assert getattr(guest.domains[1], tag) == ((of_arch or "").strip() or None)


@pytest.mark.parametrize(
    "of_arch, of_domain, machines, aliases",
    [
        (["pc", "q35"], [], ("pc", "q35"), {}),
        (["pc", "q35"], ["isapc"], ("isapc",), {}),
        (["pc"], [" "], ("pc",), {}),
        (["pc=pc-1"], ["q35=pc-q35-1"], ("q35", "pc-q35-1"), {"q35": "pc-q35-1"}),
        (["pc-1", "pc=pc-1"], [], ("pc-1", "pc"), {"pc": "pc-1"}),
        (["pc=pc-1", "isapc"], [], ("pc", "isapc", "pc-1"), {"pc": "pc-1"}),
        (["pc= "], [], ("pc",), {}),
        ([], [], (), {}),
    ],
)
def test_machines(of_arch, of_domain, machines, aliases):
    def elements(names):
        pairs = [name.partition("=") for name in names]
        return "".join(f"<machine canonical='{full}'> {name} </machine>" for name, _equals, full in pairs)

    inside = f"<domain type=' kvm '>{elements(of_domain)}</domain>{elements(of_arch)}"
    found = made_guest(inside.replace(" canonical=''", "")).domains[0]
    assert (found.type, found.machines, found.aliases) == ("kvm", machines, aliases)
    assert found.default_machine == (machines[0] if machines else None)


def test_a_domain_without_a_type_is_left_out():
    assert [domain.type for domain in made_guest("<domain/><domain type=' '/><domain type='kvm'/>").domains] == ["kvm"]


@pytest.mark.parametrize("os_type", ["hvm", "xen", "linux", "exe", "uml", "xenpvh", "", "new"])
def test_every_os_type_is_kept(os_type):
    found = made(f"<guest><os_type>\n{os_type} </os_type><arch name=' amd64 '/></guest>").guests[0]
    assert (found.os_type, found.arch) == (os_type, "x86_64")


def test_the_host_itself_is_stripped():
    cpu = "<model> POWER9\n</model><vendor> </vendor><feature name=' ht '/><feature name=''/><feature/>"
    found = made(cpu=cpu, inside="<uuid>\n u </uuid>", arch=" arm64\n")
    assert (found.arch, found.uuid, found.cpu.model, found.cpu.vendor) == ("aarch64", "u", "POWER9", None)
    assert (found.cpu.features, found.kvm) == (("ht",), None)


@pytest.mark.parametrize(
    "told, found",
    [
        ("sockets='2' cores='8' threads='4'", (2, 1, 1, 8, 4)),
        ("sockets='2' dies='3' cores='8' threads='4'", (2, 3, 1, 8, 4)),
        ("sockets=' 2 ' dies='3' clusters='5' cores='8' threads='4'", (2, 3, 5, 8, 4)),
        ("sockets='2' cores='8'", None),
        ("sockets='2' cores='8' threads='0'", None),
        ("sockets='2' dies='' cores='8' threads='4'", None),
    ],
)
def test_topology(told, found):
    topology = made(cpu=f"<topology {told}/>").cpu.topology
    assert (topology and tuple(getattr(topology, name) for name in COUNTS)) == found


@pytest.mark.parametrize(
    "told, kib",
    [
        ("<memory unit='KiB'>4096</memory>", 4096),
        ("<memory>\n 4096 </memory>", 4096),
        ("<memory>4294967296</memory>", 2**32),
        ("<memory unit='MiB'>4</memory>", 4096),
        ("<memory unit=' g '>2</memory>", 2 * 1024**2),
        ("<memory unit='bytes'>4096</memory>", 4),
        ("<memory unit='b'>1023</memory>", 0),
        ("<memory unit='KB'>1024</memory>", 1000),
        ("<memory unit='TiB'>8192</memory>", 2**43),
        ("<memory unit='TiB'>8193</memory>", None),
        ("<memory unit='parsec'>1</memory>", None),
        ("", None),
    ],
)
def test_memory_of_a_cell(told, kib):
    assert made_cell(told).memory_kib == kib


def test_security_models():
    found = made(
        inside="<secmodel><doi>0</doi></secmodel><secmodel><model> dac </model>"
        "<baselabel type=' kvm '> +1:+1\n</baselabel><baselabel>x</baselabel><baselabel type='qemu'/></secmodel>"
    ).security_models
    assert [(one.model, one.doi, one.labels) for one in found] == [("dac", None, {"kvm": "+1:+1"})]


@pytest.mark.parametrize(
    "told, live, transports",
    [
        ("", False, ()),
        ("<live/>", True, ()),
        ("<uri_transports><uri_transport> tcp </uri_transport><uri_transport/></uri_transports>", False, ("tcp",)),
    ],
)
def test_migration(told, live, transports):
    found = made(inside=f"<migration_features>{told}</migration_features>").migration
    assert (found.live, found.transports) == (live, transports)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_number_is_none_or_left_out(odd):
    assert made_guest(f"<wordsize>{odd}</wordsize>").wordsize is None
    assert made(cpu=f"<topology sockets='{odd}' cores='1' threads='1'/>").cpu.topology is None
    assert made(inside=f"<topology><cells><cell id='{odd}'/><cell/></cells></topology>").cells == ()
    cell = made_cell(
        f"<memory>{odd}</memory><cpus><cpu id='{odd}'/><cpu/><cpu id='7'/></cpus><distances><sibling id='{odd}'"
        f" value='10'/><sibling id='1' value='{odd}'/><sibling id='02' value='20'/></distances>"
    )
    assert (cell.memory_kib, cell.cpus, cell.distances) == (None, (7,), {"2": 20})
    told = f"<domainCapabilities><vcpu max='{odd}'/></domainCapabilities>"
    assert parse_domain_capabilities(told).max_vcpus is None


@pytest.mark.parametrize("number, found", [("0", 0), (" 31\n", 31), (str(2**31 - 1), 2**31 - 1), (str(2**31), None)])
def test_a_number(number, found):
    assert made_guest(f"<wordsize>{number}</wordsize>").wordsize == found


@pytest.mark.parametrize(
    "off, field, lost",
    [
        ("<os ", "firmwares", ()),
        ("<os ", "loaders", ()),
        ("<os ", "loader_types", ()),
        ("<os ", "secure_boot", False),
        ("<loader ", "firmwares", ("bios", "efi")),
        ("<loader ", "loaders", ()),
        ("<loader ", "loader_types", ()),
        ("<loader ", "secure_boot", False),
        ("<mode name='custom' ", "cpu_models", ()),
        ("<mode name='custom' ", "cpu_modes", ("host-passthrough", "maximum", "host-model")),
        ("<genid ", "features", ("vmcoreinfo", "backingStoreInput", "backup", "hyperv")),
    ],
)
def test_what_is_not_supported_offers_nothing(off, field, lost):
    told = text("capabilities/domain-secure-boot.xml")
    assert f"{off}supported='yes'" in told
    lacking = told.replace(f"{off}supported='yes'", f"{off}supported='no'")
    assert getattr(parse_domain_capabilities(lacking), field) == lost


@pytest.mark.parametrize("off", ["disk", "graphics", "tpm"])
def test_what_an_emulator_lacks_is_not_listed(off):
    told = text("capabilities/domain-secure-boot.xml")
    lacking = told.replace(f"<{off} supported='yes'>", f"<{off} supported='no'>")
    assert set(parse_domain_capabilities(told).devices) - set(parse_domain_capabilities(lacking).devices) == {off}


def test_models_that_cannot_run_are_not_listed():
    models = "<model/><model>a</model><model usable='unknown'>b</model><model usable='yes'> c </model>"
    told = f"<cpu><mode name='custom' supported='yes'>{models}<model usable='no'>d</model></mode></cpu>"
    found = parse_domain_capabilities(f"<domainCapabilities>{told}</domainCapabilities>")
    assert found.cpu_models == ("a", "b", "c")


def test_nothing_but_the_root_is_needed():
    found = parse_domain_capabilities("<domainCapabilities/>")
    assert found == DomainCapabilities(None, None, None, None, None, (), (), {})


def test_domain_capabilities_are_stripped():
    found = parse_domain_capabilities(
        "<domainCapabilities><path>\n/q </path><domain> kvm</domain><machine> </machine><arch> arm64 </arch>"
        "<devices><disk supported='yes'><enum name=' bus '><value> usb\n</value><value/></enum><enum/></disk></devices>"
        "<os supported='yes'><enum name='x'><value>y</value></enum></os><cpu><mode supported='yes'/></cpu>"
        "</domainCapabilities>"
    )
    assert (found.emulator, found.type, found.machine, found.arch) == ("/q", "kvm", None, "aarch64")
    assert (found.firmwares, found.cpu_modes) == ((), ())
    assert found.devices == {"disk": {"bus": ("usb",)}}


@pytest.mark.parametrize(
    "capabilities, told",
    [
        ("", "capabilities: is empty; an XML document was expected"),
        ("<domain/>", "capabilities: <domain> is no capabilities XML; its root element is <capabilities>"),
        ("<capabilities/>", "capabilities: has no host/cpu/arch"),
        ("<capabilities><host/></capabilities>", "capabilities: has no host/cpu/arch"),
        ("<capabilities><host><cpu><arch> </arch></cpu></host></capabilities>", "capabilities: has no host/cpu/arch"),
        (f"<capabilities><host/>{HOST}</capabilities>", "capabilities: has no host/cpu/arch"),
        (f"<capabilities>{HOST}\n<guest/></capabilities>", NO_ARCH),
        (f"<capabilities>{HOST}\n<guest><arch name=' '/></guest></capabilities>", NO_ARCH),
    ],
)
def test_what_is_no_capabilities(capabilities, told):
    assert message(parse_capabilities, capabilities) == told


def test_what_is_no_domain_capabilities():
    told = message(parse_capabilities, text("capabilities/qemu.xml"), [text("capabilities/domain-qemu.xml"), "<x/>"])
    assert told == "domain_capabilities[1]: <x> is no domain capabilities XML; its root is <domainCapabilities>"


def spoiled(root):
    """Yield the document with one element dropped, or one text or attribute odd, at each place in turn."""
    for node in root.iter():
        kept = node.text
        for node.text in ("", "９", "9" * 50):
            yield xml.etree.tostring(root)
        node.text = kept
        for key, value in node.items():
            for odd in ("", "９", "9" * 50):
                node.set(key, odd)
                yield xml.etree.tostring(root)
            node.set(key, value)
    for node in list(root.iter())[1:]:
        parent, index = node.getparent(), node.getparent().index(node)
        parent.remove(node)
        yield xml.etree.tostring(root)
        parent.insert(index, node)


@pytest.mark.parametrize(
    "name, kind, parse",
    [
        ("ppc64le", Host, parse_capabilities),
        ("uml", Host, parse_capabilities),
        ("domain-secure-boot", DomainCapabilities, parse_domain_capabilities),
    ],
)
def test_odd_capabilities_are_a_value_or_words(name, kind, parse):
    for raw in spoiled(xml.etree.fromstring(text(f"capabilities/{name}.xml"))):
        found = value_or_words(kind, parse, raw)
        assert found is None or from_plain(kind, to_plain(found), "value") == found
