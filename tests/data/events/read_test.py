"""Long files become events by the names of MEDS, whatever their dialect and however large."""

import gzip
import logging
import os
import resource

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxehr.data import DataError, events_by_subject, read_events, text_files
from jaxehr.data.events import by_subject

START = pd.Timestamp("2000-01-01")
LABS = {"subject_id": "id", "time": "at", "code": "item+unit", "numeric_value": "value"}


def labs(rows=3000, subjects=40, seed=0):
    """As a laboratory writes them: in no order, values with a comment here and there, units that lack."""
    rng = np.random.default_rng(seed)
    at = START + pd.to_timedelta(rng.integers(0, 10**6, rows) * 60, unit="s")
    units = rng.choice(["mg/dL", "mmol/l", None], rows)
    values = np.round(rng.normal(100, 20, rows), 1)
    return pd.DataFrame(
        {
            "row": range(rows),
            "id": rng.integers(1, subjects + 1, rows) * 11,
            "item": rng.integers(50_000, 50_020, rows),
            "at": at.strftime("%Y-%m-%d %H:%M:%S"),
            "value": np.where(rng.random(rows) < 0.05, "> 200", values.astype(str)),
            "unit": units,
            "note": 'a "quoted", text\nof two lines',
        }
    )


def expected(frame):
    """The same in pandas, in one go."""
    numbers = pd.to_numeric(frame["value"], errors="coerce")
    made = pd.DataFrame(
        {
            "subject_id": frame["id"],
            "time": pd.to_datetime(frame["at"]).astype("datetime64[us]"),
            "code": frame["item"].astype(str) + "//" + frame["unit"].fillna("UNK"),
            "numeric_value": numbers,
            "text_value": frame["value"].where(numbers.isna(), None),
        }
    )
    made = made.sort_values(["subject_id", "time"], kind="stable").reset_index(drop=True)
    return made


def same(found, wanted):
    assert len(found) == len(wanted) > 0
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_column_type=False)


def csv(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


DIALECTS = {
    "a.csv": lambda frame, path: frame.to_csv(path, index=False),
    "a.tsv.gz": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "b.csv": lambda frame, path: frame.to_csv(path, index=False, sep=";", encoding="utf-16"),
    "a.parquet": lambda frame, path: frame.to_parquet(path),
    "b.parquet": lambda frame, path: frame.astype(
        {"item": "string", "at": "datetime64[ns]", "unit": "category"}
    ).to_parquet(path),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_file_holds_the_same_events_in_any_dialect(tmp_path, name):
    frame = labs(400)
    DIALECTS[name](frame, tmp_path / name)
    same(read_events(tmp_path / name, LABS), expected(frame))


def test_batches_and_parts_change_nothing(tmp_path, monkeypatch):
    """Blocks of 4 KiB, between whose ends rows are torn, and parts of 8 KiB."""
    frame = labs()
    frame.to_csv(tmp_path / "a.csv", index=False)
    whole = read_events(tmp_path / "a.csv", LABS)
    monkeypatch.setattr(text_files, "STREAMED", 1 << 12)
    monkeypatch.setattr(by_subject, "PART", 1 << 13)
    same(read_events(tmp_path / "a.csv", LABS), whole)
    parts = list(events_by_subject(tmp_path / "a.csv", LABS))
    assert len(parts) > 10
    assert all(len(part["subject_id"].unique()) < 15 for part in parts)
    subjects = [set(part["subject_id"]) for part in parts]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 40  # each in one part
    joined = pd.concat(parts).sort_values("subject_id", kind="stable").reset_index(drop=True)
    same(joined, whole)


def test_a_torn_row_far_into_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "STREAMED", 1 << 12)
    lines = ["subject_id,code", *(f"{i},I10" for i in range(5000)), "7,I10,x", "8,I10"]
    with pytest.raises(DataError, match=r"line 5,002: 3 fields, where the header has 2 names"):
        read_events(csv(tmp_path / "a.csv", "\n".join(lines)))
    with pytest.raises(DataError, match="a quote in line 5,002 or after is never closed"):
        read_events(csv(tmp_path / "b.csv", "\n".join([*lines[:-2], '8,"I10\n'])))


@pytest.mark.parametrize("broken", [None, "7,I10,x\n"])
def test_no_file_is_left_behind_nor_seen_on_the_way(tmp_path, monkeypatch, broken):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(text_files, "STREAMED", 1 << 12)
    text = "subject_id,code\n" + "".join(f"{i},I10\n" for i in range(5000)) + (broken or "")
    seen = []
    try:
        for _ in events_by_subject(csv(tmp_path / "a.csv", text)):
            seen += os.listdir(folder)
    except DataError:
        assert broken
    assert os.listdir(folder) == seen == []


def test_where_there_is_no_room_to_sort_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "STREAMED", 1 << 14)
    rng = np.random.default_rng(0)
    lines = "".join(f"{i},{rng.integers(10**12)}\n" for i in range(20_000))
    path = csv(tmp_path / "a.csv", "subject_id,code\n" + lines)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, hard))
    try:
        with pytest.raises(DataError, match=r"sorted in files in .*, where .*; set TMPDIR"):
            read_events(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_time_is_counted_in_any_unit_or_dated(tmp_path):
    lines = "id,m,h,d,s,iso,german\n7,90,1.5,0.0625,5400,2000-01-01T01:30:00,01.01.2000 01:30\n"
    lines += "7,-1440,-24,-1,-86400,1999-12-31 00:00:00,31.12.1999 00:00\n"
    path = csv(tmp_path / "a.csv", lines)
    said = ("m:minutes", "h:hours", "d:days", "s:seconds", "iso", "german", "german:%d.%m.%Y %H:%M")
    for time in said:
        found = read_events(path, {"subject_id": "id", "time": time, "code": "X//"})
        assert found["time"].tolist() == [
            pd.Timestamp("1999-12-31"),
            pd.Timestamp("2000-01-01 01:30"),
        ]


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.date32()])
def test_times_of_parquet_are_taken_as_they_are(tmp_path, kind):
    day = pd.Timestamp("2150-03-01")
    time = pa.array([day.to_pydatetime()]).cast(kind)
    pq.write_table(
        pa.table({"subject_id": [1], "code": ["a"], "time": time}), tmp_path / "a.parquet"
    )
    found = read_events(tmp_path / "a.parquet")["time"]
    assert str(found.dtype) == "datetime64[us]" and found.tolist() == [day]


