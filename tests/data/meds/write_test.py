"""What is written is MEDS to its own schema, and is read as it was."""

import logging
from itertools import pairwise

import meds
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meds_datasets import (
    EVENTS,
    STATIC,
    TEXT,
    assert_same,
    check_meds,
    random_records,
    there_and_back,
)

from jaxehr.data import DataError, Records, meds_writer, read_meds, write_meds, write_records
from jaxehr.data.meds import SYNTHETIC_IDS, Metadata, read_metadata


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


def test_integers_with_gaps_in_a_later_batch_are_numbers(tmp_path):
    with meds_writer(tmp_path / "set") as write:
        write(Records(pd.DataFrame({"subject_id": [1, 2], "n": [2**24 + 1, 4]})))
        write(Records(pd.DataFrame({"subject_id": [3, 4], "n": [1.0, np.nan]})))
    wanted = pd.DataFrame({"subject_id": [1, 2, 3, 4], "n": [2**24 + 1, 4, 1, np.nan]})
    assert_same(read_meds(tmp_path / "set"), Records(wanted))


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
