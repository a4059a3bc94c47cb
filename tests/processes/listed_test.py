"""Lists of bits, with networks whose laws are known by enumeration."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.processes import MASK
from jaxehr.processes import listed as lists
from jaxehr.processes.listed import bound, fitting, known, listed

BITS = 4
STATES = np.array(list(product((0, 1), repeat=BITS)))
LAW = np.random.default_rng(0).dirichlet(np.ones(len(STATES)))
N = 10_000
FEW = 2e-4  # five rows of 25,600: of what is rarer the standard error says nothing


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


draws = jax.jit(jax.vmap(lambda k, x: listed(says, k, x), in_axes=(0, None)))


@pytest.mark.parametrize("given", [{}, {2: 1}, {0: 0, 3: 1}, {0: 1, 1: 0, 2: 0, 3: 0}])
def test_drawn_by_its_law_given_what_is_known(given):
    """16 states, 10,000 draws: a chi-square is above its 1 - 1e-6 quantile by chance once in a million runs."""
    from scipy.stats import chi2

    x = jnp.full(BITS, MASK)
    for bit, value in given.items():
        x = x.at[bit].set(value)
    keys = jax.random.split(jax.random.key(1), N)
    found, calls = draws(keys, x)
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


def test_no_law_is_learnt_with_a_bias(monkeypatch):
    """At the true laws the bound has no slope in any direction, whatever is seen, though ones are seen more often.

    More is seen here than in training, and the number asked for more often, so that a bias would be seen too.

    Tilts of both laws, by what is seen and by how many are left; 200 batches, each of 129 slopes within 5 standard
    errors of 0: by chance once in 14,000.
    """
    for name, share in (("GIVEN", 0.8), ("UNTOLD", 0.5), ("DECADES", 1)):
        monkeypatch.setattr(lists, name, share)
    x0 = jnp.asarray(STATES[np.random.default_rng(2).choice(len(STATES), (200, 128), p=LAW)])
    tilts = jnp.zeros((BITS, 3, BITS)), jnp.zeros((BITS + 2, BITS)), jnp.zeros((BITS, 3, BITS + 1))

    def slope(key, x0):
        def mean(tilts):
            def tilted(x, left):
                first, number = says(x, left)
                seen, of_first, of_number = (jnp.arange(BITS), x + 1), tilts[0], tilts[2]
                first = first + of_first[seen].sum(-2) + tilts[1][left + 1]
                return first, number + of_number[seen].sum(-2)

            return bound(tilted, key, x0).mean()

        return jax.grad(mean)(tilts)

    found = jax.lax.map(lambda at: slope(*at), (jax.random.split(jax.random.key(3), 200), x0))
    for slopes in map(np.asarray, found):
        errors = slopes.std(axis=0) / np.sqrt(len(slopes))
        assert (errors > 0).sum() >= 8
        assert (np.abs(slopes.mean(axis=0)) < 5 * errors + FEW).all()


def test_what_is_known_has_the_law_of_its_rows():
    """Weighed, who is known to have one has as many others as by the law, whatever else is known of them.

    Of 400 batches of 256 a mean for each of 4 bits known alone to be there, within 5 standard errors: by chance once in
    400,000. Unweighed those with few ones are too many, by more than that.
    """
    x0 = jnp.asarray(STATES[np.random.default_rng(4).choice(len(STATES), (400, 256), p=LAW)])
    keys = jax.random.split(jax.random.key(5), 400)
    is_known, weight = (np.asarray(part) for part in jax.lax.map(lambda at: known(*at), (keys, x0)))
    x0, law = np.asarray(x0), LAW * STATES.sum(axis=1)
    whole, none = is_known.all(-1).mean(), (~is_known.any(-1)).mean()
    assert 0.09 < whole and 0.55 < none < 0.75
    assert np.allclose(weight[is_known.all(-1)].mean(), 1, atol=0.2)
    for bit in range(BITS):
        this = (is_known.sum(-1) == 1) & is_known[..., bit] & (x0[..., bit] == 1)
        truth = law[STATES[:, bit] == 1].sum() / LAW[STATES[:, bit] == 1].sum()
        gap = (this * weight * (x0.sum(-1) - truth)).sum(-1)
        plain = (this * (x0.sum(-1) - truth)).sum(-1)
        assert abs(gap.mean()) < 5 * gap.std() / 20
        assert plain.mean() < -5 * plain.std() / 20
