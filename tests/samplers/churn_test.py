"""EDM's stochastic sampler: Karras et al. (2022), Algorithm 2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import CLINIC

from jaxehr.benchmark import check
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import Churn, Heun, karras, probability_flow, reverse_sde

EDM, KEY = Gaussian(edm()), jax.random.key(0)


@pytest.mark.parametrize("steps", [5, 10, 18, 32, 64, 100])
@pytest.mark.parametrize("solver", [Churn(), Churn(gamma=0.2), Churn(low=0.0, high=float("inf"))])
def test_draws_on_the_published_grid_are_numbers(solver, steps):
    """Levels above `high` are not raised: the root of nothing is 0, and so is its slope."""
    draw = jax.jit(lambda m: reverse_sde(solver)(KEY, _denoiser(m), EDM, 80 * jnp.ones(4), grid).x)
    grid = karras(steps)
    x, slope = jax.jvp(draw, (0.0,), (1.0,))
    assert np.isfinite(x).all() and np.isfinite(slope).all()


@pytest.mark.parametrize("level", [50.1, 50.0, 3.0, 0.05, 0.049])
def test_noise_is_added_between_low_and_high_alone(level):
    """One step on data that is nothing but 0, where the flow is a line through 0: the noise is that of lines 5 and 6,
    S_noise sqrt(t_hat^2 - t^2) z, shrunk by s / t_hat."""
    s, gamma, inflate, y = level / 2, 0.3, 1.2, jnp.ones(1)

    def end(z):
        grid = np.array([level, s])
        return reverse_sde(Churn(gamma=gamma, inflate=inflate))(
            jnp.full((1, 1), z), lambda x, t: jnp.zeros_like(x), EDM, y, grid
        ).x

    inside = 0.05 <= level <= 50.0
    raised = level * (1 + gamma * inside)
    np.testing.assert_allclose(end(0.0), s / raised, rtol=1e-6)
    spread = inflate * np.sqrt(raised**2 - level**2) * s / raised
    np.testing.assert_allclose(end(1.0) - end(0.0), spread, atol=1e-5 * level)


def test_without_noise_it_is_heun():
    grid, x_T = karras(12), 80 * jax.random.normal(KEY, (4,))
    ends = (
        sampler(KEY, CLINIC.denoiser(EDM), EDM, x_T, grid).x
        for sampler in (reverse_sde(Churn(gamma=0.0)), probability_flow(Heun()))
    )
    np.testing.assert_allclose(*ends, rtol=1e-5)


def test_every_law_holds_of_its_defaults():
    """Weakly of order 1, as it states; an inflated noise is a bias, and states none. Moments: 1 in 100,000 fails by
    chance."""
    stated = Churn().order(None)
    assert stated == 1 and Churn(inflate=1.003).order(None) is None
    assert not [law for law in check(reverse_sde(Churn()), stated) if not law.holds]


def _denoiser(mean):
    return CLINIC._replace(mean=CLINIC.mean + mean).denoiser(EDM)
