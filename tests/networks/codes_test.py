"""The network of codes: what it reads of what is seen, of how many are left, and of what it is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.networks import cell_reader, code_network, code_reader, token_network, told
from jaxehr.networks.numbers import Numbers
from jaxehr.networks.tokens import through_blocks

KEY, CODES, WIDTH, RANK = jax.random.key(0), 5, 8, 3


def trained(network):
    """With all parameters away from where they start."""
    leaves, tree = jax.tree.flatten(network.init(KEY))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return jax.tree.unflatten(
        tree, [a + 0.3 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    )


@pytest.mark.parametrize("left", [-1, 0, 3, 100, 101, 250])
def test_it_is_the_sum_that_is_written_in_its_head(left):
    """Against a loop over the codes of one patient, told something and not."""
    network = code_network(CODES, width=WIDTH, blocks=2, rank=RANK)
    params, x = trained(network), np.array([1, -1, 0, -1, 1])
    p = {name: np.asarray(value, np.float64) for name, value in params.items()}
    for seen in (None, np.linspace(-1, 1, WIDTH + RANK)):
        h = np.zeros(WIDTH + RANK) if seen is None else seen.copy()
        h[:] += p["read"] + p["left"][min(left, 100) + 1]
        for code, value in enumerate(x):
            h += p["there"][code] * (value == 1) + p["not"][code] * (value == 0)
        n = max(left, 0)
        h += np.array([n / 5, 50 * n / 2, np.log1p(n)]) @ p["many"]
        inner = np.asarray(through_blocks(params, jnp.asarray(h[:WIDTH], jnp.float32), 2))
        h = np.concatenate([inner, h[WIDTH:]])
        given = params if seen is None else told(params, jnp.asarray(seen, jnp.float32))
        first, number = network.apply(given, jnp.asarray(x), jnp.asarray(left))
        np.testing.assert_allclose(first, h @ p["first"] + p["first_bias"], rtol=2e-4, atol=2e-3)
        np.testing.assert_allclose(number, h @ p["number"] + p["number_bias"], rtol=2e-4, atol=2e-3)


def test_untrained_it_says_what_it_starts_from():
    start = np.arange(5.0), np.linspace(2, 3, 6)
    network = code_network(CODES, width=WIDTH, blocks=1, rank=RANK, start=start)
    first, number = network.apply(network.init(KEY), jnp.array([1, -1, 0, -1, -1]), jnp.asarray(2))
    np.testing.assert_allclose(first, start[0])
    np.testing.assert_allclose(number, start[1])


def test_a_batch_is_its_rows_and_each_is_told_its_own():
    network, reader = code_network(CODES, width=WIDTH, blocks=1, rank=RANK), code_reader(4, 11)
    params, read = trained(network), trained(reader)
    x, left = jnp.array([[1, -1, 0, -1, 1], [-1, -1, -1, 0, 0]]), jnp.array([1, -1])
    others = jnp.array([[1, 0, -1, -1], [0, 0, 1, 1]])
    both = network.apply(told(params, reader.apply(read, others)), x, left)
    for i in range(2):
        alone = network.apply(told(params, reader.apply(read, others[i])), x[i], left[i])
        for one, of_both in zip(alone, both, strict=True):
            np.testing.assert_allclose(one, of_both[i], rtol=1e-5, atol=1e-5)
    assert not np.any(reader.apply(read, jnp.full(4, -1)))  # of nothing known it is told nothing


def test_cells_are_read_as_the_network_of_them_reads_them():
    """But for the rows of a finer half, where the place of the number is all that is read."""
    numbers = Numbers((0,), (1,), ((0, 1, -1),), ((0.5, 0.5, 0.0),), (2,))
    whole = token_network([3, 2, 4], width=WIDTH, blocks=1, rank=RANK, numbers=numbers)
    reader = cell_reader([3, 2, 4], WIDTH + RANK, numbers=numbers)
    params, x = trained(whole), jnp.array([[1, 0, 2], [0, 1, -1], [2, -1, 3]])
    read = {name: params[name] for name in reader.init(KEY)}
    no_fine = jnp.repeat(jnp.array([1.0, 0.0, 1.0]), jnp.array([4, 3, 5]))[:, None]
    alike = {**params, "table": params["table"] * no_fine}
    np.testing.assert_allclose(reader.apply(read, x), whole.read(alike, x), rtol=1e-6)
    far = whole.read(told(alike, jnp.ones(WIDTH + RANK)), x) - whole.read(alike, x)
    np.testing.assert_allclose(far, 1, rtol=1e-5)
    other = reader.apply(read, x.at[0, 1].set(1)) - reader.apply(read, x)
    assert np.any(other[0]) and not np.any(other[1:])
