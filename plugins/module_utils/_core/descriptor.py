# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the elements of a descriptor are read: each reader returns a value, or notes what is wrong and goes on."""

from __future__ import annotations

import difflib
from typing import Optional

from . import xml
from .errors import ImageError, Problem
from .names import plain, text_mistake

# What is told of one descriptor; a megabyte of mistakes helps nobody.
MAX_TOLD = 50
MAX_MESSAGE = 300

# element -> (its attributes, its children); what is not here is a warning.
KNOWN = {
    "image": ((), ("name", "label", "description", "domain", "storage")),
    "name": (("version", "release"), ()),
    "label": ((), ()),
    "description": ((), ()),
    "domain": ((), ("boot", "devices")),
    "boot": (("type",), ("guest", "os", "drive")),
    "guest": ((), ("arch", "features")),
    "arch": ((), ()),
    "features": ((), ("pae", "acpi", "apic")),
    "pae": (("state",), ()),
    "acpi": (("state",), ()),
    "apic": (("state",), ()),
    "os": ((), ("loader", "kernel", "initrd", "cmdline")),
    "loader": (("dev",), ()),
    "kernel": ((), ()),
    "initrd": ((), ()),
    "cmdline": ((), ()),
    "drive": (("disk", "target"), ()),
    "devices": ((), ("vcpu", "memory", "interface", "graphics")),
    "vcpu": ((), ()),
    "memory": ((), ()),
    "interface": ((), ()),
    "graphics": ((), ()),
    "storage": ((), ("disk",)),
    "disk": (("id", "file", "use", "size", "format"), ("checksum",)),
    "checksum": (("type",), ()),
}
WITH_TEXT = "name label description arch loader kernel initrd cmdline vcpu memory checksum".split()


class Notes:
    """What is to be told of a descriptor, in the order of its lines, and how much more of it there would be."""

    def __init__(self) -> None:
        self.told: list[Problem] = []
        self.more = 0

    def add(self, node, message: str, where: str) -> None:
        # An XPath costs as much as the element has siblings: none is made for what is not told.
        if self.full:
            self.more += 1
            return
        # One line, whatever the descriptor's values hold.
        line = plain(message)
        shown = line if len(line) <= MAX_MESSAGE else f"{line[: MAX_MESSAGE - 3]}..."
        self.told.append(xml.problem(shown, node, where))

    @property
    def full(self) -> bool:
        return len(self.told) >= MAX_TOLD

    def lines(self, where: str) -> list[Problem]:
        told = sorted(self.told, key=lambda problem: problem.line or 0)
        return told + ([Problem(f"and {self.more} more like these", where)] if self.more else [])


