"""Where the network of tokens starts: with what goes with what, and with no pair that only few have."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.networks import token_network
from jaxehr.networks.tokens import inputs_of
from jaxehr.synthesis.associations import associations
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
