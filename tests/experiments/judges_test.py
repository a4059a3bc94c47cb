"""Judges over files: what they say of a known law, of copies, of contradictions that are there."""

import json

import judges
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score


def patients(seed: int, n: int = 1500, shift: float = 0.0) -> pd.DataFrame:
    """Numbers with gaps, categories with gaps, a bit; shift moves `lab` by so many standard deviations."""
    rng = np.random.default_rng(seed)
    lab, ward = rng.normal(shift, 1, n), rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    ward = pd.Series(ward).where(rng.random(n) > 0.2)
    age = np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 90, n))
    return pd.DataFrame({"lab": lab, "ward": ward, "age": age, "dead": rng.random(n) < 0.3})


def test_rows_of_one_law_are_not_told_apart():
    """Within 4 standard errors: a false alarm in 16,000."""
    a, b = patients(0), patients(1)
    assert judges.detection(a, b) == pytest.approx(0.5, abs=4 * judges.standard_error(len(a)))


def test_a_shifted_number_is_told_as_well_as_it_can_be():
    """The best judge of N(0, 1) against N(d, 1) has AUC Phi(d / sqrt 2); one that learns is a little below."""
    best, error = norm.cdf(1 / np.sqrt(2)), 4 * judges.standard_error(1500)
    assert best - 0.05 < judges.detection(patients(0), patients(1, shift=1.0)) < best + error


def test_gaps_and_categories_are_seen():
    a, b = patients(0), patients(1)
    gaps = b.assign(ward=b["ward"].where(np.random.default_rng(2).random(len(b)) > 0.5))
    assert judges.detection(a, gaps) > 0.6
    assert judges.worst_missing(a, gaps) == pytest.approx(0.4, abs=0.05)
    assert judges.detection(a, b.assign(ward=b["ward"].replace("c", "d"))) > 0.53


def test_the_standard_error_is_that_of_many_aucs():
    """Mann-Whitney's AUC of 40 and 40 of one law, 2,000 times: its spread within 4 / sqrt(2 * 2,000) of the formula."""
    rng = np.random.default_rng(0)
    ranks = rng.random((2000, 80)).argsort(axis=1).argsort(axis=1) + 1
    aucs = (ranks[:, :40].sum(axis=1) - 40 * 41 / 2) / 1600
    assert aucs.std() == pytest.approx(judges.standard_error(40), rel=4 / np.sqrt(4000))


def test_copies_are_closer_and_strangers_are_not():
    train, holdout, others = (patients(seed, 400) for seed in range(3))
    assert judges.share_closer(train, holdout, train) == 1
    assert judges.share_closer(train, holdout, holdout) == 0
    assert judges.share_closer(train, train, others) == 0.5  # all ties
    share = judges.share_closer(train, holdout, others)
    assert share == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(others)))


def test_copies_are_not_told_from_others_any_less_than_real_rows():
    """What they gain against the rows that they were copied from they have not against others (4 standard errors)."""
    train, holdout = patients(0), patients(1)
    found = judges.judged(train, train.sample(frac=1, random_state=0), holdout)
    assert found["detection"] < 0.45
    assert found["from others"] == pytest.approx(0.5, abs=4 * judges.standard_error(1500))


def test_the_distance_is_gowers():
    """A category that differs and one end of a number's range to the other are 1; so is missing against a value."""
    real = pd.DataFrame({"x": [0.0, 10.0, np.nan], "c": ["a", "b", "b"]})
    rows, numbers = judges.coded([real, pd.DataFrame({"x": [5.0], "c": ["a"]})])
    real, own = judges._gower(rows, numbers)
    distances = [float(judges._nearest(own, real[i : i + 1], numbers)[0]) for i in range(3)]
    assert distances == pytest.approx([0.5, 1.5, 2.0])


@pytest.mark.parametrize("label", ["dead", "dead!=False"])
def test_a_label_is_predicted_where_it_is_known_and_not_where_it_is_not(label):
    real = [frame.assign(dead=frame["lab"] > 0.5) for frame in (patients(0), patients(1))]
    assert judges.tstr(*real, label) > 0.99
    shuffled = real[0].assign(dead=np.random.default_rng(0).permutation(real[0]["dead"]))
    assert judges.tstr(shuffled, real[1], label) == pytest.approx(0.5, abs=0.1)


def test_one_diagnosis_twice_is_counted_and_two_missing_are_not():
    rows = [("1", "2", "3"), ("1", "1", "3"), ("1", None, None), ("1", "2", "1"), ("4", "2", "2")]
    frame = pd.DataFrame(rows, columns=judges.DIAGNOSES)
    assert judges.same_diagnosis_twice(frame) == pytest.approx(3 / 5)


