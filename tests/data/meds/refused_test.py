"""What MEDS cannot hold is refused, and what was there stays."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from meds_datasets import EVENTS, STATIC, assert_same

from jaxehr.data import DataError, Records, meds_writer, read_meds, write_meds, write_records

PLANTED = {
    "no code": (
        None, EVENTS.assign(code=EVENTS["code"].mask(EVENTS["subject_id"] == 7)),
        "1 of 6 events have no code",
    ),
    "no subject": (
        None, EVENTS.assign(subject_id=EVENTS["subject_id"].astype("Int64").mask(EVENTS["code"] == "z")),
        "2 of 6 rows have no subject_id",
    ),
    "a row twice": (pd.concat([STATIC, STATIC[:1]]), EVENTS, "several rows of 1 subjects, such as 5"),
    "two kinds of ids": (STATIC.astype({"subject_id": str}), EVENTS, "in the static table and int64 in the events"),
    "time of text": (None, EVENTS.assign(time="2020-01-01"), "as pd.to_datetime does"),
    "below a microsecond": (None, EVENTS.assign(time=np.datetime64("2020-01-01T00:00:00.123456789")), "floor"),
    "beyond float32": (None, EVENTS.assign(numeric_value=1e39), "6 numeric values are beyond float32"),
    "mixed": (STATIC.assign(sex=["F", 1, 2.5]), EVENTS, "column 'sex' is object and holds mixed"),
    "one code for two": (STATIC.assign(**{"sex//M": 1}), EVENTS, "'sex' and 'sex//M' could not be told apart"),
    "a fact that is an event": (
        STATIC, EVENTS.assign(code="STATIC//age", time=None).astype({"time": "datetime64[us]"}),
        "says what the static table says",
    ),
    "no records": (None, EVENTS[:0], "there are no records to write"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_what_meds_cannot_hold_is_refused_in_one_line(tmp_path, what):
    static, events, said = PLANTED[what]
    write_meds(EVENTS, tmp_path / "set")
    before = read_meds(tmp_path / "set")
    with pytest.raises(DataError, match=said) as caught:
        write_meds(Records(static, events), tmp_path / "set")
    assert "\n" not in str(caught.value)
    assert_same(read_meds(tmp_path / "set"), before)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (EVENTS[:1], "1 subjects, such as 5, came in more than one batch"),
        (EVENTS[5:].assign(code=1), "int64 of integer in one batch"),
        (EVENTS[5:].drop(columns="time"), "one batch has the columns"),
        (Records(STATIC), "one batch has the columns"),
    ],
)
def test_batches_that_do_not_go_together_are_refused(tmp_path, second, said):
    with pytest.raises(DataError, match=said), meds_writer(tmp_path / "set") as write:
        write(EVENTS[:5])
        write(second)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["notes.txt", "tasks/a.parquet"])
def test_a_folder_of_other_things_is_left_alone(tmp_path, name):
    write_meds(EVENTS, tmp_path / "set")
    path = tmp_path / "set" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(DataError, match=f"holds {name.partition('/')[0]}, which is no part"):
        write_meds(EVENTS, tmp_path / "set")
    assert path.read_text() == "mine"


def test_a_killed_write_leaves_the_last_one(tmp_path):
    write_meds(EVENTS, tmp_path / "set")
    code = f"""
import os, signal, pandas as pd
from jaxehr.data import meds_writer
with meds_writer({str(tmp_path / "set")!r}, shard_events=2) as write:
    for i in range(5):
        write(pd.DataFrame({{"subject_id": [i] * 3, "code": "new"}}))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    pd.testing.assert_frame_equal(read_meds(tmp_path / "set").events, EVENTS)
    for left in tmp_path.glob(".*"):
        os.utime(left, (0, 0))
    write_records(EVENTS, tmp_path / "other.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "set"]