def test_what_always_holds_comes_first(tmp_path):
    lines = "1,2020-01-01,a\n2,2020-01-02,b\n1,,c\n1,2019-01-01,d\n2,,e\n1,,f\n"
    found = read_events(csv(tmp_path / "a.csv", "subject_id,time,code\n" + lines))
    assert "".join(found["code"]) == "cfdaeb"


def test_numbers_are_no_dates_until_it_is_said_what_they_count(tmp_path):
    path = csv(tmp_path / "a.csv", "subject_id,code,minute\n1,HR,1425\n1,HR,30\n")
    with pytest.raises(DataError, match=r"numbers such as 1425; .* --map time=minute:minutes"):
        read_events(path, {"time": "minute"})
    with pytest.raises(DataError, match=r"after the colon stands .* got 'weeks'"):
        read_events(path, {"time": "minute:weeks"})


def test_day_and_month_that_may_be_swapped_are_said(tmp_path, caplog):
    path = csv(tmp_path / "a.csv", "subject_id,code,time\n1,HR,03/05/2020\n1,HR,04/06/2020\n")
    found = read_events(path)
    assert found["time"].dt.month.tolist() == [3, 4]
    assert "read as %m/%d/%Y; if it is %d/%m/%Y, say so" in caplog.text
    assert read_events(path, {"time": "time:%d/%m/%Y"})["time"].dt.month.tolist() == [5, 6]


def test_what_is_left_out_is_counted_with_its_first_row(tmp_path, caplog):
    lines = [f"{i},2020-01-0{1 + i % 9},I10,5" for i in range(20)]
    lines[3] = ",2020-01-01,I10,5"
    lines[5], lines[6] = "5,2020-01-01,,5", ",2020-01-01,,5"
    lines[8], lines[9] = "8,31.02.2020,I10,5", "9,never,I10,5"
    lines[11], lines[12] = "11,,I10,5", "12,2020-01-01,I10,high"
    path = csv(tmp_path / "a.csv", "\n".join(["subject_id,time,code,numeric_value", *lines]) + "\n")
    found = read_events(path)
    assert len(found) == 15
    said = caplog.text
    assert "5 of 20 rows are left out: 2 without subject_id (first row 4)" in said
    assert "1 without code (first row 6)" in said
    assert "2 with a time that does not read (first row 9: '31.02.2020')" in said
    assert "1 rows have no time: they always hold (first row 12)" in said
    assert "1 values of numeric_value are no numbers, and are kept as text_value" in said
    assert found["time"].isna().sum() == 1
    assert found.loc[found["numeric_value"].isna(), "text_value"].tolist() == ["high"]


