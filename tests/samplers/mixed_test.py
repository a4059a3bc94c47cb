"""Draws of categories, of mixed records, and of records of which a part is known, against laws in closed form."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import LOW, MASK, Gaussian, Masked, Mixed, Multinomial, cosine, edm, vp
from jaxehr.samplers import (
    ExponentialEuler,
    UniPC2,
    UniPC3,
    alongside,
    ancestral,
    ddim,
    inpaint,
    karras,
    sequential,
    uniform,
    unmasking,
)
from jaxehr.samplers.chains import ddim_step, in_parts
from jaxehr.types import Known

KEY = jax.random.key(0)
CLASSES = (3, 2, 4)
STATES = np.array(list(itertools.product(*(range(k) for k in CLASSES))))
LAW = np.random.default_rng(1).dirichlet(np.full(len(STATES), 0.4))
MASKED = Mixed({"a": Masked(CLASSES[:2]), "b": Masked(CLASSES[2:])})


def exact(x, t):
    """log p(x_j | what is seen) by enumeration; x of one record."""
    cells = jnp.concatenate([x["a"], x["b"]])
    fits = jnp.all((cells == MASK) | (jnp.asarray(STATES) == cells), axis=1)
    weight = jnp.where(fits, LAW, 0.0)
    logits = []
    for j, k in enumerate(CLASSES):
        p = weight @ jnp.asarray(STATES[:, j, None] == np.arange(k), float)
        logits.append(jnp.log(jnp.maximum(p / weight.sum(), 1e-30)))
    pad = lambda row, k: jnp.pad(row, (0, k - len(row)), constant_values=LOW)
    return {"a": jnp.stack([pad(logits[0], 3), pad(logits[1], 3)]), "b": logits[2][None]}


def frequencies(x):
    cells = np.concatenate([np.asarray(x["a"]), np.asarray(x["b"])], axis=1)
    place = np.ravel_multi_index(cells.T, CLASSES)
    return np.bincount(place, minlength=len(STATES)) / len(cells)


def close(found, law, n, sigmas=4.5):
    """Each of 24 frequencies within 4.5 standard errors: a false alarm in 6,000."""
    return (np.abs(found - law) <= sigmas * np.sqrt(law * (1 - law) / n) + 1e-9).all()


THREE = uniform(3)


def drawn(sampler, n, x_T=None, grid=THREE, denoise=exact):
    x_T = {"a": jnp.full(2, MASK), "b": jnp.full(1, MASK)} if x_T is None else x_T
    one = lambda key: sampler(key, denoise, MASKED, x_T, grid).x
    return jax.jit(jax.vmap(one))(jax.random.split(KEY, n))


def test_one_cell_at_a_time_draws_the_joint_law():
    n = 8000
    assert close(frequencies(drawn(unmasking(), n)), LAW, n)


def test_the_chain_draws_the_joint_law_in_many_steps():
    """In 1 of 70 records two cells are shown in the same one of 200 steps; what that costs is within the bound."""
    n = 8000
    assert close(frequencies(drawn(ancestral(), n, grid=uniform(200))), LAW, n)


@pytest.mark.parametrize("way", ["hidden from the start", "inpaint"])
def test_masked_conditions_are_exact(way):
    """Given b = 2, and that the first column is not 0."""
    n = 8000
    given = np.where((STATES[:, 2] == 2) & (STATES[:, 0] != 0), LAW, 0)
    allowed = {
        "a": jnp.array([[False, True, True], [True, True, True]]),
        "b": jnp.ones((1, 4), bool),
    }
    known = Known(
        {"a": jnp.zeros(2, int), "b": jnp.array([2])},
        {"a": jnp.zeros(2, bool), "b": jnp.ones(1, bool)},
        allowed,
    )
    if way == "inpaint":
        sampler, x_T = inpaint(known, resamplings=1), None
        x = drawn(sampler, n, x_T, uniform(200))
    else:
        from jaxehr.samplers import restricted

        x_T = {"a": jnp.full(2, MASK), "b": jnp.array([2])}
        x = drawn(unmasking(), n, x_T, uniform(2), restricted(exact, known))
    found = frequencies(x)
    assert found[given == 0].max() == 0
    # A class that is barred is left out cell by cell: the law of the column that is drawn beside it first is its
    # law with the bar unknown. So compare what is exact: the first column given the second and the third.
    for second in (0, 1):
        row = (STATES[:, 1] == second) & (STATES[:, 2] == 2) & (STATES[:, 0] != 0)
        m = n * found[row].sum()
        law = LAW[row] / LAW[row].sum()
        assert np.abs(found[row] / found[row].sum() - law).max() < 4.5 * np.sqrt(0.25 / m) + 0.05


def test_resampling_finds_the_conditional_law_and_replacement_alone_does_not():
    """Two columns with correlation 0.8: given the first is 1.5, the second is N(1.2, 0.36).

    4 standard errors of the mean and the deviation, beside a bias of at most 0.05: a false alarm in 8,000.
    """
    n, rho, first = 4000, 0.8, 1.5
    axes, variance = jnp.array([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5, jnp.array([1 + rho, 1 - rho])

    def denoise(x, sigma):
        return axes @ (variance / (variance + sigma**2) * (axes @ x))

    known = Known(jnp.array([first, 0.0]), jnp.array([True, False]), {})
    process, grid = Gaussian(edm()), karras(50, sigma_min=0.01, sigma_max=20.0)

    def second(resamplings):
        sampler = inpaint(known, resamplings=resamplings)
        one = lambda key: sampler(key, denoise, process, 20 * jax.random.normal(key, (2,)), grid).x
        x = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY, n)))
        assert (x[:, 0] == first).all()
        return x[:, 1]

    found, alone = second(10), second(1)
    spread = np.sqrt(1 - rho**2)
    assert abs(found.mean() - rho * first) < 4 * spread / np.sqrt(n) + 0.05
    assert abs(found.std() - spread) < 4 * spread / np.sqrt(2 * n) + 0.05
    assert abs(alone.mean() - rho * first) > 0.1


def mixed_problem():
    """A category of (0.5, 0.3, 0.2); a number N(mean of its category, 0.5^2). Schedules of both are cosine."""
    p, mean = jnp.array([0.5, 0.3, 0.2]), jnp.array([-1.0, 0.5, 2.0])
    process = Mixed({"number": Gaussian(cosine()), "c": Multinomial(cosine(), (3,))})

    def denoise(x, t):
        gaussian, part = process.parts["number"], process.parts["c"]
        alpha, sigma = gaussian.alpha(t), gaussian.sigma(t)
        variance = alpha**2 * 0.25 + sigma**2
        y = x["number"][0]
        likelihood = -0.5 * (y - alpha * mean) ** 2 / variance
        of_c = part.log_forward(part.one_hot(x["c"]), t)[0]
        belief = jax.nn.softmax(jnp.log(p) + likelihood + of_c)
        x0 = jnp.sum(belief * (mean + alpha * 0.25 / variance * (y - alpha * mean)))
        # The likelihood of x_t's category is left out: the plug-in convention.
        return {"number": x0[None], "c": part.without_likelihood(jnp.log(belief)[None], x["c"], t)}

    return process, denoise, p, mean


@pytest.mark.parametrize(
    "sampler",
    [
        ancestral(),
        alongside(),
        alongside(solver=UniPC2()),
        alongside(solver=UniPC3()),
        alongside(solver=ExponentialEuler()),
    ],
    ids=["ancestral", "2m", "unipc", "unipc3", "ddim"],
)
def test_numbers_and_categories_together(sampler):
    """200 steps. 4 standard errors and the error of the steps: a false alarm in 2,600 for each of seven figures."""
    process, denoise, p, mean = mixed_problem()
    n, grid = 4000, uniform(200, first=0.995)

    def one(key):
        start, path = jax.random.split(key)
        x_T = process.prior(start, {"number": (1,), "c": (1,)}, 0.995)
        return sampler(path, denoise, process, x_T, grid).x

    x = jax.jit(jax.vmap(one))(jax.random.split(KEY, n))
    c, y = np.asarray(x["c"][:, 0]), np.asarray(x["number"][:, 0])
    for k in range(3):
        share = (c == k).mean()
        assert abs(share - p[k]) < 4 * np.sqrt(p[k] * (1 - p[k]) / n) + 0.01
        assert abs(y[c == k].mean() - mean[k]) < 4 * 0.5 / np.sqrt(n * share) + 0.05
    within = np.concatenate([y[c == k] - mean[k] for k in range(3)])
    assert abs(within.std() - 0.5) < 0.05


def test_the_number_part_beside_is_the_solver_alone():
    """Where the categories say nothing about the numbers, these are the probability flow's."""
    from jaxehr.samplers import DPMpp2M, probability_flow

    gaussian = Gaussian(vp())
    process = Mixed({"number": gaussian, "c": Multinomial(cosine(), (2,))})
    grid = np.append(uniform(12, first=1.0, last=1e-3), 0.0)
    alone = lambda x, t: (
        gaussian.alpha(t) * 0.5 / (gaussian.alpha(t) ** 2 * 0.5 + gaussian.sigma(t) ** 2) * x
    )
    both = lambda x, t: {"number": alone(x["number"], t), "c": jnp.zeros((1, 2))}
    y = jnp.array([0.3, -1.2])
    found = alongside()(KEY, both, process, {"number": y, "c": jnp.array([0])}, grid)
    expected = probability_flow(DPMpp2M())(KEY, alone, gaussian, y, grid)
    np.testing.assert_allclose(found.x["number"], expected.x, rtol=2e-4)
    assert found.nfe == expected.nfe == 13


def test_a_step_in_parts_asks_the_network_once():
    process, denoise, *_ = mixed_problem()
    calls = []

    def counted(x, t):
        calls.append(t)
        return denoise(x, t)

    step = in_parts({"number": ddim_step(0.0), "c": ddim_step(1.0)})
    x = process.prior(KEY, {"number": (1,), "c": (1,)}, 0.9)
    step(KEY, counted, process, x, jnp.asarray(0.9), jnp.asarray(0.8))
    assert len(calls) == 1
    whole = sequential(step)(KEY, denoise, process, x, uniform(4, first=0.9))
    assert whole.nfe == 4 and ddim()(KEY, denoise, process, x, uniform(4, first=0.9)).nfe == 4
