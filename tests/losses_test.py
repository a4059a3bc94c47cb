"""The losses, held against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.losses import denoising_loss, log_normal
from jaxehr.processes import Gaussian, cosine_betas, edm


def test_noise_levels_are_spread_as_published():
    """ln sigma ~ N(-1.2, 1.2^2): Karras et al. (2022), Table 1. 4 standard errors: 1 in 16,000 each."""
    n = 100_000
    level = np.log(np.asarray(log_normal(jax.random.key(0), (n,))))
    assert level.mean() == pytest.approx(-1.2, abs=4 * 1.2 / n**0.5)
    assert level.std() == pytest.approx(1.2, abs=4 * 1.2 / (2 * n) ** 0.5)


def test_a_missing_cell_takes_no_part():
    """Whatever the network says there, the loss is that of the other cells; so is its gradient."""
    process, x0, eps = Gaussian(edm()), jnp.ones((1, 3)), jnp.zeros((1, 3))
    observed = jnp.array([[1.0, 0.0, 1.0]])

    def loss(said):
        return denoising_loss(
            lambda x, t: said, process, x0, jnp.ones(1), eps, weight=lambda t: 1.0 + 0 * t,
            observed=observed,
        )[0]  # fmt: skip

    said = jnp.array([[2.0, 50.0, 3.0]])
    assert float(loss(said)) == pytest.approx((1 + 4) / 3)
    assert jax.grad(loss)(said)[0].tolist() == pytest.approx([2 / 3, 0, 4 / 3])


def test_no_beta_is_above_the_largest():
    """Nichol and Dhariwal (2021), section 3.2: clipped at .999, where the formula says 1."""
    betas = cosine_betas(100)
    assert betas[-1] == 0.999 and (betas[:-1] < 0.999).all()
