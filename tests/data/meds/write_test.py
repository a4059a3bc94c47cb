"""What is written is MEDS to its own schema, and is read as it was."""

import json
import logging
import os
import signal
import subprocess
import sys
from datetime import datetime
from itertools import pairwise

import meds
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxehr.data import DataError, Records, meds_writer, read_meds, write_meds, write_records
from jaxehr.data.meds import SYNTHETIC_IDS, Metadata, read_metadata

TEXT = "str" if pd.__version__ >= "3" else object
WORDS = ["", "F", "M//x", "//", "STATIC", "ä, ö", "1.0", "nan", "None", "a b"]


def day(text):
    return np.datetime64(text, "us")


STATIC = pd.DataFrame(
    {
        "sex": pd.Series(["F", None, "M"], dtype=TEXT),
        "subject_id": [5, 3, 9],
        "age": [61.5, np.nan, 40.0],
        "smokes": [True, False, True],
    }
)
EVENTS = pd.DataFrame(
    {
        "subject_id": [5, 5, 3, 3, 3, 7],
        "time": [None, day("2019-01-01"), None, day("2020-01-01"), day("2020-01-02T03:04:05.000006"), day("2018")],
        "code": pd.Series(["x", "LAB//y", "x", "LAB//y", "z", "z"], dtype=TEXT),
        "numeric_value": [np.nan, 3.25, np.nan, 7.4, 5.0, np.nan],
        "text_value": pd.Series(["", None, None, "a", None, "q"], dtype=TEXT),
    }
).astype({"time": "datetime64[us]"})  # fmt: skip


def assert_same(found, wanted):
    for one, other in ((found.static, wanted.static), (found.events, wanted.events)):
        assert (one is None) == (other is None)
        if other is not None:
            pd.testing.assert_frame_equal(one, other.reset_index(drop=True))
            assert one.attrs == other.attrs


def there_and_back(records, folder, **more):
    write_meds(records, folder, **more)
    return read_meds(folder)


def check_meds(folder):
    """By the schemas of the package `meds`, and its two rules on where a subject's events are."""
    seen, codes = set(), set()
    shards = sorted((folder / meds.data_subdirectory).rglob("*.parquet"))
    for path in shards:
        table = pq.read_table(path)
        meds.DataSchema.validate(table)
        frame = table.to_pandas()
        ids = frame["subject_id"].to_numpy()
        order = list(dict.fromkeys(ids))
        assert len(order) == 1 + (np.diff(ids) != 0).sum(), "a subject's events are apart"
        assert not seen & set(order), "a subject in two shards"
        seen |= set(order)
        codes |= set(frame["code"])
        time = frame["time"].to_numpy().astype(np.int64)  # a null is the least
        assert not ((time[1:] < time[:-1]) & (ids[1:] == ids[:-1])).any()
    known = pq.read_table(folder / meds.code_metadata_filepath)
    meds.CodeMetadataSchema.validate(known)
    assert codes <= set(known["code"].to_pylist())
    if (folder / meds.subject_splits_filepath).exists():
        meds.SubjectSplitSchema.validate(pq.read_table(folder / meds.subject_splits_filepath))
    about = json.loads((folder / meds.dataset_metadata_filepath).read_text())
    meds.DatasetMetadataSchema.validate(about)
    assert datetime.fromisoformat(about["created_at"]) and about["etl_name"] == "jaxehr"
    assert about["meds_version"] == meds.__version__[:5]
    return len(shards), seen


