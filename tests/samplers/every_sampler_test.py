"""What every sampler must do, on Gaussian data whose denoiser and flow are known in closed form."""

import itertools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import CLINIC

from jaxehr.processes import Gaussian, edm, vp
from jaxehr.samplers import evaluations, karras, probability_flow

SOLVERS = {  # solver, order, evaluations of 10 steps and the last one to no noise
    "euler": (diffrax.Euler, 1, 11),
    "heun": (diffrax.Heun, 2, 21),
    "ralston": (diffrax.Ralston, 2, 21),
    "bosh3": (diffrax.Bosh3, 3, 32),
}
EDM = Gaussian(edm())
KEY = jax.random.key(0)


def start(process, t, n=64):
    return process.prior(jax.random.key(7), (n, 4), t)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", SOLVERS)
def test_error_falls_with_the_claimed_order(name, float64):
    solver, order, _ = SOLVERS[name]
    x_T, errors = start(EDM, 20.0).astype(jnp.float64), []
    for n in (40, 80):
        grid = karras(n + 1, sigma_min=0.05, sigma_max=20.0, last=0.05)
        draw = probability_flow(solver())(KEY, CLINIC.denoiser(EDM), EDM, x_T, grid)
        errors.append(jnp.abs(draw.x - CLINIC.flow(EDM, x_T, 20.0, 0.05)).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_draw_says_what_it_spent(name):
    """nfe equals the calls of the network, counted as they happen."""
    solver, _, expected = SOLVERS[name]
    calls = []

    def counted(x, t):
        jax.debug.callback(lambda: calls.append(1))
        return CLINIC.denoiser(EDM)(x, t)

    grid = karras(11, sigma_min=0.02, sigma_max=80.0)
    draw = probability_flow(solver())(KEY, counted, EDM, start(EDM, 80.0), grid)
    jax.effects_barrier()
    assert len(calls) == int(draw.nfe) == expected


def test_the_published_grid_takes_63_evaluations():
    assert evaluations(diffrax.Heun(), 31) + 1 == 63


def test_heun_is_the_edm_scheme():
    """Algorithm 1 of Karras et al. (2022) without churn, written out."""
    denoise, grid = CLINIC.denoiser(EDM), karras(18, sigma_min=0.002, sigma_max=80.0)
    x = x_T = start(EDM, 80.0)
    for t, s in itertools.pairwise(grid):
        d = (x - denoise(x, t)) / t
        x_euler = x + (s - t) * d
        if s > 0:
            d_next = (x_euler - denoise(x_euler, s)) / s
            x = x + (s - t) * (d + d_next) / 2
        else:
            x = x_euler
    draw = probability_flow()(KEY, denoise, EDM, x_T, grid)
    np.testing.assert_allclose(draw.x, x, atol=2e-5)


@pytest.mark.parametrize(
    ("process", "first", "last"), [(EDM, 80.0, 0.01), (Gaussian(vp()), 1.0, 0.01)]
)
def test_the_flow_of_every_process(process, first, last):
    """A grid in the process's own time; VP has no more noise than data, and a scale that changes."""
    x_T = start(process, first)
    grid = np.geomspace(first, last, 200)
    draw = probability_flow(diffrax.Tsit5())(KEY, CLINIC.denoiser(process), process, x_T, grid)
    np.testing.assert_allclose(draw.x, CLINIC.flow(process, x_T, first, last), atol=2e-4)


def test_gradients_pass_forward_through_a_draw():
    grid = karras(32, sigma_min=0.02, sigma_max=80.0)

    def drawn(mean):
        data = CLINIC._replace(mean=CLINIC.mean + mean)
        return probability_flow()(KEY, data.denoiser(EDM), EDM, start(EDM, 80.0), grid).x.mean()

    _, slope = jax.jvp(drawn, (0.0,), (1.0,))
    # Moving the data moves the draws with it, but for the share std / sqrt(std^2 + 80^2) that x_T holds in place.
    held = CLINIC.std / jnp.hypot(CLINIC.std, 80.0)
    assert slope == pytest.approx(float(1 - held.mean()), abs=1e-4)


def test_no_recompilation_for_new_keys_or_parameters():
    grid = karras(8, sigma_min=0.02, sigma_max=80.0)

    @jax.jit
    def sample(key, std, x_T):
        denoise = CLINIC._replace(std=std).denoiser(EDM)
        return probability_flow()(key, denoise, EDM, x_T, grid)

    for i in range(3):
        sample(jax.random.key(i), CLINIC.std * (i + 1), start(EDM, 80.0))
    assert sample._cache_size() == 1