def test_a_medicine_that_contradicts_the_drugs_is_counted():
    doses = {"insulin": ["No", "Up", "Steady", "No"], "metformin": ["No", "No", "Steady", "No"]}
    real = pd.DataFrame({**doses, "change": "No", "diabetesMed": ["No", "Yes", "Yes", "No"]})
    assert judges.medicine_contradicted(real, real) == 0
    # none given though Yes; one given though No
    drawn = real.assign(diabetesMed=["Yes", "Yes", "No", "No"])
    assert judges.medicine_contradicted(real, drawn) == 2 / 4


def test_files_are_judged_with_the_floor_beside_them(tmp_path, capsys):
    files = {name: tmp_path / f"{name}.parquet" for name in ("train", "holdout", "shifted")}
    for seed, (name, path) in enumerate(files.items()):
        patients(seed, 300, 2.0 * (name == "shifted")).assign(id=range(300)).to_parquet(path)
    paths = [
        "--real",
        files["train"],
        "--holdout",
        files["holdout"],
        "--synthetic",
        files["shifted"],
    ]
    options = ["--without", "id", "--label", "dead", "--json", tmp_path / "rows.json"]
    judges.main([str(each) for each in [*paths, *options]])
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows["shifted"]["detection"] > 0.8 > 0.65 > rows["real held out"]["detection"]
    assert "closer" in rows["shifted"] and "closer" not in rows["real held out"]
    assert "| shifted | 300 |" in capsys.readouterr().out


def test_codes_are_judged_as_a_row_a_patient(tmp_path, capsys):
    """The law of their number is off by what it is off by, and a code of half as many patients is told."""
    rng, files = np.random.default_rng(0), {}
    for name, often in (("train", 0.6), ("holdout", 0.6), ("drawn", 0.1)):
        there = rng.random((1500, 3)) < (0.5, 0.3, often)
        subject, code = np.nonzero(np.column_stack([np.ones(1500, bool), there]))
        files[name] = pd.DataFrame({"subject_id": subject, "code": np.array(list("sabc"))[code]})
    files["drawn"] = files["drawn"][files["drawn"]["code"] != "c"]  # none has it
    for name, frame in files.items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    paths = [
        f"--{a}={tmp_path}/{b}.parquet" for a, b in (("real", "train"), ("holdout", "holdout"))
    ]
    options = ["--synthetic", f"{tmp_path}/drawn.parquet", "--json", f"{tmp_path}/rows.json"]
    judges.main([*paths, *options])
    rows = json.loads((tmp_path / "rows.json").read_text())
    numbers = [frame.groupby("subject_id").size() for frame in (files["train"], files["drawn"])]
    law = [np.bincount(each, minlength=5) / 1500 for each in numbers]
    assert rows["drawn"]["number"] == pytest.approx(abs(law[0] - law[1]).sum() / 2)
    told = roc_auc_score(
        np.repeat([1, 0], 1500), np.concatenate(numbers)
    )  # the fewer, the likelier drawn
    assert rows["drawn"]["alone"] == pytest.approx(told, abs=0.02)
    assert rows["drawn"]["detection"] > told + 0.05
    floor, error = rows["real held out"], 4 * judges.standard_error(1500)
    assert floor["detection"] == pytest.approx(0.5, abs=error)  # a false alarm in 16,000
    assert floor["alone"] == pytest.approx(0.5, abs=error)


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"ward": None}, "lacks columns of the real file: ward"),
        ({"age": "old"}, "column 'age' has numbers in the real file"),
    ],
)
def test_a_file_of_other_columns_is_refused_in_one_line(tmp_path, changed, said):
    real, drawn = patients(0, 50), patients(1, 50)
    for column, value in changed.items():
        drawn = drawn.assign(**{column: value}) if value else drawn.drop(columns=column)
    real.to_parquet(tmp_path / "real.parquet")
    drawn.to_parquet(tmp_path / "drawn.parquet")
    with pytest.raises(SystemExit, match=said):
        judges.main([f"--real={tmp_path}/real.parquet", "--synthetic", f"{tmp_path}/drawn.parquet"])


@pytest.mark.parametrize("label, said", [("alive", "no column 'alive'"), ("ward!=x", "are 'yes'")])
def test_a_label_that_cannot_be_predicted_is_refused_in_one_line(label, said):
    with pytest.raises(SystemExit, match=said):
        judges.tstr(patients(0, 50), patients(1, 50), label)