def random_column(rng, n):
    """Of any dtype that a table of patients has, with gaps where it can have them."""
    gaps = rng.random(n) < rng.choice([0, 0.3, 1])
    words = rng.choice(WORDS, n)
    whole = rng.integers(-5, 5, n) * int(rng.choice([1, 2**25 + 1, 2**54 + 1]))
    real = np.round(rng.normal(0, 100, n), 2) * rng.choice([1.0, np.pi, 1e300, 1e-300])
    moments = rng.integers(-(10**9), 10**9, n)
    unit = rng.choice(["s", "ms", "us", "ns"])
    gappy = [
        pd.Series(words, dtype=TEXT),
        pd.Series(words, dtype="string"),
        pd.Series(words).astype(object),
        pd.Series(words).astype(pd.CategoricalDtype([*WORDS, "never"], ordered=True)),
        pd.Series(whole).astype("Int64"),
        pd.Series(whole % 7).astype("category"),
        pd.Series(real),
        pd.Series(real).clip(-1e6, 1e6).astype("float32"),
        pd.Series(real).astype("Float64"),
        pd.Series(rng.random(n) < 0.5).astype("boolean"),
        pd.Series(rng.random(n) < 0.5).astype(object),
        pd.Series(moments.astype(f"datetime64[{unit}]")),
        pd.Series(moments.astype(f"datetime64[{unit}]")).dt.tz_localize("Europe/Berlin", "NaT", "NaT"),
        pd.Series(moments.astype(f"timedelta64[{unit}]")),
    ]  # fmt: skip
    full = [
        pd.Series(whole),
        pd.Series(whole % 100).astype("int8"),
        pd.Series(np.abs(whole).astype("uint64") * 2 + 2**63),
        pd.Series(rng.random(n) < 0.5),
    ]
    j = rng.integers(len(gappy) + len(full))
    return gappy[j].mask(gaps) if j < len(gappy) else full[j - len(gappy)]


