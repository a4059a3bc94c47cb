"""What networks predict: every way of saying x_0 turns into every other and back."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr import denoisers
from jaxehr.benchmark.problems import Mixture
from jaxehr.denoisers import EPS, FLOW, SCORE, X0, V, edm_output, predicting
from jaxehr.processes import Gaussian, cosine, ddpm, edm, flow, sub_vp, vp

WAYS = {"eps": EPS, "x0": X0, "v": V, "score": SCORE, "flow": FLOW, "edm": edm_output(0.5)}
PROCESSES = {
    "edm": (Gaussian(edm()), [0.05, 0.7, 9.0]),
    "vp": (Gaussian(vp()), [0.05, 0.4, 0.95]),
    "sub_vp": (Gaussian(sub_vp()), [0.05, 0.4, 0.95]),
    "cosine": (Gaussian(cosine()), [0.05, 0.4, 0.95]),
    "flow": (Gaussian(flow()), [0.05, 0.4, 0.95]),
}
KEYS = jax.random.split(jax.random.key(0))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize(("a", "b"), list(itertools.permutations(WAYS, 2)))
def test_there_and_back(a, b, process):
    with jax.enable_x64(True):
        process, times = PROCESSES[process]
        t = jnp.asarray(times)
        x, value = (jax.random.normal(key, (3, 4), jnp.float64) for key in KEYS)
        other = WAYS[b].of_x0(process, WAYS[a].to_x0(process, value, x, t), x, t)
        back = WAYS[a].of_x0(process, WAYS[b].to_x0(process, other, x, t), x, t)
        np.testing.assert_allclose(back, value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PROCESSES)
def test_each_way_says_what_it_is_named_for(name):
    process, times = PROCESSES[name]
    x0, eps = (jax.random.normal(key, (3, 4)) for key in KEYS)
    t = jnp.asarray(times)
    x = process.mix(x0, eps, t)
    alpha, sigma = process.alpha(t)[:, None], process.sigma(t)[:, None]
    told = {way: WAYS[way].of_x0(process, x0, x, t) for way in WAYS}
    np.testing.assert_allclose(told["eps"], eps, atol=3e-4)
    np.testing.assert_allclose(told["score"], -eps / sigma, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(told["v"], alpha * eps - sigma * x0, atol=3e-4)
    moved = jax.jvp(lambda t: process.mix(x0, eps, t), (t,), (jnp.ones(3),))[1]
    np.testing.assert_allclose(told["flow"], moved, rtol=2e-3, atol=2e-3)


def test_the_edm_output_is_the_edm_denoiser():
    process, times = PROCESSES["edm"]
    x, t = jax.random.normal(KEYS[0], (3, 4)), jnp.asarray(times)
    network = lambda x, c: jnp.sin(3 * x) + c[..., None]
    denoise = denoisers.edm(network, sigma_data=0.5)
    c_in = 1 / jnp.sqrt(t**2 + 0.25)
    value = network(c_in[:, None] * x, jnp.log(t) / 4)
    np.testing.assert_allclose(
        predicting(edm_output(0.5), process, lambda x, t: value)(x, t), denoise(x, t), atol=1e-6
    )


@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("name", PROCESSES)
def test_bits_and_categories_follow_bayes_rule(name, low):
    """Against the densities of x_t under each value, written out."""
    process, times = PROCESSES[name]
    for time in times:
        alpha, sigma = float(process.alpha(time)), float(process.sigma(time))
        rng = np.random.default_rng(0)
        x, prior = alpha * rng.choice([low, 1.0], 6) + sigma * rng.normal(size=6), rng.random(6)
        density = lambda value, x=x, a=alpha, s=sigma: np.exp(-(((x - a * value) / s) ** 2) / 2)
        one, other = prior * density(1.0), (1 - prior) * density(low)
        mean = (one + low * other) / (one + other)
        logit = jnp.log(prior / (1 - prior))
        found = denoisers.of_bits(process, logit, jnp.asarray(x), jnp.asarray(time), low=low)
        np.testing.assert_allclose(found, mean, rtol=2e-3, atol=2e-4)

        rows = np.where(np.eye(6) > 0, 1.0, low)
        x = alpha * rows[2] + sigma * rng.normal(size=6)
        far = ((x - alpha * rows) ** 2).sum(1) / (2 * sigma**2)
        weight = prior * np.exp(far.min() - far)
        mean = weight @ rows / weight.sum()
        logits = jnp.log(prior)
        found = denoisers.of_one_hot(process, logits, jnp.asarray(x), jnp.asarray(time), low=low)
        np.testing.assert_allclose(found, mean, rtol=2e-3, atol=2e-4)


def test_guidance_goes_from_what_is_said_without_the_label_through_what_is_said_with_it():
    """Weight 0 is without, 1 is with, 3 is thrice as far: of x_0 and of logits alike."""
    with_it = lambda x, t: {"number": x, "of_2": 2 * x}
    without = lambda x, t: {"number": jnp.zeros(3), "of_2": jnp.ones(3)}
    x = jnp.array([1.0, -2.0, 5.0])
    for weight in (0.0, 1.0, 3.0):
        found = denoisers.guided(with_it, without, weight)(x, 0.5)
        np.testing.assert_allclose(found["number"], weight * x, rtol=1e-6)
        np.testing.assert_allclose(found["of_2"], 1 + weight * (2 * x - 1), rtol=1e-6)


def two_kinds():
    """(denoiser of all, denoiser of those of kind 1, log p(kind 1 | x_t)): two Gaussians of three columns, the second
    of a weight of 0.3, all in closed form."""
    process, std, weight = Gaussian(ddpm()), 0.4, jnp.array([0.7, 0.3])
    mean = jnp.array([[1.0, -1.0, 0.5], [-0.5, 0.2, 0.5]])
    both = Mixture(mean, std, weight)
    alone = Mixture(mean[1:], std, jnp.ones(1))

    def log_probability(x, t):
        alpha, sigma = (f(t).reshape(-1, 1) for f in (process.alpha, process.sigma))
        far = ((x[:, None] - alpha[..., None] * mean) ** 2).sum(-1)
        return jax.nn.log_softmax(jnp.log(weight) - far / (2 * (alpha**2 * std**2 + sigma**2)))[
            :, 1
        ]

    return process, both.denoiser(process), alone.denoiser(process), log_probability


def test_the_exact_classifier_makes_of_the_denoiser_of_all_that_of_its_kind():
    """Bayes' rule: at weight 1, at every noise level."""
    process, of_all, of_kind, log_probability = two_kinds()
    t = jnp.array([1.0, 20.0, 200.0, 600.0, 1000.0])
    x = jax.random.normal(KEYS[0], (5, 3))
    found = denoisers.classifier_guided(of_all, process, log_probability, 1.0)(x, t)
    np.testing.assert_allclose(found, of_kind(x, t), rtol=2e-4, atol=2e-4)
    assert np.abs(found - of_all(x, t)).max() > 0.3


@pytest.mark.parametrize("weight", [0.0, 1.5, 4.0])
def test_both_guidances_are_one_where_all_is_known(weight):
    """The classifier's gradient is the distance of the two denoisers (Ho and Salimans 2022, section 3)."""
    process, of_all, of_kind, log_probability = two_kinds()
    t = jnp.array([1.0, 20.0, 200.0, 600.0])
    x = jax.random.normal(KEYS[1], (4, 3))
    found = denoisers.classifier_guided(of_all, process, log_probability, weight)(x, t)
    free = denoisers.guided(of_kind, of_all, weight)(x, t)
    np.testing.assert_allclose(found, free, rtol=2e-4, atol=5e-4)
