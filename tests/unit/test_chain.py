# SPDX-License-Identifier: GPL-3.0-or-later
"""Backing chains: read from a table of disks, through the filter, and as they are rendered."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.filter.chains import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.plugins.module_utils._core.chain import (
    DomainDisk,
    Layer,
    parse_disks,
    render_backing,
)
from ansible_collections.virt.image.plugins.module_utils._core.values import from_plain, to_plain
from ansible_collections.virt.image.tests.unit.mutations import mutated_bytes, mutated_tree
from ansible_collections.virt.image.tests.unit.support import examples, message, table, text, value_or_words

disk_chains = FilterModule().filters()["disk_chains"]
LIVE = text("live/web1.xml")
ROWS = [row.values[0] for row in table("chains.yml")]
DOMAINS = [f"<domain type='qemu'><name>a</name><devices>{row['disks']}</devices></domain>" for row in ROWS]


def domain(devices):
    return f"<domain><devices>{devices}</devices></domain>"


def short(parts):
    return " ".join(str(part) for part in parts if part is not None)


def line(level):
    """Return a level as: index, type, format, what its type has; a host as transport:name:port."""
    hosts = [
        ":".join(str(part) for part in (host.transport, host.name, host.port, host.socket) if part is not None)
        for host in level.hosts
    ]
    volume = f"{level.pool}/{level.volume}" if level.pool else None
    place = (level.path, level.protocol, level.name, *hosts, volume, level.address, level.namespace)
    return short((level.index, level.type, level.format, *place))


def told(disks):
    """Return each disk as: device, target, bus, and the flags that it has; then its levels."""
    found = []
    for disk in disks:
        flags = [flag for flag in ("readonly", "shareable", "complete") if getattr(disk, flag)]
        found += [short((disk.device, disk.target, disk.bus, *flags)), [line(level) for level in disk.chain]]
    return found


@pytest.mark.parametrize("row", table("chains.yml"))
def test_chains(row):
    if "error" in row:
        assert message(parse_disks, domain(row["disks"])) == row["error"]
    else:
        assert told(parse_disks(domain(row["disks"]))) == row["told"]


def test_no_secrets():
    assert "s3cret" not in repr([parse_disks(domain(row["disks"])) for row in ROWS if "error" not in row])


def test_what_is_rendered_is_read():
    layers = tuple(Layer(f"/layer{number}", "qcow2") for number in range(190))
    disk = xml.element("disk", {"type": "file"}, xml.element("source", {"file": "/top"}), render_backing(layers))
    (read,) = parse_disks(domain(xml.etree.tostring(disk, encoding="unicode")))
    assert read.complete
    assert [(level.path, level.format) for level in read.chain[1:]] == [(layer.path, layer.format) for layer in layers]


def test_a_chain_without_end_is_refused():
    nested = "<backingStore type='file'>" * 300 + "</backingStore>" * 300
    said = message(parse_disks, domain(f"<disk><source file='/a'/>{nested}</disk>"))
    assert said == "domain XML:1: is nested more than 240 elements deep"


def test_the_filter_gives_plain_values():
    (disk,) = disk_chains(DOMAINS[0])
    assert list(disk) == ["target", "device", "bus", "readonly", "shareable", "complete", "chain"]
    assert disk["chain"][0] == {
        "index": None,
        "type": "network",
        "format": "qcow2",
        "path": None,
        "protocol": "nbd",
        "name": "top",
        "hosts": [{"transport": "unix", "name": None, "port": None, "socket": "/run/export.sock"}],
        "pool": None,
        "volume": None,
        "address": None,
        "namespace": None,
    }


@pytest.mark.parametrize(
    "value, said",
    [
        (None, "domain XML as text is needed, not NoneType"),
        ([LIVE], "domain XML as text is needed, not list"),
        ("", "domain XML: is empty; an XML document was expected"),
        ("<domain>", "is not well-formed XML"),
        ("<pool/>", "domain XML:1: <pool> is no domain XML; its root element is <domain>"),
        ("<!DOCTYPE a><domain/>", "has a document type"),
    ],
    ids=repr,
)
def test_the_filter_refuses(value, said):
    with pytest.raises(AnsibleFilterError) as caught:
        disk_chains(value)
    assert str(caught.value).startswith("virt.image.disk_chains: ") and said in str(caught.value)


@pytest.mark.parametrize("mutation", [mutated_bytes, mutated_tree])
@given(data=st.data())
@examples(200)
def test_any_domain_is_read_or_refused(mutation, data):
    disks = value_or_words(tuple, parse_disks, data.draw(mutation(DOMAINS)))
    if disks:
        assert from_plain(tuple[DomainDisk, ...], to_plain(disks), "disks") == disks
