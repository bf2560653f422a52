# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work is: how that is known, what is written down of it, and the line that is shown."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virt.image.plugins.module_utils._core.names import text_mistake
from ansible_collections.virt.image.plugins.module_utils._core.progress import EACH_SECONDS, is_news, line, parse, parse_interval
from ansible_collections.virt.image.plugins.module_utils._core.sample import MOST_BYTES, PERCENT, Sample, render
from ansible_collections.virt.image.plugins.module_utils._core.units import parse_size
from ansible_collections.virt.image.plugins.module_utils._io import progress
from ansible_collections.virt.image.plugins.module_utils._io.jobs import Jobs
from ansible_collections.virt.image.plugins.module_utils._io.merge_disk import share_of
from ansible_collections.virt.image.plugins.module_utils._io.pump import BLOCK, FileWriter, pour
from ansible_collections.virt.image.plugins.module_utils._io.source import Folder
from ansible_collections.virt.image.tests.unit.support import HERE, examples, message, until

ROWS = yaml.safe_load((HERE / "progress.yml").read_text(encoding="utf-8"))
SAMPLE = Sample(1, "copy root.qcow2", 4.5, 5, 10)


def sample_of(told):
    if told is None:
        return None
    sizes = {key: parse_size(size, key) for key, size in told.items() if key in ("done", "total") and isinstance(size, str)}
    return Sample(**{"job": 1, "what": "work", **told, **sizes})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["line"])
def test_line(row):
    assert line(sample_of(row["now"]), sample_of(row.get("before"))) == row["line"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["line"])
def test_what_is_written_down_is_read_again(row):
    sample = sample_of(row["now"])
    record = render(sample).ljust(MOST_BYTES)
    assert len(record) == MOST_BYTES
    assert line(parse(record)) == line(sample)


def test_any_name_fits_into_a_record():
    for what in ("\U0001f600" * 5000, "\x00\x1b" * 5000, "\udc80" * 5000, "é" * 121):
        assert len(render(Sample(1, what, 1.0))) <= MOST_BYTES
        assert len(line(parse(render(Sample(1, what, 1.0))))) < 200


NO_RECORDS = [
    "",
    "x",
    "{",
    "[]",
    "1",
    "null",
    "{}",
    '{"job": 1}',
    '{"job": 1, "what": "x", "seconds": 1, "more": 1}',
    '{"job": true, "what": "x", "seconds": 1}',
    '{"job": 1, "what": 5, "seconds": 1}',
    '{"job": 1, "what": "x", "seconds": null}',
    '{"job": 1, "what": "x", "seconds": -1}',
    '{"job": 1, "what": "x", "seconds": NaN}',
    '{"job": 1, "what": "x", "seconds": Infinity}',
    '{"job": 1, "what": "x", "seconds": 1, "done": "5"}',
    '{"job": 1, "what": "x", "seconds": 1, "done": 1e300}',
    '{"job": 1, "what": "x", "seconds": 1, "total": [5]}',
    '{"job": 1, "what": "x", "seconds": 1, "unit": "km"}',
    '{"job": 1, "what": "x", "seconds": 1, "unit": ["B"]}',
    "[" * 2000,
    '{"job": 1, "what": "' + "x" * MOST_BYTES + '", "seconds": 1}',
    "\x80\xff",
]


@pytest.mark.parametrize("record", NO_RECORDS, ids=lambda record: record[:50])
def test_what_is_no_record_says_nothing(record):
    assert parse(record.encode("latin-1")) is None


NUMBERS = st.one_of(st.none(), st.integers(-5, 2**60), st.floats(), st.text(max_size=3), st.booleans())


@given(*[NUMBERS] * 4, st.text(), st.sampled_from(["B", "%", "x"]))
@examples(100)
def test_whatever_was_written_there_is_a_line_of_text_or_none(job, seconds, done, total, what, unit):
    told = {"job": job, "what": what, "seconds": seconds, "done": done, "total": total, "unit": unit}
    sample = parse(json.dumps(told).encode())
    if sample:
        for before in (None, SAMPLE, sample):
            assert text_mistake(line(sample, before)) is None


def test_what_was_said_is_not_said_again():
    assert is_news(SAMPLE, None)
    assert not is_news(None, SAMPLE)
    # Who writes it down is gone, or hangs.
    assert not is_news(Sample(1, "copy", 4.5, 5, 10), SAMPLE)
    assert is_news(Sample(1, "copy", 5.5, 5, 10), SAMPLE)
    assert is_news(Sample(2, "copy", 4.5, 5, 10), SAMPLE)


@pytest.mark.parametrize("told", [None, True, "true", "Yes", " on "])
def test_the_usual_interval(told):
    assert parse_interval(told, "v") == EACH_SECONDS


@pytest.mark.parametrize("told", [False, 0, "0", "no", "False", "off", 0.0, "0.0"])
def test_no_lines(told):
    assert parse_interval(told, "v") == 0


@pytest.mark.parametrize("told, seconds", [(1, 1), ("1", 1), (10, 10), ("2.5", 2.5), (3600, 3600)])
def test_an_own_interval(told, seconds):
    assert parse_interval(told, "v") == seconds


