# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests of a rollout: those of a deployment, with another version of their image."""

from __future__ import annotations

from typing import Optional

from .errors import ImageError

# What `wait.timeout` is where a guest does not say.
PATIENCE = 120
# What matters of a guest when it gets no other image.
BACK = ("wait", "shutdown")


def rollout_guests(guests, image: Optional[str] = None, timeout: Optional[int] = None, told=None) -> list[dict]:
    """Return the guests that stay, with `image` in each, none of which waits longer than `timeout` seconds.

    With `told`, what a module said of these guests, they have their names and no more than the way back needs.
    """
    _check_list(guests, "a list of guests is needed", "guests")
    if not isinstance(image, (str, type(None))):
        raise ImageError(f"must be the path or the URL of a descriptor, is {image!r:.80}", "image")
    if timeout is not None and (not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 0):
        raise ImageError(f"must be a whole number of seconds, is {timeout!r:.80}", "timeout")
    rolled = [_rolled(guest, image, timeout) for guest in guests if guest.get("state") != "absent"]
    if told is None:
        return rolled
    _check_list(told, "what virt.image.generation returns as guests is needed, a list", "told")
    for number, result in enumerate(told):
        if not isinstance(result.get("name"), str):
            named = result.get("name")
            raise ImageError(f"the name of a guest is needed, as virt.image.generation returns it; is {named!r:.80}", f"told[{number}]")
    if len(told) != len(rolled):
        raise ImageError(f"{len(rolled)} guests stay, and something was told of {len(told)}")
    return [
        {"name": result["name"], **{key: guest[key] for key in BACK if key in guest}} for guest, result in zip(rolled, told)
    ]


def _check_list(plain, needed: str, where: str) -> None:
    """Raise ImageError for what is no list of dictionaries."""
    if not isinstance(plain, (list, tuple)):
        raise ImageError(f"{needed}, not {type(plain).__name__}", None if where == "guests" else where)
    for number, one in enumerate(plain):
        if not isinstance(one, dict):
            raise ImageError(f"a dictionary is needed, not {type(one).__name__}", f"{where}[{number}]")


def _rolled(guest: dict, image: Optional[str], timeout: Optional[int]) -> dict:
    # A guest without a name is called as its image is, whichever version that has.
    rolled = {**guest, **({} if image is None else {"image": image})}
    wait = guest.get("wait") or {}
    patience = _seconds(wait.get("timeout", PATIENCE)) if isinstance(wait, dict) else None
    if timeout is None or patience is None or patience <= timeout:
        # A mistake in `wait` is the module's to explain.
        return rolled
    return {**rolled, "wait": {**wait, "timeout": timeout}}


def _seconds(told) -> Optional[int]:
    try:
        return int(told)
    except (OverflowError, TypeError, ValueError):
        return None
