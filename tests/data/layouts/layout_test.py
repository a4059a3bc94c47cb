"""Folders of tables as MIMIC-III, MIMIC-IV and eICU are distributed."""

from pathlib import Path

import pandas as pd
import pytest

from jaxehr.data import DataError, layouts, read_events, read_layout, read_subjects

DATA = Path(__file__).parents[4] / "shared" / "data"

# Made up, in the columns of MIMIC-IV 3.1.
MIMIC4 = {
    "hosp/patients": [
        "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
        "10000032,F,52,2180,2014 - 2016,2180-09-09",
        "10000048,M,23,2126,2008 - 2010,",
        "10000050,F,91,2126,2008 - 2010,",
    ],
    "hosp/admissions": [
        "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,admission_location,"
        "discharge_location,insurance,language,marital_status,race,edregtime,edouttime,hospital_expire_flag",
        "10000032,29079034,2180-07-23 12:35:00,2180-07-25 17:55:00,,EW EMER.,P30,EMERGENCY ROOM,HOME,Medicaid,English,"
        "WIDOWED,WHITE,2180-07-23 05:54:00,2180-07-23 14:00:00,0",
        "10000032,22595853,2180-05-06 22:23:00,2180-05-07 17:15:00,,URGENT,P30,TRANSFER,,Other,English,WIDOWED,OTHER,"
        ",,0",
        "10000048,25742920,2126-08-03 23:44:00,2126-08-07 17:50:00,,EW EMER.,P31,PHYSICIAN,HOSPICE,Private,English,,"
        "ASIAN,,,0",
    ],
    "hosp/diagnoses_icd": [
        "subject_id,hadm_id,seq_num,icd_code,icd_version",
        "10000032,29079034,1,5723,9",
        "10000032,22595853,2,K7031 ,10",
        "10000048,99999999,1,I10,10",
    ],
    "hosp/procedures_icd": [
        "subject_id,hadm_id,seq_num,chartdate,icd_code,icd_version",
        "10000032,22595853,1,2180-05-07,5491,9",
    ],
    "hosp/prescriptions": [
        "subject_id,hadm_id,pharmacy_id,starttime,stoptime,drug_type,drug",
        "10000032,29079034,1,2180-07-23 14:00:00,,MAIN,Furosemide",
        "10000032,29079034,2,,,MAIN,Spironolactone",
        "10000032,29079034,3,2180-07-24 01:00:00,,MAIN,",
    ],
    "hosp/labevents": [
        "labevent_id,subject_id,hadm_id,specimen_id,itemid,order_provider_id,charttime,storetime,value,valuenum,"
        "valueuom,ref_range_lower,ref_range_upper,flag,priority,comments",
        "1,10000032,,45421181,51237,P28,2180-03-23 11:51:00,2180-03-23 15:15:00,1.4,1.4,,0.9,1.1,abnormal,ROUTINE,",
        "2,10000032,,45421182,50861,P28,2180-03-23 11:51:00,,<5,,IU/L,0,40,,ROUTINE,",
        "3,10000048,,45421183,50861,P28,2126-08-04 00:00:00,,12,12,IU/L,0,40,,STAT,hemolysed",
    ],
    "icu/icustays": [
        "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
        "10000048,25742920,39553978,MICU,MICU,2126-08-04 01:00:00,2126-08-05 01:00:00,1",
    ],
    "hosp/d_labitems": ["itemid,label,fluid,category", "50861,ALT,Blood,Chemistry"],
}


