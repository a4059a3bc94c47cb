"""Utility: scores against scikit-learn, calibration of a known truth, and a label that synthetic records lost."""

import numpy as np
import pandas as pd
import pytest
from patients import bits, frame, shuffled, table

from jaxehr.data import DataError
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.judges.verdict import standing
from jaxehr.evaluation.measures.downstream import dimension_pearson
from jaxehr.evaluation.measures.learners import Target, score
from jaxehr.evaluation.measures.utility import calibration, reference_class


def test_scores_are_scikit_learns():
    from sklearn.metrics import r2_score, roc_auc_score

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
    known = np.ones(300, bool)
    expected = roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert score(Target("classification", y, known), p) == pytest.approx(expected)
    expected = roc_auc_score(y[y < 2], p[y < 2, 1])
    assert score(Target("classification", y, y < 2), p) == pytest.approx(expected)
    x = y + rng.normal(size=300)
    assert score(Target("regression", x, known), 1.0 * y) == pytest.approx(r2_score(x, y))


def test_calibration_of_known_probabilities():
    """y is drawn from p, 20,000 times: the slope is 1 within 4 standard errors (0.04), and halving the log odds of the
    prediction doubles it."""
    rng = np.random.default_rng(1)
    logit = rng.normal(0, 1.5, 20_000)
    true = lambda z: 1 / (1 + np.exp(-z))
    y = (rng.random(20_000) < true(logit)).astype(int)
    wanted = Target("classification", y, np.ones(20_000, bool))
    both = lambda p: np.stack([1 - p, p], 1)
    right, timid = (calibration(wanted, both(true(z)), 1) for z in (logit, logit / 2))
    assert right["slope"].value == pytest.approx(1, abs=0.08)
    assert timid["slope"].value == pytest.approx(2 * right["slope"].value, rel=1e-6)
    assert right["ece"].value < 0.02 < timid["ece"].value


def test_whose_calibration_is_measured():
    of = lambda *values: Target("classification", np.array(values), np.ones(len(values), bool))
    assert reference_class(of(0, 1, 0, 0)) == 1
    assert reference_class(of(1, 2, 2, 1, 2, 3)) == 2


@pytest.fixture(scope="module")
def reports():
    real, fresh, held = (table(1000, seed) for seed in range(3))
    judge = lambda records: evaluate(real, records, held, label="death", pillars=("utility",))
    return {"fresh": judge(fresh), "shuffled": judge(shuffled(fresh))}


def test_fresh_records_are_as_useful_as_real_ones(reports):
    """At twice the 95% interval: 1 in 2,000 a figure by chance."""
    found = reports["fresh"]
    for name in ("tstr_gap_auroc", "tstr_gap_auroc_linear"):
        m = found[name]
        assert abs(m.value) < m.high - m.low
    assert found["trtr_auroc"].value > 0.8
    assert found["ranking_agreement"].value > 0.5
    assert found["tstr_auroc"].floor == found["trtr_auroc"].value


def test_records_that_lost_their_relations_are_useless(reports):
    found = reports["shuffled"]
    assert found["tstr_auroc"].value < 0.65
    assert found["tstr_gap_auroc"].low > 0.15
    assert standing(found["tstr_gap_auroc"]) == "far off"
    assert found["trts_auroc"].value < 0.65
    assert found["dimension_gap"].value > reports["fresh"]["dimension_gap"].value
    assert found["tsrtr_auroc"].value < reports["fresh"]["tsrtr_auroc"].value


def test_a_number_to_predict_is_a_regression():
    real, fresh, held = (table(400, seed)[["age", "sbp", "ward"]].dropna() for seed in range(3))
    found = evaluate(real, fresh, held, label="sbp", pillars=("utility",))
    assert found["trtr_r2_linear"].value > 0.5
    assert abs(found["tstr_gap_r2_linear"].value) < 0.05
    bad = evaluate(real, shuffled(fresh), held, label="sbp", pillars=("utility",))
    assert bad["tstr_r2_linear"].value < 0.1


def test_a_code_to_predict():
    real, fresh, held = (frame(bits(600, seed)) for seed in range(3))
    found = evaluate(real, fresh, held, label="C39", pillars=("utility",))
    m = found["tstr_gap_auroc_linear"]
    assert abs(m.value) < 2 * (m.high - m.low)


def test_a_label_that_is_not_there():
    with pytest.raises(
        DataError, match=r"the label 'deth' must be a column of the real records \(ward"
    ):
        evaluate(table(50, 0), table(50, 1), table(50, 2), label="deth")
    with pytest.raises(DataError, match="the label 'C99' is not a code"):
        evaluate(frame(bits(50, 0)), frame(bits(50, 1)), label="C99")


@pytest.mark.parametrize("lost", [None, False], ids=["missing", "one class"])
def test_records_without_the_label_teach_nothing_and_that_counts(lost):
    """Everything that is asked of the synthetic label is at chance, and nothing of it is left out."""
    real, fresh, held = (table(500, seed) for seed in range(3))
    bare = fresh.assign(death=pd.Series([lost] * 500, dtype=object))
    found = evaluate(real, bare, held, label="death", pillars=("utility",))
    for pair in ("tstr", "trts", "tsts"):
        for ending in ("", "_linear"):
            assert found[f"{pair}_auroc{ending}"].value == 0.5
    assert found["tstr_gap_auroc"].value > 0.3
    assert found["ranking_agreement"].value == found["importance_overlap"].value == 0.0
    slope = found["tstr_slope"]
    assert slope.status != "ok" and "predicts the same for everyone" in slope.why
    assert found.verdicts["utility"].heading == "Much less useful than real patients"


def test_a_number_that_no_synthetic_record_has_teaches_nothing():
    real, fresh, held = (table(400, seed)[["age", "sbp", "ward"]].dropna() for seed in range(3))
    found = evaluate(real, fresh.assign(sbp=np.nan), held, label="sbp", pillars=("utility",))
    assert found["tstr_r2"].value == pytest.approx(0, abs=0.03)
    assert found["trts_r2"].value == found["tsts_r2"].value == 0.0
    assert found["ranking_agreement"].value == 0.0


@pytest.mark.parametrize("share", [1e-4, 0.009, 0.5])
def test_a_constant_prediction_has_no_slope(share):
    y = np.r_[np.ones(27, int), np.zeros(2973, int)]
    p = np.tile([1 - share, share], (3000, 1))
    found = calibration(Target("classification", y, np.ones(3000, bool)), p, 1)
    assert np.isnan(found["slope"].value)
    assert found["ece"].value >= abs(share - 0.009) - 1e-9


def test_columns_that_predict_nothing_agree_by_nothing():
    """Dimension-wise prediction: the synthetic records teach of no column."""
    scores = {"trtr": np.linspace(0.6, 0.9, 8), "tstr": np.full(8, 0.5)}
    found = dimension_pearson(scores)
    assert found.value == 0.0 and found.low < 0 < found.high
