"""Outcomes learnt from courses, where the best area under the curve is known."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.series import outcomes
from jaxehr.evaluation.measures.series.outcomes import Patients, areas, estimates, pairings

N, STEPS, SHIFT = 600, 8, 0.6
BEST = norm.cdf(SHIFT * np.sqrt(STEPS / 2))  # N(0, 1) against N(d, 1) in 8 steps: .885
ERROR = np.sqrt((N + 1) / (3 * N**2))  # of an area of .5, at 300 with the outcome and 300 without
LEARNERS = {
    "boosting": outcomes.boosting,
    "recurrent": partial(outcomes.recurrent, hidden=6),
}


def patients(seed, shift=SHIFT, missing=0.05, told_by=0):
    rng = np.random.default_rng(seed)
    outcome = np.arange(N) % 2 == 1
    x = rng.normal(size=(N, STEPS, 2))
    x[..., told_by] += shift * outcome[:, None]
    x[rng.random(x.shape) < missing] = np.nan
    return Patients(Series(x, np.full(N, STEPS)), outcome)


@pytest.fixture(params=list(LEARNERS))
def learner(request):
    return LEARNERS[request.param]


def test_synthetic_courses_of_the_law_teach_as_much_as_real_ones(learner):
    """Within 4 standard errors above the best there can be, and not far below; what they cost is not surely above 0:
    the interval of 95% times 2 is passed by chance 1 in 10,000."""
    test = patients(2)
    scores = pairings(patients(0), patients(1), test, learner, seeds=2)
    for part in scores.values():
        found = areas(test.outcome, part)
        assert (found > BEST - 0.07).all() and (found < BEST + 4 * ERROR).all()
    gap = estimates(test.outcome, scores)["tstr_gap"]
    assert abs(gap.value) < 2 * (gap.high - gap.value)


def test_courses_with_another_relation_teach_nothing_and_with_the_contrary_the_contrary(learner):
    """They tell the outcome by the other variable: .5 is within 4 standard errors of the area, and as much again for
    what is learnt of the first by chance."""
    test = patients(2)
    blank = pairings(patients(0), patients(1, told_by=1), test, learner, seeds=2)
    assert areas(test.outcome, blank["tstr"]) == pytest.approx(0.5, abs=8 * ERROR)
    found = estimates(test.outcome, blank)
    assert found["tstr_gap"].low > 0.2
    assert found["trtr"].value == pytest.approx(areas(test.outcome, blank["trtr"]).mean())
    other = patients(3)
    turned = pairings(patients(0), other._replace(outcome=~other.outcome), test, learner, seeds=2)
    assert (areas(test.outcome, turned["tstr"]) < 1 - BEST + 0.07).all()
    both = areas(test.outcome, turned["tsrtr"])
    assert (both > 1 - BEST + 0.1).all() and (both < BEST - 0.1).all()


def test_one_class_teaches_nothing(learner):
    none = patients(1)._replace(outcome=np.zeros(N, bool))
    test = patients(2)
    found = learner(none, test.series, none.series, 2, 0)
    assert areas(test.outcome, found) == pytest.approx(0.5)


def test_that_nothing_was_measured_of_some_is_told_by_both(learner):
    """The outcome is in what is missing alone: a coin of .2 against one of .5 at 8 steps of two variables."""
    gone = lambda seed: np.random.default_rng(seed).random((N, STEPS, 2))

    def made(seed):
        plain = patients(seed, shift=0.0)
        share = np.where(plain.outcome, 0.5, 0.2)[:, None, None]
        values = np.where(gone(seed) < share, np.nan, plain.series.values)
        return Patients(Series(values, plain.series.lengths), plain.outcome)

    train, test = made(0), made(1)
    found = areas(test.outcome, learner(train, test.series, train.series, 2, 0))
    assert (found > 0.85).all()


def test_summaries_are_those_of_numpy():
    series = patients(0, missing=0.6).series
    values = series.values.copy()
    lengths = np.where(np.arange(N) < 50, 3, STEPS)
    values[:50, 3:] = np.nan
    found = outcomes.features(Series(values, lengths))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of courses where nothing was measured
        ways = (np.nanmean, np.nanmin, np.nanmax, np.nanstd)
        middle = np.concatenate([way(values, axis=1) for way in ways], axis=1)
    assert found[:, 4:12] == pytest.approx(middle, rel=1e-4, abs=1e-6, nan_ok=True)
    seen = ~np.isnan(values)
    assert not seen.any(1).all() and found[:, 14] == pytest.approx(lengths)
    assert found[:, 12:14] == pytest.approx(seen.sum(1) / lengths[:, None])
    for i in np.flatnonzero(seen[:, :, 1].any(1))[:100]:
        course = values[i, seen[i, :, 1], 1]
        assert found[i, [1, 3]] == pytest.approx(course[[0, -1]], rel=1e-5)


def test_so_many_are_added_that_they_are_the_share():
    counted = lambda learnt, test, scale, seeds, seed: np.full((1, 1), len(learnt.outcome))
    small = outcomes.some(patients(0), 100, 0)
    found = outcomes.added(small, patients(1), small, counted, 0.75)
    assert found == 400
    with pytest.raises(ValueError, match=r"wants 900 .* got 600: .* a share of 0.86 at most"):
        outcomes.added(small, patients(1), small, counted, 0.9)