@pytest.mark.parametrize("told", ["often", -1, "-5", 0.5, 3601, "nan", "inf", [], {}, [5], "", "\x1b[31m", 10**400])
def test_what_is_no_interval_is_refused(told):
    said = message(parse_interval, told, "virt_image_progress")
    assert said.startswith("virt_image_progress is ") and "1 to 3600, or false" in said and text_mistake(said) is None


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self):
        return self.now


def test_a_job_tells_how_far_it_is():
    jobs = Jobs(clock := Clock())
    assert jobs.sample() is None
    with jobs.job("copy", 10) as job:
        assert jobs.sample() == Sample(1, "copy", 0.0, None, 10)
        clock.now += 2.5
        job.done = 4
        assert jobs.sample() == Sample(1, "copy", 2.5, 4, 10)
        with jobs.share("convert") as inner:
            inner.look = lambda: 12.5
            assert jobs.sample() == Sample(2, "convert", 0.0, 12.5, 100, PERCENT)
        assert jobs.sample().what == "copy"
    assert jobs.sample() is None
    with pytest.raises(KeyError), jobs.job("fetch", 0):
        assert jobs.sample() == Sample(3, "fetch", 0.0)
        raise KeyError
    assert jobs.sample() is None


def test_a_pump_tells_how_far_it_is(tmp_path):
    """In the middle of it, whatever the source; what is packed is counted as it is delivered."""
    jobs, seen = Jobs(), []

    class Source(io.BytesIO):
        def read(self, *arguments):
            seen.append(jobs.sample().done)
            return super().read(*arguments)

    with open(tmp_path / "target", "w+b", 0) as target, jobs.job("copy", 4 * BLOCK) as job:
        pour(Source(os.urandom(4 * BLOCK)), FileWriter(target.fileno()), ["sha256"], "disk", job=job)
        assert jobs.sample().done == 4 * BLOCK
    assert seen[0] in (None, 0) and seen[-1] == 4 * BLOCK and seen[1:] == sorted(seen[1:]) and len(set(seen)) > 3


def test_reading_a_file_for_its_digest_tells_how_far_it_is(tmp_path):
    (tmp_path / "root.raw").write_bytes(bytes(3 * 2**20))
    folder = Folder(str(tmp_path / "image.xml"))
    file = folder.file("root.raw")
    with Jobs().job("read", file.size) as job:
        assert folder.digest(file, {}, job) == hashlib.sha256(bytes(3 * 2**20)).hexdigest()
        assert job.done == 3 * 2**20


@pytest.mark.parametrize("found, share", [({"cur": 1, "end": 4}, 25), ({"cur": 0, "end": 0}, None), ({}, None), (None, None)])
def test_a_block_job_of_libvirt(found, share):
    assert share_of(found) == share


@pytest.fixture(name="quick")
def _quick(monkeypatch):
    """Time is short here."""
    monkeypatch.setattr(progress, "EACH_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_file_tells_of_a_job_while_it_is_done(tmp_path):
    path, jobs = tmp_path / "progress", Jobs()
    with progress.written(jobs, str(path)):
        assert not path.exists()
        with jobs.job("copy", 10) as job:
            job.done = 3
            sample = until(lambda: path.exists() and parse(path.read_bytes()))
            assert (sample.what, sample.done, sample.total) == ("copy", 3, 10)
            assert path.stat().st_size == MOST_BYTES and path.stat().st_mode & 0o777 == 0o644
            job.done = 7
            assert until(lambda: parse(path.read_bytes()).done == 7)
        # The call goes on with something else, which may take long too.
        assert until(lambda: path.read_bytes() == b" " * MOST_BYTES)
    assert not path.exists()


def test_what_is_quick_leaves_no_trace(tmp_path):
    jobs, path = Jobs(), tmp_path / "progress"
    with progress.written(jobs, str(path)), jobs.job("copy", 10) as job:
        assert "progress" in [thread.name for thread in threading.enumerate()] and job.watched
    assert not path.exists()
    with progress.written(jobs, None), jobs.job("copy", 10) as job:
        assert "progress" not in [thread.name for thread in threading.enumerate()] and not job.watched


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("trouble", ["no folder", "taken", "link", "broken job"])
def test_where_it_cannot_be_told_the_work_goes_on(tmp_path, trouble):
    path, jobs = tmp_path / "progress", Jobs()
    if trouble == "no folder":
        path = tmp_path / "gone" / "progress"
    elif trouble == "taken":
        path.write_text("another's")
    elif trouble == "link":
        path.symlink_to(tmp_path / "aim")
    with progress.written(jobs, str(path)), jobs.job("copy", 10) as job:
        if trouble == "broken job":
            job.look = lambda: 1 / 0
        (writer,) = [thread for thread in threading.enumerate() if thread.name == "progress"]
        writer.join(10)
        assert not writer.is_alive()
    assert not (tmp_path / "aim").exists()
    assert trouble != "taken" or path.read_text() == "another's"
