"""The log density of Gaussian data, known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm
from oracles import CLINIC

from jaxehr.processes import Gaussian, edm, vp
from jaxehr.samplers import karras, log_likelihood, log_snr

EDM = Gaussian(edm())


def test_exact_trace_to_1e_4_nats_a_dimension():
    """From a noise so high that the prior, N(0, sigma^2), has forgotten the mean: its error is mean / sigma."""
    with jax.enable_x64(True):
        x = (CLINIC.mean + 0.7 * CLINIC.std).astype(jnp.float64)
        grid = karras(120, sigma_min=0.01, sigma_max=2e4, last=0.01)
        found = log_likelihood(CLINIC.denoiser(EDM), EDM, x, grid)
        exact = norm.logpdf(x, CLINIC.mean, CLINIC.spread(EDM, 0.01)).sum()
    assert found.log_density == pytest.approx(float(exact), abs=4e-4)
    assert int(found.nfe) == (119 * 6 + 1) * 5


def test_a_process_that_scales_the_data():
    with jax.enable_x64(True):
        process = Gaussian(vp(beta_max=40.0))  # at time 1 only e^-10 of the data is left
        x = (process.alpha(0.01) * CLINIC.mean + 0.3).astype(jnp.float64)
        grid = log_snr(120, process, first=1.0, last=0.01)
        found = log_likelihood(CLINIC.denoiser(process), process, x, grid)
        centre = process.alpha(0.01) * CLINIC.mean
        exact = norm.logpdf(x, centre, CLINIC.spread(process, 0.01)).sum()
    assert found.log_density == pytest.approx(float(exact), abs=4e-4)


def test_hutchinson_is_unbiased():
    """A dense Jacobian, so that probes differ. 4 standard errors of 200 estimates: 1 in 16,000."""
    mix = jnp.array([[1.0, 0.5], [0.0, 1.0]])
    cov = mix @ mix.T

    def denoise(x, t):
        return cov @ jnp.linalg.solve(cov + t**2 * jnp.eye(2), x)

    x, grid = jnp.array([0.4, -1.0]), karras(40, sigma_min=0.05, sigma_max=80.0, last=0.05)
    exact = log_likelihood(denoise, EDM, x, grid).log_density
    draw = jax.jit(
        jax.vmap(lambda k: log_likelihood(denoise, EDM, x, grid, key=k, probes=1).log_density)
    )
    found = np.asarray(draw(jax.random.split(jax.random.key(0), 200)))
    assert found.std() > 0
    assert abs(found.mean() - exact) < 4 * found.std() / 200**0.5 + 1e-4


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="the grid ends at 0"):
        log_likelihood(CLINIC.denoiser(EDM), EDM, CLINIC.mean, karras(10))
    with pytest.raises(ValueError, match="draws its probes from a key"):
        grid = karras(10, last=0.002)
        log_likelihood(CLINIC.denoiser(EDM), EDM, CLINIC.mean, grid, probes=2)
