"""Scores by networks trained after the fact, on laws of which the best answer is known.

Networks of one shape are compiled once; steps are cheap, so that they are as many as they need.
"""

from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from jaxehr.evaluation.blocks.series import Series, together, whole
from jaxehr.evaluation.measures.series import gru, post_hoc, scaling

N, STEPS = 600, 8
HELD = N - int(N * post_hoc.SHARE)
ERROR = np.sqrt((2 * HELD + 1) / (12 * HELD**2))  # of the AUC of two samples of one law
told = partial(post_hoc.discriminative, seeds=2, iterations=1500)


def walks(rho, seed, variables=4, shift=0.0):
    """Stationary AR(1) courses of variance 1, of independent variables."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, STEPS, variables))
    for t in range(1, STEPS):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return whole(x + shift)


def with_gaps(share, seed):
    x = np.random.default_rng(seed).normal(size=(N, STEPS, 2))
    x[np.random.default_rng(seed + 100).random(x.shape) < share] = np.nan
    return whole(x)


def test_the_network_is_ten_lines_of_numpy_and_ends_where_a_course_ends():
    rng = np.random.default_rng(0)
    params = {k: v[0] for k, v in gru.init(rng, gru.Shape(3, 5, 1), 1).items()}
    x, lengths = rng.normal(size=(4, 6, 3)).astype(np.float32), np.array([6, 1, 4, 2])
    beyond = np.where(np.arange(6)[None, :, None] < lengths[:, None, None], x, 9.0)
    both = np.concatenate([x, beyond]).astype(np.float32)
    ends = np.asarray(gru.last_step(params, both, np.tile(lengths, 2)))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    for i, length in enumerate(lengths):
        h = np.zeros(5)
        for t in range(length):
            gates = sigmoid(np.append(x[i, t], h) @ params["gates"] + params["gates_bias"])
            inner = np.append(x[i, t], gates[:5] * h) @ params["candidate"]
            h = gates[5:] * h + (1 - gates[5:]) * np.tanh(inner + params["candidate_bias"])
        assert ends[i] == pytest.approx(h @ params["out"] + params["out_bias"], rel=1e-5, abs=1e-6)
    assert (ends[:4] == ends[4:]).all()


def test_none_is_asked_that_was_learnt_from_and_there_are_as_many_of_either_set():
    learnt, asked = post_hoc.split(np.random.default_rng(0), 50, 70)
    assert learnt.shape == (2, 40) and asked.shape == (2, 10)
    rows = np.concatenate([learnt, asked], axis=1)
    assert (np.sort(rows[0]) == np.arange(50)).all()
    assert len(set(rows[1])) == 50 and rows[1].min() >= 50 and rows[1].max() < 120


def test_courses_of_one_law_are_not_told_apart():
    """Each seed's AUC within 4 standard errors: two seeds, a false alarm in 8,000."""
    a, b = walks(0.7, 0), walks(0.7, 1)
    found = told(a, b, a, scaling=scaling.as_they_are)
    assert found.area == pytest.approx(0.5, abs=4 * ERROR)
    assert found.score == pytest.approx(0.0, abs=4 * np.sqrt(0.25 / (2 * HELD)))


def test_the_order_of_steps_alone_gives_courses_away():
    """Every step by itself has the same law, so that whoever looks at steps one by one has 0.5."""
    a, b = walks(0.9, 0), walks(0.0, 1)
    found = told(a, b, a, scaling=scaling.as_they_are)
    assert found.area.min() > 0.7


def test_a_shift_is_seen_by_one_scaling_and_not_where_each_set_has_its_own():
    """N(0, 1) against N(d, 1) in 32 cells: the best accuracy is Phi(d sqrt(32) / 2); by its own mean it is chance."""
    a, b = walks(0.0, 0), walks(0.0, 1, shift=0.4)
    best = norm.cdf(0.4 * np.sqrt(4 * STEPS) / 2)
    error = np.sqrt(best * (1 - best) / (2 * HELD))
    for one in (scaling.as_they_are, scaling.by_train):
        found = told(a, b, a, scaling=one)
        assert best - 0.12 < found.accuracy.mean() < best + 4 * error
    blind = told(a, b, a, scaling=scaling.standardised)
    assert blind.area == pytest.approx(0.5, abs=4 * ERROR)


def test_gaps_are_seen():
    a, b = with_gaps(0.1, 0), with_gaps(0.3, 1)
    assert told(a, b, a, scaling=scaling.by_train).area.min() > 0.75


def test_what_is_missing_is_minus_one_in_the_published_scalings():
    """They take part in TIMEDIFF's means and ranges, and not in ours."""
    a = with_gaps(0.1, 0)
    cells = np.where(np.isnan(a.values), -1.0, a.values)
    own, _ = scaling.standardised(a, a, a)
    assert own.values == pytest.approx((cells - cells.mean((0, 1))) / cells.std((0, 1)), abs=1e-5)
    one, twice = scaling.by_train(a, whole(2 * a.values), a)
    seen, mean, spread = a.observed, np.nanmean(a.values, (0, 1)), np.nanstd(a.values, (0, 1))
    assert twice.values[seen] == pytest.approx(((2 * a.values - mean) / spread)[seen], abs=1e-5)
    assert one.values[seen].mean() == pytest.approx(0, abs=1e-6)
    assert (one.values[~seen] == 0).all() and (one.seen == seen).all()
    ranged, other = scaling.normalised(a, whole(2 * a.values), a)
    assert ranged.values.min() == 0 and ranged.values.max() == pytest.approx(1)
    low, high = cells.min((0, 1)), cells.max((0, 1))
    assert other.values.max((0, 1)) == pytest.approx((2 * high - low) / (high - low), rel=1e-5)