def random_records(seed):
    """Static facts, events, or both, of a few subjects; numeric values of few digits, as laboratories give them."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    ids = rng.choice(10**6, n, replace=False).astype(rng.choice(["int64", "int32"]))
    if rng.random() < 0.3:
        ids = np.array([f"P{i:07d}" for i in ids], object)
    ids = pd.Series(ids, dtype=TEXT if ids.dtype == object else ids.dtype)
    static = pd.DataFrame({f"c{j}": random_column(rng, n) for j in range(rng.integers(0, 6))})
    static.insert(int(rng.integers(0, len(static.columns) + 1)), "subject_id", ids)
    static.attrs = {"format": {"c0": ".2f"}} if rng.random() < 0.3 else {}
    row = np.sort(rng.integers(0, n, rng.integers(1, 30)))
    time = rng.integers(0, 10**9, len(row)).astype("datetime64[s]").astype("datetime64[us]")
    time[rng.random(len(row)) < 0.3] = np.datetime64("NaT")
    time = time[np.lexsort((np.where(np.isnat(time), -1, time.astype(np.int64)), row))]
    number = np.round(rng.lognormal(2, 1, len(row)), 2)
    number[rng.random(len(row)) < 0.3] = np.nan
    events = {
        "subject_id": ids.iloc[row].reset_index(drop=True),
        "code": pd.Series(rng.choice(["MEDS_BIRTH", "LAB//1//mg", "ICD//I10"], len(row)), dtype=TEXT),
        "time": time,
        "numeric_value": number.astype(rng.choice(["float32", "float64"])),
        "text_value": pd.Series(rng.choice(WORDS, len(row)), dtype=TEXT).mask(rng.random(len(row)) < 0.3),
        "hadm_id": rng.integers(0, 99, len(row)),
        "unit": pd.Series(rng.choice(["mg", None], len(row)), dtype=TEXT),
    }  # fmt: skip
    for name in rng.choice(
        ["time", "numeric_value", "text_value", "hadm_id", "unit"], rng.integers(0, 5)
    ):
        events.pop(name, None)
    which = rng.integers(3)
    frame = pd.DataFrame({name: events[name] for name in rng.permutation(list(events))})
    return Records(None if which == 1 else static, None if which == 2 else frame)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_random_records_come_back_as_they_were_and_are_meds(tmp_path_factory, seed):
    records, folder = random_records(seed), tmp_path_factory.mktemp("meds") / "set"
    assert_same(there_and_back(records, folder, shard_events=5), records)
    _, seen = check_meds(folder)
    ids = [f["subject_id"] for f in (records.static, records.events) if f is not None]
    assert len(seen) == pd.concat(ids).nunique()


def test_the_columns_are_the_types_of_meds(tmp_path):
    write_meds(Records(STATIC, EVENTS), tmp_path / "set")
    schema = pq.read_schema(tmp_path / "set" / "data" / "0.parquet")
    wanted = meds.DataSchema.schema()
    assert [(f.name, f.type) for f in schema] == [(f.name, f.type) for f in wanted]
    assert [schema.field(n).nullable for n in schema.names] == [False, True, False, True, True]


def test_static_facts_are_events_that_others_read(tmp_path):
    write_meds(Records(STATIC, EVENTS), tmp_path / "set")
    table = pq.read_table(tmp_path / "set" / "data").to_pandas()
    assert list(table["subject_id"]) == sorted(table["subject_id"], key=[5, 3, 9, 7].index)
    facts = table[table["code"].str.startswith("STATIC")]
    assert facts["time"].isna().all()
    assert [tuple(x) for x in facts[["subject_id", "code", "numeric_value"]].fillna(0).to_numpy()] == [
        (5, "STATIC//sex//F", 0), (5, "STATIC//age", 61.5), (5, "STATIC//smokes//True", 0),
        (3, "STATIC//smokes//False", 0),
        (9, "STATIC//sex//M", 0), (9, "STATIC//age", 40.0), (9, "STATIC//smokes//True", 0),
    ]  # fmt: skip
    codes = read_metadata(tmp_path / "set").codes.set_index("code")
    assert codes.loc["STATIC//sex//F", "description"] == "sex: F"
    assert list(codes.loc["STATIC//sex//F", "parent_codes"]) == ["STATIC//sex"]


def test_a_subject_of_whom_nothing_is_known_is_still_there(tmp_path):
    static = pd.DataFrame({"subject_id": [2, 1], "age": [np.nan, np.nan]})
    assert_same(there_and_back(Records(static), tmp_path / "set"), Records(static))
    assert list(pq.read_table(tmp_path / "set" / "data")["code"].to_pylist()) == [
        "STATIC",
        "STATIC",
    ]


def test_text_of_many_values_is_no_code(tmp_path):
    """Nor do names become a vocabulary."""
    names = pd.Series([f"Name {i}" for i in range(101)], dtype=TEXT)
    static = pd.DataFrame(
        {"subject_id": range(101), "name": names, "ward": ["a", "b", "c"] * 33 + ["a", "b"]}
    )
    static = static.astype({"ward": TEXT})  # fmt: skip
    assert_same(there_and_back(Records(static), tmp_path / "set"), Records(static))
    codes = set(read_metadata(tmp_path / "set").codes["code"])
    assert codes == {"STATIC//name", "STATIC//ward//a", "STATIC//ward//b", "STATIC//ward//c"}


def test_batches_are_as_one(tmp_path):
    records = random_records(4)
    assert records.static is not None and records.events is not None
    ids = records.static["subject_id"]
    write_meds(records, tmp_path / "one")
    with meds_writer(tmp_path / "many", shard_events=7) as write:
        for i in range(0, len(ids), 2):
            mine = ids[i : i + 2]
            write(
                Records(*(f[f["subject_id"].isin(mine)] for f in (records.static, records.events)))
            )
    one, many = read_meds(tmp_path / "one"), read_meds(tmp_path / "many")
    assert_same(many, one)
    shards, _ = check_meds(tmp_path / "many")
    assert shards > 1


def test_events_in_any_order_are_sorted(tmp_path):
    """Subjects as they first come, their events by time; those of the same time stay in their order."""
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "subject_id": rng.integers(0, 9, 200),
            "code": pd.Series(np.arange(200).astype(str), dtype=TEXT),
        }
    )
    time = pd.Series(rng.integers(0, 20, 200).astype("datetime64[s]").astype("datetime64[us]"))
    events["time"] = time.mask(rng.random(200) < 0.2)
    found = there_and_back(events, tmp_path / "set", shard_events=50).events
    check_meds(tmp_path / "set")
    first = events.assign(rank=pd.factorize(events["subject_id"])[0])
    wanted = first.sort_values(["rank", "time"], kind="stable", na_position="first")
    pd.testing.assert_frame_equal(found, wanted.drop(columns="rank").reset_index(drop=True))


def test_shards_are_of_the_size_wanted_and_subjects_whole(tmp_path):
    """Greedily: none has room for the next subject, and only a subject of its own may pass the size."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 15, 50)
    events = pd.DataFrame({"subject_id": np.repeat(np.arange(50), sizes), "code": "a"})
    with meds_writer(tmp_path / "set", shard_events=10) as write:
        write(events[events["subject_id"] < 20])
        write(events[events["subject_id"] >= 20])
    check_meds(tmp_path / "set")
    paths = sorted((tmp_path / "set" / "data").iterdir(), key=lambda p: int(p.stem))
    shards = [pq.read_table(path)["subject_id"].to_numpy() for path in paths]
    for shard, following in pairwise(shards):
        assert len(shard) <= 10 or len(set(shard)) == 1
        assert len(shard) + (following == following[0]).sum() > 10


