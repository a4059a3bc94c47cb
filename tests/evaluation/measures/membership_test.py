"""Membership: rates and bounds of scores whose law is known."""

import numpy as np
import pytest

from jaxehr.evaluation.measures import membership
from jaxehr.evaluation.measures.membership import Scores


def test_the_area_splits_ties():
    members, others = np.array([2.0, 2, 3]), np.array([2.0, 1])
    assert membership.area(membership.given(Scores(members, others))).value == pytest.approx(5 / 6)


def test_true_positives_at_a_rate_of_scores_with_ties():
    """All scores equal: accusing 1% of others accuses 1% of members."""
    same = Scores(np.zeros(3000), np.zeros(2000))
    assert membership.true_positives(membership.given(same), 0.01).value == pytest.approx(0.01)


def test_true_positives_of_normal_scores():
    """N(2, 1) against N(0, 1) at 1%: 1 - Phi(Phi^-1(.99) - 2) = .372; within four standard errors."""
    rng = np.random.default_rng(0)
    scores = Scores(rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000))
    found = membership.true_positives(membership.given(scores), 0.01)
    assert found.value == pytest.approx(0.372, abs=0.035)
    assert found.low < 0.372 < found.high


def test_a_rate_that_too_few_others_can_show_is_not_given():
    scores = membership.given(Scores(np.zeros(5000), np.zeros(5000)))
    assert membership.true_positives(scores, 0.001) is None
    assert membership.true_positives(scores, 0.01) is not None
    assert membership.epsilon_bound(Scores(np.zeros(150), np.zeros(5000)), 0) is None


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_bound_is_below_the_epsilon_of_randomised_response(epsilon):
    """A bit is told truly with odds e^epsilon. 50 draws; the bound fails in 5% at most, so 8 failures are 1 in 500."""
    rng = np.random.default_rng(1)
    truth = np.exp(epsilon) / (1 + np.exp(epsilon))
    bounds = []
    for seed in range(50):
        told = lambda n, p: (rng.random(n) < p).astype(float)
        scores = Scores(told(2000, truth), told(2000, 1 - truth))
        bounds.append(membership.epsilon_bound(scores, seed))
    assert np.sum(np.array(bounds) > epsilon) <= 8
    assert np.mean(bounds) > 0.6 * epsilon


def test_no_difference_has_no_bound():
    rng = np.random.default_rng(2)
    found = [
        membership.epsilon_bound(Scores(rng.normal(size=1000), rng.normal(size=1000)), seed)
        for seed in range(20)
    ]
    assert sum(bound > 0 for bound in found) <= 4  # 1 in 400 by chance, at 5% each
