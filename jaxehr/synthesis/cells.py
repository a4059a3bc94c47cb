"""The cells of a table side by side, as a network of tokens has them: which are numbers, and in what order they are
drawn."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from jaxehr.codecs import Bins, Codec
from jaxehr.networks.numbers import Numbers
from jaxehr.processes import Path
from jaxehr.synthesis.view import Tokens


def _placed(codec: Codec) -> Iterator[tuple[Any, range, range]]:
    """(each column, the tokens of its bits, those of its categories)."""
    bit, token = 0, codec.sizes["bit"] - len(codec.codes)
    for column in codec.learnt:
        bits, classes = [part for part, _ in column.parts()].count("bit"), len(column.classes())
        yield column, range(bit, bit + bits), range(token, token + classes)
        bit, token = bit + bits, token + classes


def numbers_of(codec: Codec, tokens: Tokens) -> Numbers:
    """Where in `tokens.row` the numbers of a codec of Bins lie, and the order of their classes."""
    at = {token: i for i, token in enumerate(tokens.row)}
    coarse, fine, order, shares, cuts = [], [], [], [], []
    for column, _, own in _placed(codec):
        if isinstance(column, Bins) and sum(place >= 0 for place in column.order) > 1:
            coarse.append(at[own[0]])
            fine.append(at[own[1]] if len(own) > 1 else -1)
            order.append(column.order)
            shares.append(column.shares)
            cuts.append(column.fine if len(own) > 1 else 1)
    return Numbers(tuple(coarse), tuple(fine), tuple(order), tuple(shares), tuple(cuts))


def path_of(codec: Codec, tokens: Tokens) -> Path:
    """The columns of the table in their order, and the finer halves of numbers after them.

    By then what a number's finer half depends on is seen: other numbers are.
    """
    at = {token: i for i, token in enumerate(tokens.row)}
    first: list[int] = []
    finer: list[int] = []
    after: list[tuple[int, int]] = []
    for _, bits, own in _placed(codec):
        first += [at[token] for token in (*bits, *own[:1])]
        finer += [at[token] for token in own[1:]]
        after += [(at[token], at[token - 1]) for token in own[1:]]
    position = [0] * len(at)
    for turn, cell in enumerate([*first, *finer]):
        position[cell] = turn
    return Path(tuple(position), tuple(after))


def stand_ins(codec: Codec) -> dict[str, tuple[int, int]]:
    """Of each column that has a value for rare ones, such as 'other', which no patient has: (the token, its class).

    Not of one that has no other value: without it, all would be missing.
    """
    found = {}
    for column, bits, own in _placed(codec):
        if getattr(column, "made", False):
            often = [v for k, v in enumerate(column.values) if k != column.rest and v is not None]
            if often:
                found[column.name] = (*own, *bits)[0], column.rest
    return found


class Sight(NamedTuple):
    """Cells side by side as they look in a table, and not as a network has them.

    coarse, fine    [column] which token of the row each column is; of a number its finer half, else -1
    first, cuts     [column] where its classes begin in `place`; how many finer ones each has
    place           of every class, and finer one, its place among the values of the column
    alike           [pair, 2] columns of one vocabulary
    value           of every class which value it is, the same number in all columns of one vocabulary, -1 for none
    """

    coarse: np.ndarray
    fine: np.ndarray
    first: np.ndarray
    cuts: np.ndarray
    place: np.ndarray
    alike: np.ndarray
    value: np.ndarray

    def places(self, row: Int[Array, "*batch token"]) -> Int[Array, "*batch column"]:
        finer = jnp.where(self.fine >= 0, row[..., self.fine], 0)
        at = jnp.asarray(self.first) + row[..., self.coarse] * self.cuts + finer
        return jnp.asarray(self.place)[at]

    def equal(self, row: Int[Array, "*batch token"]) -> Bool[Array, "*batch pair"]:
        value = jnp.asarray(self.value)[jnp.asarray(self.first) + row[..., self.coarse] * self.cuts]
        a, b = value[..., self.alike[:, 0]], value[..., self.alike[:, 1]]
        return (a == b) & (a >= 0)


SHARED = 20  # values that two columns of one vocabulary have in common


def sight_of(codec: Codec, tokens: Tokens) -> Sight:
    """What a number is in a finer interval is what its middle is rounded to."""
    at = {token: i for i, token in enumerate(tokens.row)}
    coarse, fine, cuts = [], [], []
    places: list[np.ndarray] = []
    words: list[tuple[Any, ...]] = []
    for column, bits, own in _placed(codec):
        number, classes = isinstance(column, Bins), column.classes()
        for token in (*bits, *own[:1]):
            finer = len(own) > 1 and token not in bits
            coarse.append(at[token])
            fine.append(at[own[1]] if finer else -1)
            cuts.append(classes[1] if finer else 1)
        places += [np.arange(2) for _ in bits]
        words += [() for _ in bits]
        if own:
            places.append(_in_order(column) if number else np.arange(classes[0]))
            words.append(() if number else column.values)
    first = np.cumsum([0, *map(len, places)])[:-1].astype(int)
    shown = [{w for w in each if w is not None} for each in words]
    alike = [
        (i, j) for i, j in combinations(range(len(words)), 2) if len(shown[i] & shown[j]) > SHARED
    ]
    word = {w: k for k, w in enumerate(dict.fromkeys(w for each in words for w in each))}
    value = np.full(sum(map(len, places)), -1)
    for start, each in zip(first, words, strict=True):
        value[start : start + len(each)] = [-1 if w is None else word[w] for w in each]
    pairs = np.array(alike, int).reshape(-1, 2)
    place = np.concatenate([[0][:0], *places]).astype(int)
    return Sight(
        np.array(coarse, int), np.array(fine, int), first, np.array(cuts, int), place, pairs, value
    )


def _in_order(column: Bins) -> Int[np.ndarray, "class"]:
    """Of every class of a number, and finer one, the place of what it is decoded to; -1 for a missing value."""
    classes = column.classes()
    inner = classes[1] if len(classes) > 1 else 1
    n = classes[0] * inner
    arrays = [np.repeat(np.arange(classes[0]), inner), np.tile(np.arange(inner), classes[0])]
    parts = [arrays[0], *([arrays[1]] if len(classes) > 1 else []), np.full(n, 0.5)]
    value = column.quantity.numbers(column.decode(n, *parts[: len(column.parts())]))
    place = np.unique(value, return_inverse=True)[1]
    return np.where(np.isnan(value), -1, place)
