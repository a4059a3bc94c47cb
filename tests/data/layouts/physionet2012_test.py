"""The stays of PhysioNet 2012: the same from a file each and from a long one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import fit_codec
from jaxehr.data import DataError, Schema, read_layout

SHARED = Path(__file__).parents[4] / "shared" / "data" / "physionet2012"

STAYS = {
    132539: "00:00,RecordID,132539\n00:00,Age,54\n00:00,Gender,0\n00:00,Height,-1\n00:00,ICUType,4\n"
    "00:00,Weight,-1\n00:07,HR,73\n00:07,Temp,35.1\n00:37,Weight,-1\n48:00,HR,86\n",
    132540: "00:00,RecordID,132540\n00:00,Age,76\n00:00,Gender,1\n00:00,Height,175.3\n00:00,ICUType,2\n"
    "00:00,Weight,80.6\n00:00,,80\n01:30,Weight,81.2\n00:42,pH,7.45\n",
}
OUTCOMES = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n132539,6,-1,5,-1,0\n132540,16,8,8,9,1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set-a").mkdir()
    for number, lines in STAYS.items():
        (tmp_path / "set-a" / f"{number}.txt").write_text(f"Time,Parameter,Value\n{lines}")
    (tmp_path / "Outcomes-a.txt").write_text(OUTCOMES)
    return tmp_path


def test_what_is_said_once_is_static_and_the_rest_events(folder, caplog):
    records = read_layout(folder, "physionet2012")
    static = records.static.set_index("subject_id")
    assert static.loc[132540].to_dict() == {
        **{"Age": 76, "Gender": "male", "Height": 175.3, "ICUType": "cardiac surgery"},
        **{"Weight": 80.6, "SAPS-I": 16, "SOFA": 8, "Length_of_stay": 8, "Survival": 9},
        "In-hospital_death": 1,
    }
    assert static.loc[132539, ["Height", "Weight", "SOFA", "Survival"]].isna().all()
    assert "1 values of -1 are missing" in caplog.text
    assert "1 values of no parameter are left out" in caplog.text
    events = records.events
    assert events["code"].tolist() == ["HR", "Temp", "HR", "pH", "Weight"]
    assert events["numeric_value"].tolist() == [73, 35.1, 86, 7.45, 81.2]
    since = (events["time"] - pd.Timestamp("2000-01-01")).dt.total_seconds() / 60
    assert since.tolist() == [7, 7, 2880, 42, 90]
    assert events["time"].dtype == "datetime64[us]"


def test_a_long_file_says_the_same(folder, tmp_path_factory):
    rows = []
    for number, lines in STAYS.items():
        for time, parameter, value in (line.split(",") for line in lines.split()):
            hours, minutes = map(int, time.split(":"))
            if parameter:
                rows.append((number, 60 * hours + minutes, parameter, float(value)))
    other = tmp_path_factory.mktemp("long")
    frame = pd.DataFrame(rows, columns=["RecordID", "minute", "Parameter", "Value"])
    frame.to_csv(other / "set-a_long.csv.gz", index=False)
    (other / "Outcomes-a.txt").write_text(OUTCOMES)
    one, long = (read_layout(each, "physionet2012") for each in (folder, other))
    pd.testing.assert_frame_equal(one.static, long.static)
    pd.testing.assert_frame_equal(one.events, long.events)


def test_what_is_no_stay_is_refused(folder):
    with pytest.raises(DataError, match="leave --missing"):
        read_layout(folder, "physionet2012", missing=["-1"])
    (folder / "set-a" / "7.txt").write_text("Time,Parameter,Value\n00:00,Gender,3\n")
    with pytest.raises(DataError, match=r"stay 7 has Gender 3; it is one of 0 \(female\), 1"):
        read_layout(folder, "physionet2012")
    (folder / "set-a" / "7.txt").write_text("Time,Parameter,Value\n00:00,HR,x\n")
    with pytest.raises(DataError, match=r"line 2 of .*7.txt is '00:00,HR,x'"):
        read_layout(folder, "physionet2012")
    (folder / "set-a" / "7.txt").write_text("HR,x\n")
    with pytest.raises(DataError, match="its first line is to be Time,Parameter,Value"):
        read_layout(folder, "physionet2012")
    (folder / "7.txt").write_text("")
    with pytest.raises(DataError, match="are the same stay; take one away"):
        read_layout(folder, "physionet2012")
    (folder / "set-a_long.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="both in files of their own and in set-a_long"):
        read_layout(folder, "physionet2012")
    (folder.parent / "late").mkdir()
    (folder.parent / "late" / "set-a_long.csv").write_text(
        "RecordID,minute,Parameter,Value\n1,5,HR,70\n"
    )
    with pytest.raises(DataError, match="no stay says at 00:00 who it is of"):
        read_layout(folder.parent / "late", "physionet2012")
    (folder.parent / "none").mkdir()
    with pytest.raises(DataError, match="no stays: neither files"):
        read_layout(folder.parent / "none", "physionet2012")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the challenge's data are not here")
def test_stays_of_the_challenge_come_back_on_the_grid(tmp_path):
    """Of the first 100 stays: all events but those that an hour merges, and the minutes between pulses as they were."""
    rows = pd.read_csv(SHARED / "set-a_long.csv.gz", nrows=60_000)
    some = rows["RecordID"].unique()[:100]
    rows[rows["RecordID"].isin(some)].to_csv(tmp_path / "set-a_long.csv", index=False)
    (tmp_path / "Outcomes-a.txt").write_text((SHARED / "Outcomes-a.txt").read_text())
    records = read_layout(tmp_path, "physionet2012")
    assert len(records.static) == 100 and records.static["In-hospital_death"].sum() == 13
    schema = Schema.infer(records).on_grid(records, "1h", length=48)
    assert schema.grid.start == "2000-01-01"
    codec = fit_codec(records, schema, min_patients=1)
    back = codec.decode(codec.encode(records)).events
    events = records.events
    step = (events["time"] - pd.Timestamp("2000-01-01")) // pd.Timedelta("1h")
    last = ~events.assign(step=step).duplicated(["subject_id", "code", "step"], keep="last")
    kept = events[last & (step < 48)]
    assert len(back) == len(kept)
    np.testing.assert_allclose(back["numeric_value"].sum(), kept["numeric_value"].sum())
    gaps = [
        f[f["code"] == "HR"].groupby("subject_id")["time"].diff().dropna().dt.total_seconds()
        for f in (back, kept)
    ]
    np.testing.assert_array_equal(np.sort(gaps[0]), np.sort(gaps[1]))
