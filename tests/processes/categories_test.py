"""Multinomial, masked and mixed processes against enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import (
    LOW,
    MASK,
    Gaussian,
    Masked,
    Mixed,
    Multinomial,
    cosine,
    cosine_betas,
)
from jaxehr.processes import table as beta_table

CLASSES = (3, 5, 2)
STEPS = 50
PROCESS = Multinomial(beta_table(cosine_betas(STEPS)), CLASSES)
TIMES = [(50.0, 49.0), (30.0, 12.0), (2.0, 1.0), (1.0, 0.0)]
KEY = jax.random.key(0)


def kernel(k, t, s=0.0):
    """The transition matrix q(x_t | x_s) of a column of k classes, in float64."""
    level = lambda u: np.prod(1 - cosine_betas(STEPS)[: int(u)])
    kept = level(t) / level(s)
    return kept * np.eye(k) + (1 - kept) / k


def bayes_posterior(k, x0, x, t, s):
    weights = kernel(k, s)[x0] * kernel(k, t, s)[:, x]
    return weights / weights.sum()


def every_row():
    """(x_0, x_t): all pairs of the largest column, with the others beside."""
    x0, x = np.meshgrid(np.arange(5), np.arange(5), indexing="ij")
    stack = lambda v: jnp.stack([jnp.asarray(v.ravel() % k) for k in CLASSES], 1)
    return stack(x0), stack(x)


@pytest.mark.parametrize(("t", "s"), TIMES)
def test_the_posterior_is_bayes_rule(t, s):
    x0, x = every_row()
    found = np.exp(PROCESS.log_posterior(PROCESS.one_hot(x0), x, t, s))
    for row in range(len(x0)):
        for j, k in enumerate(CLASSES):
            expected = bayes_posterior(k, x0[row, j], x[row, j], t, s)
            np.testing.assert_allclose(found[row, j, :k], expected, rtol=1e-4, atol=2e-6)
    assert (found[~np.broadcast_to(PROCESS.valid, found.shape)] == 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_posterior_of_a_thousand_steps_to_the_last_digits(seed):
    """Plugged-in logits of random size, every step of TabDDPM's table: within 1e-6 of float64."""
    n, k, betas = 400, 6, cosine_betas(1000)
    rng = np.random.default_rng(seed)
    t, x = rng.integers(1, 1001, n), rng.integers(0, k, (n, 1))
    logits = (rng.normal(size=(n, 1, k)) * rng.exponential(3, (n, 1, 1))).astype(np.float32)
    p = np.exp(logits.astype(float) - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    kept_s = np.append(1.0, np.cumprod(1 - betas))[t - 1][:, None, None]
    kept_ts = 1 - betas[t - 1][:, None, None]
    here = np.arange(k) == x[..., None]
    exact = (kept_s * p + (1 - kept_s) / k) * (kept_ts * here + (1 - kept_ts) / k)
    exact /= exact.sum(-1, keepdims=True)

    process, time = Multinomial(beta_table(betas), (k,)), jnp.asarray(t, jnp.float32)
    found = jax.jit(process.log_posterior)(
        process.normalised(jnp.asarray(logits)), x, time, time - 1
    )
    np.testing.assert_allclose(np.exp(found), exact, atol=1e-6)


@pytest.mark.parametrize(("t", "s"), TIMES)
def test_without_its_likelihood_a_bayes_denoiser_gives_the_mixture(t, s):
    p = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    process = Multinomial(PROCESS.schedule, (5,))
    for x in range(5):
        given = np.log(p)[None]
        logits = process.without_likelihood(jnp.asarray(given, jnp.float32), jnp.array([x]), t)
        found = np.exp(process.log_posterior(process.normalised(logits), jnp.array([x]), t, s))[0]
        expected = sum(p[k] * bayes_posterior(5, k, x, t, s) for k in range(5))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-6)


