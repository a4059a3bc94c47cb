"""What follows from alpha and sigma, held against the laws that define it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import Gaussian, cosine, cosine_betas, ddpm, edm, flow, sub_vp, table, ve, vp

CASES = [
    pytest.param(Gaussian(edm()), (3.0, 1.0, 0.2), id="edm"),
    pytest.param(Gaussian(ve()), (40.0, 2.0, 0.3), id="ve"),
    pytest.param(Gaussian(vp()), (0.9, 0.4, 0.1), id="vp"),
    pytest.param(Gaussian(sub_vp()), (0.9, 0.4, 0.1), id="sub_vp"),
    pytest.param(Gaussian(cosine()), (0.9, 0.4, 0.1), id="cosine"),
    pytest.param(Gaussian(flow()), (0.9, 0.4, 0.1), id="flow"),
    pytest.param(Gaussian(ddpm(100)), (90.0, 40.0, 10.0), id="ddpm"),
]


@pytest.mark.parametrize(("process", "times"), CASES)
def test_time_of_inverts_the_noise_to_signal_ratio(process, times):
    t = jnp.array(times)
    ratio = process.sigma(t) / process.alpha(t)
    np.testing.assert_allclose(process.schedule.time_of(ratio), t, rtol=2e-5)


@pytest.mark.parametrize(("process", "times"), CASES)
def test_what_is_lost_between_two_times(process, times):
    """-2 log (alpha_t / alpha_s): in float64 as its two logarithms say, and in float32 to its own digits however near
    the times are, where theirs cancel."""
    (t, *_, s), lost = times, process.schedule.lost
    near = 1 + 2.0**-12  # of whole numbers of 2^-12, so that both precisions have the same times
    for late, early in ((t, s), (t, 0.0), (round(s * 4096) / 4096 * near, round(s * 4096) / 4096)):
        late, early = (float(np.float32(u)) for u in (late, early))
        with jax.enable_x64(True):
            both = (2 * np.log(np.asarray(process.alpha(u), float)) for u in (early, late))
            exact = np.subtract(*both)
            np.testing.assert_allclose(lost(late, early), exact, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(
            lost(late, early), exact, rtol=2e-5 if late < early * 2 else 2e-6
        )


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


def test_the_table_of_ddpm():
    """alpha^2 at whole times is the running product of 1 - beta: Ho et al. (2020), eq. 4."""
    beta = np.linspace(1e-4, 0.02, 1000)
    product = np.append(1.0, np.cumprod(1 - beta))
    process = Gaussian(ddpm())
    np.testing.assert_allclose(process.alpha(np.arange(1001.0)) ** 2, product, rtol=3e-4)
    assert float(process.alpha(1000.0)) ** 2 == pytest.approx(4.0358e-5, rel=1e-3)

    t = np.linspace(0, 1000, 777)  # between them, and back
    between = np.exp(0.5 * np.interp(t, np.arange(1001), np.log(product)))
    np.testing.assert_allclose(process.alpha(t), between, rtol=1e-5)
    ratio = process.sigma(t) / process.alpha(t)
    np.testing.assert_allclose(process.schedule.time_of(ratio), t, atol=2e-3)

    # The slope at the last time is that of the last beta, and beyond it the table goes on unchanged.
    assert float(process.drift(jnp.ones(()), 1000.0)) == pytest.approx(
        np.log1p(-0.02) / 2, rel=1e-3
    )
    assert float(process.alpha(1001.0)) == float(process.alpha(1000.0))
    assert float(process.schedule.time_of(1e9)) == 1000
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        table(np.array([0.1, 0.0]))


@pytest.mark.parametrize("betas", [np.linspace(1e-4, 0.02, 1000), cosine_betas(1000)])
def test_a_table_keeps_every_beta(betas):
    """-log (1 - beta_t) of each of its steps, in float32 to the last digits."""
    t = np.arange(1.0, 1001)
    np.testing.assert_allclose(table(betas).lost(t, t - 1), -np.log1p(-betas), rtol=1e-6)


def test_the_posterior_of_ddpm():
    """beta tilde and the mean of Ho et al. (2020), eq. 7, from the table."""
    t, x0, x, process = 400, jnp.ones(1), jnp.full(1, 0.3), Gaussian(ddpm())
    beta = np.linspace(1e-4, 0.02, 1000)
    bar = np.cumprod(1 - beta)
    variance = beta[t - 1] * (1 - bar[t - 2]) / (1 - bar[t - 1])
    mean = (
        np.sqrt(bar[t - 2]) * beta[t - 1] / (1 - bar[t - 1])
        + np.sqrt(1 - beta[t - 1]) * (1 - bar[t - 2]) / (1 - bar[t - 1]) * 0.3
    )
    with jax.enable_x64(True):
        x0, x = x0.astype(jnp.float64), x.astype(jnp.float64)
        draw = lambda z: process.posterior(jnp.full(1, z), x0, x, float(t), t - 1.0)
        assert float(draw(0.0)[0]) == pytest.approx(mean, rel=1e-6)
        assert float((draw(1.0) - draw(0.0))[0]) == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_sub_vp_never_has_more_noise_than_vp():
    t = jnp.linspace(0.01, 1, 50)
    assert (Gaussian(sub_vp()).sigma(t) < Gaussian(vp()).sigma(t)).all()


@pytest.mark.parametrize(("process", "times"), CASES)
def test_noising_in_two_goes_is_noising_in_one(process, times):
    """q(x_t | x_s) after q(x_s | x_0) is q(x_t | x_0), alpha below 1 or not. 4 standard errors: 1 in 16,000."""
    t, s, _ = times
    n = 200_000
    one, two = jax.random.split(jax.random.key(0))
    x_t = process.corrupt(two, process.corrupt(one, jnp.full((n,), 2.0), s), t, s)
    sigma = float(process.sigma(t))
    assert abs(x_t.mean() - process.alpha(t) * 2.0) < 4 * sigma / n**0.5
    assert abs(x_t.std() - sigma) < 4 * sigma / (2 * n) ** 0.5
