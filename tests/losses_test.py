"""The losses, held against their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.denoisers import EPS
from jaxehr.losses import (
    between,
    blended_loss,
    denoising_loss,
    log_normal,
    noise_weight,
    one_of,
    whole,
)
from jaxehr.processes import Gaussian, cosine_betas, edm, vp


def test_noise_levels_are_spread_as_published():
    """ln sigma ~ N(-1.2, 1.2^2): Karras et al. (2022), Table 1. 4 standard errors: 1 in 16,000 each."""
    n = 100_000
    level = np.log(np.asarray(log_normal(jax.random.key(0), (n,))))
    assert level.mean() == pytest.approx(-1.2, abs=4 * 1.2 / n**0.5)
    assert level.std() == pytest.approx(1.2, abs=4 * 1.2 / (2 * n) ** 0.5)


def test_times_of_a_batch_are_as_often_as_any_other():
    """Of 4,000, each of five within 4.5 standard errors of a fifth: 1 in 150,000 for each of ten."""
    n, levels = 4000, np.array([8.0, 4.0, 2.0, 1.0, 0.5])
    for times, values in ((whole(5), np.arange(1, 6)), (one_of(levels), levels)):
        found = np.asarray(times(jax.random.key(0), (n,)))
        assert found.dtype == np.float32
        shares = [(found == value).mean() for value in values]
        np.testing.assert_allclose(shares, 0.2, atol=4.5 * (0.16 / n) ** 0.5)
        assert sum(shares) == pytest.approx(1)
    t = np.asarray(between(0.5)(jax.random.key(1), (n,)))
    assert 0.5 <= t.min() < 0.505 and 0.995 < t.max() < 1
    assert t.mean() == pytest.approx(0.75, abs=4 * (1 / 48 / n) ** 0.5)


def test_the_weight_of_the_noise_makes_it_the_loss_of_the_noise():
    process, t = Gaussian(vp()), jnp.array([0.1, 0.5, 0.9])
    x0, eps, said = jax.random.normal(jax.random.key(0), (3, 3, 4))

    def denoise(x, t):
        return EPS.to_x0(process, said, x, t)

    found = denoising_loss(denoise, process, x0, t, eps, weight=noise_weight(process))
    np.testing.assert_allclose(found, jnp.square(said - eps).mean(-1), rtol=1e-4)


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


def test_the_blended_loss_is_its_definition_over_the_steps_of_each_patient():
    """Two means of squares, of the noise and of what a blend of it and the true one says was clean; steps that fill a
    row and entries that are missing are not seen, and a patient of few steps counts as much as any other."""
    process, t = Gaussian(vp()), jnp.array([0.1, 0.5, 0.9])
    x0, eps, said = jax.random.normal(jax.random.key(0), (3, 3, 5, 2))
    u = jax.random.uniform(jax.random.key(1), x0.shape)
    lengths = [5, 2, 1]
    valid = np.arange(5)[:, None] < np.array(lengths)[:, None, None]
    valid = np.repeat(valid, 2, axis=2)
    valid[0, 3, 1] = False
    seen = []

    def noise_of(x, t):
        seen.append(x)
        return said

    there = jnp.asarray(valid, float)
    found = blended_loss(noise_of, process, x0, t, eps, u, valid=there, weight=7.0)
    x = process.mix(x0, eps, t)
    np.testing.assert_array_equal(seen[0], x)
    clean = EPS.to_x0(process, u * eps + (1 - u) * said, x, t)
    square = np.square(said - eps) + 7 * np.square(clean - x0)
    expected = [square[i][valid[i]].mean() for i in range(3)]
    alike = jnp.asarray(valid[..., :1], float)  # one for all columns
    of_steps = blended_loss(noise_of, process, x0, t, eps, u, valid=alike, weight=7.0)
    means = [square[i, :length].mean() for i, length in enumerate(lengths)]
    np.testing.assert_allclose(of_steps, means, rtol=1e-4)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
