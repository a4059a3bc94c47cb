"""Intervals: SciPy's where it has them, and the standard error of a mean."""

import numpy as np
import pytest

from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import auc, clopper_pearson, excess, jackknife
from jaxehr.evaluation.measures.proportions import newcombe, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (3, 40), (40, 40), (170, 1000)])
def test_shares_equal_scipys(hits, n):
    from scipy.stats import binomtest

    found = binomtest(hits, n)
    score, exact = (found.proportion_ci(method=m) for m in ("wilson", "exact"))
    assert wilson(hits, n) == pytest.approx((score.low, score.high), abs=1e-9)
    assert clopper_pearson(hits, n) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_newcombes_difference_by_his_own_example():
    """56 of 70 less 48 of 80: 0.0524 to 0.3339 (Newcombe 1998, Table II, method 10)."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_no_excess_over_the_control_is_zero():
    assert excess(30, 100, 30, 100).value == 0
    assert excess(100, 100, 40, 100).value == 1


def test_the_jackknife_of_a_mean_is_its_standard_error():
    """With one row in a group the jackknife is s / sqrt(n) exactly."""
    from scipy.stats import t

    x = np.random.default_rng(0).normal(size=30)
    kept = lambda leave: x if leave is None else np.delete(x, leave)
    found = jackknife(lambda leave: {"mean": kept(leave).mean()}, groups=30)["mean"]
    half = t.ppf(0.975, 29) * x.std(ddof=1) / 30**0.5
    assert (found.low, found.high) == pytest.approx((x.mean() - half, x.mean() + half), rel=1e-9)


def test_the_interval_of_a_mean_holds_it_as_often_as_it_says():
    """1,000 samples of 200, 95%: between 93% and 97%, 1 in 300 either way by chance."""
    rng, own = np.random.default_rng(1), groups_of(200, 20)
    held = 0
    for _ in range(1000):
        x = rng.exponential(size=200)
        of = lambda leave, x=x: {"mean": x[own != (-1 if leave is None else leave)].mean()}
        found = jackknife(of)["mean"]
        held += found.low <= 1 <= found.high
    assert 930 <= held <= 970


def test_the_area_is_scikit_learns_and_its_interval_delongs():
    """DeLong's variance from its definition: that of each positive's share of negatives below it, and vice versa."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 9, 60) + 2.0, rng.integers(0, 9, 90) + 0.0  # many ties
    found = auc(a, b)
    y = np.repeat([1, 0], [60, 90])
    assert found.value == pytest.approx(roc_auc_score(y, np.concatenate([a, b])), abs=1e-12)
    above = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    variance = above.mean(1).var(ddof=1) / 60 + above.mean(0).var(ddof=1) / 90
    assert found.high - found.low == pytest.approx(2 * 1.959964 * variance**0.5, rel=1e-6)
