"""TabDDPM's draws: what the network misses where hardly any data is left must not spoil them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.codecs import END
from jaxehr.recipes.tabddpm import tabddpm_model, tabddpm_process
from jaxehr.samplers import alongside, uniform
from jaxehr.samplers.solvers import DPMpp2M, ExponentialEuler, UniPC2
from jaxehr.synthesis.view import tokens_with
from jaxehr.types import Network

TIMESTEPS = 100


@pytest.mark.parametrize("solver", [None, ExponentialEuler(), DPMpp2M(), UniPC2()])
def test_an_error_of_the_noise_is_not_magnified_where_alpha_is_near_0(solver):
    """Of normal scores, N(0, 1), the noise is sigma x. It is predicted .05 too large at the first time, where x_0 is
    then off by far more than the scale. What is left is at most END alpha at the next time, and 4 standard errors."""
    tokens = tokens_with((2,), indicators=(-1,))
    process = tabddpm_process(tokens, TIMESTEPS).parts["number"]

    def apply(params, x, t, label=None):
        wrong = jnp.where(t >= TIMESTEPS - 1, 0.05, 0.0)
        eps = process.sigma(t + 1) * x[..., :1] + wrong
        return jnp.concatenate([eps, jnp.zeros((*x.shape[:-1], tokens.width))], axis=-1)

    model = tabddpm_model(
        Network(lambda key: {}, apply),
        tokens,
        timesteps=TIMESTEPS,
        sampling_steps=TIMESTEPS,
    )
    sampler = None if solver is None else alongside(solver=solver)
    grid = uniform(TIMESTEPS if solver is None else 50, first=float(TIMESTEPS))
    keys = jax.random.split(jax.random.key(0), 2000)
    x = jax.jit(jax.vmap(lambda key: model.draw({}, key, sampler=sampler, grid=grid).x))(keys)
    scores = (np.asarray(x["number"]) - 0.5) * (2 * END)
    assert abs(scores.mean()) < END * float(process.alpha(grid[1])) + 4 / 2000**0.5
    assert scores.std() == pytest.approx(1.0, abs=4 / 4000**0.5)


@pytest.mark.parametrize("clip_denoised", [True, False])
def test_what_the_network_misses_first_takes_neither_numbers_nor_categories_with_it(clip_denoised):
    """Normal scores beside a fair coin, said by a network that knows nothing of numbers beyond 4 and misses the first
    noise by .5, which 1 / sqrt(1 - .999) makes 16. Not held within the scale, numbers end at its ends and the coin
    on one side; held, both have their law to 4 standard errors: 1 in 16,000 each."""
    tokens, n = tokens_with((2,), indicators=(-1,)), 2000
    process = tabddpm_process(tokens, TIMESTEPS).parts["number"]

    def apply(params, x, t, label=None):
        eps = process.sigma(t + 1) * jnp.clip(x[..., :1], -4, 4) + 0.5 * (t >= TIMESTEPS - 1)
        away = 20.0 * (jnp.abs(x[..., :1]) > 6)
        return jnp.concatenate([eps, jnp.zeros_like(away), away], axis=-1)

    model = tabddpm_model(
        Network(lambda key: {}, apply),
        tokens,
        timesteps=TIMESTEPS,
        sampling_steps=TIMESTEPS,
        clip_denoised=clip_denoised,
    )
    keys = jax.random.split(jax.random.key(0), n)
    x = jax.jit(jax.vmap(lambda key: model.draw({}, key).x))(keys)
    scores, share = (np.asarray(x["number"]) - 0.5) * (2 * END), float(x["of_2"].mean())
    if not clip_denoised:
        assert (abs(scores) >= END).mean() > 0.9 and share > 0.9
        return
    assert abs(scores.mean()) < 4 / n**0.5
    assert scores.std() == pytest.approx(1.0, abs=4 / (2 * n) ** 0.5)
    assert share == pytest.approx(0.5, abs=2 / n**0.5)
