"""Where the network of tokens starts: with what goes with what, and with no pair that only few have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.networks import token_network
from jaxehr.networks.tokens import inputs_of
from jaxehr.synthesis import associations as module
from jaxehr.synthesis.associations import OFTEN, SHARE, SHRINK, associations
from jaxehr.synthesis.encoded import log_frequencies
from jaxehr.synthesis.view import tokens_with

N = 20_000
TOKENS = tokens_with([2, 3, 3])


def rows(seed=0):
    """Two categories that go together, and a bit that is apart from both."""
    rng = np.random.default_rng(seed)
    joint = np.array([[0.35, 0.05, 0.02], [0.02, 0.25, 0.03], [0.03, 0.05, 0.2]])
    cell = rng.choice(9, N, p=joint.ravel())
    x = {"of_2": rng.integers(0, 2, (N, 1)), "of_4": np.stack([cell // 3, cell % 3], axis=1)}
    return x, joint


def start_of(x, least=11, rank=16):
    return associations(TOKENS, x, log_frequencies(TOKENS, x, least), rank=rank, least=least)


def said(start, *seen):
    net = token_network(
        [2, 3, 3],
        places=TOKENS.firsts,
        outputs=TOKENS.width,
        width=8,
        blocks=1,
        rank=16,
        start=start,
    )
    logits = net.apply(net.init(jax.random.key(0)), jnp.array([seen]))[0]
    ends = zip(TOKENS.firsts, [2, 3, 3], strict=True)
    return [np.array(jax.nn.softmax(logits[a : a + k])) for a, k in ends]


def test_half_of_the_information_is_said_and_the_frequencies_stay():
    x, joint = rows()
    start, other = start_of(x), joint.sum(1)
    mean = np.zeros(3)
    for k in range(3):
        bit, _, second = said(start, -1, k, -1)
        law = joint[k] / other[k]
        towards = joint.sum(0) ** 0.5 * law**0.5
        np.testing.assert_allclose(second, towards / towards.sum(), atol=0.03)
        np.testing.assert_allclose(bit, [0.5, 0.5], atol=0.02)
        mean += other[k] * second
    np.testing.assert_allclose(mean, joint.sum(0), atol=0.03)


def test_a_pair_of_few_rows_is_not_told():
    """The same counts of every class, and 3, 7 or 15 rows of 20 with both."""

    def said_of(pairs):
        x, _ = rows()
        first, second = np.zeros(N, int), np.zeros(N, int)
        first[:20], second[20 - pairs : 40 - pairs] = 1, 1
        start = start_of({**x, "of_4": np.stack([first, second], axis=1)})
        row = inputs_of([2, 3, 3])[0][1] + 1 + 1
        return (start.read @ start.say)[row, TOKENS.firsts[2] + 1]

    assert abs(said_of(3)) < 0.3 and abs(said_of(7)) < 0.3 and said_of(15) > 0.5


FOUR = tokens_with([3, 2, 4, 2])  # side by side: of 3 and of 4 classes, then two bits
SIZES = (3, 4, 2, 2)


def four(seed=0):
    """All go together; a class of the first is with one of the second in 3 rows, where 57 would be by chance."""
    rng = np.random.default_rng(seed)
    a, ill = rng.integers(0, 3, 3_000), rng.random(3_000) < 0.4
    b = np.where(rng.random(3_000) < 0.3, a, rng.integers(0, 4, 3_000))
    b[np.flatnonzero((a == 2) & (b == 3))[3:]] = 2
    bits = np.stack([rng.random(3_000) < np.where(ill, 0.5, 0.1), ill & (a > 0)], axis=1)
    return np.concatenate([np.stack([a, b], axis=1), bits], axis=1)


def information(cells, least):
    """By counting: [unit, unit], the columns of the units, and their values: a bit's one class is the second."""
    units = [(j, k) for j, n in enumerate(SIZES) for k in range(n) if n > 2 or k == 1]
    found = np.zeros((len(units), len(units)))
    for u, (i, k) in enumerate(units):
        for v, (j, m) in enumerate(units):
            one, other = cells[:, i] == k, cells[:, j] == m
            both, chance = (one & other).sum(), one.mean() * other.sum()
            if i != j and (both >= least or chance >= least):
                counted = both if both >= least else least / 2
                found[u, v] = np.log((counted + SHRINK) / (chance + SHRINK))
    return found, units


def started(cells, **changes):
    x = {"of_4": cells[:, :2], "of_2": cells[:, 2:]}
    asked = {"rank": 16, "least": 11, **changes}
    return associations(FOUR, x, log_frequencies(FOUR, x, asked["least"]), **asked)


def centred(found, units, cells, of):
    """of(a column of classes, how frequent they are) is taken out, for each column that is seen and each unit said."""
    out = np.zeros((sum(SIZES), len(units)))
    ends = np.cumsum([0, *SIZES])
    for u, (i, k) in enumerate(units):
        out[ends[i] + k] = found[u]
    for i, a in enumerate(ends[:-1]):
        share = np.bincount(cells[:, i], minlength=SIZES[i]) / len(cells)
        out[a : ends[i + 1]] -= of(out[a : ends[i + 1]], share)
    return out


def of_classes(matrix, units):
    """The rows of classes that are seen, without those of hidden cells, and the places of the units."""
    first, _ = inputs_of(SIZES)
    rows = [first[i] + 1 + k for i, n in enumerate(SIZES) for k in range(n)]
    return matrix[np.ix_(rows, [FOUR.firsts[j] + k for j, k in units])]


@pytest.mark.parametrize("block", [2, 1_000])
def test_of_high_rank_each_pair_is_told_as_it_was_counted(block, monkeypatch):
    """Whatever the matrix is cut into. exp of what is added is 1 on average over the classes that are seen."""
    monkeypatch.setattr(module, "BLOCK", block)
    cells = four()
    pairs = [((cells[:, 0] == k) & (cells[:, 1] == m)).sum() for k in range(3) for m in range(4)]
    least = sorted(pairs)[1]  # one pair has just enough, another too few
    found, units = information(cells, least)
    mean = lambda part, share: np.log(share @ np.exp(part))
    wanted = centred(SHARE * found, units, cells, mean)
    start = started(cells, least=least)
    assert least > 11 and min(pairs) == 3 and np.abs(wanted).max() > 0.3
    np.testing.assert_allclose(of_classes(start.read @ start.say, units), wanted, atol=2e-4)


def test_of_low_rank_it_is_the_best_where_classes_are_frequent():
    """Weighted by how frequent both are, as NumPy's singular values have it."""
    cells = four()
    found, units = information(cells, 11)
    weight = np.sqrt([(cells[:, j] == k).mean() + OFTEN for j, k in units])
    left, size, right = np.linalg.svd(weight[:, None] * found * weight)
    near = (left[:, :3] * size[:3]) @ right[:3] / weight[:, None] / weight
    wanted = centred(SHARE * near, units, cells, lambda part, share: share @ part)
    start = started(cells, rank=4)
    got = of_classes(start.read[:, :3] @ start.say[:3], units)
    np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_a_token_that_is_left_out_is_neither_read_nor_said():
    units = information(four(), 11)[1]
    said = of_classes(np.matmul(*started(four(), without=(2,))[1:]), units)  # it is the second
    of_second = [j == 1 for j, _ in units]
    assert max(np.abs(said[3:7]).max(), np.abs(said[:, of_second]).max()) < 1e-6
    assert np.abs(said[7:]).max() > 0.1 and np.abs(said[:3, ~np.array(of_second)]).max() > 0.05
