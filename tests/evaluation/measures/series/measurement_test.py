"""Gaps, missing values and lengths of laws in closed form."""

import numpy as np
import pytest

from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.measures.series.measurement import (
    gap_errors,
    gaps,
    length_errors,
    missing_errors,
)

N, STEPS = 3000, 20


def measured(seen, lengths=None):
    values = np.where(seen, 0.0, np.nan)
    return whole(values) if lengths is None else Series(values, lengths)


def by_chance(p, seed, variables=2):
    return measured(np.random.default_rng(seed).random((N, STEPS, variables)) < p)


def gap_law(p):
    """Of steps that are each measured with chance p: P(g) is as (STEPS - g) (1 - p)^(g - 1)."""
    g = np.arange(1, STEPS)
    law = (STEPS - g) * (1 - p) ** (g - 1)
    return law / law.sum()


def test_gaps_of_a_coin_have_their_law():
    """The largest difference of some 40,000 gaps' distribution from the law: Kolmogorov's bound at 1 in 2,500 is
    2.1 / sqrt(n); gaps of a patient are not independent, and it is doubled."""
    found, _, _ = gaps(by_chance(0.4, 0))
    shares = np.cumsum(np.bincount(found.astype(int), minlength=STEPS)[1:]) / len(found)
    assert np.abs(shares - np.cumsum(gap_law(0.4))).max() < 4.2 / np.sqrt(len(found))


def test_distances_of_gaps_are_those_of_their_laws():
    apart = np.abs(np.cumsum(gap_law(0.4)) - np.cumsum(gap_law(0.2)))
    real = by_chance(0.4, 1)
    found = gap_errors(real, by_chance(0.2, 2))
    assert found["gap_ks"] == pytest.approx(apart.max(), abs=0.03)
    assert found["gap_distance"] == pytest.approx(apart.sum(), rel=0.04)
    # Of two variables either is measured with chance 1 - (1 - p)^2.
    apart = np.abs(np.cumsum(gap_law(0.64)) - np.cumsum(gap_law(0.36)))
    assert found["visit_gap_distance"] == pytest.approx(apart.sum(), rel=0.04)
    floor = gap_errors(real, by_chance(0.4, 3))
    assert max(floor["gap_ks"], floor["visit_gap_ks"]) < 0.03 and floor["gap_distance"] < 0.06


def test_gaps_know_when_in_its_step_a_value_was_measured_and_end_with_the_patient():
    values = np.array([[[1.0], [2.0], [np.nan], [3.0]], [[1.0], [np.nan], [np.nan], [np.nan]]])
    inside = np.array([[[0.9], [0.1], [0.0], [0.5]], [[0.0], [0.0], [0.0], [0.0]]])
    found, either = gaps(Series(values, np.array([4, 2]), inside))
    assert found == pytest.approx([0.2, 2.4]) and either == pytest.approx([0.2, 2.4])


def test_a_variable_that_is_never_measured_twice_is_as_far_as_the_grid():
    real, once = by_chance(0.4, 4), np.zeros((N, STEPS, 2), bool)
    once[:, 0] = True
    found = gap_errors(real, measured(once))
    mean = (np.arange(1, STEPS) * gap_law(0.4)).sum()
    assert found["gap_ks"] == 1 and found["gap_distance"] == pytest.approx(STEPS - mean, rel=0.02)
    assert np.isnan(gap_errors(measured(once), real)["gap_distance"])


def test_shares_that_are_missing_are_compared_by_variable_and_by_step():
    """One rises from .2 to .8 over the steps, the other is .5 throughout: alike by variable, and not by step. Each
    share of 3,000 is within 4 standard errors, .037: 40 shares, a false alarm in 400."""
    rising = np.linspace(0.2, 0.8, STEPS)[:, None]
    rng = np.random.default_rng(5)
    real = measured(rng.random((N, STEPS, 2)) < rising)
    found = missing_errors(real, by_chance(0.5, 6))
    assert found["missing_by_variable_error"] < 0.01
    expected = np.abs(rising - 0.5).mean()
    assert found["missing_by_step_error"] == pytest.approx(expected, abs=0.01)
    # Beyond a course nothing is missing: where half of the courses end midway shares are as before, and none is lost.
    lengths = np.where(np.arange(N) < N // 2, STEPS // 2, STEPS)
    cut = measured(real.observed & (np.arange(STEPS) < lengths[:, None])[..., None], lengths)
    assert missing_errors(real, cut)["missing_by_step_error"] < 0.02
    assert missing_errors(cut, real)["missing_by_step_error"] < 0.02


def together(share, seed):
    """The second variable is measured with the first, with that chance, or by a coin of its own: phi is the chance."""
    rng = np.random.default_rng(seed)
    first, own = rng.random((2, N, STEPS)) < 0.3
    second = np.where(rng.random((N, STEPS)) < share, first, own)
    return measured(np.stack([first, second], 2))


def test_what_is_measured_together_is_seen_where_shares_are_alike():
    found = missing_errors(together(0.7, 7), by_chance(0.3, 8))
    error = 4 / np.sqrt(N * STEPS)
    assert found["missing_by_variable_error"] < 0.01
    assert found["missing_together_error"] == pytest.approx(0.7, abs=error)
    assert found["missing_in_time_error"] < 2 * error
    # 0, 1 or 2 variables at a step: P(0) = .7 (.7 + .3 * .7) = .637 against .49, P(2) = .237 against .09.
    assert found["measured_at_once_distance"] == pytest.approx(0.147 * 2, abs=0.015)


def test_what_is_measured_in_turns_is_seen_in_time_alone():
    """Each step is measured where the one before was, with chance .6, or by a coin: phi .6 a step later."""
    rng = np.random.default_rng(9)
    seen = rng.random((N, STEPS, 2)) < 0.5
    for t in range(1, STEPS):
        seen[:, t] = np.where(rng.random((N, 2)) < 0.6, seen[:, t - 1], seen[:, t])
    found = missing_errors(measured(seen), by_chance(0.5, 10))
    error = 4 / np.sqrt(N * STEPS)
    # Of four pairs two are a variable with itself.
    assert found["missing_in_time_error"] == pytest.approx(0.6 / 2, abs=2 * error)
    assert found["missing_together_error"] < 2 * error


def test_lengths_are_compared_as_distributions():
    """Uniform on 5..14 and on 8..17: three steps apart, and Kolmogorov's distance is .3."""
    none = np.zeros((N, STEPS, 1), bool)
    spread = lambda low: measured(none, low + np.arange(N) % 10)
    assert length_errors(spread(5), spread(8)) == pytest.approx(
        {"length_distance": 3.0, "length_ks": 0.3}
    )
    assert length_errors(spread(5), spread(5)) == {"length_distance": 0.0, "length_ks": 0.0}
