# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a dictionary of options apart: typed values out, mistakes collected."""

from __future__ import annotations

import re
from typing import Optional

from .errors import ImageError, Problem, Problems
from .names import name_mistake, text_mistake
from .sameness import members, spread
from .units import KIB, parse_size

# libvirt's own pattern (basictypes.rng).
CPUSET = re.compile(r"([0-9]+(-[0-9]+)?|\^[0-9]+)(,([0-9]+(-[0-9]+)?|\^[0-9]+))*")

# More than libvirt's largest bitmap of CPUs (VIR_DOMAIN_CPUMASK_LEN, src/conf/domain_conf.h) has no host.
LAST_CPU = 16383


class Asker:
    """Takes one dictionary apart; mistakes are collected."""

    def __init__(self, plain, where: str, problems: Optional[Problems] = None) -> None:
        self.where = where
        self.problems = problems or Problems()
        self.plain = plain if isinstance(plain, dict) else {}
        if not isinstance(plain, dict):
            self.wrong(f"must be a dictionary, is {plain!r:.80}")

    def wrong(self, message: str) -> None:
        self.problems.add(Problem(message, self.where))

    def text(self, key: str, but: Optional[str] = None) -> Optional[str]:
        value = self.plain.get(key)
        if value is None or value in ("", but):
            return None
        if not isinstance(value, str):
            self.wrong(f"{key} must be text, is {value!r:.80}")
        return str(value)

    def line(self, key: str) -> Optional[str]:
        """Return a text that is one line of what can be printed."""
        value = self.text(key)
        mistake = text_mistake(value) if value else None
        if mistake:
            self.wrong(f"{key} {mistake}")
            return None
        return value

    def word(self, key: str, pattern, like: str) -> Optional[str]:
        """Return a text that a pattern describes; `like` is an example, for the message."""
        value = self.text(key)
        if value is not None and not (isinstance(value, str) and re.fullmatch(pattern, value)):
            self.wrong(f"{key}: {value!r:.80} is none; one is {like}")
            return None
        return value

    def path(self, key: str) -> Optional[str]:
        """Return an absolute path."""
        value = self.line(key)
        if value and not value.startswith("/"):
            self.wrong(f"{key}: {value} is no absolute path")
            return None
        return value

    def cpuset(self, key: str) -> Optional[str]:
        """Return a set of the host's CPUs, as libvirt writes it."""
        return self._cpuset(self.plain.get(key), key)

    def _cpuset(self, value, what: str) -> Optional[str]:
        if value is None:
            return None
        value = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(value, str) or not CPUSET.fullmatch(value):
            self.wrong(f"{what}: {value!r:.80} is no set of CPUs; one is 0-3,^2,8")
            return None
        cpus = members(value)
        if not cpus or max(cpus) > LAST_CPU:
            self.wrong(f"{what}: {value!r:.80} is an empty set of CPUs, or one beyond {LAST_CPU}")
            return None
        return spread(cpus)

    def pins(self, key: str) -> dict[int, str]:
        """Return a dictionary from numbers to sets of the host's CPUs."""
        value = self.plain.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(f"{key} must be a dictionary from numbers to sets of CPUs, is {value!r:.80}")
            return {}
        pins = {}
        for number, cpus in value.items():
            if not re.fullmatch("[0-9]{1,5}", str(number)):
                self.wrong(f"{key}: {number!r:.80} is no number")
                continue
            pins[int(number)] = self._cpuset(cpus, f"{key}[{number}]") or ""
        return pins

    def name(self) -> Optional[str]:
        name = self.plain.get("name")
        # YAML reads a name of digits as a number.
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else self.text("name")
        mistake = name and name_mistake(name)
        if self.plain.get("name") == "":
            # Of a template's variable, perhaps: it must not become another guest's name.
            mistake = "is empty; leave it out for the image's name"
        if mistake:
            self.wrong(f"name {mistake}")
        return name

    def one_of(self, key: str, values: tuple, default: Optional[str] = None) -> str:
        value = self.plain.get(key)
        if value is None:
            return default or values[0]
        if isinstance(value, bool) and "off" in values:
            # YAML 1.1 reads on and off as true and false.
            value = "on" if value else "off"
        # And 2.0 as a number.
        value = str(value) if isinstance(value, float) else value
        if value not in values:
            self.wrong(f"{key}: {value!r:.80} is unknown; it is one of {', '.join(values)}")
            return values[0]
        return str(value)

    def choice(self, key: str, values: tuple) -> Optional[str]:
        """Return one of the values, or None where nothing is said."""
        return None if self.plain.get(key) is None else self.one_of(key, values)

    def several(self, key: str, values: tuple) -> tuple[str, ...]:
        """Return a list of some of the values, each once."""
        value = self.plain.get(key)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            self.wrong(f"{key} must be a list, is {value!r:.80}")
            return ()
        for item in value:
            if item not in values:
                self.wrong(f"{key}: {item!r:.80} is unknown; they are {', '.join(values)}")
            elif list(value).count(item) > 1:
                self.wrong(f"{key} has {item} twice")
                break
        return tuple(str(item) for item in value)

    def number(self, key: str, least: int, most: int) -> Optional[int]:
        value = self.plain.get(key)
        if value is None:
            return None
        # Templates without native types give numbers as text.
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(f"{key}: {value!r:.80} must be a whole number from {least} to {most}")
            return None
        return value

    def numbers(self, key: str, least: int, most: int) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        value = self.plain.get(key)
        if value is not None and not isinstance(value, (list, tuple)):
            self.wrong(f"{key} must be a list, is {value!r:.80}")
        items = value if isinstance(value, (list, tuple)) else ()
        found = [Asker({key: item}, self.where, self.problems).number(key, least, most) for item in items]
        return tuple(number for number in found if number is not None)

    def flag(self, key: str) -> Optional[bool]:
        value = self.plain.get(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(f"{key} must be true or false, is {value!r:.80}")
            return None
        return value

    def size(self, key: str) -> Optional[int]:
        value = self.plain.get(key)
        try:
            return None if value is None else parse_size(value, key)
        except ImageError as error:
            self.wrong(str(error))
            return None

    def kib(self, key: str) -> Optional[int]:
        size = self.size(key)
        return None if size is None else max(1, size // KIB)

    def part(self, key: str, parse):
        value = self.plain.get(key)
        return parse(Asker({} if value is None else value, f"{self.where}.{key}", self.problems))

    def optional(self, key: str, parse):
        """Return what a dictionary is parsed to, or None where there is none."""
        return None if self.plain.get(key) is None else self.part(key, parse)

    def each(self, key: str, parse) -> Optional[tuple]:
        value = self.plain.get(key)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)):
            self.wrong(f"{key} must be a list, is {value!r:.80}")
            return ()
        return tuple(
            parse(Asker(item, f"{self.where}.{key}[{index}]", self.problems)) for index, item in enumerate(value)
        )

    def refuse_unknown(self, known: tuple, what: str) -> None:
        for key in self.plain:
            if key not in known:
                self.wrong(f"{key} is no option of {what}")

    def pairs(self, key: str) -> list[tuple[str, str]]:
        """Return the items of a dictionary from text to text."""
        value = self.plain.get(key)
        if value is None:
            return []
        texts = isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
        if not texts:
            self.wrong(f"{key} must be a dictionary of texts, is {value!r:.80}")
            return []
        return [(str(name), str(text)) for name, text in value.items()]
