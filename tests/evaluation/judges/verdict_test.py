"""Verdicts: at one level, never on a few figures, a leak first, and the reason where there is none."""

import numpy as np
import pytest
from patients import codes, table

from jaxehr.baselines import marginals
from jaxehr.evaluation import Comparison, Metric, evaluate
from jaxehr.evaluation.judges.verdict import HEADINGS, standing, verdict
from jaxehr.evaluation.measures.catalogue import ENTRIES
from jaxehr.evaluation.measures.metric import UNDERPOWERED
from jaxehr.evaluation.report.report import Report

GOOD = {name for headings in HEADINGS.values() for name in headings[:2]}


def figure(name="shape_error", value=0.02, half=0.001, pillar="fidelity", **changes):
    made = Metric(name, pillar, value, 0.02, "lower", 0.0, 99, value - half, value + half, 1.0)
    return made._replace(**changes)


def unknown(name, pillar="fidelity"):
    why = "the held-out records have fewer than 100 patients"
    return figure(name, float("nan"), pillar=pillar, status=UNDERPOWERED, why=why)


def test_a_figure_stands_out_at_a_level_of_999_in_1000():
    """The 95% interval of .030 +- .006 is clear of the floor of .020; that of 99.9% of their difference, 2.4 times as
    wide, is not."""
    assert standing(figure(value=0.03, half=0.006)) == "as real"
    assert standing(figure(value=0.03, half=0.004)) == "near"


def test_a_figure_that_may_be_anything_tells_nothing():
    """Half of the way to the worst case is within its noise."""
    assert standing(figure(half=0.3)) == "unclear"
    assert standing(figure(half=0.1)) == "as real"
    assert standing(figure(worst=0.02)) == "unclear"  # which knows nothing, and does as well
    # An interval that is cut off on one side is as wide as on the other.
    assert standing(figure(low=0.0, high=0.4)) == "unclear"


def test_a_headline_does_not_stand_on_a_few_of_many_figures():
    few = [figure(f"known {i}") for i in range(3)]
    many = [unknown(f"unknown {i}") for i in range(9)]
    assert verdict("fidelity", [*few, *many[:3]]).heading == "As real patients"
    found = verdict("fidelity", few + many)
    assert found.heading == "Underpowered"
    assert "9 of 12 figures could not be evaluated: the held-out records have fewer" in found.words
    # What is surely wrong is said, however few figures there are.
    bad = figure("known 0", 0.9)
    assert verdict("fidelity", [bad, *few[1:], *many]).heading == "Far from real patients in part"
    # Figures that can tell nothing carry no headline either.
    vague = [figure(f"vague {i}", half=0.5) for i in range(9)]
    assert verdict("fidelity", few + vague).heading == "Underpowered"


def test_held_out_patients_that_were_too_few_are_not_asked_for():
    found = verdict("privacy", [unknown(f"unknown {i}", "privacy") for i in range(12)])
    assert found.heading == "Underpowered" and "Give" not in found.words
    assert "the held-out records have fewer than 100 patients" in found.words


def test_what_was_not_asked_for_is_not_missed():
    sets = [table(60, seed) for seed in range(3)]
    found = evaluate(*sets, pillars=("clinical",)).verdicts
    for pillar in ("fidelity", "utility", "privacy"):
        assert found[pillar] == ("Not judged", "It was not asked for.")
    utility = evaluate(*sets, pillars=("utility",)).verdicts["utility"]
    assert utility.words.endswith("Give a label to predict.")
    page = evaluate(*sets, pillars=("privacy",)).to_html()
    assert "It was not asked for." in page and "Give" not in page


@pytest.fixture(scope="module")
def copied():
    real, held = table(300, 0), table(300, 1)
    return evaluate(real, real.copy(), held, pillars=("privacy", "fidelity"))


def test_a_leak_is_said_first(copied, tmp_path, capsys):
    from jaxehr.cli import main

    assert str(copied).startswith("privacy: It leaks. ")
    assert "100.00% of synthetic rows equal a training row" in str(copied).splitlines()[0]
    assert copied.to_json()["verdicts"][0]["heading"] == "It leaks"
    assert str(Comparison({"copy": copied})).startswith("copy: privacy: It leaks; fidelity: ")
    files = {"real": table(300, 0), "synthetic": table(300, 0), "holdout": table(300, 1)}
    asked = ["evaluate", "--only", "privacy", "--out", str(tmp_path / "out")]
    for name, frame in files.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        asked += [f"--{name}", str(tmp_path / f"{name}.csv")]
    assert main(asked) == 0
    assert capsys.readouterr().out.startswith("privacy: It leaks. ")