def test_rows_are_counted_over_batches_and_a_column_may_hold_a_colon(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(text_files, "STREAMED", 1 << 12)
    lines = [f"{i},I10,{i}" for i in range(3000)]
    lines[2345], lines[2400] = ",I10,5", "7,I10,soon"
    path = csv(tmp_path / "a.csv", "\n".join(["subject_id,code,at:utc", *lines]) + "\n")
    found = read_events(path, {"time": "at:utc:minutes"})
    assert (found["time"].max() - START) / pd.Timedelta("1min") == 2999
    assert "2 of 3,000 rows are left out: 1 without subject_id (first row 2,346)" in caplog.text
    assert "at:utc that does not read (first row 2,401: 'soon')" in caplog.text
    with pytest.raises(DataError, match=r"time=on:minutes: .* has no column 'on'"):
        read_events(path, {"time": "on:minutes"})


def test_where_most_times_do_not_read_or_nothing_is_left_it_is_refused(tmp_path):
    rows = "1,I10,2020-01-01\n2,I10,2020-01-02\n"
    text = "subject_id,code,time\n" + rows + "".join(f"{i},I10,2020-13-01\n" for i in range(3))
    with pytest.raises(
        DataError, match=r"of 5 rows 3 with a time that does not read \(first row 3"
    ):
        read_events(csv(tmp_path / "a.csv", text), {"time": "time:%Y-%m-%d"})
    comma = csv(tmp_path / "d.csv", "subject_id;code;hour\n1;K;0,5\n1;K;1,5\n")
    with pytest.raises(
        DataError, match=r"first row 1: '0,5'\).* --decimal , where 1,5 is a number"
    ):
        read_events(comma, {"time": "hour:hours"})
    assert len(read_events(comma, {"time": "hour:hours"}, decimal=",")) == 2
    with pytest.raises(
        DataError, match=r"none of 2 rows is an event; 2 without code \(first row 1"
    ):
        read_events(csv(tmp_path / "b.csv", "subject_id,code\n1,\n2,\n"))
    with pytest.raises(DataError, match="none of 0 rows is an event"):
        read_events(csv(tmp_path / "c.csv", "subject_id,code\n"))


def test_codes_of_several_columns_with_a_text_in_front(tmp_path):
    path = csv(tmp_path / "a.csv", "subject_id,item,unit,a+b\n7, 50912 ,mg/dL,x\n7,50912,,y\n")
    for code, wanted in {
        "item": ["50912", "50912"],
        "item+unit": ["50912//mg/dL", "50912//UNK"],
        "LAB//item+unit": ["LAB//50912//mg/dL", "LAB//50912//UNK"],
        "HOSP//LAB//a+b": ["HOSP//LAB//x", "HOSP//LAB//y"],  # a column of that name
        "SEEN//": ["SEEN", "SEEN"],
    }.items():
        assert read_events(path, {"code": code})["code"].tolist() == wanted
    with pytest.raises(
        DataError, match=r"--map code=LAB//itm: .* no column 'itm'; it has subject_id, item"
    ):
        read_events(path, {"code": "LAB//itm"})


def test_a_column_for_each_measurement_is_melted(tmp_path):
    rng = np.random.default_rng(1)
    wide = pd.DataFrame({"id": np.repeat([3, 5], 50), "hour": np.arange(100) // 2})
    for name in ("HR", "Temp", "SysABP"):
        wide[name] = np.where(rng.random(100) < 0.4, np.nan, np.round(rng.normal(90, 9, 100), 1))
    wide.to_csv(tmp_path / "a.csv", index=False)
    wide.to_parquet(tmp_path / "a.parquet")
    melted = (
        wide.reset_index(names="row")
        .melt(["row", "id", "hour"], var_name="code", value_name="numeric_value")
        .dropna()
    )
    melted["order"] = melted["code"].map({"HR": 0, "Temp": 1, "SysABP": 2})
    melted = melted.sort_values(["id", "hour", "row", "order"])
    for name in ("a.csv", "a.parquet"):
        for columns in ("HR|Temp|SysABP", "*"):
            names = {"subject_id": "id", "time": "hour:hours", "numeric_value": columns}
            found = read_events(tmp_path / name, names)
            assert found["numeric_value"].tolist() == melted["numeric_value"].tolist()
            assert found["code"].tolist() == melted["code"].tolist()
            hours = (found["time"] - START) / pd.Timedelta("1h")
            assert hours.tolist() == melted["hour"].tolist()
    found = read_events(tmp_path / "a.csv", {**names, "code": "VITAL//"})
    assert found["code"].tolist() == ("VITAL//" + melted["code"]).tolist()


def test_a_text_beside_a_number_is_kept_where_it_says_more(tmp_path, caplog):
    text = "subject_id,code,valuenum,value\n1,K,4.1,4.10\n1,K,,<1.0\n1,FiO2,10000,100.0\n1,K,,\n1,K,high,\n1,K,low,<2\n"
    names = {"numeric_value": "valuenum", "text_value": "value"}
    found = read_events(csv(tmp_path / "a.csv", text), names)
    assert found["numeric_value"].fillna(-1).tolist() == [4.1, -1, 10000, -1, -1, -1]
    assert found["text_value"].fillna("").tolist() == ["", "<1.0", "100.0", "", "high", "<2"]
    assert "the text beside them is kept (first row 6: 'low')" in caplog.text


def test_marks_and_decimals_are_as_they_are_said(tmp_path, caplog):
    text = "subject_id;code;numeric_value\n1;K;4,1\n1;K;-1,0\n1;Na;NA\n1;?;1.200,5\n"
    path = csv(tmp_path / "a.csv", text)
    found = read_events(path, missing=("-1", "?"), decimal=",")
    assert found["code"].tolist() == ["K", "K", "Na"]
    assert found["numeric_value"].fillna(0).tolist() == [4.1, 0, 0]
    assert "2 values of numeric_value are read as missing (first row 2: '-1,0')" in caplog.text
    read_events(path)
    assert "--decimal , where 1,5 is a number" in caplog.text


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["7", "10", "-3"], [-3, 7, 10]),
        (["7.0", "10.0", "10"], [7, 10, 10]),
        (["007", "10"], ["007", "10"]),
        (["9223372036854775807", "1"], [1, 9223372036854775807]),
        (["9223372036854775808", "1"], ["1", "9223372036854775808"]),
        (["p 1", "é"], ["p 1", "é"]),
    ],
)
def test_ids_are_integers_only_where_all_are_written_so(tmp_path, ids, wanted):
    path = csv(tmp_path / "a.csv", "subject_id,code\n" + "".join(f"{i},I10\n" for i in ids))
    assert read_events(path)["subject_id"].tolist() == wanted


