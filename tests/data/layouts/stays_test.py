"""Stays in intensive care as series: a stay has what lies in it, at times since it began."""

import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import DataError, Schema, read_layout

# Made up, in the columns of MIMIC-IV 3.1.
MIMIC4 = {
    "hosp/patients": [
        "subject_id,gender,anchor_age,anchor_year,dod",
        "10,F,52,2180,",
        "11,M,91,2126,2127-01-01",
    ],
    "hosp/admissions": [
        "subject_id,hadm_id,admittime,dischtime,admission_type,race,hospital_expire_flag",
        "10,100,2180-05-01 00:00:00,2180-05-20 00:00:00,URGENT,OTHER,0",
        "11,110,2126-08-03 23:44:00,2126-08-07 17:50:00,EW EMER.,ASIAN,1",
    ],
    "icu/icustays": [
        "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
        "10,100,31,MICU,MICU,2180-05-10 06:00:00,2180-05-12 06:00:00,2",
        "10,100,30,SICU,MICU,2180-05-02 12:30:00,2180-05-03 12:30:00,1",
        "11,110,32,MICU,MICU,2126-08-04 01:00:00,,1",
    ],
    "icu/chartevents": [
        "subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valuenum,valueuom,warning",
        "10,100,31,1,2180-05-10 07:30:00,,220045,88,88,bpm,0",
        "10,100,30,1,2180-05-02 12:30:00,,220045,70,70,bpm,0",
        "10,100,30,1,2180-05-03 12:30:00,,223761,98.6,98.6,F,0",
        "10,100,30,1,2180-05-03 12:31:00,,220045,71,71,bpm,0",  # when it had left
        "10,100,30,1,2180-05-02 13:00:00,,224000,yes,,,0",  # no item that is asked for
        "11,110,32,1,2126-08-30 00:00:00,,225309,120,120,mmHg,0",  # of a stay without an end
        "11,110,32,1,2126-08-04 00:59:00,,220045,90,90,bpm,0",  # before it
        "99,990,90,1,2126-08-04 00:59:00,,220045,90,90,bpm,0",  # of nobody
    ],
    "hosp/labevents": [
        "labevent_id,subject_id,hadm_id,itemid,charttime,value,valuenum,valueuom",
        "1,10,,50912,2180-05-02 14:30:00,1.4,1.4,mg/dL",
        "2,10,100,51301,2180-05-11 06:00:00,12,12,K/uL",
        "3,10,100,51300,2180-05-11 07:00:00,11,11,K/uL",
        "4,10,100,50820,2180-05-11 07:00:00,7.31,7.31,units",
    ],
}


def laid(folder, tables):
    for name, lines in tables.items():
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def since(events):
    hours = (events["time"] - pd.Timestamp("2000-01-01")) / pd.Timedelta("1h")
    return list(
        zip(events["subject_id"], hours, events["code"], events["numeric_value"], strict=True)
    )


def test_stays_of_mimic4(tmp_path, caplog):
    records = read_layout(laid(tmp_path, MIMIC4), "mimic4_stays")
    assert records.static.to_dict("list") == {
        "subject_id": [31, 30, 32],
        "sex": ["F", "F", "M"],
        "age": [52, 52, 91],
        "race": ["OTHER", "OTHER", "ASIAN"],
        "admission": ["URGENT", "URGENT", "EW EMER."],
        "unit": ["MICU", "SICU", "MICU"],
        "hospital_death": [0, 0, 1],
    }
    assert since(records.events) == [
        (30, 0, "VITAL//heart rate//bpm", 70),
        (30, 2, "LAB//creatinine//mg/dL", 1.4),
        (30, 24, "VITAL//temperature//F", 98.6),
        (31, 1.5, "VITAL//heart rate//bpm", 88),
        (31, 24, "LAB//white cells//K/uL", 12),
        (31, 25, "LAB//white cells//K/uL", 11),
        (31, 25, "LAB//pH//units", 7.31),
        (32, 623, "VITAL//arterial systolic//mmHg", 120),
    ]
    for said in (
        "the 3 subjects are 2 persons (subject_id)",
        "1 stays have no outtime: they last until the next, or for good",
        "1 of other itemid than 220045 or 220050 or 225309 or",
        "chartevents.csv: 3 of 7 events lie in no stay, and are left out",
    ):
        assert said in caplog.text
    schema = Schema.infer(records).on_grid(records, "1h", length=48)
    assert schema.grid.start == "2000-01-01" and len(schema.grid.variables) == 6