@pytest.fixture
def mimic4(tmp_path):
    folder = tmp_path / "mimic4"
    for name, lines in MIMIC4.items():
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_mimic4(mimic4, caplog):
    records = read_layout(mimic4, "mimic4")
    assert records.static.to_dict("list") == {
        "subject_id": [10000032, 10000048, 10000050],
        "sex": ["F", "M", "F"],
        "age": [52, 23, 91],
        "race": [
            "OTHER",
            "ASIAN",
            records.static["race"][2],
        ],  # of the first admission, not of the first row
        "insurance": ["Other", "Private", records.static["insurance"][2]],
    }
    assert records.static["race"].isna().tolist() == [False, False, True]
    found = records.events.assign(time=records.events["time"].dt.strftime("%Y-%m-%d %H:%M"))
    assert found.iloc[:, :3].to_numpy().tolist() == [
        [10000032, "2180-03-23 11:51", "LAB//51237//UNK"],
        [10000032, "2180-03-23 11:51", "LAB//50861//IU/L"],
        [10000032, "2180-05-06 22:23", "ADMISSION//URGENT"],
        [10000032, "2180-05-07 00:00", "PROCEDURE//ICD//9//5491"],
        [10000032, "2180-05-07 17:15", "DIAGNOSIS//ICD//10//K7031"],
        [10000032, "2180-07-23 12:35", "ADMISSION//EW EMER."],
        [10000032, "2180-07-23 14:00", "PRESCRIPTION//Furosemide"],
        [10000032, "2180-07-25 17:55", "DISCHARGE//HOME"],
        [10000032, "2180-07-25 17:55", "DIAGNOSIS//ICD//9//5723"],
        [10000032, "2180-09-09 00:00", "MEDS_DEATH"],
        [10000048, "2126-08-03 23:44", "ADMISSION//EW EMER."],
        [10000048, "2126-08-04 00:00", "LAB//50861//IU/L"],
        [10000048, "2126-08-04 01:00", "ICU//MICU"],
        [10000048, "2126-08-07 17:50", "DISCHARGE//HOSPICE"],
    ]
    assert found["numeric_value"].dropna().tolist() == [1.4, 12]
    assert found["text_value"].dropna().tolist() == ["<5"]
    for said in (
        "not read, since MIMIC-IV does not say what: d_labitems.csv",
        "diagnoses_icd.csv: 1 of 3 rows are left out: 1 without dischtime (first row 3)",
        "2 of 3 rows are left out: 1 without drug (first row 3), 1 without starttime (first row 2)",
        "1 of 3 subjects of",
    ):
        assert said in caplog.text


def test_a_table_may_be_capitals_packed_or_parquet(mimic4):
    plain = read_layout(mimic4, "mimic4")
    labs = mimic4 / "hosp" / "labevents.csv"
    pd.read_csv(labs).rename(columns=str.upper).to_parquet(mimic4 / "LABEVENTS.parquet")
    labs.unlink()
    patients = mimic4 / "hosp" / "patients.csv"
    pd.read_csv(patients, dtype=str).to_csv(mimic4 / "PATIENTS.csv.gz", index=False)
    patients.unlink()
    again = read_layout(mimic4, "mimic4")
    pd.testing.assert_frame_equal(again.static, plain.static)
    pd.testing.assert_frame_equal(again.events, plain.events)


def test_a_layout_of_ones_own(mimic4, tmp_path):
    own = tmp_path / "own.toml"
    text = (
        'about = "ours"\nsubject_id = "subject_id"\n[static]\ntable = "patients"\n[static.columns]\n'
        'sex = { column = "gender", values = { F = "female" } }\n[[events]]\ntable = "labevents"\ntime = "charttime"\n'
        'code = "itemid"\nwhere = { priority = ["STAT"] }\n'
    )
    own.write_text(text, encoding="utf-8")
    records = read_layout(mimic4, own)
    assert records.static["sex"].tolist() == ["female", "M", "female"]
    assert records.events["code"].tolist() == ["50861"]
    for odd, said in {
        text.replace("[static.columns]", "[columns]"): r"is no layout: 'columns'",
        text.replace("where", "were"): r"\[\[events\]\] has code, .*; got were",
        text.replace("column =", "colum ="): "is no layout",
        text.replace(
            "gender", "sex"
        ): r"patients\.csv has no column sex; it has subject_id, gender",
        text.replace('"itemid"', '"itm"'): r"the layout of ours code=itm: .* has no column 'itm'",
        text.replace("patients", "people"): "is not laid out as ours: it lacks people",
        text + "[": "is no layout",
    }.items():
        own.write_text(odd, encoding="utf-8")
        with pytest.raises(DataError, match=said):
            read_layout(mimic4, own)
    with pytest.raises(DataError, match="there are eicu, eicu_stays, mimic3, mimic3_stays, mimic4"):
        read_layout(mimic4, "mimic5")
    with pytest.raises(DataError, match="is no folder"):
        read_layout(own, "mimic4")


def test_two_files_of_a_table_are_refused(mimic4):
    (mimic4 / "patients.csv").write_text("subject_id\n1\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"patients\.csv .*patients\.csv are both the table patients"
    ):
        read_layout(mimic4, "mimic4")


