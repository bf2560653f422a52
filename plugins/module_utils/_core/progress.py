# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that a user reads of long work, from what a module wrote down of it."""

from __future__ import annotations

import json
from math import isfinite
from typing import Optional

from .errors import ImageError
from .names import plain
from .sample import BYTES, MOST_BYTES, PERCENT, Sample, short
from .units import LARGEST, UNITS

DAY = 24 * 3600
EACH_SECONDS, LEAST_SECONDS, MOST_SECONDS = 5, 1, 3600
# As Ansible has them.
YES, NO = ("y", "yes", "on", "true", "t"), ("n", "no", "off", "false", "f", False)


def parse(record: bytes) -> Optional[Sample]:
    """Return the sample of a record, or None for anything else: it was half written, or another wrote it."""
    try:
        told = json.loads(record) if len(record) <= MOST_BYTES else None
        sample = Sample(**told) if isinstance(told, dict) else None
    except (ValueError, TypeError, RecursionError):
        return None
    if sample is None or not isinstance(sample.what, str) or sample.unit not in (BYTES, PERCENT):
        return None
    known = [number for number in (sample.done, sample.total) if number is not None]
    return sample if all(map(_is_count, (sample.job, sample.seconds, *known))) else None


def parse_interval(told, name: str) -> float:
    """Return the seconds from one line to the next, 0 for none, of a user's variable; raise ImageError."""
    told = told.strip().lower() if isinstance(told, str) else told
    if told is None or told is True or told in YES:
        return EACH_SECONDS
    try:
        seconds = 0 if told in NO else float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = -1
    if seconds and not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ImageError(
            f"{name} is {plain(repr(told))[:80]}; it is the seconds from one line about long work to the next, "
            f"{LEAST_SECONDS} to {MOST_SECONDS}, or false"
        )
    return seconds


def _is_count(number) -> bool:
    return type(number) in (int, float) and isfinite(number) and 0 <= number <= LARGEST


def is_news(sample: Optional[Sample], before: Optional[Sample]) -> bool:
    """Return whether there is something to say since the last time: a job that goes on or is another one."""
    return sample is not None and (before is None or (sample.job, sample.seconds) != (before.job, before.seconds))


def line(sample: Sample, before: Optional[Sample] = None) -> str:
    """Return what a user reads; `before` is what the last line was of, since which the rate is measured."""
    rate = _rate(sample, before)
    parts = [_amount(sample), _speed(sample, rate), _left(sample, rate)]
    return f"{short(sample.what)}: {', '.join(filter(None, parts))}"


def _rate(sample: Sample, before: Optional[Sample]) -> Optional[float]:
    """Return what is done in a second; None where it cannot be told."""
    done, seconds = sample.done, sample.seconds
    if done is None:
        return None
    # Of a job that began since the last line, all of it is new; so it is where it began again.
    if before and before.job == sample.job and before.seconds < seconds and (before.done or 0) <= done:
        done, seconds = done - (before.done or 0), seconds - before.seconds
    return done / seconds if seconds > 0 else None


def _amount(sample: Sample) -> str:
    if sample.done is None:
        size = f"{show_amount(sample.total)}, " if sample.total and sample.unit == BYTES else ""
        return f"{size}for {show_time(sample.seconds)} now"
    if sample.unit == PERCENT:
        return f"{_percent(sample.done)} %"
    if not sample.total:
        return f"{show_amount(sample.done)}, of how many is not known"
    # What is read may turn out to be more than was told.
    total = max(sample.total, sample.done)
    done, unit = show_amount(sample.done).split(), show_amount(total).split()
    done = done[:1] if done[1] == unit[1] else done
    return f"{' '.join(done)} of {' '.join(unit)}, {_percent(100 * sample.done / total)} %"


def _percent(number: float) -> int:
    # Nothing is done before it is done.
    return min(100, int(number))


def _speed(sample: Sample, rate: Optional[float]) -> str:
    if rate is None or sample.unit == PERCENT or _is_done(sample):
        return ""
    return f"{show_amount(rate)}/s"


def _left(sample: Sample, rate: Optional[float]) -> str:
    if _is_done(sample):
        # The disk or the other end still has something to do.
        return "coming to its end"
    total = 100 if sample.unit == PERCENT else sample.total
    if not rate or not total:
        return ""
    seconds = (total - sample.done) / rate
    return f"{show_time(seconds)} left" if seconds < DAY else "more than a day left"


def _is_done(sample: Sample) -> bool:
    total = 100 if sample.unit == PERCENT else sample.total
    return sample.done is not None and bool(total) and sample.done >= total


def show_amount(size: float) -> str:
    """Return bytes in the unit in which there are a few of them, with one digit after the point."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= UNITS[unit.lower()]:
            return f"{size / UNITS[unit.lower()]:.1f} {unit}"
    return f"{int(size)} B"


def show_time(seconds: float) -> str:
    """Return a time as people say it: 43 s, 12 min, 2 h 5 min."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
