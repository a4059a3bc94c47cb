"""Metrics: exact where a hand can compute them, loud where a failure is planted, quiet where there is none."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import DataError, long_frame
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.fidelity import correlation, kolmogorov_smirnov, total_variation
from jaxehr.evaluation.nearest import gower_nearest, hamming_nearest


def table(n, seed):
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 12, n)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "age": np.round(age, 1),
            "sbp": np.where(rng.random(n) < 0.2, np.nan, np.round(80 + age + rng.normal(0, 8, n))),
            "ward": np.where(rng.random(n) < 0.3, "icu", "er"),
            "death": rng.random(n) < 1 / (1 + np.exp(-(age - 75) / 5)),
        }
    )


def codes(n, seed, columns=40):
    rng = np.random.default_rng(seed)
    ill = rng.random((n, 1)) < 0.4
    bits = rng.random((n, columns)) < np.geomspace(0.002, 0.3, columns) * np.where(ill, 1.6, 0.6)
    bits[:, -1] |= ~bits.any(axis=1)
    return long_frame(bits, np.arange(n), [f"C{j:02}" for j in range(columns)])


def shuffled(frame, seed=0):
    rng = np.random.default_rng(seed)
    return frame.apply(lambda column: column.to_numpy()[rng.permutation(len(frame))])


@pytest.fixture(scope="module")
def tables():
    """A fresh sample of the same law is the perfect generator; the same with its columns shuffled is a bad one."""
    real, fresh, held = (table(1500, seed) for seed in range(3))
    judge = lambda synthetic: evaluate(real, synthetic, held, label="death")
    return {"fresh": judge(fresh), "shuffled": judge(shuffled(fresh)), "copy": judge(real)}


@pytest.fixture(scope="module")
def long_files():
    real, fresh, held = (codes(2000, seed) for seed in range(3))
    return {"fresh": evaluate(real, fresh, held), "copy": evaluate(real, real, held)}


def test_kolmogorov_smirnov_by_hand():
    a, b = np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])
    assert kolmogorov_smirnov(a, b) == 0.5
    assert kolmogorov_smirnov(a, np.array([np.nan, np.nan, 1, 2, 3, 4])) == pytest.approx(1 / 3)


def test_total_variation_by_hand():
    assert total_variation(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])) == 0.5


def test_correlation_over_rows_that_have_both():
    frame = table(400, 5)[["age", "sbp"]].to_numpy(float)
    both = frame[~np.isnan(frame).any(axis=1)]
    assert correlation(frame)[0, 1] == pytest.approx(np.corrcoef(both.T)[0, 1], abs=1e-12)


def test_nearest_equals_brute_force():
    rng = np.random.default_rng(0)
    a, b = ((rng.random((n, 70)) < 0.3).astype(np.int8) for n in (700, 530))
    np.testing.assert_array_equal(hamming_nearest(a, b), (a[:, None] != b).sum(2).min(1))
    x, y = rng.random((300, 3)), rng.random((90, 3))
    u, v = rng.integers(0, 3, (300, 4)), rng.integers(0, 3, (90, 4))
    brute = (np.abs(x[:, None] - y).sum(2) + (u[:, None] != v).sum(2)).min(1) / 7
    np.testing.assert_allclose(gower_nearest(x, u, y, v), brute, atol=1e-6)


def test_a_fresh_sample_scores_at_its_floor(tables, long_files):
    """Bounds of 4 standard errors or more of the metrics at these sizes (1 in 16,000 each), the seeds being fixed."""
    for reports in (tables, long_files):
        fresh = reports["fresh"]
        assert abs(fresh["detection_auc"].value - 0.5) < 0.05
        assert abs(fresh["share_closer_to_train"].value - 0.5) < 0.06
        assert abs(fresh["exact_copies_excess"].value) < 0.03
    assert tables["fresh"]["shape_error"].value < 0.05
    assert abs(tables["fresh"]["tstr_auroc"].value - tables["fresh"]["trtr_auroc"].value) < 0.05
    assert long_files["fresh"]["prevalence_pearson"].value > 0.99
    assert long_files["fresh"]["prevalence_slope"].value == pytest.approx(1, abs=0.03)
    assert long_files["fresh"]["codes_per_patient"].value == pytest.approx(
        long_files["fresh"]["codes_per_patient"].ideal, rel=0.05
    )


def test_shuffled_columns_are_caught(tables):
    bad, good = tables["shuffled"], tables["fresh"]
    assert bad["trend_error"].value > 2 * good["trend_error"].value
    assert bad["detection_auc"].value > 0.65
    assert bad["tstr_auroc"].value < good["tstr_auroc"].value - 0.2
    assert bad["shape_error"].value == pytest.approx(
        good["shape_error"].value
    )  # shapes are the same


def test_a_copied_training_set_is_caught(tables, long_files):
    for reports in (tables, long_files):
        assert reports["copy"]["share_closer_to_train"].value > 0.65
        assert reports["copy"]["exact_copies_excess"].value > 0.3


def test_a_few_copies_move_every_privacy_metric_the_right_way():
    real, fresh, held = (codes(1200, seed) for seed in range(3))
    values = []
    for share in (0, 0.2, 0.5):
        swapped = fresh["subject_id"] >= share * 1200
        copied = real[real["subject_id"] < share * 1200]
        report = evaluate(real, pd.concat([fresh[swapped], copied]), held)
        values.append([report[n].value for n in ("share_closer_to_train", "exact_copies_excess")])
    assert np.all(np.diff(values, axis=0) > 0)


def test_lost_rare_codes_are_seen_where_pearson_is_blind():
    real, held = codes(4000, 0), codes(4000, 1)
    patients = real.groupby("code")["subject_id"].nunique()
    fresh = codes(4000, 2)
    kept = fresh[fresh["code"].map(patients).fillna(0) > 80]
    lost, full = evaluate(real, kept, held), evaluate(real, fresh, held)
    assert lost["prevalence_pearson"].value > 0.99
    assert lost["codes_present"].value < full["codes_present"].value - 0.2
    assert lost["codes_per_patient"].value < full["codes_per_patient"].value


def test_privacy_does_not_depend_on_the_size_of_the_holdout():
    """The share is over sets of one size. 4 standard errors of 2,000 rows."""
    real, fresh = codes(2000, 0), codes(2000, 2)
    shares = [
        evaluate(real, fresh, codes(n, 1))["share_closer_to_train"].value for n in (700, 2000)
    ]
    assert np.ptp(shares) < 4 * (0.25 / 700 + 0.25 / 2000) ** 0.5


def test_without_a_holdout_there_is_no_floor_and_no_privacy():
    report = evaluate(table(200, 0), table(200, 1))
    assert all(metric.floor is None for metric in report.metrics)
    assert {m.pillar for m in report.metrics} == {"fidelity"}
    assert any("no holdout" in note for note in report.notes)


def test_codes_that_no_patient_has_are_counted():
    real = codes(300, 0)
    synthetic = pd.concat([real, pd.DataFrame({"subject_id": [1], "code": ["NEW"]})])
    assert any("1 codes of the synthetic" in note for note in evaluate(real, synthetic).notes)


def test_the_files_of_a_report(tables, tmp_path):
    tables["fresh"].save(tmp_path / "a")
    value = json.loads((tmp_path / "a" / "report.json").read_text())
    assert value["version"] == 1 and set(value) == {"version", "metrics", "config"}
    for metric in value["metrics"]:
        assert list(metric) == ["name", "pillar", "value", "floor", "better", "ideal", "n"]
    page = (tmp_path / "a" / "report.html").read_text()
    assert len(page) < 5e6 and page.count("<svg") == 2
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//|@import|<script", page)


def test_the_same_records_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        evaluate(table(150, 0), table(150, 1), table(150, 2)).save(tmp_path / folder)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_small_cells_are_not_shown_by_name():
    real = table(400, 0)
    real.loc[:5, "ward"] = "leper colony"
    assert "leper" not in evaluate(real, real.copy(), real.copy()).to_html()


def test_columns_that_differ_are_named():
    with pytest.raises(DataError, match=r"lack \['sbp'\] and have \['pulse'\]"):
        evaluate(table(50, 0), table(50, 1).rename(columns={"sbp": "pulse"}))
    with pytest.raises(DataError, match="'age' must be a boolean or categorical"):
        evaluate(table(50, 0), table(50, 1), table(50, 2), label="age")