def chain(frequencies, denoise):
    """The exact law of the reverse chain's end: distributions are carried, nothing is drawn."""
    k = len(frequencies)
    process = Multinomial(PROCESS.schedule, (k,))
    law = np.full(k, 1 / k)
    for t in range(STEPS, 0, -1):
        rows = [process.log_posterior(denoise(process, x, t), jnp.array([x]), float(t), t - 1.0)
                for x in range(k)]  # fmt: skip
        law = law @ np.exp(np.stack([np.asarray(row[0]) for row in rows]))
    return law


def test_the_exact_chain_ends_at_the_data_and_counting_twice_does_not():
    """The trap: Bayes' p(x_0 | x_t) plugged in as it is."""
    frequencies = np.array([0.60, 0.25, 0.10, 0.05])

    def bayes(process, x, t):
        p = frequencies * kernel(4, t)[:, x]
        return process.normalised(jnp.log(jnp.asarray(p / p.sum(), jnp.float32))[None])

    def once(process, x, t):
        return process.normalised(
            process.without_likelihood(bayes(process, x, t), jnp.array([x]), float(t))
        )

    np.testing.assert_allclose(chain(frequencies, once), frequencies, atol=1e-4)
    assert np.abs(chain(frequencies, bayes) - frequencies).max() > 0.1


