"""The published network, counted; its layers against a step at a time in NumPy, and their derivatives both ways."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.networks import GRU, LSTM, by_step, recurrent, sinusoidal
from jaxehr.networks.recurrence import BothWays

CELLS = {"lstm": LSTM, "gru": GRU}
STEPS, ROWS, FEATURES, HIDDEN = 5, 3, 4, 2
small = partial(recurrent, hidden=HIDDEN, layers=2, time_width=6, embedding=sinusoidal(4))


def at_random(init, seed=1):
    """Parameters none of which is 0 or 1, as norms begin, so that an error shows."""
    shapes, tree = jax.tree.flatten(jax.eval_shape(init, jax.random.key(0)))
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(tree, [rng.normal(size=x.shape).astype("f") for x in shapes])


@pytest.mark.parametrize(
    ("features", "hidden", "cell", "expected"),
    [
        (23, 92, LSTM, 676_959),
        (6, 256, LSTM, 4_044_294),
        (6, 24, LSTM, 142_054),
        (6, 24, GRU, 142_054 - 34_560 // 4),
    ],
)
def test_the_number_of_parameters_is_as_in_the_authors_code(features, hidden, cell, expected):
    """Both biases of each gate counted; of 142,054 an LSTM has 34,560, and a GRU three gates for its four."""
    network = recurrent(features, hidden=hidden, embedding=sinusoidal(64), cell=cell)
    shapes = jax.tree.leaves(jax.eval_shape(network.init, jax.random.key(0)))
    assert sum(np.prod(x.shape, dtype=int) for x in shapes) == expected


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(x, state, kernel, recurrent, bias, recurrent_bias):
    h, c = state
    z = x @ kernel + bias + h @ recurrent + recurrent_bias
    i, f, g, o = np.split(z, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, state, kernel, recurrent, bias, recurrent_bias):
    """PyTorch's: the reset gate weighs the state's share after its product and bias."""
    (h, _) = state
    of_x = np.split(x @ kernel + bias, 3, -1)
    of_h = np.split(h @ recurrent + recurrent_bias, 3, -1)
    r, u = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
    return (1 - u) * np.tanh(of_x[2] + r * of_h[2]) + u * h, h


NUMPY = {"lstm": lstm, "gru": gru}


@pytest.fixture(scope="module", params=CELLS)
def layer(request):
    """(apply, its parameters, the same in NumPy)"""
    module = BothWays(CELLS[request.param], HIDDEN)
    x = jnp.zeros((STEPS, ROWS, FEATURES))
    params = at_random(lambda key: module.init(key, x)["params"])

    def by_hand(params, x):
        def one_way(way, x):
            state, found = (np.zeros((ROWS, HIDDEN)),) * 2, []
            weights = {name: np.asarray(p, np.float64)[way] for name, p in params.items()}
            for at in x:
                state = NUMPY[request.param](at, state, **weights)
                found.append(state[0])
            return np.stack(found)

        return np.concatenate([one_way(0, x), one_way(1, x[::-1])[::-1]], -1)

    return lambda params, x: module.apply({"params": params}, x), params, by_hand


def test_a_layer_is_one_step_after_the_other_in_both_ways(layer):
    apply, params, by_hand = layer
    x = np.random.default_rng(0).normal(size=(STEPS, ROWS, FEATURES)).astype("f")
    np.testing.assert_allclose(jax.jit(apply)(params, x), by_hand(params, x), atol=2e-6)


def test_the_derivative_of_a_layer_is_its_difference_quotient(layer):
    """In float64, along one direction in all parameters and the input at once; the gradient is its transpose."""
    apply, params, by_hand = layer
    rng = np.random.default_rng(2)
    with jax.enable_x64(True):
        at = jax.tree.map(np.float64, (params, rng.normal(size=(STEPS, ROWS, FEATURES))))
        along = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), at)
        weight = rng.normal(size=(STEPS, ROWS, 2 * HIDDEN))
        f = lambda params, x: (apply(params, x) * weight).sum()
        value, found = jax.jit(lambda at, d: jax.jvp(f, at, d))(at, along)
        gradient = jax.tree.map(np.asarray, jax.jit(jax.grad(f, (0, 1)))(*at))
    said = sum((g * d).sum() for g, d in zip(*map(jax.tree.leaves, (gradient, along)), strict=True))
    end = lambda h: (by_hand(*jax.tree.map(lambda a, d: a + h * d, at, along)) * weight).sum()
    quotient = (end(1e-5) - end(-1e-5)) / 2e-5
    np.testing.assert_allclose(value, end(0), rtol=1e-12)
    np.testing.assert_allclose(found, quotient, rtol=1e-7)
    np.testing.assert_allclose(said, found, rtol=1e-12)


@pytest.fixture(scope="module")
def case():
    network = small(FEATURES)
    x = np.random.default_rng(0).normal(size=(ROWS, STEPS, FEATURES)).astype("f")
    return jax.jit(network.apply), at_random(network.init), x


def test_one_record_alone_at_one_time_for_all_is_as_among_others(case):
    apply, params, x = case
    together = apply(params, x, np.full(ROWS, 3.0, "f"))
    alone = jax.vmap(lambda row: apply(params, row, 3.0))(x)
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(apply(params, x, 3.0), together, atol=1e-5)


def test_every_step_reads_every_other_and_the_time_of_its_own_row(case):
    apply, params, x = case
    t = np.array([1.0, 40.0, 700.0], "f")
    before = apply(params, x, t)
    for step in (0, STEPS - 1):
        moved = x.copy()
        moved[0, step] += 1
        change = np.abs(apply(params, moved, t) - before).max(-1)
        assert (change[0] > 1e-4).all() and (change[1:] < 1e-6).all()
    later = np.abs(apply(params, x, t + np.array([0.0, 30.0, 0.0], "f")) - before).max((1, 2))
    assert later[1] > 1e-3 and later[[0, 2]].max() < 1e-6


def test_weights_begin_within_the_bound_of_pytorch():
    """Uniform in +-1/sqrt(hidden): of 4,608 draws the largest is within 0.2% of it but in 1 of 10,000."""
    params = jax.jit(recurrent(6, hidden=16, layers=1, embedding=sinusoidal(8)).init)(
        jax.random.key(0)
    )
    layer = params["layer_0"]
    assert set(layer) == {"kernel", "recurrent", "bias", "recurrent_bias"}
    every = np.concatenate([np.ravel(p) for p in jax.tree.leaves(layer)])
    assert 0.998 / 4 < np.abs(every).max() <= 1 / 4
    assert not np.allclose(layer["bias"], layer["recurrent_bias"])


def test_a_row_is_read_step_by_step_and_a_static_column_at_each(case):
    """Columns in any order; what is said of a static one is the mean over the steps, of one without a place 0."""
    apply, params, _ = case
    places = np.array([[1 + 3 * i, 0, 3 + 3 * i, 2 + 3 * i] for i in range(STEPS)])
    columns = 3 * STEPS + 2
    row = np.random.default_rng(3).normal(size=(ROWS, columns)).astype("f")
    found = jax.jit(by_step(small(FEATURES), places, columns).apply)(params, row, 3.0)
    said = np.asarray(apply(params, row[:, places], 3.0))
    np.testing.assert_allclose(found[:, 0], said[..., 1].mean(1), atol=1e-5)
    for i in (0, 2, 3):
        np.testing.assert_allclose(found[:, places[:, i]], said[..., i], atol=1e-5)
    assert (found[:, -1] == 0).all()
