"""The network of tokens: where it starts, and the densities under the classes of a number."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import expit
from scipy import special, stats

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
EVEN = (0.25, 0.25, 0.25, 0.25, 0.0)
NUMBERS = Numbers((1,), (2,), ((2, 0, 3, 1, -1),), (EVEN,), (4,))


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


SEVERAL = [2, 5, 4, 3, 4, 3, 2]  # a bit, A and its finer half, a category, B, C and its finer half
PLACES = [3, 20, 14, 0, 10, 7, 5]  # not side by side, and two that are nobody's
OF_SEVERAL = Numbers(
    coarse=(1, 4, 5),
    fine=(2, -1, 6),
    order=((2, 0, 3, 1, -1), (-1, 2, 0, 1), (1, 0, 2)),
    shares=((0.1, 0.4, 0.2, 0.3, 0.0), (0.0, 0.3, 0.3, 0.4), (0.5, 0.2, 0.3)),
    cuts=(4, 1, 2),
)
ROWS = [
    [-1, -1, -1, -1, -1, -1, -1],
    [0, 2, -1, 1, 1, 0, -1],
    [1, 4, -1, -1, 0, 2, 1],
    [1, 3, 3, 2, 3, 1, 0],
    [-1, 0, 2, 0, 2, -1, -1],
]


def ends_of(q, k):
    """Of class k of a number: where it and its finer intervals begin and end; None if it is no interval."""
    order, shares, cuts = OF_SEVERAL.order[q], OF_SEVERAL.shares[q], OF_SEVERAL.cuts[q]
    if order[k] < 0:
        return None
    below = sum(share for place, share in zip(order, shares, strict=True) if 0 <= place < order[k])
    return np.clip(special.ndtri(below + shares[k] * np.arange(cuts + 1) / cuts), -4, 4)


def normed(h):
    return (h - h.mean()) / np.sqrt(h.var() + 1e-6)


def seen(row):
    """Of each number that is seen: its place among the numbers, its features, and what variance an interval leaves."""
    for q, (coarse, fine) in enumerate(zip(OF_SEVERAL.coarse, OF_SEVERAL.fine, strict=True)):
        ends = None if row[coarse] < 0 else ends_of(q, row[coarse])
        if ends is None:
            continue
        cut = row[fine] if fine >= 0 else -1
        low, high = (ends[0], ends[-1]) if cut < 0 else (ends[cut], ends[cut + 1])
        inside = stats.truncnorm(low, high)
        z = inside.mean()
        waves = [f(np.pi * w * z) for w in (0.5, 1, 2) for f in (np.sin, np.cos)]
        yield q, np.array([z, z**2 / 4 - 0.25, *waves]), inside.var()


def expected(p, row, q):
    """(where a number should lie by the others, log of how far from there)"""
    gains, means = [0.0], [0.0]
    for k, features, variance in seen(row):
        if k == q:
            continue
        slope = np.exp(2 * p["pair_log_slope"][k, q])
        gains.append(1 / (np.exp(-p["pair_log_gain"][k, q]) + slope * variance))
        means.append(np.array([*features, 1.0]) @ p["pair_mean"][k, :, q])
    g = np.array(gains)
    centre = g**2 @ np.array(means) / ((g**2).sum() + 1e-3)
    return centre, -0.5 * np.log(1 + (g**2).sum() / (g.sum() + 1e-3))


def by_hand(params, row, width):
    """The docstring of `token_network`, a cell after the other, in float64."""
    p = {name: np.asarray(value, np.float64) for name, value in params.items()}
    first, _ = inputs_of(SEVERAL)
    h = sum(p["table"][first[j] + 1 + k] for j, k in enumerate(row))
    for q, features, _ in seen(row):
        h = h + features @ p["number"][8 * q : 8 * q + 8]
    h, s = h[:width] + p["read"], h[width:]
    for i in range(2):
        u = normed(h) @ p[f"in_{i}"] + p[f"in_bias_{i}"]
        h = h + u * special.expit(u) @ p[f"out_{i}"]
    h = np.concatenate([normed(h), s])
    about = [expected(p, row, q) for q in range(3)]
    said = h @ p["density"] + p["density_bias"]
    return _with_densities(h @ p["say"] + p["bias"], said, row, about)


def _with_densities(logits, said, row, about):
    for q, (coarse, fine) in enumerate(zip(OF_SEVERAL.coarse, OF_SEVERAL.fine, strict=True)):
        weight, mean, log_scale = said.reshape(3, 3, -1)[q]
        centre, log_size = about[q]
        mean, log_scale = centre + np.exp(log_size) * mean, log_size + log_scale
        weight, scale = np.exp(weight) / np.exp(weight).sum(), np.exp(np.maximum(log_scale, -4.5))

        def mass(a, b, weight=weight, mean=mean, scale=scale):
            below = [special.expit((z - mean) / scale) for z in (a, b)]
            return np.log(weight @ (below[1] - below[0]))

        for k in range(SEVERAL[coarse]):
            ends = ends_of(q, k)
            logits[PLACES[coarse] + k] += 0 if ends is None else mass(ends[0], ends[-1])
        if fine >= 0:
            ends = None if row[coarse] < 0 else ends_of(q, row[coarse])
            for c in range(SEVERAL[fine]):  # of these the densities alone decide
                found = 0.0 if ends is None else mass(ends[c], ends[c + 1])
                logits[PLACES[fine] + c] = found
    return logits


def test_the_network_is_what_it_says_of_itself():
    """Agreement with loops in float64 over cells of every kind, seen and hidden: several numbers, of other sizes, one
    without a finer half, one that may be missing, a scale below the least."""
    sizes = {"width": 8, "blocks": 2, "rank": 4, "places": PLACES, "outputs": 25}
    net = token_network(SEVERAL, numbers=OF_SEVERAL, **sizes)
    rng, shapes = np.random.default_rng(1), jax.eval_shape(net.init, KEY)
    params = {k: 0.5 * rng.normal(size=a.shape).astype(np.float32) for k, a in shapes.items()}
    params["density_bias"][8:10] = -9.0
    got = jax.jit(net.apply)(params, jnp.array(ROWS))
    for row, logits in zip(ROWS, got, strict=True):
        np.testing.assert_allclose(logits, by_hand(params, row, 8), atol=2e-3, rtol=1e-3)


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
        numbers=Numbers((1, 5), (2, 6), NUMBERS.order * 2, (EVEN,) * 2, (4, 4)),
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
