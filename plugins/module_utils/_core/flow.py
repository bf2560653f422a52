# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes plain values as YAML on one line, in flow style: JSON where that is enough, for the simple parsers of small guests."""

from __future__ import annotations

import base64
import json
import math
import re

from .errors import ImageError

# YAML has no pairs of surrogates, with which JSON writes these.
ASTRAL = re.compile("([\U00010000-\U0010ffff])")


def render_flow(value, where: str) -> str:
    """Return YAML that is read back as the same value, but for dates, which are read as text.

    Raises ImageError for what has no form; `where` is what is written. No message shows a value, which may be a secret.
    """
    try:
        return _any(value, where)
    except RecursionError:
        raise ImageError("is nested too deep, or holds itself", where) from None


def _any(value, where: str) -> str:
    if isinstance(value, dict):
        pairs = [(_scalar(key, f"{where}: a key"), _any(one, f"{where}.{key!s:.80}")) for key, one in value.items()]
        return "{" + ", ".join(": ".join(pair) for pair in pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_any(one, f"{where}[{index}]") for index, one in enumerate(value)) + "]"
    return _scalar(value, where)


def _scalar(value, where: str) -> str:
    if isinstance(value, str):
        return '"' + "".join(_escaped(piece) for piece in ASTRAL.split(value)) + '"'
    if hasattr(value, "isoformat"):
        # A date, with or without a time; the core has no clock, and so not their types.
        return f'"{value.isoformat()}"'
    if isinstance(value, bytes):
        return f'!!binary "{base64.b64encode(value).decode("ascii")}"'
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ImageError("is no finite number", where)
        # 1e+20 is text to readers of YAML 1.1.
        digits, mark, power = float.__repr__(value).partition("e")
        return f"{digits}{'.0' if mark and '.' not in digits else ''}{mark}{power}"
    if value is None or isinstance(value, int):
        return json.dumps(value)
    raise ImageError(f"is of the type {type(value).__name__}, which cannot be written down; text, numbers, lists and mappings can", where)


def _escaped(piece: str) -> str:
    return f"\\U{ord(piece):08x}" if ASTRAL.fullmatch(piece) else json.dumps(piece)[1:-1]
