"""Runs of what is carried on say what Bayes' rule says of them."""

import jax
import numpy as np
import pytest

from jaxehr.networks.runs import LIVES, runs_of

NEW = [  # steps at which a run begins, by patient
    [1, 0, 0, 1, 1, 0, 0, 0, 1, 0],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
]


@pytest.fixture(scope="module", params=[0.3, 4.0])
def seen(request):
    """(x, which run each step is of, sigma, what is said)"""
    new = np.array(NEW, np.float32).T[:, :, None]
    rng = np.random.default_rng(0)
    run = np.cumsum(NEW, axis=1) - 1
    x = rng.normal(size=(*new.shape[:2], 1)).astype(np.float32)
    sigma = np.array([request.param], np.float32)
    return x[..., 0].T, run, float(sigma[0]), jax.jit(runs_of)(x, 1 - new, sigma)


def posterior(x, sigma, covariance, others):
    """E[others | x]: x has noise of sigma beside values of this covariance."""
    return others @ np.linalg.solve(covariance + sigma**2 * np.eye(len(x)), x)


def test_own_and_doubted_are_posterior_means_of_runs_that_know_nothing_of_each_other(seen):
    x, run, sigma, said = seen
    for i in range(len(x)):
        same = (run[i][:, None] == run[i]).astype(float)
        for found, variance in ((said.own, 1.0), (said.doubted, 0.25)):
            known = posterior(x[i], sigma, variance * same, variance * same)
            np.testing.assert_allclose(found[:, i, 0], known, rtol=1e-4, atol=1e-5)
        left = np.diag(same - posterior(same, sigma, same, same))
        np.testing.assert_allclose(said.open[:, i, 0], left, rtol=1e-4)


def test_course_is_the_posterior_mean_of_what_runs_are_around(seen):
    x, run, sigma, said = seen
    for i in range(len(x)):
        same = (run[i][:, None] == run[i]).astype(float)
        known = posterior(x[i], sigma, 0.5 * same + 0.5, np.full(x.shape[1], 0.5))
        np.testing.assert_allclose(said.course[:, i, 0], known, rtol=1e-4, atol=1e-5)


def test_before_and_after_are_the_runs_beside_and_nothing_beyond_the_ends(seen):
    x, run, _, said = seen
    for i in range(len(x)):
        of_run = {r: said.own[run[i] == r, i, 0][0] for r in run[i]}
        for found, other in ((said.before, -1), (said.after, 1)):
            known = [of_run.get(r + other, 0.0) for r in run[i]]
            np.testing.assert_allclose(found[:, i, 0], known, rtol=1e-4, atol=1e-6)


def test_what_is_said_of_the_past_and_the_future_is_worth_half_after_a_life(seen):
    """As many steps as lie between the beginnings of two runs, at each of which one is measured."""
    x, run, sigma, said = seen
    for i in range(len(x)):
        first = {r: int(np.argmax(run[i] == r)) for r in run[i]}
        own = {r: x[i][run[i] == r] for r in run[i]}
        for k, life in enumerate(LIVES):
            for found, side in ((said.past[k], -1), (said.future[k], 1)):
                for t, r in enumerate(run[i]):
                    others = [o for o in first if side * (o - r) > 0]
                    worth = np.array([0.5 ** (abs(first[o] - first[r]) / life) for o in others])
                    precision = [len(own[o]) / (len(own[o]) / 2 + sigma**2) for o in others]
                    weight, means = worth * precision, [own[o].mean() for o in others]
                    known = weight @ means / (weight.sum() + 2) if others else 0.0
                    np.testing.assert_allclose(found[t, i, 0], known, rtol=1e-4, atol=1e-5)


def test_what_stands_before_the_first_run_begins_says_nothing_of_the_course():
    """Its copies are of the first one, which says so itself."""
    x = np.array([5.0, 5.0, 1.0, 1.0], np.float32)[:, None]
    stands = np.array([1.0, 1.0, 0.0, 1.0], np.float32)[:, None]
    said = jax.jit(runs_of)(x, stands, np.float32(1.0))
    np.testing.assert_allclose(said.course, 2 / (1 + 1) / (2 / 2 + 2), rtol=1e-5)
    np.testing.assert_allclose(said.own[:2, 0], 10 / 3, rtol=1e-5)
    np.testing.assert_allclose(said.after[:2], said.own[2:], rtol=1e-5)