def test_what_lies_beyond_a_course_is_no_value_to_scale_by():
    short = whole(np.random.default_rng(0).normal(50, 5, (N, 4, 2)))
    padded = np.concatenate([short.values, np.full((N, 4, 2), np.nan)], axis=1)
    padded = Series(padded, short.lengths)
    for one in (scaling.standardised, scaling.normalised, scaling.by_train):
        a, b = one(short, short, short)[0], one(padded, padded, padded)[0]
        assert b.values[:, :4] == pytest.approx(a.values) and (b.values[:, 4:] == 0).all()


def test_a_course_is_predicted_as_well_as_its_law_allows():
    """AR(1): the best error of the next value is sqrt(2 / pi) times the innovation's deviation, within 4 standard
    errors and what training leaves; without a relation of steps it is the deviation of the values."""
    rho, real = 0.9, walks(0.9, 0)
    predicted = partial(post_hoc.predictive_all, scaling=scaling.as_they_are, seeds=2)
    best, marginal = np.sqrt(2 / np.pi) * np.array([np.sqrt(1 - rho**2), 1.0])
    learnt = predicted(real, walks(rho, 1), real, iterations=2000)
    # Two units are to remember four variables: half of each is lost at the least.
    assert (learnt > best * (1 - 4 / np.sqrt(4 * 7 * N))).all() and (learnt < 0.8 * marginal).all()
    blank = predicted(real, walks(0.0, 2), real, iterations=2000)
    assert blank == pytest.approx(marginal, rel=0.05)


def followed(seed, follows):
    """The last of two variables is the first of the step before, or has a course of its own."""
    rng = np.random.default_rng(seed)
    first = rng.random((N, STEPS))
    last = rng.random((N, 1)) * np.ones((N, STEPS))
    if follows:
        last[:, 1:] = 0.5 + 0.4 * (first[:, :-1] - 0.5) + rng.normal(0, 0.02, (N, STEPS - 1))
    return whole(np.stack([first, last], 2))


def test_the_last_variable_is_predicted_from_the_others_alone():
    """Where it follows the first, the best error is that of the noise; where it is its own past's it is the mean
    deviation of a uniform law from its median, 1/4, however well its past would tell it."""
    predicted = partial(post_hoc.predictive_last, seeds=2, iterations=3000)
    real = followed(0, True)
    error = predicted(real, followed(1, True), real)
    assert (error > 0.95 * 0.02 * np.sqrt(2 / np.pi)).all() and (error < 0.04).all()
    real = followed(2, False)
    error = predicted(real, followed(3, False), real)
    assert error == pytest.approx(0.25, abs=4 * np.sqrt(1 / 48 / N) + 0.01)


def test_one_variable_has_no_others():
    one = whole(np.zeros((5, 3, 1)))
    with pytest.raises(ValueError, match="got one variable"):
        post_hoc.predictive_last(one, one, one)


def test_steps_beyond_a_course_are_neither_learnt_nor_judged():
    """Courses of two steps in a grid of eight, by a network that says 0: the error is that of the second step. A course
    of one step has none."""
    x = np.full((N, STEPS, 4), np.nan)
    x[:, :2] = np.random.default_rng(0).normal(size=(N, 1, 4))
    x[: N // 2, 1] = np.nan
    short = Series(x, np.repeat([1, 2], N // 2))
    scaled, _ = scaling.as_they_are(short, short, short)
    ahead = post_hoc._ahead(scaled, slice(None))
    assert ahead.judged[N // 2 :, 0].all() and ahead.judged.sum() == 4 * N / 2
    zero = {k: 0 * v for k, v in gru.init(np.random.default_rng(0), gru.Shape(4, 2, 4), 1).items()}
    found = post_hoc._errors(post_hoc.error_all, zero, ahead)
    assert found == pytest.approx(np.abs(x[N // 2 :, 1]).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("lengths", "said"),
    [([2], "2 patients want 2 lengths"), ([1, 4], "got 1 to 4"), ([0, 3], "got 0 to 3")],
)
def test_lengths_that_do_not_fit_are_refused(lengths, said):
    with pytest.raises(ValueError, match=said):
        Series(np.full((2, 3, 1), np.nan), np.array(lengths))


def test_values_beyond_a_course_are_refused():
    with pytest.raises(ValueError, match="beyond a patient's length"):
        Series(np.zeros((2, 3, 1)), np.array([3, 2]))


def test_patients_put_together_keep_their_courses():
    a, b = walks(0.5, 0), with_gaps(0.2, 0)
    b = Series(np.concatenate([b.values, b.values], 2), b.lengths)
    both = together(a, b)
    assert np.array_equal(both.rows(np.arange(N, 2 * N)).values, b.values, equal_nan=True)
