"""A series on the command line: a run of nothing but files is drawn from, filled in and gone on with."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    rng, rows = np.random.default_rng(0), []
    for i in range(40):
        for hour in range(rng.integers(2, 5)):
            rows.append((i, 60 * hour + 5, "HR", rng.integers(50, 99)))
            if rng.random() < 0.5:
                rows.append((i, 60 * hour + 5, "K", round(rng.normal(4, 0.5), 1)))
    events = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value"])
    events["time"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(events["time"], "min")
    events.to_csv(path / "events.csv", index=False)
    sex = np.where(np.arange(40) % 2, "f", "m")
    pd.DataFrame({"subject_id": range(40), "sex": sex}).to_csv(path / "static.csv", index=False)
    both = ["--data", str(path / "static.csv"), "--events", str(path / "events.csv")]
    schema = ["--every", "1h", "--length", "4", "--out", str(path / "schema.json")]
    assert main(["schema", *both, *schema]) == 0
    small = ["--steps", "2", "--batch-size", "16", "--set", "width=8", "--set", "timesteps=2"]
    fit = ["fit", "ddpm", *both, "--schema", str(path / "schema.json"), "--out", str(path / "run")]
    assert main([*fit, *small, "--min-patients", "1"]) == 0
    return path


def asked(home, command, *words, to="out"):
    """(the command, table, events)"""
    data = ["--data", str(home / "static.csv"), "--events", str(home / "events.csv")]
    files = [home / f"{to}.csv", home / f"{to}_events.csv"]
    out = ["--out", str(files[0]), "--out-events", str(files[1])]
    code = main([command, str(home / "run"), *data, *out, "--overwrite", *words])
    return code, *files


def test_a_series_is_sampled_filled_in_and_gone_on_with(home, capsys):
    real = pd.read_csv(home / "events.csv", parse_dates=["time"])
    table, events = home / "drawn.csv", home / "drawn_events.csv"
    out = ["--out", str(table), "--events", str(events), "--given", "sex=f"]
    assert main(["sample", str(home / "run"), "-n", "8", *out]) == 0
    assert (pd.read_csv(table)["sex"] == "f").all()

    code, _, events = asked(home, "impute", "--variables", "K")
    filled = pd.read_csv(events, parse_dates=["time"])
    hours = (real["code"] == "HR").sum()
    assert code == 0 and (filled["code"] == "K").sum() == hours and list(filled) == list(real)
    added = len(filled) - len(real)
    assert (
        f"0 missing cells of 40 rows and {added} of the series filled 1 times"
        in capsys.readouterr().err
    )

    code, table, events = asked(home, "forecast", "--until", "2h", "--draws", "2")
    drawn, whose = pd.read_csv(events, parse_dates=["time"]), pd.read_csv(table)
    assert code == 0 and whose["draw"].tolist() == [1] * 40 + [2] * 40
    late = lambda frame: frame["time"] >= "2000-01-01 02:00"
    for _, own in drawn.groupby("draw"):
        before = own[~late(own)].drop(columns="draw").reset_index(drop=True)
        pd.testing.assert_frame_equal(before, real[~late(real)].reset_index(drop=True))
    assert "40 subjects from 2h on, drawn 2 times" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["forecast", "--until", "9h"], "beyond the 4 steps of 1h"),
        (["forecast", "--until", "2h", "--draws", "0"], "--draws must be at least 1"),
        (["impute", "--variables", "Na"], "'Na' is no variable that the run learnt"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_is_written(home, capsys, words, said):
    capsys.readouterr()
    code, *files = asked(home, *words, to="none")
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2 and said in error and error.startswith("jaxehr: ")
    assert not any(file.exists() for file in files)


def test_a_folder_as_it_is_distributed_is_the_real_side_of_a_judgement_and_of_a_review(tmp_path):
    """Fifty stays of a challenge's file, and others as tables: --layout is of the real ones alone."""
    from jaxehr.data import read_layout

    folder, rng = tmp_path / "set-a", np.random.default_rng(0)
    folder.mkdir()
    stay, minute = (at.ravel() for at in np.indices((50, 4)))
    rows = {"RecordID": stay + 1, "minute": 60 * minute + 5, "Parameter": "HR"}
    frame = pd.DataFrame(rows | {"Value": rng.integers(50, 99, 200)})
    ages = {"RecordID": range(1, 51), "minute": 0, "Parameter": "Age", "Value": 70}
    frame = pd.concat([pd.DataFrame(ages), frame], ignore_index=True)
    frame.to_csv(folder / "set-a_long.csv", index=False)
    pd.DataFrame({"RecordID": range(1, 51), "In-hospital_death": rng.integers(0, 2, 50)}).to_csv(
        folder / "Outcomes-a.txt", index=False
    )
    real = read_layout(folder, "physionet2012")
    for name, part in (("static", real.static), ("events", real.events)):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    schema = tmp_path / "schema.json"
    data = ["--data", str(folder), "--layout", "physionet2012"]
    assert main(["schema", *data, "--every", "1h", "--length", "4", "--out", str(schema)]) == 0
    both = ["--real", str(folder), "--layout", "physionet2012", "--schema", str(schema)]
    both += ["--synthetic", str(tmp_path / "static.csv")]
    both += ["--synthetic-events", str(tmp_path / "events.csv")]
    rules = ["--only", "clinical", "--rules", "events", "--out", str(tmp_path / "judged")]
    assert main(["evaluate", *both, *rules]) == 0
    assert (tmp_path / "judged" / "report.html").exists()
    assert main(["review", *both, "-n", "3", "--out", str(tmp_path / "review")]) == 0
    assert "HR" in next((tmp_path / "review" / "packet").glob("*.html")).read_text()