def test_synthetic_subjects_are_told_from_real_ones(tmp_path):
    """By ids that are no one's, which a float64 tells apart; their own are nowhere in the folder."""
    events = EVENTS.assign(subject_id="REAL-" + EVENTS["subject_id"].astype(str))
    with meds_writer(tmp_path / "set", synthetic=True) as write:
        write(events[events["subject_id"] == "REAL-5"])
        write(events[events["subject_id"] != "REAL-5"])
    _, seen = check_meds(tmp_path / "set")
    assert seen == set(range(SYNTHETIC_IDS.start, SYNTHETIC_IDS.start + 3))
    assert {int(float(each)) for each in (*seen, SYNTHETIC_IDS[-1])} == {*seen, SYNTHETIC_IDS[-1]}
    assert not [
        p for p in (tmp_path / "set").rglob("*") if p.is_file() and b"REAL" in p.read_bytes()
    ]
    splits = read_metadata(tmp_path / "set").splits
    assert set(splits.index) == seen and set(splits) == {"train"}
    back = read_meds(tmp_path / "set").events
    pd.testing.assert_frame_equal(
        back.drop(columns="subject_id"), events.drop(columns="subject_id")
    )
    assert list(pd.factorize(back["subject_id"])[0]) == list(pd.factorize(events["subject_id"])[0])


def test_ids_that_are_no_integers_are_numbered_and_come_back(tmp_path):
    ids = pd.Series([2**63, 2**64 - 1, 7], dtype="uint64")
    events = pd.DataFrame({"subject_id": ids, "code": pd.Series(["a", "b", "a"], dtype=TEXT)})
    splits = pd.Series(["train", "held_out"], index=[2**64 - 1, 7])
    assert_same(
        there_and_back(events, tmp_path / "set", metadata=Metadata(splits=splits)), Records(None, events)
    )  # fmt: skip
    _, seen = check_meds(tmp_path / "set")
    assert seen == {1, 2, 3}
    assert read_metadata(tmp_path / "set").splits.to_dict() == splits.to_dict()


def test_what_is_known_of_codes_and_splits_is_kept(tmp_path):
    codes = pd.DataFrame({"code": ["LAB//y", "z", "other"], "description": ["Sodium", None, "?"]})
    codes["parent_codes"] = [["LOINC/2951-2"], None, None]
    codes["itemid"] = [50983, 1, 2]
    splits = pd.Series({5: "train", 3: "tuning", 1: "held_out"}, name="split")
    about = {"dataset_name": "A", "license": "B", "code_modifier_columns": ["unit", "other"]}
    events = EVENTS.assign(unit="mg", hadm_id=1)
    given = Metadata(codes, splits, about)
    write_meds(Records(STATIC, events), tmp_path / "one", metadata=given)
    write_meds(
        read_meds(tmp_path / "one"), tmp_path / "two", metadata=read_metadata(tmp_path / "one")
    )
    for folder in (tmp_path / "one", tmp_path / "two"):
        check_meds(folder)
        found = read_metadata(folder)
        known = found.codes.set_index("code")
        assert known.loc["LAB//y", ["description", "itemid"]].tolist() == ["Sodium", 50983]
        assert list(known.loc["LAB//y", "parent_codes"]) == ["LOINC/2951-2"]
        assert "other" not in known.index  # codes that are not written may be what was left out
        assert found.splits.to_dict() == {5: "train", 3: "tuning"}
        assert (found.dataset["dataset_name"], found.dataset["license"]) == ("A", "B")
        assert found.dataset["code_modifier_columns"] == ["unit"]
        assert found.dataset["other_extension_columns"] == ["hadm_id"]