def test_the_bound():
    """KL by its definition; at s = 0 it is the decoder's negative log-likelihood; 0 for the truth."""
    x0, x = every_row()
    logits = jax.random.normal(KEY, (*x0.shape, 5))
    guess = PROCESS.normalised(logits)
    found = PROCESS.kl(x0, guess, x, 2.0, 1.0)
    p = np.exp(PROCESS.log_posterior(PROCESS.one_hot(x0), x, 2.0, 1.0))
    q = np.exp(PROCESS.log_posterior(guess, x, 2.0, 1.0))
    expected = np.where(p > 0, p * np.log(np.maximum(p, 1e-30) / np.maximum(q, 1e-30)), 0).sum(-1)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)

    decoder = -np.take_along_axis(
        np.asarray(PROCESS.log_posterior(guess, x, 1.0, 0.0)), x0[..., None], -1
    )
    np.testing.assert_allclose(
        PROCESS.kl(x0, guess, x, 1.0, 0.0), decoder[..., 0], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(PROCESS.kl(x0, PROCESS.one_hot(x0), x, 9.0, 8.0), 0, atol=1e-6)

    q_T = kernel(5, STEPS)[0]
    np.testing.assert_allclose(
        PROCESS.prior_kl(jnp.zeros((1, 3), int), float(STEPS))[0, 1],
        (q_T * np.log(q_T * 5)).sum(),
        atol=1e-6,
    )


def test_noising_in_one_go_or_in_two():
    """4 standard errors on each of 10 frequencies: a false alarm in 1,600."""
    n = 40_000
    x0 = jnp.tile(jnp.array([1, 4, 0]), (n, 1))
    a, b = jax.random.split(KEY)
    direct = PROCESS.corrupt(a, x0, 20.0)
    through = PROCESS.corrupt(b, PROCESS.corrupt(a, x0, 8.0), 20.0, 8.0)
    for x in (direct, through):
        for j, k in enumerate(CLASSES):
            p = kernel(k, 20)[[1, 4, 0][j]]
            found = np.bincount(np.asarray(x[:, j]), minlength=k) / n
            assert (np.abs(found - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_a_hundred_columns_of_fifty_classes_stay_finite():
    """Extreme logits, every time of 1,000: probabilities sum to 1, and no gradient is lost."""
    process = Multinomial(beta_table(cosine_betas(1000)), (50,) * 100)
    x0 = jax.random.randint(KEY, (8, 100), 0, 50)
    logits = 30 * jax.random.normal(KEY, (8, 100, 50))

    @jax.jit
    def at(t):
        x = process.corrupt(jax.random.fold_in(KEY, 1), x0, t)

        def loss(logits):
            return process.kl(x0, process.normalised(logits), x, t, t - 1).sum()

        value, slope = jax.value_and_grad(loss)(logits)
        p = jnp.exp(process.log_posterior(process.normalised(logits), x, t, t - 1)).sum(-1)
        drawn = process.posterior(KEY, logits, x, t, t - 1)
        good = (
            jnp.isfinite(value)
            & jnp.isfinite(slope).all()
            & (drawn >= 0).all()
            & (drawn < 50).all()
        )
        return good, jnp.abs(p - 1).max()

    for t in (1, 2, 3, 10, 100, 500, 900, 998, 999, 1000):
        good, miss = at(float(t))
        assert good and miss < 1e-5


def test_masked_posterior_and_bound():
    """Shown with probability (t - s) / t, in the denoiser's frequencies. 4 standard errors: 1 in 2,600 each."""
    process, n = Masked((3, 2)), 40_000
    x0 = jnp.tile(jnp.array([2, 1]), (n, 1))
    x = process.corrupt(KEY, x0, 0.5)
    share = float((x == MASK).mean())
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(2 * n)
    twice = process.corrupt(jax.random.key(1), x, 0.8, 0.5)
    assert abs(float((twice == MASK).mean()) - 0.8) < 4 * 0.4 / np.sqrt(2 * n)

    p = np.array([[0.2, 0.3, 0.5], [0.9, 0.1, 0.0]])
    logits = jnp.broadcast_to(jnp.log(jnp.maximum(p, 1e-30)), (n, 2, 3))
    s = process.posterior(jax.random.key(2), logits, jnp.full((n, 2), MASK), 0.5, 0.2)
    assert abs(float((s == MASK).mean()) - 0.4) < 4 * np.sqrt(0.24 / (2 * n))
    for j in (0, 1):
        shown = np.asarray(s[:, j])[np.asarray(s[:, j]) != MASK]
        found = np.bincount(shown, minlength=3) / len(shown)
        assert (np.abs(found - p[j]) <= 4 * np.sqrt(p[j] * (1 - p[j]) / len(shown))).all()
    done = process.posterior(KEY, logits, x, 0.5, 0.0)
    assert (done != MASK).all() and (done[x != MASK] == x[x != MASK]).all()

    bound = process.bound(
        x0[:2], logits[:2], jnp.array([[MASK, 1], [2, MASK]]), jnp.array([0.5, 0.25])
    )
    np.testing.assert_allclose(bound, [[-2 * np.log(0.5), 0], [0, -4 * np.log(0.1)]], rtol=1e-5)


def test_mixed_of_one_part_is_the_part():
    x0, x = every_row()
    mixed, logits = Mixed({"c": PROCESS}), jax.random.normal(KEY, (*x0.shape, 5))
    same = np.testing.assert_array_equal
    same(mixed.prior(KEY, {"c": (4, 3)}, 50.0)["c"], PROCESS.prior(KEY, (4, 3), 50.0))
    same(mixed.corrupt(KEY, {"c": x0}, 9.0)["c"], PROCESS.corrupt(KEY, x0, 9.0))
    same(
        mixed.posterior(KEY, {"c": logits}, {"c": x}, 9.0, 8.0)["c"],
        PROCESS.posterior(KEY, logits, x, 9.0, 8.0),
    )


def test_parts_may_have_schedules_of_their_own():
    mixed = Mixed({"n": Gaussian(cosine()), "c": Masked((2,) * 4000)})
    x0 = {"n": jnp.zeros(4000), "c": jnp.zeros(4000, int)}
    x = mixed.corrupt(KEY, x0, 0.3)
    assert float(x["n"].std()) == pytest.approx(float(cosine().sigma(0.3)), abs=0.03)
    assert float((x["c"] == MASK).mean()) == pytest.approx(0.3, abs=0.03)
    assert LOW < -1e3
