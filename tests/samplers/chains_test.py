"""Steps of the discrete chains against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.benchmark import observed_order
from jaxehr.benchmark.errors import law_error
from jaxehr.processes import Gaussian, ddpm, edm, vp
from jaxehr.samplers import (
    DPMpp2MSDE,
    UniPC2,
    fixed_large,
    predictor_corrector,
    probability_flow,
    published_reverse_diffusion,
    reverse_diffusion,
    reverse_sde,
    sequential,
)

ONE = jnp.ones(1)


def test_fixed_large_has_the_variance_beta():
    """Ho et al. (2020), section 3.2; of the table at whole times, and none onto the data."""
    process, beta = Gaussian(ddpm(1000)), np.linspace(1e-4, 0.02, 1000)
    for t in (2, 400, 1000):
        step = lambda z, t=t: fixed_large(z * ONE, lambda x, t: x, process, ONE, t * 1.0, t - 1.0)
        spread = float((step(1.0) - step(0.0))[0])
        assert spread == pytest.approx(np.sqrt(beta[t - 1]), rel=2e-5)
    last = lambda z: fixed_large(z * ONE, lambda x, t: x, process, ONE, 1.0, 0.0)
    assert float(last(1.0)[0]) == float(last(0.0)[0])


def test_published_reverse_diffusion_is_that_of_the_table():
    """Song et al. (2021), eq. 46: (2 - sqrt(1 - beta)) x + beta score + sqrt(beta) z, and no z onto the data. Ours is
    another step on VP, and the same on EDM."""
    process, beta = Gaussian(ddpm(1000)), np.linspace(1e-4, 0.02, 1000)
    x, x0, z = np.random.default_rng(0).normal(size=(3, 5))
    step = lambda how, process, t, s: np.asarray(
        how(jnp.asarray(z), lambda *_: jnp.asarray(x0), process, jnp.asarray(x), t, s)
    )
    with jax.enable_x64(True):
        for t in (1, 2, 400, 1000):
            b, level = beta[t - 1], np.prod(1 - beta[:t])
            score = (level**0.5 * x0 - x) / (1 - level)
            exact = (2 - np.sqrt(1 - b)) * x + b * score + np.sqrt(b) * z * (t > 1)
            found = step(published_reverse_diffusion, process, float(t), t - 1.0)
            np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)
        there = [
            [step(how, *at) for how in (published_reverse_diffusion, reverse_diffusion)]
            for at in ((Gaussian(vp()), 0.6, 0.3), (Gaussian(edm()), 3.0, 2.0))
        ]
    assert np.abs(np.subtract(*there[0])).max() > 0.1
    np.testing.assert_allclose(*there[1], rtol=1e-12)


@pytest.mark.parametrize("step", [reverse_diffusion, published_reverse_diffusion])
def test_reverse_diffusion_is_weakly_of_order_1_on_vp(step):
    error = lambda n: law_error(sequential(step), n, Gaussian(vp()))
    assert observed_order(error) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("process", "t", "s"), [(Gaussian(edm()), 3.0, 2.0), (Gaussian(vp()), 0.6, 0.3)]
)
def test_the_corrector_steps_by_the_signal_to_noise_rule(process, t, s):
    """Song et al. (2021), Algorithms 4 and 5: 2 a (snr sigma)^2 with a = alpha_t^2 / alpha_s^2, which is 1 for VE; seen
    where the predictor does nothing and the score is 0. 4 standard errors of 4,000 draws: 1 in 16,000."""
    n, snr = 4000, 0.2
    stay = lambda key, denoise, process, x, t, s: x
    sampler = predictor_corrector(stay, snr=snr)
    flat = lambda x, t: x / process.alpha(t)  # where alpha x_0 = x there is no score
    draw = lambda key: sampler(key, flat, process, jnp.zeros(1), np.array([t, s])).x
    x = np.asarray(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), n)))
    shrink = float(process.alpha(t) / process.alpha(s)) ** 2
    spread = np.sqrt(2 * 2 * shrink) * snr * float(process.sigma(t))
    assert x.std() == pytest.approx(spread, rel=4 / (2 * n) ** 0.5)


@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
def test_2m_sde_adds_the_noise_of_its_share(eta):
    """sigma_s sqrt(1 - e^(-2 eta h)), and keeps e^(-eta h) sigma_s / sigma_t of y: Lu et al. (2022b), in eta."""
    t, s, process = 3.0, 1.5, Gaussian(edm())

    def end(y, z):
        draw = reverse_sde(DPMpp2MSDE(eta=eta))
        return draw(jnp.full((1, 1), z), lambda x, t: 0 * x, process, y * ONE, np.array([t, s])).x[
            0
        ]

    h = np.log(t / s)
    assert float(end(0.0, 1.0)) == pytest.approx(s * np.sqrt(1 - np.exp(-2 * eta * h)), rel=1e-5)
    assert float(end(1.0, 0.0)) == pytest.approx(s / t * np.exp(-eta * h), rel=1e-5)


def test_the_first_corrector_of_unipc_is_a_trapezoid():
    """Zhao et al. (2023): with one level of history the corrector is half the difference of D at both ends. Two steps
    on D = sigma^2, written out."""
    a, b, c = 4.0, 2.0, 1.0
    d = lambda sigma: sigma**2
    kept, h_1, h_2 = b / a, np.log(a / b), np.log(b / c)
    corrected = kept * 1.0 + (1 - kept) * (d(a) + d(b)) / 2
    slope = (d(b) - d(a)) / h_1
    exact = c / b * corrected + (1 - c / b) * (d(b) + 0.5 * h_2 * slope)
    draw = probability_flow(UniPC2())
    grid, process = np.array([a, b, c]), Gaussian(edm())
    found = draw(jax.random.key(0), lambda x, t: d(t) + 0 * x, process, ONE, grid).x
    assert float(found[0]) == pytest.approx(exact, rel=1e-5)