def test_every_layout_says_what_it_is_of():
    assert layouts() == (
        "eicu",
        "eicu_stays",
        "mimic3",
        "mimic3_stays",
        "mimic4",
        "mimic4_stays",
        "physionet2012",
    )


def there(name):
    return pytest.mark.skipif(not (DATA / name).exists(), reason=f"needs ../shared/data/{name}")


@there("mimic3demo")
def test_the_mimic3_demo(caplog):
    """100 patients with 129 admissions, 1,761 diagnoses, 506 procedures, 10,398 prescriptions; all died."""
    records = read_layout(DATA / "mimic3demo", "mimic3")
    kinds = records.events["code"].str.split("//").str[0].value_counts()
    assert kinds.to_dict() == {
        "PRESCRIPTION": 10_398,
        "DIAGNOSIS": 1_761,
        "PROCEDURE": 506,
        "ADMISSION": 129,
        "DISCHARGE": 129,
        "MEDS_DEATH": 100,
    }
    patients = pd.read_csv(DATA / "mimic3demo" / "PATIENTS.csv.gz")
    assert records.static["subject_id"].tolist() == patients["subject_id"].tolist()
    assert records.static["age"].between(0, 90).all() and (records.static["age"] == 90).sum() == 8
    assert "age: 8 values are above 89, and taken as 90" in caplog.text
    assert "has no labevents: their events are lacking" in caplog.text


@there("eicudemo")
def test_the_eicu_demo(caplog):
    """174 unit stays of 100 persons; a laboratory value is at the minutes that its file says."""
    records = read_layout(DATA / "eicudemo", "eicu")
    assert len(records.static) == records.events["subject_id"].nunique() == 174
    assert "the 174 subjects are 100 persons (uniquepid)" in caplog.text
    labs = records.events[records.events["code"].str.startswith("LAB//")]
    given = pd.read_csv(DATA / "eicudemo" / "lab.csv.gz")
    assert len(labs) == len(given) == 29_961
    one = labs[
        (labs["subject_id"] == given["patientunitstayid"][0]) & (labs["code"] == "LAB//BUN//mg/dL")
    ]
    offsets = (one["time"] - pd.Timestamp("2000-01-01")) / pd.Timedelta("1min")
    mine = given[
        (given["patientunitstayid"] == given["patientunitstayid"][0]) & (given["labname"] == "BUN")
    ]
    assert sorted(zip(offsets, one["numeric_value"], strict=True)) == sorted(
        zip(mine["labresultoffset"], mine["labresult"], strict=True)
    )


@there("physionet2012")
def test_physionet_2012(tmp_path):
    """4,000 stays, of which the first 100 are read here; -1 is missing, and no value is lost."""
    folder = DATA / "physionet2012"
    stays = pd.read_csv(folder / "Outcomes-a.txt").head(100)
    rows = pd.read_csv(folder / "set-a_long.csv.gz", nrows=60_000)
    rows = rows[rows["RecordID"].isin(stays["RecordID"])]
    stays.to_csv(tmp_path / "stays.csv", index=False)
    rows.to_csv(tmp_path / "long.csv.gz", index=False)
    names = {"subject_id": "RecordID", "time": "minute:minutes", "code": "Parameter"}
    names["numeric_value"] = "Value"
    records = read_subjects(
        tmp_path / "stays.csv", tmp_path / "long.csv.gz", names=names, missing=("-1",)
    )
    assert len(records.static) == 100 and len(records.events) == len(rows)
    assert records.events["numeric_value"].isna().sum() == (rows["Value"] == -1).sum()
    assert records.events["numeric_value"].sum() == pytest.approx(
        rows["Value"][rows["Value"] != -1].sum()
    )


@there("ptbxl")
def test_ptbxl():
    """A row for each ECG, patients written as 17787.0."""
    names = {
        "subject_id": "patient_id",
        "time": "recording_date",
        "code": "ECG//labels",
        "text_value": "report",
    }
    path = DATA / "ptbxl" / "ptbxl_database.csv.gz"
    found, given = read_events(path, names), pd.read_csv(path)
    assert str(found["subject_id"].dtype) == "int64"
    assert set(found["subject_id"]) == set(given["patient_id"].astype(int))
    assert len(found) == given["labels"].notna().sum()
    assert (
        found["text_value"].notna().sum() == given["report"][given["labels"].notna()].notna().sum()
    )
