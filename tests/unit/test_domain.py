# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden folders: an image, a host and a guest give exactly this domain, which libvirt's schema accepts.

VIRT_IMAGE_GOLDEN=write makes the files anew; look at each difference before you keep it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.virt.image.plugins.filter.image import FilterModule
from ansible_collections.virt.image.plugins.module_utils._core import xml
from ansible_collections.virt.image.tests.unit.support import HERE, ROOT, table, text

FILTERS = FilterModule().filters()
CASES = sorted(path.name for path in (HERE / "cases").iterdir())
SCHEMA = "/usr/share/libvirt/schemas/domain.rng"


def render(case, descriptor=None, **more):
    """Return the domain of a case, or of another descriptor on its host."""
    told = {**yaml.safe_load(text(f"cases/{case}/guest.yml")), **more}
    return FILTERS["to_domain_xml"](
        FILTERS["from_descriptor"](descriptor or text(f"cases/{told.get('image', case)}/image.xml")),
        FILTERS["from_capabilities"](text(f"capabilities/{told['host']}.xml")),
        told["guest"],
        session=told.get("session", False),
    )


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    path = HERE / "cases" / case / "domain.xml"
    if os.environ.get("VIRT_IMAGE_GOLDEN") == "write":
        path.write_text(render(case), encoding="utf-8")
    assert render(case) == path.read_text(encoding="utf-8")


def test_goldens_are_what_libvirt_accepts():
    """One call for all of them: reading the schema is what takes the time."""
    if not shutil.which("xmllint") or not os.path.exists(SCHEMA):
        pytest.skip("xmllint (libxml2-utils) or libvirt's schemas (libvirt-clients) are not on this machine")
    paths = [str(HERE / "cases" / case / "domain.xml") for case in CASES]
    done = subprocess.run(
        ["xmllint", "--noout", "--relaxng", SCHEMA, *paths], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if not line.endswith("validates")] == []
    assert done.stderr.count("validates") == len(paths)


@pytest.mark.parametrize("row", table("refusals.yml"))
def test_what_cannot_be_rendered(row):
    with pytest.raises(AnsibleFilterError) as caught:
        render(row["case"], guest=row["guest"], **({"host": row["host"]} if "host" in row else {}))
    assert str(caught.value) == f"virt.image.to_domain_xml: {row['error']}"


(README,) = re.findall(r"```xml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "guests.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=str.strip)
def test_examples_of_the_page_on_guests_are_rendered(example):
    """They fit the README's descriptor, but for Xen's."""
    options = yaml.safe_load(example)
    made = render("xen-kernel", guest=options) if "xenbr0" in example else render("linux-kvm", README, guest=options)
    assert xml.parse(made, "made").findtext("name") == options["name"]


def test_there_are_examples():
    assert len(EXAMPLES) > 6


def derived(case, **more):
    """Return UUID and MACs of a case, as they are derived."""
    tree = xml.parse(render(case, **more), "domain")
    return tree.findtext("uuid"), [node.get("address") for node in tree.findall("devices/interface/mac")]


def test_identity_is_the_guest_s_own():
    three = {"networks": [{"type": "user"}] * 3, "virt_type": "qemu"}
    one, other = derived("linux-kvm", guest={"name": "a", **three}), derived("linux-kvm", guest={"name": "b", **three})
    assert one == derived("linux-kvm", guest={"name": "a", **three})
    assert one[0] != other[0]
    assert len({*one[1], *other[1]}) == 6
    assert all(mac.startswith("52:54:00:") for mac in one[1])
