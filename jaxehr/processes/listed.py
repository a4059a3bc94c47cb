"""Bits as a list of those that are 1: how many, the first in their order, the next, and so on.

Of the state, bits of which some are hidden, two laws are learnt: that of the number of ones, and, where the number is
known, that of the first hidden bit that is 1. Once that is drawn, all hidden bits before it are seen to be 0, so that a
patient with 5 codes takes 6 evaluations, however many codes there are, and nothing is drawn independently of anything:

    p(x) = p(n) p(i_1 | n) p(i_2 | i_1, n) ... p(i_n | i_1, ..., i_{n-1}, n),     i_1 < i_2 < ... < i_n

Where any bits are known from the start, the same two laws given those are what is drawn from: a condition is exact.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxehr.processes.masked import MASK
from jaxehr.processes.multinomial import LOW
from jaxehr.types import Key

GIVEN = 0.25  # of the rows of a batch have bits that are known from the start
UNTOLD = 0.15  # are asked for the number of ones
DECADES = 3  # of the shares of zeros that are known from the start
ALL, SOME, FEW = (
    0.1,
    0.3,
    3,
)  # of a batch: all bits are known, some are; how many ones at most for being ones

# (bits, how many of the hidden ones are 1, or -1) -> logits: of the first of those, and of the number of ones
Says = Callable[[Array, Array], Any]


def fitting(says: Any, x: Int[Array, "*batch bit"], left: Int[Array, "*batch"]) -> tuple:
    """The logits of what can be: the first one is hidden, and as many hidden bits from it on as there are left; the
    number is no less than the ones that are seen, and those that are hidden are enough for it."""
    hidden, ones = x == MASK, (x == 1).sum(-1)[..., None]
    from_here = jnp.flip(jnp.cumsum(jnp.flip(hidden, -1), -1), -1)
    first = jnp.where(hidden & (from_here >= left[..., None]), says[0], LOW)
    number = jnp.arange(x.shape[-1] + 1)
    can_be = (number >= ones) & (number <= ones + hidden.sum(-1)[..., None])
    return first, jnp.where(can_be, says[1], LOW)


def hidden(
    key: Key, x0: Int[Array, "row bit"]
) -> tuple[Bool[Array, "row bit"], Bool[Array, "row"], Int[Array, "row"], Float[Array, "row"]]:
    """(what is hidden of a batch, whether the number is, how many places of the list the row stands for, the logarithm
    of the chance of a one to be hidden).

    Of most rows a beginning of the list is seen; of some, other bits too: any of them, and ones more often, as many as
    may be; of some the number is what is asked for.
    """
    share_key, untold_key, ones_key, zeros_key, some_key, bit_key, count_key = jax.random.split(
        key, 7
    )
    rows = len(x0)
    some = jax.random.permutation(share_key, jnp.arange(rows)) < GIVEN * rows
    untold = jax.random.permutation(untold_key, jnp.arange(rows)) < UNTOLD * rows
    ones = jax.random.uniform(ones_key, (rows, 1))
    any_ = 10.0 ** (-DECADES * jax.random.uniform(zeros_key, (rows, 1)))
    any_ = any_ * (jax.random.uniform(some_key, (rows, 1)) < 0.7)
    share = jnp.where(x0 == 1, 1 - (1 - any_) * (1 - ones), any_)
    given = (jax.random.uniform(bit_key, x0.shape) < share) & some[:, None]
    free = (x0 == 1) & ~given
    before = jnp.cumsum(free, axis=-1) - free
    places = free.sum(-1)
    count = jnp.floor(jax.random.uniform(count_key, (rows,)) * places)
    count = jnp.where(untold, 0, count)
    stays = jnp.where(some, jnp.log1p(-ones[:, 0]), 0.0)
    return ~given & (before >= count[:, None]), untold, places, stays


def bound(says: Says, key: Key, x0: Int[Array, "row bit"]) -> Float[Array, "row"]:
    """-log p of the number, or of the next one times how many there are to come: one of the two for each row.

    Of whom ones are seen more often than zeros, it is by that likelier that there are few: p(n | what is seen) has a
    factor for each one that stayed hidden, and is learnt without it.
    """
    hide, untold, places, stays = hidden(key, x0)
    x = jnp.where(hide, MASK, x0)
    left = jnp.where(untold, -1, ((x0 == 1) & hide).sum(-1))
    first, number = says(x, left)
    more = jnp.arange(x0.shape[-1] + 1) - (x == 1).sum(-1)[:, None]
    said = first, number + stays[:, None] * jnp.maximum(more, 0)
    first, number = (jax.nn.log_softmax(z) for z in fitting(said, x, left))
    at = jnp.argmax((x0 == 1) & hide, axis=-1)[:, None]
    next_one = -jnp.take_along_axis(first, at, axis=-1)[:, 0]
    ones = (x0 == 1).sum(-1)[:, None]
    how_many = -jnp.take_along_axis(number, ones, axis=-1)[:, 0]
    return jnp.where(untold, how_many, jnp.where(places > 0, next_one * places, 0.0))


def known(
    key: Key, x0: Int[Array, "row bit"]
) -> tuple[Bool[Array, "row bit"], Float[Array, "row"]]:
    """(which bits of a batch are known while something else is learnt given them, how much each row counts).

    Of most rows none are, of a few all. Of others a share, whatever they are, from one of them to all; and up to three
    of their ones. One of n is chosen by a chance of 1 in n: did those rows not count n, who is known to have one would
    seem to have hardly another.
    """
    turn_key, share_key, some_key, few_key, bit_key, one_key = jax.random.split(key, 6)
    rows, bits = x0.shape
    turn = jax.random.permutation(turn_key, jnp.arange(rows))
    every, some = turn < ALL * rows, (turn >= ALL * rows) & (turn < (ALL + SOME) * rows)
    share = bits ** -jax.random.uniform(share_key, (rows, 1))
    share = share * (jax.random.uniform(some_key, (rows, 1)) < 0.5)
    any_ = jax.random.uniform(bit_key, x0.shape) < share
    few = jnp.minimum(jax.random.randint(few_key, (rows,), 0, FEW + 1), bits)
    place = jnp.where(x0 == 1, jax.random.uniform(one_key, x0.shape), -1.0)
    highest = jax.lax.top_k(place, min(FEW, bits))[0]
    least = jnp.take_along_axis(highest, jnp.maximum(few - 1, 0)[:, None], axis=-1)
    ones = (x0 == 1) & (place >= least) & (few > 0)[:, None]
    is_known = every[:, None] | (some[:, None] & (any_ | ones))
    return is_known, jnp.where(some, _ways((x0 == 1).sum(-1), few, some), 1.0)


def _ways(n: Int[Array, "row"], k: Int[Array, "row"], of: Bool[Array, "row"]) -> Array:
    """To choose k of n, over the mean of the rows `of` that have this k."""
    before = jnp.arange(FEW)
    each = jnp.where(before < k[:, None], n[:, None] - before, 1)
    ways = jnp.prod(each, axis=-1).astype(jnp.float32)  # times k!
    alike = ((k[:, None] == k) & of).astype(jnp.float32)
    return ways / jnp.maximum(alike @ ways / jnp.maximum(alike.sum(-1), 1), 1e-6)


def listed(says: Says, key: Key, x: Int[Array, "bit"]) -> tuple[Int[Array, "bit"], Array]:
    """(the bits of one record, of which those that are not hidden stay; the evaluations it took)"""
    number_key, list_key = jax.random.split(key)
    untold = jnp.asarray(-1)
    number = jax.random.categorical(number_key, fitting(says(x, untold), x, untold)[1])
    bits = jnp.arange(x.shape[-1])

    def one(state):
        x, k, calls = state
        k, now = jax.random.split(k)
        left = number - (x == 1).sum()
        at = jax.random.categorical(now, fitting(says(x, left), x, left)[0])
        shown = jnp.where(bits == at, 1, jnp.where(bits < at, 0, x))
        return jnp.where(x == MASK, shown, x), k, calls + 1

    def more(state):
        return number > (state[0] == 1).sum()

    start = x, list_key, jnp.asarray(1)
    x, _, calls = jax.lax.while_loop(more, one, start)
    return jnp.where(x == MASK, 0, x), calls