def test_one_id_that_is_none_makes_all_of_them_text_however_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "STREAMED", 1 << 12)
    for lines in (["x", *range(2000)], [*range(2000), "x"]):
        text = "subject_id,code\n" + "".join(f"{i},I10\n" for i in lines)
        found = read_events(csv(tmp_path / "a.csv", text))["subject_id"]
        assert set(found) == set(map(str, lines))


def test_ids_with_decimals_are_refused(tmp_path):
    table = pa.table({"subject_id": [7.0, 8.5], "code": ["a", "b"]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"whole numbers below 2\^53; got .*8\.5"):
        read_events(tmp_path / "a.parquet")


def test_bad_files_are_refused_in_one_line(tmp_path):
    whole = tmp_path / "a.parquet"
    labs(100).to_parquet(whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-20])
    empty = csv(tmp_path / "empty.csv", "")
    other = csv(tmp_path / "a.xlsx", "x")
    packed = tmp_path / "cut.csv.gz"
    packed.write_bytes(gzip.compress(b"subject_id,code\n" + b"1,I10\n" * 1000)[:-10])
    for path, said in {
        cut: "may be cut off",
        empty: "is empty",
        other: "is neither CSV",
        packed: "cannot be read as text: Compressed file ended",
        tmp_path / "none.csv": "no such file",
    }.items():
        with pytest.raises(DataError, match=said) as raised:
            read_events(path, {"subject_id": "id", "code": "item"} if path == cut else None)
        assert "\n" not in str(raised.value)
    odd = pa.table(
        {"subject_id": [1], "code": [["a", "b"]], "time": pa.array([9], pa.time64("us"))}
    )
    pq.write_table(odd, tmp_path / "odd.parquet")
    with pytest.raises(DataError, match=r"a cell is one value; got list"):
        read_events(tmp_path / "odd.parquet", {"time": "subject_id:days"})
    with pytest.raises(DataError, match=r"'time' is time64\[us\], which is no date"):
        read_events(tmp_path / "odd.parquet", {"code": "X//"})
    for names, said in {
        ("subject", "id"): r"--map names subject_id, code, time",
        ("code", "kode"): "no column 'kode'",
        ("text_value", "note"): "no column 'subject_id'",
    }.items():
        with pytest.raises(DataError, match=said):
            read_events(whole, dict([names]))


def test_nothing_is_said_of_a_file_in_which_all_is_well(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read_events(csv(tmp_path / "a.csv", "subject_id,time,code\n1,2020-01-01,I10\n"))
    assert caplog.text == ""


def test_whole_numbers_of_parquet_keep_all_their_digits(tmp_path):
    ids, codes = [2**53 + 1, 2**63 - 1, -5], [2**60 + 1, None, 7]
    table = pa.table({"subject_id": ids, "code": codes, "numeric_value": [1.5, None, float("nan")]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read_events(tmp_path / "a.parquet")
    assert found["subject_id"].tolist() == [-5, 2**53 + 1]
    assert found["code"].tolist() == ["7", str(2**60 + 1)]
    assert found["numeric_value"].fillna(0).tolist() == [0, 1.5]
    gaps = pd.DataFrame({"subject_id": [7.0, np.nan, 9.0], "code": [401.0, 401.5, 2.0]})
    gaps.to_parquet(tmp_path / "a.parquet")
    assert read_events(tmp_path / "a.parquet").to_numpy().tolist() == [[7, "401"], [9, "2"]]
