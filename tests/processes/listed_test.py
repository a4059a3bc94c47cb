"""Lists of bits, with networks whose laws are known by enumeration."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import MASK
from jaxehr.processes.listed import bound, fitting, listed

BITS = 4
STATES = np.array(list(product((0, 1), repeat=BITS)))
LAW = np.random.default_rng(0).dirichlet(np.ones(len(STATES)))
N = 20_000


def says(x, left):
    """log p of the first hidden one, and of the number of ones, given what is seen: by enumeration."""
    fits = jnp.all((x[..., None, :] == MASK) | (x[..., None, :] == STATES), axis=-1)
    hidden = (x == MASK)[..., None, :] & (STATES == 1)
    told = (left[..., None] < 0) | (hidden.sum(-1) == left[..., None])
    weight = jnp.where(fits & told, LAW, 0.0)
    at = jax.nn.one_hot(jnp.argmax(hidden, -1), BITS) * hidden.any(-1)[..., None]
    number = jax.nn.one_hot(STATES.sum(1), BITS + 1)
    first = (weight[..., None] * at).sum(-2)
    return jnp.log(first + 1e-30), jnp.log(weight @ number + 1e-30)


@pytest.mark.parametrize("given", [{}, {2: 1}, {0: 0, 3: 1}, {0: 1, 1: 0, 2: 0, 3: 0}])
def test_drawn_by_its_law_given_what_is_known(given):
    """16 states, 20,000 draws: a chi-square is above its 1 - 1e-6 quantile by chance once in a million runs."""
    from scipy.stats import chi2

    x = jnp.full(BITS, MASK)
    for bit, value in given.items():
        x = x.at[bit].set(value)
    keys = jax.random.split(jax.random.key(1), N)
    found, calls = jax.jit(jax.vmap(lambda k: listed(says, k, x)))(keys)
    fits = np.all((np.array(x) == MASK) | (np.array(x) == STATES), axis=1)
    expected = np.where(fits, LAW, 0.0) / LAW[fits].sum() * N
    counts = np.bincount(np.array(found) @ (2 ** np.arange(BITS)[::-1]), minlength=len(STATES))
    assert counts[~fits].sum() == 0
    distance = ((counts - expected)[fits] ** 2 / expected[fits]).sum()
    assert distance < chi2.ppf(1 - 1e-6, max(fits.sum() - 1, 1))
    drawn = np.array(found).sum(1) - sum(given.values())
    np.testing.assert_array_equal(calls, 1 + drawn)  # one for the number, and one for each drawn


def test_what_cannot_be_is_never_said():
    x = jnp.array([1, MASK, 0, MASK])
    flat = jnp.zeros(BITS), jnp.zeros(BITS + 1)
    first, number = fitting(flat, x, jnp.asarray(2))
    np.testing.assert_array_equal(first == 0, [False, True, False, False])
    np.testing.assert_array_equal(number == 0, [False, True, True, True, False])


def test_the_bound_is_least_at_the_law():
    """The mean loss at the true laws is below that at any other; here at those of another law, by far more than the
    noise of 20,000 rows, the same for both."""
    rng = np.random.default_rng(2)
    x0 = jnp.asarray(STATES[rng.choice(len(STATES), N, p=LAW)])

    def tilted(x, left):
        first, number = says(x, left)
        return first + 0.7 * jnp.arange(BITS), number + 0.5 * jnp.arange(BITS + 1)

    own, other = (np.array(bound(law, jax.random.key(3), x0)) for law in (says, tilted))
    gap = other - own
    assert gap.mean() > 6 * gap.std() / N**0.5
    assert np.isfinite(own).all() and (own >= 0).all()