class Reader:
    """Reads elements of one descriptor; mistakes go to `problems`, what is unknown to `warnings`."""

    def __init__(self, where: str, strict: bool) -> None:
        self.where = where
        self.strict = strict
        self.problems = Notes()
        self.warnings = self.problems if strict else Notes()

    def wrong(self, node, message: str) -> None:
        self.problems.add(node, message, self.where)

    def warn(self, node, message: str) -> None:
        self.warnings.add(node, message, self.where)

    def ignore(self, node, message: str) -> None:
        self.warn(node, message if self.strict else f"{message}; it is ignored")

    def finish(self) -> tuple[str, ...]:
        """Return the warnings; raise ImageError with all mistakes."""
        if self.problems.told:
            raise ImageError.of(self.problems.lines(self.where))
        return tuple(map(str, self.warnings.lines(self.where)))

    def child(self, node, tag: str, required: bool = False):
        """Return the only child of that name, or None."""
        if node is None:
            return None
        found = node.findall(tag)
        if not found and required:
            self.wrong(node, f"<{node.tag}> has no <{tag}>")
        for extra in found[1:]:
            self.wrong(extra, f"<{tag}> is there twice in <{node.tag}>; line {found[0].sourceline} has it too")
        return found[0] if found else None

    def text(self, node, tag: str, required: bool = False) -> Optional[str]:
        """Return the text of the only child of that name, or None where it is missing or empty."""
        child = self.child(node, tag, required)
        if child is None:
            return None
        if required and not xml.text(child):
            self.wrong(child, f"<{tag}> is empty")
        return xml.text(child) or None

    def attribute(self, node, key: str, required: bool = False, empty: bool = False) -> Optional[str]:
        """Return an attribute's text, or None where it is missing; only what may be `empty` may be."""
        if node is None or node.get(key) is None:
            if required:
                self.wrong(node, f"<{node.tag}> has no {key}")
            return None
        value = xml.strip(node.get(key))
        if not value and not empty:
            self.wrong(node, f'<{node.tag} {key}=""> is empty{"" if required else "; it may be left out"}')
        return value or None

    def line(self, node, key: str, required: bool = False, empty: bool = False) -> Optional[str]:
        """Return an attribute that is any line of text, or None where it is missing or none."""
        value = self.attribute(node, key, required, empty)
        mistake = value and text_mistake(value)
        if mistake:
            self.wrong(node, f"<{node.tag} {key}> {mistake}")
        return None if mistake else value

    def one_of(self, node, key: str, values: tuple, default: str = "", required: bool = False):
        """Return an attribute that has a closed set of values; None where it is missing and has no default."""
        value = self.attribute(node, key, required, empty=True)
        if node is None or node.get(key) is None:
            return default or None
        if value not in values:
            value = value or ""
            self.wrong(node, f'<{node.tag} {key}="{value}"> is unknown; {key} is one of {", ".join(values)}')
        return value

    def number(self, node, tag: str, largest: int) -> Optional[int]:
        """Return the whole number > 0 in the only child of that name, or None."""
        child = self.child(node, tag)
        return None if child is None else self._number(child, f"<{tag}>", xml.text(child), largest)

    def number_attribute(self, node, key: str, largest: int) -> Optional[int]:
        """Return an attribute that is a whole number > 0, or None."""
        value = self.attribute(node, key)
        return None if value is None else self._number(node, f"<{node.tag} {key}>", value, largest)

    def _number(self, node, what: str, value: str, largest: int) -> Optional[int]:
        # isdecimal alone lets other scripts' digits through; 20 digits bound the work of int().
        if not (value.isascii() and value.isdecimal()):
            self.wrong(node, f"{what} is {value[:40]!r}; a whole number was expected")
        elif len(value) > 19:
            self.wrong(node, f"{what} has {len(value)} digits; it goes from 1 to {largest}")
        elif not 0 < int(value) <= largest:
            self.wrong(node, f"{what} is {value}; it goes from 1 to {largest}")
        else:
            return int(value)
        return None

    def note_unknown(self, node) -> None:
        """Warn of each attribute, element and text below `node` that the format does not know."""
        attributes, children = KNOWN[node.tag]
        for key in node.keys():
            if key not in attributes:
                meant = self._nearest(key, attributes)
                self.ignore(node, f'<{node.tag}> has an unknown attribute {key}="{node.get(key):.40}"{meant}')
        texts = [child.tail for child in node]
        if node.tag not in WITH_TEXT:
            texts.append(node.text)
        stray = next(filter(None, map(xml.strip, texts)), None)
        # virt-convert writes the None of a guest without interfaces where the element would be.
        if stray and (self.strict or (node.tag, stray) != ("devices", "None")):
            self.ignore(node, f"<{node.tag}> has text, {stray[:40]!r}, which means nothing there")
        for child in node:
            if child.tag in children:
                self.note_unknown(child)
            else:
                self.ignore(child, f"<{child.tag}> in <{node.tag}> is unknown{self._nearest(child.tag, children)}")

    def _nearest(self, word: str, known: tuple[str, ...]) -> str:
        """Return the question whether a word that looks alike was meant, if there is one and it will be told."""
        found = [] if self.warnings.full else difflib.get_close_matches(word, known, 1)
        return f" (is {found[0]} meant?)" if found else ""
