# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads hostile documents, one after the other, under limits; prints a line of JSON for each: name, seconds, error.

Run by test_hostile.py in a process of its own, which the limits of memory and time end if the reader does not hold them.
"""

from __future__ import annotations

import json
import resource
import time

from ansible_collections.virt.image.plugins.module_utils._core.errors import ImageError
from ansible_collections.virt.image.plugins.module_utils._core.host import parse_capabilities
from ansible_collections.virt.image.plugins.module_utils._core.image import parse_image

MEMORY = 512 * 2**20
SECONDS = 40

BOOT = '<boot type="hvm"><guest><arch>i686</arch></guest>{}</boot>'
IMAGE = "<image><name>a</name><domain>{}</domain>{}</image>"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))


def image(boot="", storage="", extra=""):
    return IMAGE.format(BOOT.format(boot), storage + extra)


def disks(count):
    return "<storage>" + "".join(f'<disk file="{n}"/>' for n in range(count)) + "</storage>"


DOCUMENTS = {
    "billion laughs": f'<!DOCTYPE image [<!ENTITY l0 "ha">{LAUGHS}]><image>&l29;</image>',
    "quadratic blowup": f'<!DOCTYPE image [<!ENTITY a "{"a" * 100000}">]><image>{"&a;" * 100000}</image>',
    "laughs in an attribute": f'<!DOCTYPE image [<!ENTITY l0 "ha">{LAUGHS}]><image a="&l29;"/>',
    "external entity": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///dev/zero">]><image>&e;</image>',
    "external subset": '<!DOCTYPE image SYSTEM "http://192.0.2.1/image.dtd"><image/>',
    "parameter entity": '<!DOCTYPE a [<!ENTITY % e SYSTEM "file:///dev/zero"> %e;]><image/>',
    "XInclude": '<image><i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///dev/zero"/></image>',
    "deep nesting": "<image>" + "<a>" * 300000,
    "deep and whole": "<image>" + "<a>" * 100000 + "</a>" * 100000 + "</image>",
    "a huge attribute": image(extra=f'<a b="{"c" * 900000}"/>'),
    "many attributes": image(extra="<a " + " ".join(f"a{n}=''" for n in range(90000)) + "/>"),
    "many attributes of a known element": image().replace("<name", "<name " + " ".join(f"a{n}=''" for n in range(70000))),
    "a huge name": image(extra=f"<{'a' * 900000}/>"),
    "a huge text": IMAGE.format(BOOT, "").replace("<name>a", f"<name>{'a' * 900000}"),
    "a huge comment": f"<!--{'a' * 1000000}--><image/>",
    "a NUL": "<image>\0</image>",
    "too long": b" " * 2**20 + b"<image/>",
    "UTF-32": "<image/>".encode("utf-32"),
    "an encoding that nobody has": b'<?xml version="1.0" encoding="x-evil"?><image/>',
    "not the encoding that it says": b'<?xml version="1.0" encoding="utf-16"?><image/>',
    "bytes that are no UTF-8": b"<image>\xff</image>",
    "many unknown elements": image(extra="<a/>" * 250000),
    "many typing errors": image(extra="<nmae/>" * 140000),
    "many names": "<image>" + "<name>a</name>" * 70000 + "</image>",
    "many boots": IMAGE.format(BOOT.format("") * 18000, ""),
    "many drives": image('<drive disk="a"/>' * 60000),
    "many disks and drives": image("".join(f'<drive disk="{n}"/>' for n in range(17000)), disks(25000)),
    "many checksums": image(storage=f'<storage><disk file="a">{"<checksum/>" * 90000}</disk></storage>'),
    "many interfaces": IMAGE.format(BOOT.format("") + f"<devices>{'<interface/>' * 80000}</devices>", ""),
    "a number of a million digits": IMAGE.format(BOOT.format("") + f"<devices><memory>{'9' * 900000}</memory></devices>", ""),
    "many processing instructions": "<?a b?>" * 140000 + "<image/>",
    "many namespaces": "<image " + " ".join(f'xmlns:n{n}="u:{n}"' for n in range(45000)) + "/>",
}
CAPABILITIES = "<capabilities><host><cpu><arch>x86_64</arch></cpu></host>{}</capabilities>"
HOSTS = {
    "many guests": CAPABILITIES.format('<guest><arch name="a"/></guest>' * 30000),
    "many machines": CAPABILITIES.format(
        f'<guest><arch name="a"><domain type="kvm">{"<machine>a</machine>" * 48000}</domain></arch></guest>'
    ),
    "many domains that inherit": CAPABILITIES.format(
        "<guest><arch name='a'>" + "<machine>b</machine>" * 20000 + "<domain type='kvm'/>" * 20000 + "</arch></guest>"
    ),
    "deep capabilities": "<capabilities>" + "<a>" * 300000,
}


def judge(kind, name, parse, document):
    started = time.process_time()
    try:
        parse(document)
        error = None
    except ImageError as refused:
        error = str(refused)
    seconds = time.process_time() - started
    print(json.dumps({"document": f"{kind}: {name}", "seconds": seconds, "error": error}))


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for name, document in DOCUMENTS.items():
        judge("descriptor", name, parse_image, document)
    for name, document in HOSTS.items():
        judge("capabilities", name, parse_capabilities, document)


if __name__ == "__main__":
    main()
