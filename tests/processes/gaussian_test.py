"""What follows from alpha and sigma, held against the laws that define it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import Gaussian, edm, vp

CASES = [
    pytest.param(Gaussian(edm()), (3.0, 1.0, 0.2), id="edm"),
    pytest.param(Gaussian(vp()), (0.9, 0.4, 0.1), id="vp"),
]


@pytest.mark.parametrize(("process", "times"), CASES)
def test_time_of_inverts_the_noise_to_signal_ratio(process, times):
    t = jnp.array(times)
    ratio = process.sigma(t) / process.alpha(t)
    np.testing.assert_allclose(process.schedule.time_of(ratio), t, rtol=2e-5)


@pytest.mark.parametrize(("process", "times"), CASES)
def test_drift_and_diffusion_carry_the_marginals(process, times):
    """The moments of the SDE obey m' = f m and v' = 2 f v + g^2: Euler from s to t gives alpha and sigma again."""
    t, _, s = times
    steps = 20_000
    grid = jnp.linspace(s, t, steps + 1)
    dt = (t - s) / steps

    def step(moments, time):
        mean, variance = moments
        f = process.drift(jnp.ones(1), time)[0]
        moments = (
            mean + dt * f * mean,
            variance + dt * (2 * f * variance + process.diffusion(time) ** 2),
        )
        return moments, None

    start = process.alpha(s) * 1.0, process.sigma(s) ** 2
    (mean, variance), _ = jax.lax.scan(step, start, grid[:-1])
    np.testing.assert_allclose(mean, process.alpha(t), rtol=2e-3)
    np.testing.assert_allclose(variance, process.sigma(t) ** 2, rtol=2e-3)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("process", "times"), CASES)
def test_posterior_has_the_marginal_of_the_earlier_time(process, times, eta):
    """q(x_s | x_0) = integral of q(x_s | x_t, x_0) q(x_t | x_0), for every eta. 4 standard errors: 1 in 16,000."""
    t, s, _ = times
    n = 200_000
    x0 = jnp.full((n,), 0.7)
    one, two = jax.random.split(jax.random.key(0))
    x_t = process.corrupt(one, x0, t)
    x_s = process.posterior(two, x0, x_t, t, s, eta)
    sigma = float(process.sigma(s))
    assert abs(x_s.mean() - process.alpha(s) * 0.7) < 4 * sigma / n**0.5
    assert abs(x_s.std() - sigma) < 4 * sigma / (2 * n) ** 0.5


@pytest.mark.parametrize(("process", "times"), CASES)
def test_score_is_the_gradient_of_the_log_density(process, times):
    t, x0, x = times[1], jnp.array(0.3), jnp.array([0.9])

    def log_density(x):
        return jnp.sum(-((x - process.alpha(t) * x0) ** 2) / (2 * process.sigma(t) ** 2))

    np.testing.assert_allclose(process.score(x0, x, t), jax.grad(log_density)(x), rtol=1e-5)


@pytest.mark.parametrize(("process", "times"), CASES)
def test_a_time_for_each_row_is_the_time_of_that_row(process, times):
    x0, eps = jnp.arange(6.0).reshape(3, 2), jnp.ones((3, 2))
    t = jnp.array(times)
    rows = jnp.stack([process.mix(x0[i], eps[i], t[i]) for i in range(3)])
    np.testing.assert_allclose(process.mix(x0, eps, t), rows, rtol=1e-6)


@pytest.mark.parametrize(("process", "times"), CASES)
def test_gradients_are_finite_without_noise(process, times):
    def last(x):
        key = jax.random.key(0)
        return process.posterior(key, x, x + 1, times[0], times[1], 0.0).sum()

    assert jnp.isfinite(jax.grad(last)(jnp.ones(2))).all()
