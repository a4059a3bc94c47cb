"""What numbers say of each other, against the law that they were drawn from."""

import jax.numpy as jnp
import numpy as np
from scipy import special

from jaxehr.networks.numbers import Numbers, Pairs, Scales
from jaxehr.synthesis.regressions import ROWS, regressions

CLASSES, NOISE = 200, 0.1
EVEN = (*(1 / CLASSES,) * CLASSES, 0.0)
NUMBERS = Numbers((0, 1, 2), (-1, -1, -1), ((*range(CLASSES), -1),) * 3, (EVEN,) * 3, (1, 1, 1))


def rows(n, seed=0):
    """The second follows from the first but for the noise, the third from nothing; of each some are missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    z[:, 1] = np.tanh(z[:, 0]) + NOISE * rng.normal(size=n)
    x = np.minimum((special.ndtr(z) * CLASSES).astype(int), CLASSES - 1)
    return np.where(rng.random((n, 3)) < 0.1, CLASSES, x), z


def expected(pairs, x):
    exact = Pairs(*(jnp.asarray(part, jnp.float32) for part in pairs))
    centre, log_size = Scales.of(NUMBERS).expected(exact, jnp.asarray(x))
    return np.asarray(centre), np.exp(np.asarray(log_size))


def test_a_number_that_follows_from_another_lies_where_it_says():
    x, z = rows(4000)
    pairs = regressions(NUMBERS, x)
    told = x.copy()
    told[:, 1] = -1
    centre, size = expected(pairs, told)
    there = x[:, 0] < CLASSES
    gap = z[there, 1] - centre[there, 1]
    assert np.sqrt(np.mean(gap**2)) < 1.3 * NOISE  # one that knows the law has 1.0
    narrow = there & (np.abs(z[:, 0]) < 2)  # where its intervals are
    assert np.abs(size[narrow, 1] / NOISE - 1).max() < 0.2
    np.testing.assert_allclose(centre[~there, 1], 0.0, atol=0.1)
    assert (size[~there, 1] > 0.95).all() and (size[:, 2] > 0.95).all()


def test_an_interval_says_less_than_a_place():
    """Of the first number only which quarter it lies in: the second is as uncertain as that leaves it."""
    x, _ = rows(4000)
    exact = regressions(NUMBERS, x)
    order, shares = ((0, 1, 2, 3), *NUMBERS.order[1:]), ((0.25,) * 4, EVEN, EVEN)
    quarters = Numbers((0, 1, 2), (-1, -1, -1), order, shares, (1, 1, 1))
    pairs = Pairs(*(jnp.asarray(part, jnp.float32) for part in exact))
    _, log_size = Scales.of(quarters).expected(pairs, jnp.array([[1, -1, -1], [2, -1, -1]]))
    assert (np.exp(np.asarray(log_size[:, 1])) > 1.5 * NOISE).all()


def test_of_few_patients_nothing_is_said():
    x, _ = rows(4000)
    x[ROWS[0] - 1 :, 1] = CLASSES  # missing
    pairs, none = regressions(NUMBERS, x), Pairs.none(3)
    for found, expected_ in zip(pairs, none, strict=True):
        np.testing.assert_array_equal(found[:, ..., 1], expected_[:, ..., 1])
        np.testing.assert_array_equal(found[1], expected_[1])