def test_stays_of_mimic3_leave_out_what_was_charted_in_error(tmp_path):
    tables = {
        "PATIENTS": ["ROW_ID,SUBJECT_ID,GENDER,DOB,DOD", "1,10,F,2100-01-01 00:00:00,"],
        "ADMISSIONS": [
            "SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,ADMISSION_TYPE,ETHNICITY,HOSPITAL_EXPIRE_FLAG",
            "10,100,2164-05-01 00:00:00,2164-05-20 00:00:00,URGENT,WHITE,1",
        ],
        "ICUSTAYS": [
            "SUBJECT_ID,HADM_ID,ICUSTAY_ID,FIRST_CAREUNIT,INTIME,OUTTIME",
            "10,100,7,MICU,2164-05-01 01:00:00,2164-05-03 00:00:00",
        ],
        "CHARTEVENTS": [
            "SUBJECT_ID,HADM_ID,ICUSTAY_ID,ITEMID,CHARTTIME,VALUE,VALUENUM,VALUEUOM,ERROR",
            "10,100,7,211,2164-05-01 02:00:00,80,80,BPM,",
            "10,100,7,220045,2164-05-01 03:00:00,81,81,bpm,0",
            "10,100,7,220045,2164-05-01 04:00:00,810,810,bpm,1",
        ],
    }
    records = read_layout(laid(tmp_path, tables), "mimic3_stays")
    assert records.static.iloc[0].to_dict() == {
        **{"subject_id": 7, "sex": "F", "age": 64, "ethnicity": "WHITE", "admission": "URGENT"},
        **{"unit": "MICU", "hospital_death": 1},
    }
    heart = "VITAL//heart rate//bpm"
    assert since(records.events) == [(7, 1, heart, 80), (7, 2, heart, 81)]


def test_stays_of_eicu_are_on_a_grid_by_one_command(tmp_path, capsys, caplog):
    tables = {
        "patient": [
            "patientunitstayid,uniquepid,gender,age,ethnicity,admissionheight,admissionweight,unittype,"
            "hospitaldischargestatus",
            *(f"{n},p{n},Female,{50 + n},Asian,170.5,70,MICU,Alive" for n in range(12)),
        ],
        "vitalPeriodic": [
            "vitalperiodicid,patientunitstayid,observationoffset,temperature,sao2,heartrate,respiration,cvp,"
            "systemicsystolic,systemicdiastolic,systemicmean",
            *(f"1,{n},{m},,97,{80 + n},,,,," for n in range(12) for m in (0, 5, 65)),
        ],
        "lab": [
            "labid,patientunitstayid,labresultoffset,labname,labresult,labresulttext,labmeasurenamesystem",
            *(f"1,{n},90,BUN,{31 + n},31,mg/dL" for n in range(12)),
        ],
    }
    folder = str(laid(tmp_path / "eicu", tables))
    grid = ["--layout", "eicu_stays", "--every", "1h", "--length", "2"]
    assert main(["schema", "--data", folder, *grid]) == 0
    said = capsys.readouterr().out
    assert "3 variables, every 1h from 2000-01-01, 2 steps" in said
    assert "LAB//BUN//mg/dL" in said and "VITAL//heartrate" in said
    assert "has no vitalaperiodic: their events are lacking" in caplog.text


def test_a_table_that_says_who_they_are_is_not_to_lack_or_say_it_twice(tmp_path):
    folder = laid(tmp_path, MIMIC4)
    patients = folder / "hosp" / "patients.csv"
    patients.write_text("\n".join([*MIMIC4["hosp/patients"], "10,M,52,2180,"]), encoding="utf-8")
    with pytest.raises(DataError, match=r"patients.csv has 10 in column subject_id twice"):
        read_layout(folder, "mimic4_stays")
    patients.unlink()
    with pytest.raises(
        DataError, match=r"not laid out as MIMIC-IV, stays in .*: it lacks patients"
    ):
        read_layout(folder, "mimic4_stays")
    laid(folder, {"hosp/patients": MIMIC4["hosp/patients"]})
    own = tmp_path / "own.toml"
    own.write_text(
        'about = "ours"\nsubject_id = "stay_id"\nperson = "subject_id"\n[static]\ntable = "icustays"\n'
        'begins = "intime"\nends = "outtime"\n[static.columns]\nunit = { column = "first_careunit" }\n'
        '[[events]]\ntable = "chartevents"\nwhere = { error = ["0"] }\ntime = "charttime"\ncode = "itemid"\n',
        encoding="utf-8",
    )
    with pytest.raises(
        DataError, match=r"the layout of ours asks for column error of .*chartevents"
    ):
        read_layout(folder, own)