def test_a_label_that_no_column_tells_is_named_as_such():
    """The label is a coin. At 99.9% for each of two learners a coin passes for a label once in 1,000."""
    coin = lambda seed: np.random.default_rng(seed).random(500) < 0.5
    sets = [table(500, seed).assign(death=coin(10 + seed)) for seed in range(3)]
    found = evaluate(*sets, label="death", pillars=("utility",)).verdicts["utility"]
    assert found.heading == "This label cannot be predicted"
    assert (
        "a model trained on real patients has AUROC" in found.words
        and "0.5000 is chance" in found.words
    )


@pytest.mark.parametrize(("kind", "n"), [("table", 500), ("table", 150), ("codes", 150)])
def test_independent_columns_are_never_as_useful_as_real_patients(kind, n):
    made, label = {"table": (table, "death"), "codes": (codes, "C39")}[kind]
    real, held = made(n, 0), made(n, 1)
    drawn = marginals(real, n, 2).astype(real.dtypes)
    found = evaluate(real, drawn, held, label=label, pillars=("utility",))
    assert found.verdicts["utility"].heading not in GOOD


def test_intervals_end_where_the_figures_do():
    """AUROCs of a label that is known for sure, copies, and shares of 0: every end that there is can be."""
    sure = [table(200, seed).assign(death=lambda t: t["age"] > 60) for seed in range(3)]
    numbers = ["age", "los", "death"]
    narrow = [each[numbers] for each in sure]
    found = [
        evaluate(*sure, label="death", pillars=("utility", "privacy")),
        evaluate(narrow[0], narrow[0], narrow[1], pillars=("fidelity", "privacy")),
        evaluate(*(codes(200, seed, 12) for seed in range(3)), pillars=("fidelity",)),
    ]
    ends = 0
    for m in (m for report in found for m in report.metrics if m.low is not None):
        least, most = ENTRIES[m.name].reach
        assert least <= m.low <= m.value + 1e-12 and m.value - 1e-12 <= m.high <= most, m
        ends += m.low == least or m.high == most
    assert ends > 10  # they were cut, or would have been beyond


def test_a_class_in_numbers_is_pointed_out():
    stage = lambda seed: np.random.default_rng(seed).integers(0, 3, 60)
    sets = [table(60, seed).assign(stage=stage(seed)) for seed in range(3)]
    said = lambda label: [n for n in evaluate(*sets, label=label, pillars=()).notes if "R^2" in n]
    assert "'stage' is a number of 3 values" in said("stage")[0]
    assert not said("age") and not said("death")


def test_values_that_no_real_patient_has_are_counted():
    real, fresh, held = (table(200, seed) for seed in range(3))
    women = fresh["sex"] == "f"
    spelt = fresh.assign(sex=fresh["sex"].where(~women | (np.arange(200) < 100), "female"))
    columns = ["ward", "sex", "death"]
    sets = (real[columns], spelt[columns], held[columns])
    found = evaluate(*sets, pillars=("fidelity",))
    count = int(women[100:].sum())
    assert found["unseen_values"].value == pytest.approx(count / 600)  # of three columns
    assert found["unseen_values"].floor == 0.0
    assert standing(found["unseen_values"]) == "off"
    (note,) = [note for note in found.notes if "column 'sex'" in note]
    assert f"{count} synthetic values" in note and "'female'" in note
    assert not any("synthetic values" in note for note in evaluate(real, fresh, pillars=()).notes)


def test_a_report_of_an_audit_alone_has_one_verdict():
    auc = Metric("audit_loss_auc", "privacy", 1.0, None, "lower", 0.5, 250, 0.99, 1.0)
    report = Report((auc,), (), (), {})
    assert {p: v.heading for p, v in report.verdicts.items()} == {"privacy": "It leaks"}
    assert "Who was trained on?" in str(report).splitlines()[0]
