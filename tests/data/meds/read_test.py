"""MEDS datasets as others make them, sound, odd and broken."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxehr.data import DataError, Records, read_meds, write_meds
from jaxehr.data.meds import read_metadata

TEXT = "str" if pd.__version__ >= "3" else object


def moments(*texts, unit="us"):
    return pa.array(
        [None if t is None else np.datetime64(t, "us") for t in texts], pa.timestamp(unit)
    )


def shard(ids, times, codes, **more):
    return pa.table(
        {"subject_id": pa.array(ids, pa.int64()), "time": times, "code": pa.array(codes), **more}
    )


ONE = shard(
    [1, 1, 2],
    moments(None, "2020-01-01", "2019-05-05T10:00:00.25"),
    ["SEX//F", "LAB//1", "LAB//1"],
    numeric_value=pa.array([None, 7.4, 1.5], pa.float32()),
    text_value=pa.array([None, "a", ""], pa.large_string()),
)
TWO = shard(
    [9, 4],
    moments("2018-01-01", None),
    ["LAB//2", "SEX//M"],
    numeric_value=pa.array([3.0, None], pa.float32()),
    text_value=pa.array([None, None], pa.large_string()),
)
WANTED = pd.DataFrame(
    {
        "subject_id": [1, 1, 2, 9, 4],
        "time": np.array([None, "2020-01-01", "2019-05-05T10:00:00.25", "2018-01-01", None], "datetime64[us]"),
        "code": pd.Series(["SEX//F", "LAB//1", "LAB//1", "LAB//2", "SEX//M"], dtype=TEXT),
        "numeric_value": np.array([np.nan, 7.4, 1.5, 3, np.nan], np.float32),
        "text_value": pd.Series([None, "a", "", None, None], dtype=TEXT),
    }
)  # fmt: skip


def dataset(folder, *shards, names=None):
    for i, table in enumerate(shards):
        path = folder / "data" / (names[i] if names else f"{i}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    return folder


def changed(table, **columns):
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def assert_events(records, wanted=WANTED):
    assert records.static is None
    pd.testing.assert_frame_equal(records.events, wanted)


def test_a_dataset_is_its_events(tmp_path, caplog):
    assert_events(read_meds(dataset(tmp_path / "set", ONE, TWO)))
    assert not caplog.text


def test_shards_lie_in_folders(tmp_path):
    """MEDS-transforms writes data/train/0.parquet; a hidden file is no shard."""
    folder = dataset(
        tmp_path / "set", ONE, TWO, names=["held_out/0.parquet", "train/a/b/0.parquet"]
    )
    (folder / "data" / ".hidden.parquet").write_bytes(b"?")
    assert_events(read_meds(folder))


def test_it_is_written_as_it_was_read(tmp_path):
    """Without numeric_value too, where there was none."""
    less = dataset(tmp_path / "less", ONE.select(["subject_id", "time", "code"]))
    for folder in (dataset(tmp_path / "set", ONE, TWO), less):
        found = read_meds(folder)
        write_meds(found, tmp_path / "again")
        assert_events(read_meds(tmp_path / "again"), found.events)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"code": ONE["code"].dictionary_encode()}, {}),
        ({"code": ONE["code"].cast(pa.large_string())}, {}),
        ({"text_value": ONE["text_value"].cast(pa.string()).dictionary_encode()}, {}),
        ({"time": ONE["time"].cast(pa.timestamp("ns"))}, {}),
        ({"time": ONE["time"].cast(pa.timestamp("us", "UTC"))}, {}),
        ({"subject_id": ONE["subject_id"].cast(pa.int32())}, {}),
        ({"subject_id": ONE["subject_id"].cast(pa.uint64())}, {}),
        ({"numeric_value": pa.array([None, 7.4, 1.5])}, {"numeric_value": [np.nan, 7.4, 1.5, 3, np.nan]}),
        ({"numeric_value": pa.array([None, 7, 2])}, {"numeric_value": [np.nan, 7.0, 2, 3, np.nan]}),
        ({"numeric_value": pa.nulls(3)}, {"numeric_value": np.array([np.nan, np.nan, np.nan, 3, np.nan], np.float32)}),
        ({"text_value": pa.nulls(3)}, {"text_value": pd.Series([None] * 5, dtype=TEXT)}),
        ({"time": pa.nulls(3)}, {"time": np.array(["NaT"] * 3 + ["2018-01-01", "NaT"], "datetime64[us]")}),
    ],
)  # fmt: skip
def test_types_that_hold_the_same_are_read_as_it(tmp_path, columns, wanted):
    folder = dataset(tmp_path / "set", changed(ONE, **columns), TWO)
    assert_events(read_meds(folder), WANTED.assign(**wanted))


def test_times_in_a_zone_are_the_same_moments(tmp_path, caplog):
    zoned = ONE["time"].cast(pa.timestamp("us", "Asia/Tokyo"))
    assert_events(read_meds(dataset(tmp_path / "set", changed(ONE, time=zoned), TWO)))
    assert caplog.text.count("times in the zone Asia/Tokyo are read as UTC") == 1


def test_columns_that_are_not_read_are_named(tmp_path, caplog):
    more = ONE.append_column("unit", pa.array(["mg", None, "g"])).append_column(
        "x", pa.array([[1], [2], []])
    )
    folder = dataset(tmp_path / "set", more, TWO)
    assert_events(read_meds(folder))
    assert "not read: unit" in caplog.text and "not read: x" in caplog.text
    caplog.clear()
    unit = pd.Series(["mg", None, "g", None, None], dtype=TEXT)
    assert_events(read_meds(folder, more=["unit"]), WANTED.assign(unit=unit))
    assert "unit" not in caplog.text


def test_columns_may_be_absent_from_some_shards(tmp_path):
    folder = dataset(tmp_path / "set", ONE.select(["code", "time", "subject_id"]), TWO)
    found = read_meds(folder).events[list(WANTED)]
    pd.testing.assert_frame_equal(found.iloc[:3, :3], WANTED.iloc[:3, :3])
    assert found["numeric_value"][:3].isna().all() and found["numeric_value"][3] == 3


@pytest.mark.parametrize("types", ["those of MEDS", "none"])
def test_empty_shards_are_passed_over(tmp_path, types):
    empty = (
        ONE.slice(0, 0)
        if types == "those of MEDS"
        else pa.table({n: pa.nulls(0) for n in ONE.column_names})
    )
    assert_events(read_meds(dataset(tmp_path / "set", empty, ONE, empty, TWO)))


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([ONE.take([1, 0, 2]), TWO], "1 subjects, such as 1, have events that are not sorted by time"),
        ([ONE.take([0, 2, 1]), TWO], "1 subjects, such as 1, have their events in several places of a shard"),
        ([ONE.slice(0, 1), ONE.slice(1), TWO], "1 subjects, such as 1, are in more than one shard"),
        ([ONE.slice(1), ONE.slice(0, 1), TWO], "1 subjects, such as 1, are in more than one shard"),
    ],
)  # fmt: skip
def test_subjects_that_are_not_sorted_are_said_and_sorted(tmp_path, caplog, tables, said):
    assert_events(read_meds(dataset(tmp_path / "set", *tables)))
    assert said in caplog.text and len(caplog.messages) == 1


def test_events_of_the_same_time_stay_in_their_order(tmp_path):
    n = 200
    times = pa.array(np.repeat(np.datetime64("2020-01-01", "us"), n))
    table = shard([5] * n, times, [f"{i}" for i in range(n)])
    late = shard([5], moments("2019-01-01"), ["first"])
    codes = read_meds(dataset(tmp_path / "set", table, late)).events["code"]
    assert list(codes) == ["first", *(f"{i}" for i in range(n))]


def test_events_outside_life_are_counted_and_kept(tmp_path, caplog):
    days = moments("2000-01-01", "1999-01-01", "2001-01-01", "2001-01-02", None)
    table = shard([1] * 5, days.take([1, 0, 2, 3, 4]), ["a", "MEDS_BIRTH", "MEDS_DEATH", "b", "c"])
    assert len(read_meds(dataset(tmp_path / "set", table)).events) == 5
    assert (
        "1 events of 1 subjects are before birth (MEDS_BIRTH), such as one of subject 1"
        in caplog.text
    )
    assert (
        "1 events of 1 subjects are after death (MEDS_DEATH), such as one of subject 1"
        in caplog.text
    )


def test_a_split_is_read_alone(tmp_path, caplog):
    folder = dataset(tmp_path / "set", ONE, TWO)
    (folder / "metadata").mkdir()
    with pytest.raises(DataError, match=r"no metadata/subject_splits\.parquet"):
        read_meds(folder, split="train")
    splits = pa.table({"subject_id": [1, 2, 4], "split": ["train", "tuning", "train"]})
    pq.write_table(splits, folder / "metadata" / "subject_splits.parquet")
    wanted = WANTED[WANTED["subject_id"].isin([1, 4])].reset_index(drop=True)
    assert_events(read_meds(folder, split="train"), wanted)
    with pytest.raises(DataError, match=r"no split 'test'; it has train \(2\), tuning \(1\)"):
        read_meds(folder, split="test")
    assert not caplog.text
    assert_events(read_meds(folder))
    assert "every split are read: train (2), tuning (1)" in caplog.text


BROKEN = {
    "no code": (
        [ONE.drop_columns(["code"])],
        "0.parquet lacks the column code; it has subject_id, time, numeric_value",
    ),
    "nor time": ([TWO, ONE.select(["subject_id"])], "1.parquet lacks the column time and code"),
    "ids of text": (
        [changed(ONE, subject_id=pa.array(["1", "1", "2"]))],
        "column 'subject_id' is string; MEDS wants int64",
    ),
    "ids of decimals": (
        [changed(ONE, subject_id=pa.array([1.0, 1.0, 2.0]))],
        "column 'subject_id' is double; MEDS wants int64",
    ),
    "beyond int64": (
        [changed(ONE, subject_id=pa.array([1, 1, 2**63], pa.uint64()))],
        r"'subject_id' \(uint64\) does not read as int64: .*9223372036854775808",
    ),
    "no id": ([changed(ONE, subject_id=pa.array([1, None, 2]))], "1 of 3 events have no subject_id"),
    "no code of one": ([changed(ONE, code=pa.array(["a", "b", None]))], "1 of 3 events have no code"),
    "codes of numbers": ([changed(ONE, code=pa.array([1, 2, 3]))], "column 'code' is int64; MEDS wants string"),
    "times of text": (
        [changed(ONE, time=pa.array(["2020", "2021", "x"]))],
        r"column 'time' is string; MEDS wants timestamp\[us\]",
    ),
    "below a microsecond": (
        [changed(ONE, time=pa.array([None, 1, 2], pa.timestamp("ns")))],
        "'time' .* does not read as timestamp",
    ),
    "a year of six digits": (
        [changed(ONE, time=pa.array([None, 1, 2**60], pa.timestamp("ms")))],
        "'time' .* does not read as timestamp",
    ),
    "numbers of text": (
        [changed(ONE, numeric_value=pa.array(["1", "2", "3"]))],
        "column 'numeric_value' is string; MEDS wants float32",
    ),
    "text of numbers": (
        [changed(ONE, text_value=pa.array([1, 2, 3]))],
        "column 'text_value' is int64; MEDS wants large_string",
    ),
    "no events": ([ONE.slice(0, 0)], "has no events"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_not_meds_is_refused_in_one_line(tmp_path, what):
    tables, said = BROKEN[what]
    with pytest.raises(DataError, match=said) as caught:
        read_meds(dataset(tmp_path / "set", *tables))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("keep", [0, 3, 40, -40, -3])
def test_a_shard_that_is_cut_off_is_named(tmp_path, keep):
    folder = dataset(tmp_path / "set", ONE, TWO, ONE)
    path = folder / "data" / "1.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"data/1\.parquet cannot be read as Parquet") as caught:
        read_meds(folder)
    assert "\n" not in str(caught.value)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_meds(tmp_path / "none")
    with pytest.raises(
        DataError, match=r"has no folder data/; a MEDS dataset has data/\*\*/\*\.parquet"
    ):
        read_meds(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.csv").write_text("a")
    with pytest.raises(DataError, match=r"has no file \*\.parquet"):
        read_meds(tmp_path)
    (tmp_path / ".gone.jaxehr-before").mkdir()
    with pytest.raises(DataError, match=r"the one before it is .*/\.gone\.jaxehr-before"):
        read_meds(tmp_path / "gone")


def ours(folder):
    static = pd.DataFrame(
        {"subject_id": [1, 2], "sex": ["F", "M"], "age": [40, 2**30], "b": [True, False]}
    )
    static = static.astype({"sex": TEXT})  # fmt: skip
    write_meds(Records(static, WANTED[WANTED["subject_id"] < 3]), folder)
    return static, pq.read_table(folder / "data" / "0.parquet")


def test_what_others_make_of_ours_is_read(tmp_path):
    """Subjects left out, shards renamed, events and columns added: static facts are where they are."""
    static, table = ours(tmp_path / "set")
    mine = table.filter(pa.compute.equal(table["subject_id"], 1))
    added = mine.slice(0, 1).set_column(
        2, table.schema.field("code"), pa.array([["new"]]).flatten()
    )
    others = pa.concat_tables([mine, added]).append_column("x", pa.array(range(len(mine) + 1)))
    shutil.rmtree(tmp_path / "set" / "data")
    found = read_meds(dataset(tmp_path / "set", others, names=["train/0.parquet"]))
    pd.testing.assert_frame_equal(found.static, static[:1])
    assert list(found.events["code"]) == ["SEX//F", "new", "LAB//1"]


def test_what_others_break_of_ours_is_said(tmp_path):
    _, table = ours(tmp_path / "set")
    age = pa.compute.match_substring(table["code"], "age")
    dataset(tmp_path / "set", pa.concat_tables([table, table.filter(age).slice(0, 1)]))
    with pytest.raises(DataError, match="subject 1 has 2 values of the static column 'age'"):
        read_meds(tmp_path / "set")
    for code, said in (
        ("STATIC//b//maybe", "column 'b' was bool, .*'maybe' is neither"),
        ("STATIC//age", "'age' was int64, .*: .*x"),
    ):
        one = table.slice(0, 1)
        one = one.set_column(2, table.schema.field("code"), pa.array([code]))
        one = one.set_column(0, table.schema.field("subject_id"), pa.array([7]))
        one = one.set_column(
            4, table.schema.field("text_value"), pa.array(["x"], pa.large_string())
        )
        dataset(tmp_path / "set", pa.concat_tables([table, one]))
        with pytest.raises(DataError, match=said):
            read_meds(tmp_path / "set")


def test_what_columns_were_is_there_whole_or_not_at_all(tmp_path):
    ours(tmp_path / "set")
    path = tmp_path / "set" / "metadata" / "jaxehr.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(DataError, match="version 2; this jaxehr reads 1: upgrade it"):
        read_meds(tmp_path / "set")
    path.write_text('{"version": 1, "static": {"columns": [{"name": "a"}], "attrs": {}}}')
    with pytest.raises(DataError, match=r"jaxehr\.json is not as jaxehr writes it .*; remove it"):
        read_meds(tmp_path / "set")
    path.unlink()
    found = read_meds(tmp_path / "set")
    assert found.static is None and "STATIC//sex//F" in set(found.events["code"])


def test_metadata_that_are_damaged_are_named(tmp_path):
    ours(tmp_path / "set")
    beside = tmp_path / "set" / "metadata"
    for name in ("codes.parquet", "dataset.json"):
        kept = (beside / name).read_bytes()
        (beside / name).write_bytes(b"{")
        with pytest.raises(DataError, match=name):
            read_metadata(tmp_path / "set")
        (beside / name).write_bytes(kept)
    pq.write_table(
        pa.table({"subject_id": ["a"], "split": ["train"]}), beside / "subject_splits.parquet"
    )
    with pytest.raises(DataError, match="needs subject_id, an integer, and split"):
        read_metadata(tmp_path / "set")