def test_what_float32_does_not_hold_is_said(tmp_path, caplog):
    """7.4 comes back as 7.4, though float32 holds 7.400000095; of pi it keeps seven digits."""
    events = EVENTS.assign(numeric_value=[7.4, 0.1, 2**24, 1e-30, np.pi, np.nan])
    back = there_and_back(events, tmp_path / "set").events
    assert "1 numeric values are rounded to float32" in caplog.text
    assert back["numeric_value"].tolist()[:4] == [7.4, 0.1, 2**24, 1e-30]
    assert back["numeric_value"][4] == pytest.approx(np.pi, rel=2**-24)


def test_numbers_of_the_static_table_are_exact(tmp_path):
    static = pd.DataFrame(
        {"subject_id": [1, 2, 3], "x": [np.pi, 1e300, -0.0], "n": [2**53 + 1, 2**24 + 1, 3]}
    )
    assert_same(there_and_back(Records(static), tmp_path / "set"), Records(static))  # fmt: skip


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


def test_integers_with_gaps_in_a_later_batch_are_numbers(tmp_path):
    with meds_writer(tmp_path / "set") as write:
        write(Records(pd.DataFrame({"subject_id": [1, 2], "n": [2**24 + 1, 4]})))
        write(Records(pd.DataFrame({"subject_id": [3, 4], "n": [1.0, np.nan]})))
    wanted = pd.DataFrame({"subject_id": [1, 2, 3, 4], "n": [2**24 + 1, 4, 1, np.nan]})
    assert_same(read_meds(tmp_path / "set"), Records(wanted))


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


def test_a_frame_is_taken_as_what_it_is(tmp_path):
    """A table, whose subjects are then numbered, or codes."""
    table = STATIC.drop(columns="subject_id")
    write_records(table, tmp_path / "table")
    write_records(EVENTS[["subject_id", "code"]], tmp_path / "codes")
    assert_same(read_meds(tmp_path / "table"), Records(table))
    assert_same(read_meds(tmp_path / "codes"), Records(None, EVENTS[["subject_id", "code"]]))
    assert check_meds(tmp_path / "table") == (1, {1, 2, 3})


def test_one_file_does_not_hold_both(tmp_path):
    with pytest.raises(DataError, match="name a folder, and they are written as MEDS"):
        write_records(Records(STATIC, EVENTS), tmp_path / "both.csv")
    write_records(Records(STATIC), tmp_path / "one.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv"]


def test_a_flipped_bit_is_noticed(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    write_meds(pd.DataFrame({"subject_id": range(9999), "code": "a"}), tmp_path / "set")
    path = tmp_path / "set" / "data" / "0.parquet"
    whole = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    whole[start + 2000] ^= 4
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"0\.parquet cannot be read as Parquet"):
        read_meds(tmp_path / "set")


def test_events_of_pyarrow_dtypes_are_written(tmp_path):
    events = EVENTS.convert_dtypes(dtype_backend="pyarrow")
    found = there_and_back(events, tmp_path / "set").events
    check_meds(tmp_path / "set")
    assert isinstance(found["numeric_value"].dtype, pd.ArrowDtype)
    assert pa.Table.from_pandas(found).to_pylist() == pa.Table.from_pandas(events).to_pylist()
