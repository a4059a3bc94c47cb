"""Every command that reads a file reads it by the same options."""

import argparse
import json

import pytest

from jaxehr.cli import main
from jaxehr.commands.reading import add_events, add_reading, read
from jaxehr.data import DataError

FIT = ["--steps", "2", "--batch-size", "8", "--set", "width=8", "--set", "blocks=1"]


def file_of(folder, name, text, encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return str(folder / name)


@pytest.mark.parametrize(
    "command", ["fit", "evaluate", "impute", "audit", "baseline", "review", "schema"]
)
def test_the_options_stand_in_every_command_that_reads(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert all(f"--{name}" in said for name in ("missing", "sep", "encoding", "decimal", "map"))


def test_a_foreign_file_is_drawn_as_it_was_spelt(tmp_path, capsys):
    """Semicolons, latin-1, decimal commas and a mark of its own; and the synthetic file is judged by the same law."""
    places = ["0078", "0123", "1200"]
    lines = [
        f"{20 + i % 60};{1 + i % 7},{i % 10}0;{places[i % 3]};{'Süd' if i % 2 else 'Nord'}"
        for i in range(240)
    ]
    lines[3] = "?;1,50;0078;Süd"
    path = file_of(tmp_path, "in.csv", "\n".join(["age;lab;hosp;ward", *lines]) + "\n", "latin-1")
    reading = ["--encoding", "latin-1", "--missing", "?"]
    assert (
        main(["fit", "masked", "--data", path, *reading, "--out", str(tmp_path / "run"), *FIT]) == 0
    )
    schema = json.loads((tmp_path / "run" / "schema.json").read_text(encoding="utf-8"))
    assert schema["missing"] == ["?"]
    assert schema["columns"][1] == {
        "name": "lab",
        "kind": "numerical",
        "dtype": "float64",
        "format": ".2f",
    }
    out = str(tmp_path / "drawn.csv")
    assert main(["sample", str(tmp_path / "run"), "-n", "40", "--out", out]) == 0
    head, *drawn = (tmp_path / "drawn.csv").read_text(encoding="utf-8").splitlines()
    assert head == "age,lab,hosp,ward"
    for age, lab, hosp, ward in (line.split(",") for line in drawn):
        assert age == "" or age.isdigit()
        assert lab[-3] == "." and lab[-1] == "0"
        assert hosp in places and ward in ("Süd", "Nord")
    assert (
        main(
            [
                "impute",
                str(tmp_path / "run"),
                "--data",
                path,
                *reading,
                "--out",
                str(tmp_path / "i.csv"),
            ]
        )
        == 0
    )
    filled = (tmp_path / "i.csv").read_text(encoding="utf-8").splitlines()
    assert filled[4].split(",")[1:] == ["1.50", "0078", "Süd"] and filled[4].split(",")[0].isdigit()
    copula = [
        "baseline",
        "copula",
        "--data",
        path,
        *reading,
        "-n",
        "30",
        "--out",
        str(tmp_path / "c.csv"),
    ]
    assert main(copula) == 0
    assert all(
        line.split(",")[1][-3] == "." and line.split(",")[2] in places
        for line in (tmp_path / "c.csv").read_text(encoding="utf-8").splitlines()[1:]
    )
    capsys.readouterr()
    judged = ["evaluate", "--real", path, "--synthetic", out, *reading, "--only", "fidelity"]
    assert main([*judged, "--out", str(tmp_path / "report")]) == 0


def test_a_mark_of_a_missing_value_may_hold_a_comma(tmp_path, capsys, caplog):
    path = file_of(tmp_path, "in.csv", "crp;n\n" + "<0,5;1\n" * 20 + "1,5;?\n2,5;3\n" * 20)
    assert main(["schema", "--data", path, "--missing", '"<0,5", ?']) == 0
    assert "column 'crp': read as missing: '<0,5' (20)" in caplog.text
    assert "column 'n': read as missing: '?' (20)" in caplog.text
    assert "numerical  float64" in capsys.readouterr().out


def test_codes_under_other_names(tmp_path, capsys):
    lines = "".join(f"{i // 3},{c}\n" for i, c in enumerate(["401.9", "250.00", "E812"] * 40))
    path = file_of(tmp_path, "codes.csv", "patient_id,icd9\n" + lines)
    assert main(["schema", "--data", path, "--map", "subject_id=patient_id,code=icd9"]) == 0
    assert "one row per patient and code" in capsys.readouterr().out
    assert main(["schema", "--data", path, "--map", "subject_id"]) == 2
    assert "--map takes NEW=OLD" in capsys.readouterr().err
    assert main(["schema", "--data", path, "--map", "subject_id=patient_id,kode=icd9"]) == 2
    assert "got 'kode'" in capsys.readouterr().err


def options(*arguments):
    parser = argparse.ArgumentParser()
    add_reading(parser)
    add_events(parser)
    return parser.parse_args(arguments)


def test_a_table_and_events_are_records(tmp_path, caplog):
    static = file_of(tmp_path, "static.csv", "RecordID,sex\n7,f\n8,m\n")
    lines = "RecordID;minute;Parameter;unit, as written;Value\n7;90;HR;1/min;80,5\n7;30;pH;;x\n"
    events = file_of(tmp_path, "events.csv", lines + "9;0;HR;1/min;70\n")
    maps = ["--map", "subject_id=RecordID,time=minute:minutes", "--map", "numeric_value=Value"]
    maps += ["--map", "code=VITAL//Parameter+unit, as written", "--decimal", ","]
    records = read(options(*maps, "--unmatched", "drop"), static, events=events)
    assert records.static["subject_id"].tolist() == [7, 8]
    assert records.events["code"].tolist() == ["VITAL//pH//UNK", "VITAL//HR//1/min"]
    assert records.events["numeric_value"].tolist()[1:] == [80.5]
    learnt = "of events it is learnt which codes a subject has; times and values wait, and are not learnt: time"
    assert learnt in caplog.text
    with pytest.raises(DataError, match=r"1 of 2 subjects of .* \(9\), with 1 events"):
        read(options(*maps), static, events=events)
    alone = read(options(*maps), events)
    assert alone.static is None and len(alone.events) == 3


def test_a_folder_is_read_by_its_layout(tmp_path):
    file_of(tmp_path, "PATIENTS.csv", "SUBJECT_ID,GENDER,DOB,DOD\n7,F,2094-03-05 00:00:00,\n")
    admission = "7,1,2164-03-04 21:09:00,2164-11-01 17:15:00,URGENT,HOME,WHITE,Medicare\n"
    columns = "SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,ADMISSION_TYPE,DISCHARGE_LOCATION,ETHNICITY,INSURANCE\n"
    file_of(tmp_path, "ADMISSIONS.csv", columns + admission)
    records = read(options(), tmp_path, layout="mimic3")
    assert records.static["age"].tolist() == [69]  # the day before the birthday
    assert records.events["code"].tolist() == ["ADMISSION//URGENT", "DISCHARGE//HOME"]
    with pytest.raises(ValueError, match="--layout says what the columns are"):
        read(options("--map", "code=x"), tmp_path, layout="mimic3")


def test_what_is_mapped_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--map says what code is twice: a and b"):
        read(options("--map", "code=a", "--map", "code=b"), tmp_path / "a.csv")
