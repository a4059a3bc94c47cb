"""A static table and events are joined by ids that are the same to the letter, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import DataError, Schema, read_subjects, write_records

STATIC = "id,sex,age,weight\n7,f,40,61.50\n8,m,50,\n9,f,60,70.00\n"
EVENTS = "id,when,what\n9,2020-01-02,I10\n7,2020-01-01,E11\n7,2020-01-03,I10\n"
NAMES = {"subject_id": "id", "time": "when", "code": "what"}


@pytest.fixture
def files(tmp_path):
    def made(static=STATIC, events=EVENTS):
        for name, text in (("static.csv", static), ("events.csv", events)):
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / "static.csv", tmp_path / "events.csv"

    return made


def test_both_hold_the_same_subjects(files, caplog):
    records = read_subjects(*files(), names=NAMES)
    assert list(records.static) == ["subject_id", "sex", "age", "weight"]
    assert records.static["subject_id"].tolist() == [7, 8, 9]
    assert records.static.attrs["format"] == {"weight": ".2f"}
    assert records.events["subject_id"].tolist() == [7, 7, 9]
    assert records.events["code"].tolist() == ["E11", "I10", "I10"]
    assert "1 of 3 subjects of" in caplog.text and "have no event" in caplog.text


def test_a_table_may_have_the_name_of_meds_while_events_have_another(files):
    static = STATIC.replace("id,", "subject_id,", 1)
    records = read_subjects(*files(static), names=NAMES)
    assert records.static["subject_id"].tolist() == [7, 8, 9]
    with pytest.raises(DataError, match=r"no column 'mrn'; it has id, sex"):
        read_subjects(
            *files(events=EVENTS.replace("id,", "mrn,")), names=NAMES | {"subject_id": "mrn"}
        )


def test_events_outside_a_life_are_said_and_kept(files, caplog):
    birth, death = "7,2020-01-02,MEDS_BIRTH\n", "9,2020-01-01 12:00,MEDS_DEATH\n"
    records = read_subjects(*files(events=EVENTS + birth + death), names=NAMES)
    assert len(records.events) == 5
    assert (
        "1 events of 1 subjects are before birth (MEDS_BIRTH), such as one of subject 7"
        in caplog.text
    )
    assert (
        "1 events of 1 subjects are after death (MEDS_DEATH), such as one of subject 9"
        in caplog.text
    )


def test_events_alone_are_records(files):
    records = read_subjects(None, files()[1], names=NAMES)
    assert records.static is None and len(records.events) == 3


def test_subjects_that_the_table_lacks(files, caplog, tmp_path):
    given = files(events=EVENTS + "12,2020-01-01,I10\n11,2020-01-01,I10\n11,2020-01-02,I10\n")
    said = r"2 of 4 subjects of .*events\.csv are not in .*static\.csv \(11, 12\), with 3 events; --unmatched drop"
    with pytest.raises(DataError, match=said):
        read_subjects(*given, names=NAMES)
    dropped = read_subjects(*given, names=NAMES, unmatched="drop")
    alone = read_subjects(*files(), names=NAMES)
    pd.testing.assert_frame_equal(dropped.events, alone.events)
    pd.testing.assert_frame_equal(dropped.static, alone.static)
    assert "with 3 events; they are left out" in caplog.text
    given = files(events=EVENTS + "12,2020-01-01,I10\n11,2020-01-01,I10\n")
    kept = read_subjects(*given, names=NAMES, unmatched="keep")
    assert kept.static["subject_id"].tolist() == [7, 8, 9, 11, 12]
    assert kept.static.drop(columns="subject_id")[3:].isna().all(axis=None)
    write_records(kept.static, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "7,f,40,61.50" and lines[4] == "11,,,"


def test_seven_is_not_007(files):
    with pytest.raises(DataError, match=r"'007' here, '7' there; .*\(7 is not 007\)"):
        read_subjects(*files(events="id,when,what\n007,2020-01-01,I10\n"), names=NAMES)
    mixed = EVENTS + "007,2020-01-01,I10\n"
    with pytest.raises(DataError, match=r"1 of 3 subjects .* \(007\)"):
        read_subjects(*files(events=mixed), names=NAMES)
    kept = read_subjects(*files(events=mixed), names=NAMES, unmatched="keep")
    assert kept.static["subject_id"].tolist() == ["7", "8", "9", "007"]
    assert sorted(kept.events["subject_id"].unique()) == ["007", "7", "9"]
    same = read_subjects(
        *files("id,sex\n007,f\n", "id,what\n007,I10\n"), names={"subject_id": "id", "code": "what"}
    )
    assert same.static["subject_id"].tolist() == same.events["subject_id"].tolist() == ["007"]


def test_ids_with_gaps_for_programs_that_append_a_point(files):
    records = read_subjects(*files(STATIC.replace("\n7,", "\n7.0,")), names=NAMES)
    assert records.static["subject_id"].tolist() == [7, 8, 9]


def test_ids_beyond_int64_stay_as_they_are(files, caplog):
    large = str(2**63)
    static, events = (text.replace("\n7,", f"\n{large},") for text in (STATIC, EVENTS))
    records = read_subjects(*files(static, events), names=NAMES)
    assert set(records.events["subject_id"]) == {large, "9"} < set(records.static["subject_id"])
    assert f"subject ids such as {large} are beyond int64; all are kept as text" in caplog.text
    parquet = files()[0].with_suffix(".parquet")
    pd.DataFrame({"id": np.array([2**63, 9], np.uint64), "sex": ["f", "m"]}).to_parquet(parquet)
    records = read_subjects(parquet, files(events=events)[1], names=NAMES)
    assert records.static["subject_id"].tolist() == [large, "9"]


def test_a_table_has_a_row_for_each_subject(files):
    with pytest.raises(
        DataError, match=r"1 subjects have more than one row in .*static\.csv \(8\)"
    ):
        read_subjects(*files(STATIC + "8,m,51,\n"), names=NAMES)
    with pytest.raises(DataError, match=r"row 4 of .*static\.csv has no subject_id"):
        read_subjects(*files(STATIC + ",m,51,1.00\n"), names=NAMES)
    with pytest.raises(DataError, match=r"static\.csv has no column subject_id, which says whose"):
        read_subjects(*files(events="subject_id,code\n7,I10\n"))


def test_a_schema_types_the_table(files):
    static = STATIC.replace("id,", "subject_id,", 1)
    schema = Schema.infer(read_subjects(*files(static), names=NAMES).static)
    again = read_subjects(*files(static.replace("8,m,50", "8,m,")), schema, names=NAMES)
    assert str(again.static["age"].dtype) == "float64"
    assert again.static["subject_id"].tolist() == [7, 8, 9]
