# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen values to plain ones (dict, list, str, int, bool, None) and back; Ansible carries plain ones."""

from __future__ import annotations

import dataclasses
import typing

from .errors import ImageError


def to_plain(value):
    """Return the plain form of a value; a dataclass becomes a dict with its fields as keys."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind, plain, where: str):
    """Return the value of type `kind` that `to_plain` gave `plain` for; raise ImageError naming the wrong place."""
    if dataclasses.is_dataclass(kind):
        return _record(kind, plain, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        return None if plain is None else from_plain(arguments[0], plain, where)
    if origin is tuple:
        _expect(plain, (list, tuple), "a list", where)
        return tuple(from_plain(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(plain))
    if origin is dict:
        _expect(plain, dict, "a dictionary", where)
        return {str(key): from_plain(arguments[1], item, f"{where}.{key}") for key, item in plain.items()}
    if kind is int and isinstance(plain, bool):
        raise ImageError(f"must be a number, is {plain!r}", where)
    _expect(plain, kind, {str: "text", int: "a number", bool: "true or false"}[kind], where)
    # Ansible marks text with subclasses of str; the core works with plain ones.
    return kind(plain)


def _record(kind, plain, where: str):
    _expect(plain, dict, f"a dictionary ({kind.__name__.lower()})", where)
    hints = typing.get_type_hints(kind)
    arguments = {}
    for field in dataclasses.fields(kind):
        if field.name in plain:
            arguments[field.name] = from_plain(hints[field.name], plain[field.name], f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ImageError(f"has no key {field.name}", where)
    return kind(**arguments)


def _expect(plain, kinds, noun: str, where: str) -> None:
    if not isinstance(plain, kinds):
        raise ImageError(f"must be {noun}, is {plain!r:.80}", where)
