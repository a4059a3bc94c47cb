"""Correlations of laws where they are known: autoregressions, with values missing by chance and courses that end."""

import numpy as np
import pytest

from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.measures.series.correlation import correlation_errors, lagged, lags_of

N, STEPS = 2000, 12
ERROR = 4 / np.sqrt(
    N
)  # of a correlation, were a patient one pair alone: it is more, and the bound wide


def autoregression(rho, seed, missing=0.3, mean=100.0):
    """Two independent AR(1) variables of deviation 5; courses of 6 to 12 steps, a share of values missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, STEPS, 2))
    for t in range(1, STEPS):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    lengths = rng.integers(6, STEPS + 1, N)
    gone = (rng.random(x.shape) < missing) | (np.arange(STEPS) >= lengths[:, None])[..., None]
    return Series(np.where(gone, np.nan, mean + 5 * x), lengths)


def test_an_autoregression_has_the_powers_of_its_coefficient():
    """r(k) = rho^k, within 4 standard errors at six places: a false alarm in 2,600."""
    found = lagged(autoregression(0.8, 0), [1, 2, 4])
    for r, lag in zip(found, (1, 2, 4), strict=True):
        assert np.diag(r) == pytest.approx(0.8**lag, abs=ERROR)
        assert r[0, 1] == pytest.approx(0, abs=ERROR) and r[1, 0] == pytest.approx(0, abs=ERROR)


def test_a_variable_that_follows_another_is_seen_in_that_order_alone():
    """y(t) = .6 x(t-1) + .8 noise: correlation .6 of x with y a step later, and none of y with x."""
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(2, N, STEPS))
    y = np.concatenate([noise[:, :1], 0.6 * x[:, :-1] + 0.8 * noise[:, 1:]], axis=1)
    now, later = lagged(whole(np.stack([x, y], 2)), [0, 1])
    assert later[0, 1] == pytest.approx(0.6, abs=ERROR)
    assert [later[1, 0], now[0, 1]] == pytest.approx([0, 0], abs=ERROR)
    assert np.diag(now) == pytest.approx(1)


def test_they_are_those_of_numpy_over_pairs_of_which_both_are_there():
    """Rising values, more of which are missing late: the mean over pairs is not that over all."""
    rng = np.random.default_rng(2)
    x = rng.gamma(2.0, 1.0, (50, 6, 2)).cumsum(axis=1)
    x[rng.random(x.shape) < np.linspace(0, 0.5, 6)[:, None]] = np.nan
    (r,) = lagged(whole(x), [2])
    for i in range(2):
        for j in range(2):
            a, b = x[:, :-2, i].ravel(), x[:, 2:, j].ravel()
            there = ~np.isnan(a) & ~np.isnan(b)
            assert r[i, j] == pytest.approx(np.corrcoef(a[there], b[there])[0, 1], abs=1e-12)


def test_the_error_of_two_autoregressions_is_that_of_their_powers():
    real, other = autoregression(0.8, 3), autoregression(0.5, 4)
    expected = np.mean([0.8**k - 0.5**k for k in (1, 2)])
    found = correlation_errors(real, other, lags=[1, 2])
    assert found["autocorrelation_error"] == pytest.approx(expected, abs=ERROR)
    assert found["cross_correlation_error"] < ERROR
    floor = correlation_errors(real, autoregression(0.8, 5, missing=0.6, mean=-3.0))
    assert floor["autocorrelation_error"] < ERROR and floor["cross_correlation_error"] < ERROR


def test_a_variable_that_never_changes_is_no_way_out():
    real = autoregression(0.8, 6)
    still = Series(np.where(real.observed, 100.0, np.nan), real.lengths)
    found = correlation_errors(real, still, lags=[1, 2])
    assert found["autocorrelation_error"] == pytest.approx((0.8 + 0.64) / 2, abs=ERROR)
    assert np.isnan(correlation_errors(still, real)["autocorrelation_error"])


def test_what_has_few_pairs_is_left_out():
    x = np.random.default_rng(7).normal(size=(40, 4, 1))
    x[29:, 2:] = np.nan  # 29 pairs two steps apart of either start
    one, two, three = lagged(whole(x), [1, 2, 3])
    assert not np.isnan(one) and not np.isnan(two) and np.isnan(three)


@pytest.mark.parametrize(("steps", "lags"), [(1, []), (2, [1]), (4, [1, 2]), (5, [1, 2, 4])])
def test_lags_reach_as_far_as_the_grid(steps, lags):
    assert lags_of(steps) == lags
