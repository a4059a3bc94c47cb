"""A table and events on the command line: in two files, through fit, sample, impute, audit and evaluate."""

import json

import pandas as pd
import pytest
from patients import subjects

from jaxehr.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    for name, seed in (("train", 0), ("held", 1)):
        real = subjects(300, seed)
        real.static.to_csv(path / f"{name}.csv", index=False)
        real.events.to_csv(path / f"{name}_events.csv", index=False)
    fit = ["fit", "masked", *two("--data", "--events", path, "train"), "--out", str(path / "run")]
    small = ["--steps", "20", "--batch-size", "32", "--set", "width=16", "--set", "blocks=1"]
    assert main([*fit, *small]) == 0
    return path


def two(table, events, path, name):
    return [table, str(path / f"{name}.csv"), events, str(path / f"{name}_events.csv")]


def test_two_files_in_two_files_out(home):
    out = two("--out", "--events", home, "drawn")
    given = ["--given", "sex=f", "--given", "F=1"]
    assert main(["sample", str(home / "run"), "-n", "50", *out, *given]) == 0
    static, events = pd.read_csv(home / "drawn.csv"), pd.read_csv(home / "drawn_events.csv")
    assert list(static) == ["sex", "subject_id", "age", "ward"] and (static["sex"] == "f").all()
    assert static["subject_id"].tolist() == list(range(1, 51))
    assert set(events.loc[events["code"] == "F", "subject_id"]) == set(range(1, 51))
    schema = json.loads((home / "run" / "schema.json").read_text())
    assert schema["whole"] and [c["name"] for c in schema["events"]] == ["subject_id", "code"]


def test_a_table_is_imputed_beside_its_events(home):
    frame = pd.read_csv(home / "held.csv")
    data = two("--data", "--events", home, "held")
    assert main(["impute", str(home / "run"), *data, "--out", str(home / "filled.csv")]) == 0
    filled = pd.read_csv(home / "filled.csv")
    assert frame["age"].isna().any() and filled["age"].notna().all()
    there = frame["age"].notna()
    assert (filled["age"][there] == frame["age"][there]).all()


def test_a_run_of_both_is_audited(home, capsys):
    members = two("--members", "--members-events", home, "train")
    others = two("--nonmembers", "--nonmembers-events", home, "held")
    assert main(["audit", str(home / "run"), *members, *others, "--draws", "4"]) == 0
    assert "audit_loss_auc" in capsys.readouterr().out
    same = two("--nonmembers", "--nonmembers-events", home, "train")
    assert main(["audit", str(home / "run"), *members, *same]) == 2
    assert "hold the same records" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (["--out", "one.csv"], "draws a table and events; say --events FILE"),
        (["--out", "folder", "--events", "e.csv"], "a folder holds both"),
    ],
)
def test_a_part_without_a_file_is_refused_before_the_work(
    home, capsys, monkeypatch, tmp_path, out, said
):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", str(home / "run"), "-n", "5", *out]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_would_be_learnt_of_both_is_shown(home, capsys):
    assert main(["schema", *two("--data", "--events", home, "train")]) == 0
    shown = capsys.readouterr().out
    assert "table: one row per patient, 4 columns; codes: one row per patient and code" in shown
    assert "300 rows" in shown
