"""Denoisers of rows that hold numbers, bits and categories."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxehr.networks import at_unit_variance
from jaxehr.processes import Gaussian, ddpm, ve
from jaxehr.recipes import ddpm as ddpm_recipe
from jaxehr.samplers import ancestral, uniform
from jaxehr.synthesis.diffusion import noise_and_odds
from jaxehr.synthesis.view import Layout, layout_of, matrix_view
from jaxehr.types import Network

NONE = np.zeros((2, 0))


def test_a_network_that_knows_the_prevalences_alone_draws_them():
    """Independent bits and categories, rare ones too: their log odds given all else are constants, whatever the noise.

    4 standard errors: 1 in 16,000 for each of seven.
    """
    p, q, n = np.array([0.005, 0.02, 0.1, 0.5]), np.array([0.01, 0.29, 0.7]), 10_000
    said = jnp.asarray(np.concatenate([np.log(p / (1 - p)), np.log(q)]), jnp.float32)
    layout = Layout(0, 4, (3,), (), NONE, NONE)
    process, grid = Gaussian(ddpm(1000)), uniform(200, first=1000.0)
    denoise = noise_and_odds(process, layout, centred=True)(lambda x, t: said)

    def one(key):
        prior_key, path_key = jax.random.split(key)
        x_T = process.prior(prior_key, (7,), float(grid[0]))
        return ancestral()(path_key, denoise, process, x_T, grid).x

    drawn = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), n)))
    np.testing.assert_allclose(abs(drawn), 1, atol=0.05)
    wanted = np.concatenate([p, q])
    error = np.sqrt(wanted * (1 - wanted) / n)
    assert (abs((drawn > 0).mean(0) - wanted) < 4 * error).all()


@pytest.mark.parametrize("centred", [True, False])
def test_each_column_is_denoised_as_what_it_is(centred):
    """Told the noise of the numbers and the prior odds of the rest: the numbers come back, the rest is Bayes' rule."""
    process, t, low = Gaussian(ve()), jnp.array([0.1, 0.7, 3.0]), -1.0 if centred else 0.0
    rng = np.random.default_rng(0)
    layout = Layout(
        2, 3, (2, 4, 4), (-1, -1), np.full((2, 2), 0.5), np.array([[0.0] * 2, [1.0] * 2])
    )
    number, eps = rng.normal(size=(2, 3, 2))
    prior, likely = rng.uniform(0.1, 0.9, (3, 3)), [rng.dirichlet(np.ones(k), 3) for k in (2, 4, 4)]
    sigma = np.asarray(t)[:, None]
    noisy = lambda x0: x0 + sigma * rng.normal(size=x0.shape)
    bit = noisy(rng.choice([low, 1.0], (3, 3)))
    groups = [noisy(np.where(np.eye(k)[rng.integers(0, k, 3)] > 0, 1.0, low)) for k in (2, 4, 4)]
    x = np.concatenate([number + sigma * eps, bit, *groups], 1)
    logit = np.log(prior / (1 - prior))
    said = np.concatenate([eps, logit, *(np.log(q) for q in likely)], 1)
    denoise = noise_and_odds(process, layout, centred=centred)(lambda *_: jnp.asarray(said))
    found = np.asarray(denoise(jnp.asarray(x, jnp.float32), t))

    density = lambda x, mean: np.exp(-(((x - mean) / sigma) ** 2) / 2)
    one = prior * density(bit, 1.0)
    other = (1 - prior) * density(bit, low)
    wanted = [number, (one + low * other) / (one + other)]
    for values, q in zip(groups, likely, strict=True):
        k = q.shape[1]
        rows = np.where(np.eye(k) > 0, 1.0, low)
        weight = q * np.stack([density(values, row).prod(1) for row in rows], 1)
        wanted.append(weight @ rows / weight.sum(1, keepdims=True))
    np.testing.assert_allclose(found, np.concatenate(wanted, 1), rtol=1e-3, atol=1e-3)


def test_draws_of_ddpm_stay_within_the_range_of_the_data():
    rng = np.random.default_rng(0)
    age, sex = rng.normal(60, 12, 300).round(), rng.random(300) < 0.5
    frame = pd.DataFrame({"age": age, "stay": rng.gamma(1, 5, 300).round(2), "male": sex})
    recipe = ddpm_recipe(frame, min_patients=1, width=(8,), time_width=4)
    model, codec = recipe.stages[-1].model, recipe.codec
    denoise = model.dynamics(model.init(jax.random.key(0))).denoise
    numbers = codec.sizes["number"]
    x = np.zeros((2, layout_of(codec).columns), np.float32)
    x[:, :numbers] = [[-1e4], [1e4]]
    ends = (np.asarray(denoise(jnp.asarray(x), jnp.asarray(500.0))) + 1) / 2
    back = codec.decode(matrix_view(codec, even=True).of_x(ends))
    for name in ("age", "stay"):
        assert back[name].tolist() == [frame[name].min(), frame[name].max()]


def test_the_network_of_an_exploding_process_sees_unit_variance():
    seen = at_unit_variance(Network(lambda key: {}, lambda params, x, t: x + 0 * t))
    rng = np.random.default_rng(0)
    x0, eps = rng.choice([0.0, 1.0], 10_000), rng.normal(size=10_000)
    for sigma in (0.01, 1.0, 50.0):
        x = jnp.asarray(x0 + sigma * eps)[:, None]
        assert 0.4 < float(jnp.std(seen.apply({}, x, jnp.asarray(sigma)))) < 1.1
