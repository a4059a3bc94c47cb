"""Every command that reads a file reads it by the same options."""

import json

import pytest

from jaxehr.cli import main

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


def test_codes_under_other_names(tmp_path, capsys):
    lines = "".join(f"{i // 3},{c}\n" for i, c in enumerate(["401.9", "250.00", "E812"] * 40))
    path = file_of(tmp_path, "codes.csv", "patient_id,icd9\n" + lines)
    assert main(["schema", "--data", path, "--map", "subject_id=patient_id,code=icd9"]) == 0
    assert "one row per patient and code" in capsys.readouterr().out
    assert main(["schema", "--data", path, "--map", "subject_id"]) == 2
    assert "--map takes NEW=OLD" in capsys.readouterr().err
    assert main(["schema", "--data", path, "--map", "subject_id=patient_id,kode=icd9"]) == 2
    assert "got 'kode'" in capsys.readouterr().err
