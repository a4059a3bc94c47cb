"""The network of tokens: where it starts, and the densities under the classes of a number."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import expit

from jaxehr.networks import token_network
from jaxehr.networks.numbers import Numbers, log_mass
from jaxehr.networks.tokens import Start, inputs_of

KEY = jax.random.key(0)
CLASSES = [
    2,
    5,
    4,
    3,
]  # a bit; a number of four intervals, or missing, and its finer four; a category
NUMBERS = Numbers((1,), (2,), ((2, 0, 3, 1, -1),), (4,))


def network(**changes):
    return token_network(CLASSES, width=8, blocks=1, rank=4, numbers=NUMBERS, **changes)


def frequencies(seed=0):
    rng = np.random.default_rng(seed)
    return np.log(np.concatenate([rng.dirichlet(np.ones(k)) for k in CLASSES])).astype(np.float32)


def test_an_untrained_network_says_each_columns_frequencies():
    log_frequency, rows = frequencies(), inputs_of(CLASSES)[1]
    start = Start(log_frequency, np.zeros((rows, 4)), np.zeros((4, 14)))
    net = network(start=start)
    logits = net.apply(net.init(KEY), jnp.full((1, 4), -1))[0]
    for a, b in [(0, 2), (2, 7), (11, 14)]:
        np.testing.assert_allclose(jax.nn.softmax(logits[a:b]), np.exp(log_frequency[a:b]), 1e-5)


def test_the_mass_of_an_interval_is_the_difference_of_the_mixtures_distribution():
    mean, log_scale = jnp.array([-1.0, 0.3, 2.0]), jnp.log(jnp.array([0.5, 0.02, 1.5]))
    weight = jnp.array([0.2, 0.5, 0.3])
    low, high = jnp.array([-2.0, 0.28, -4.0]), jnp.array([0.1, 0.33, 4.0])

    def below(z):
        return (weight * expit((z[:, None] - mean) / jnp.exp(log_scale))).sum(-1)

    got = log_mass(low, high, mean[None], log_scale[None], jnp.log(weight))
    np.testing.assert_allclose(jnp.exp(got), below(high) - below(low), rtol=2e-5)


def test_finer_intervals_have_together_what_the_wider_one_has():
    net = network()
    params = net.init(KEY)
    params = {
        **params,
        "density": jax.random.normal(KEY, params["density"].shape),
        "say": 0 * params["say"],
    }
    hidden = jnp.array([[1, -1, -1, 2]])
    wide = net.apply(params, hidden)[0, 2:7]
    assert wide[4] == 0  # nothing lies under a missing value
    # The same densities, whatever class is seen: what the network reads of it is taken out.
    params["number"] = 0 * params["number"]
    params["table"] = params["table"] * 0
    wide = net.apply(params, hidden)[0, 2:7]
    for k in range(4):
        fine = net.apply(params, hidden.at[0, 1].set(k))[0, 7:11]
        np.testing.assert_allclose(jax.nn.logsumexp(fine), wide[k], rtol=1e-4, atol=1e-5)


def test_a_number_is_seen_where_it_lies():
    """Of two classes that are neighbours the network reads nearly the same, once the table of classes is left out."""
    net = network()
    params = net.init(KEY)
    params["table"] = 0 * params["table"]
    params["say"] = jax.random.normal(KEY, params["say"].shape)
    by_place = [1, 3, 0, 2]  # the classes from the lowest to the highest
    said = [net.apply(params, jnp.array([[-1, k, -1, -1]]))[0, 11:14] for k in by_place]
    steps = [float(jnp.abs(b - a).sum()) for a, b in pairwise(said)]
    assert all(step > 1e-3 for step in steps)
    finer = [net.apply(params, jnp.array([[-1, 3, f, -1]]))[0, 11:14] for f in range(4)]
    assert not np.allclose(finer[0], finer[3], atol=1e-4)
    missing = net.apply(params, jnp.array([[-1, 4, -1, -1]]))[0, 11:14]
    nothing = net.apply(params, jnp.full((1, 4), -1))[0, 11:14]
    np.testing.assert_allclose(missing, nothing, atol=1e-6)


def test_cell_by_cell_it_says_what_it_says_as_a_whole():
    """Whatever is shown, in whatever order, alone or beside others of its form; a place behind the last cell is none.

    float32: of sums of twelve terms near 1.
    """
    net = token_network(
        [*CLASSES, 3, 5, 4],
        width=8,
        blocks=1,
        rank=4,
        numbers=Numbers((1, 5), (2, 6), NUMBERS.order * 2, (4, 4)),
    )
    params = net.init(KEY)
    for name, k in zip(("say", "density", "number", "bias"), jax.random.split(KEY, 4), strict=True):
        params[name] = jax.random.normal(k, params[name].shape)
    sizes = [*CLASSES, 3, 5, 4]
    firsts = np.cumsum([0, *sizes])
    x = jnp.array([-1, -1, -1, 1, -1, 2, -1])
    read = net.read(params, x)
    for cells, values in [([1, 7], [3, 0]), ([4, 0], [2, 1]), ([2, 6], [0, 3]), ([5], [4])]:
        form, whole = net.forms[cells[0]], net.apply(params, x[None])[0]
        said = net.said(params, net.thought(params, read), x, jnp.array(cells), form, 5)
        for row, cell in zip(said, [c for c in cells if c < 7], strict=False):
            wanted = whole[firsts[cell] : firsts[cell + 1]]
            np.testing.assert_allclose(row[: sizes[cell]], wanted, rtol=1e-5, atol=1e-5)
        real = [(c, v) for c, v in zip(cells, values, strict=True) if c < 7]
        after = x.at[jnp.array([c for c, _ in real])].set(jnp.array([v for _, v in real]))
        x, read = net.shown(params, read, x, jnp.array(cells), jnp.array(values), form)
        assert x.tolist() == after.tolist()
        np.testing.assert_allclose(read, net.read(params, x), rtol=1e-5, atol=1e-5)
