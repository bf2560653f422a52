# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a domain is secret, and must not be shown or kept where everyone who may read the domain sees it."""

from __future__ import annotations

import re

from .values import to_plain

HIDDEN = "********"
# In the record they would say the whole domain again.
RECORDED = re.compile(r"(<image:(?:applied|domain)>)[^<]*(</image:(?:applied|domain)>)")
PASSWORD = re.compile(r"(passwd=)(\"[^\"]*\"|'[^']*')")
COOKIE = re.compile(r"(<cookie\b[^>]*>)[^<]+(</cookie>)")
SECRET_PLACE = re.compile(r".*(/@passwd|/cookie(\[[^/]*\])?)")


def mask(text: str) -> str:
    """Return XML as it may be shown: without passwords and cookies."""
    masked = COOKIE.sub(rf"\1{HIDDEN}\2", PASSWORD.sub(rf'\1"{HIDDEN}"', text))
    return RECORDED.sub(r"\1\2", masked)


def masked(change) -> dict:
    """Return a change as it may be shown: path, before, after; what was not there is not hidden."""
    told = to_plain(change)
    if SECRET_PLACE.fullmatch(told["path"]) and not (told["before"] or told["after"] or "").startswith("<"):
        return {key: HIDDEN if key != "path" and value is not None else value for key, value in told.items()}
    return {key: mask(value) if value else value for key, value in told.items()}


def blank_secrets(tree) -> None:
    """Leave of each secret in a tree only that there is one."""
    for node in tree.iter():
        if "passwd" in node.keys():
            node.set("passwd", "")
    for cookie in tree.iter("cookie"):
        cookie.text = None


def bring_secrets(tree, live) -> None:
    """Give a tree whose secrets were blanked those of another one: of the same kind of thing, in the same order."""
    for node in tree.iter():
        if node.get("passwd") != "" and node.tag != "cookie":
            continue
        place = [one for one in tree.iter(node.tag) if _kind(one) == _kind(node)].index(node)
        found = [one for one in live.iter(node.tag) if _kind(one) == _kind(node)][place : place + 1]
        if node.tag == "cookie":
            node.text = found[0].text if found else node.text
        elif found and found[0].get("passwd"):
            node.set("passwd", found[0].get("passwd"))


def _kind(node) -> tuple:
    """Return what tells a thing with a secret from others: a cookie is one server's, and a password one protocol's."""
    near = [node, *node.iterancestors("source")]
    return tuple((one.tag, one.get("type"), one.get("protocol"), one.get("name"), _hosts(one)) for one in near)


def _hosts(node) -> tuple:
    return tuple((host.get("name"), host.get("port")) for host in node.findall("host"))


def drop_secrets(tree) -> None:
    """Take out of a tree what libvirt does not show without VIR_DOMAIN_XML_SECURE."""
    for node in tree.iter():
        node.attrib.pop("passwd", None)
    for cookies in tree.findall(".//cookies"):
        cookies.getparent().remove(cookies)
