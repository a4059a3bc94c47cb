"""How a recipe sees records: the parts of the codec as the x of its process, and back."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxehr.codecs import Codec, KnownParts, Parts, matrix, parts_of
from jaxehr.types import Known, X


class View(NamedTuple):
    """to_x     (parts) -> x of all rows, NumPy arrays as they lie on the device
    of_x        (x) -> parts
    known       (parts that are given) -> Known of all rows
    made        (the name of the function that makes it, what it takes beside the codec), for `of_x` to be made again
    """

    to_x: Callable[[Parts], X]
    of_x: Callable[[X], Parts]
    known: Callable[[KnownParts], Known]
    made: tuple[str, dict[str, Any]] | None = None


class Layout(NamedTuple):
    """Which columns of the matrix are what: numbers first, then bits, then one-hot groups.

    indicators  for each number the bit that says it is missing, -1 where there is none
    scales      [2, number]: mean and standard deviation of the numbers that are there
    ends        [2, number]: the lowest and the highest that they can be
    """

    numbers: int
    bits: int
    classes: tuple[int, ...]
    indicators: tuple[int, ...]
    scales: np.ndarray
    ends: np.ndarray

    @property
    def columns(self) -> int:
        return self.numbers + self.bits + sum(self.classes)


def layout_of(codec: Codec, *, even: bool = False) -> Layout:
    """Of the `matrix_view` with the same `even`."""
    sizes, number = codec.sizes, codec.sizes["number"]
    shift, factor = _even(codec) if even else (0.0, 1.0)
    mean, std = codec.scales
    scales = np.stack([shift + factor * mean, factor * std])
    ends = np.stack([shift + factor * np.full(number, end) for end in (0.0, 1.0)])
    return Layout(number, sizes["bit"], codec.classes, codec.indicators, scales, ends)


def matrix_view(codec: Codec, *, even: bool = False) -> View:
    """All columns in one matrix of numbers, categories one-hot.

    even    numbers weigh as much as an even bit does, with a mean and a standard deviation of 1/2; else they stand as
            the codec has them. Normal scores in [0, 1] have 1/10: a network sees little of them beside bits
    """
    layout = layout_of(codec)
    shift, factor = _even(codec) if even else (0.0, 1.0)
    discrete = layout.numbers + layout.bits
    ends = np.cumsum([discrete, *layout.classes])

    def to_x(parts: Parts) -> np.ndarray:
        return matrix({**parts, "number": shift + factor * parts["number"]}, codec)

    def of_x(x: X) -> Parts:
        parts = parts_of(np.asarray(x), codec)
        return {**parts, "number": (parts["number"] - shift) / factor}

    def known(given: KnownParts) -> Known:
        mask = np.zeros((len(given.filled), layout.columns), bool)
        mask[:, : layout.numbers] = given.masks["number"]
        mask[:, layout.numbers : discrete] = given.masks["bit"]
        for j, (a, b) in enumerate(pairwise(ends)):
            mask[:, a:b] = given.masks["category"][:, [j]]
            if codec.missing[j] >= 0:  # what is to be filled in is not the class of missing values
                mask[:, a + codec.missing[j]] |= given.filled[:, j]
        x0 = to_x(given.parts).astype(np.float32)
        free = np.concatenate([mask[:, :discrete], _known_groups(given, layout.classes)], axis=1)
        return Known(np.where(free, x0, 0.0).astype(np.float32), mask, {})

    return View(to_x, of_x, known, ("matrix_view", {"even": even}))


def _even(codec: Codec) -> tuple[np.ndarray, np.ndarray]:
    """(shift, factor) that bring each number to mean 1/2 and standard deviation 1/2.

    One that hardly varies is widened tenfold at most, or the few records that differ would be far away from all others.

    Raises ValueError if the codec holds numbers as Bins.
    """
    mean, std = codec.scales
    if len(mean) != codec.sizes["number"]:
        raise ValueError("this recipe sees numbers as Quantile or Number; here they are Bins")
    factor = 0.5 / np.maximum(std, 0.05)
    return 0.5 - factor * mean, factor


def _known_groups(given: KnownParts, classes: Sequence[int]) -> np.ndarray:
    """[n, sum of classes]: True in the groups whose category is known."""
    groups = [np.repeat(given.masks["category"][:, [j]], k, 1) for j, k in enumerate(classes)]
    return np.concatenate([np.zeros((len(given.filled), 0), bool), *groups], axis=1)


class Tokens(NamedTuple):
    """The bits and categories of a codec as categories in groups of like size, so that little is padding.

    classes     of all of them, bits first
    groups      name -> which of them lie in the group; one of k classes lies in the group of the next power of two
    indicators  for each number beside them the token that says it is missing, -1 where there is none
    """

    classes: tuple[int, ...]
    groups: dict[str, tuple[int, ...]]
    indicators: tuple[int, ...] = ()

    def classes_of(self, name: str) -> tuple[int, ...]:
        return tuple(self.classes[j] for j in self.groups[name])

    @property
    def row(self) -> tuple[int, ...]:
        """The tokens in the order in which a network has them side by side: group by group."""
        return tuple(j for members in self.groups.values() for j in members)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one record, by group."""
        return {name: (len(members),) for name, members in self.groups.items()}

    @property
    def width(self) -> int:
        """Of all classes in one row. Each token has as many places as the largest of its group: what a network reads
        and says is then cut and joined, never gathered, which would cost as much as a small network itself."""
        return sum(math.prod(self._shape(name)) for name in self.groups)

    @property
    def firsts(self) -> np.ndarray:
        """Where in that row the first class of each token lies, in the order of `row`."""
        found, start = [], 0
        for name in self.groups:
            columns, most = self._shape(name)
            found += [start + most * i for i in range(columns)]
            start += columns * most
        return np.array(found, int)

    @property
    def places(self) -> np.ndarray:
        """Where in that row the classes of each token lie, in the order of `classes`; the other places are padding."""
        first, start = np.zeros(len(self.classes), int), 0
        for name, members in self.groups.items():
            most = self._shape(name)[1]
            first[list(members)] = start + most * np.arange(len(members))
            start += most * len(members)
        return np.concatenate(
            [[0][:0], *(at + np.arange(k) for at, k in zip(first, self.classes, strict=True))]
        ).astype(int)

    def spread(self, row: Array) -> dict[str, Array]:
        """[..., width] -> for each group [..., column, class]."""
        found, start = {}, 0
        for name in self.groups:
            shape = self._shape(name)
            end = start + math.prod(shape)
            found[name] = row[..., start:end].reshape(*row.shape[:-1], *shape)
            start = end
        return found

    def in_one_row(self, x: dict[str, Array]) -> Array:
        """[..., column]: the categories of all groups side by side, as `row` has them."""
        return jnp.concatenate([x[name].astype(jnp.int32) for name in self.groups], axis=-1)

    def side_by_side(self, x: dict[str, np.ndarray]) -> np.ndarray:
        """The same of rows that lie on the host, in the dtype that holds them."""
        return np.concatenate([x[name] for name in self.groups], axis=1)

    def by_group(self, row: Array | np.ndarray) -> dict[str, Array]:
        """The inverse of `in_one_row`, of anything that has a column for each token."""
        ends = np.cumsum([len(members) for members in self.groups.values()])[:-1]
        return dict(zip(self.groups, jnp.split(row, ends, axis=-1), strict=True))

    def without(self, classes: Iterable[tuple[int, int]]) -> dict[str, np.ndarray]:
        """By group [column, class]: False for these (token, class), and for what is padding."""
        barred, found = set(classes), {}
        for name, members in self.groups.items():
            most = self._shape(name)[1]
            found[name] = np.array(
                [
                    [k < self.classes[j] and (j, k) not in barred for k in range(most)]
                    for j in members
                ]
            )
        return found

    def missing(self, x: dict[str, Array]) -> Array:
        """[batch, number]: 1 where a number is missing, as its indicator (a token of two classes) says."""
        columns = []
        for token in self.indicators:
            if token < 0:
                columns.append(jnp.zeros(len(x["number"])))
                continue
            name = next(n for n, members in self.groups.items() if token in members)
            columns.append(x[name][:, self.groups[name].index(token)].astype(float))
        return jnp.stack(columns, axis=1)

    def one_hot(self, x: dict[str, Array]) -> Array:
        """[..., width]: 1 where the category is that class."""
        hot = []
        for name in self.groups:
            is_class = x[name][..., None] == jnp.arange(self._shape(name)[1], dtype=x[name].dtype)
            hot.append(is_class.reshape(*is_class.shape[:-2], -1))
        return jnp.concatenate(hot, axis=-1)

    def _shape(self, name: str) -> tuple[int, int]:
        """(columns, classes) of a group."""
        return len(self.groups[name]), max(self.classes_of(name))


CODES = "code"  # what a part of codes alone is called


def tokens_of(codec: Codec, without: int = -1, *, codes: bool = True) -> Tokens:
    """All but the token `without` (a label; those after it move up), and the codes where they are not wanted."""
    classes = [*(2 for _ in range(_bits(codec, codes))), *codec.classes]
    if without >= 0:
        del classes[without]
    return tokens_with(classes, [bit - (0 <= without < bit) for bit in codec.indicators])


def tokens_with(classes: Sequence[int], indicators: Sequence[int] = ()) -> Tokens:
    """Tokens of these classes, in their groups."""
    groups: dict[str, list[int]] = {}
    for j, k in enumerate(classes):
        groups.setdefault(f"of_{1 << max(k - 1, 1).bit_length()}", []).append(j)
    members = {name: tuple(found) for name, found in groups.items()}
    return Tokens(tuple(classes), members, tuple(indicators))


def _bits(codec: Codec, codes: bool) -> int:
    """Those of the table come first."""
    return codec.sizes["bit"] - (0 if codes else len(codec.codes))


def token_view(
    codec: Codec,
    label: int = -1,
    *,
    numbers: bool = True,
    listed: bool = False,
    rare: Mapping[str, tuple[int, int]] | None = None,
) -> View:
    """Numbers as one part, and a part for each group of tokens.

    label       a token that is a part of its own, "label", one number a row
    numbers     False leaves them out of `to_x`: they are not learnt, though drawn and known all the same
    listed      codes, where there are any, are a part of their own instead of tokens, [n, code] of 0 and 1
    rare        (token, class) of a column's value that is drawn only where it is asked for
    """
    tokens, bits = tokens_of(codec, label, codes=not listed), _bits(codec, not listed)
    p, codes = codec.sizes["number"], listed and len(codec.codes) > 0
    missing = np.array([*(-1 for _ in range(bits)), *codec.missing])

    def split(cells: np.ndarray) -> dict[str, np.ndarray]:
        rest = np.delete(cells, label, axis=1) if label >= 0 else cells
        return {name: rest[:, list(members)] for name, members in tokens.groups.items()}

    def column(parts: Parts, j: int) -> np.ndarray:
        return parts["bit"][:, j] if j < bits else parts["category"][:, j - bits]

    def group(parts: Parts, members: Sequence[int]) -> np.ndarray:
        cells = [j + (0 <= label <= j) for j in members]
        if cells == list(range(bits)):
            return parts["bit"][:, :bits]  # as they lie there: of codes, most of the memory
        dtype = _smallest([tokens.classes[j] for j in members])
        return np.stack([column(parts, j).astype(dtype) for j in cells], axis=1)

    def to_x(parts: Parts) -> dict[str, np.ndarray]:
        x = {name: group(parts, members) for name, members in tokens.groups.items()}
        if label >= 0:
            x["label"] = column(parts, label).astype(np.int32)
        if codes:
            x[CODES] = parts["bit"][:, bits:]
        if numbers and p:
            x["number"] = parts["number"].astype(np.float32)
        return x

    def of_x(x: dict[str, np.ndarray]) -> Parts:
        n = len(next(iter(x.values())))
        cells = np.zeros((n, len(tokens.classes)), np.int32)
        for name, members in tokens.groups.items():
            cells[:, list(members)] = x[name]
        if label >= 0:
            cells = np.insert(cells, label, x["label"], axis=1)
        number = np.asarray(x["number"], np.float64) if "number" in x else np.zeros((n, p))
        bit = cells[:, :bits].astype(np.int8)
        return {
            "number": number,
            "bit": np.concatenate([bit, x[CODES].astype(np.int8)], axis=1) if codes else bit,
            "category": cells[:, bits:],
        }

    def known(given: KnownParts) -> Known:
        bit = given.masks["bit"][:, :bits]
        masks = np.concatenate([bit, given.masks["category"]], axis=1)
        filled = np.concatenate([np.zeros_like(bit), given.filled], axis=1)
        x0, mask = to_x(given.parts), split(masks)
        allowed = {}
        shown = tokens.without(at for name, at in (rare or {}).items() if name not in given.rare)
        for name, members in split(np.arange(masks.shape[1])[None]).items():
            most = max(tokens.classes_of(name))
            barred = np.arange(most) == missing[members[0]][:, None]
            allowed[name] = shown[name] & ~(split(filled)[name][..., None] & barred)
        if label >= 0:
            mask["label"] = masks[:, label]
            classes = np.arange(2 if label < bits else codec.classes[label - bits])
            allowed["label"] = ~(filled[:, [label]] & (classes == missing[label]))
        if codes:
            mask[CODES] = given.masks["bit"][:, bits:]
        if p:
            x0["number"] = given.parts["number"].astype(np.float32)
            mask["number"] = given.masks["number"]
        return Known(x0, mask, allowed, _in_turn(tokens, given, bits))

    made = {"label": label, "numbers": numbers, "listed": listed}
    return View(to_x, of_x, known, ("token_view", made))


def _in_turn(
    tokens: Tokens, given: KnownParts, bits: int
) -> dict[str, tuple[np.ndarray, np.ndarray]] | None:
    """`Known.narrow` of all rows; None where there is none."""
    if not given.narrow:
        return None
    turns = {bits + j: (i + 1, classes) for i, (j, classes) in enumerate(given.narrow)}
    found, n = {}, len(given.filled)
    for name, members in tokens.groups.items():
        turn = np.zeros((n, len(members)), np.int8)
        classes = np.ones((n, len(members), max(tokens.classes_of(name))), bool)
        for i, j in enumerate(members):
            if j in turns:
                turn[:, i], fits = turns[j]
                classes[:, i, :] = False
                classes[:, i, : len(fits)] = fits
        found[name] = (turn, classes)
    return found


def _smallest(classes: Sequence[int]) -> type[np.signedinteger]:
    """That holds every class, and -1 for one that is hidden."""
    return next(t for t in (np.int8, np.int16, np.int32) if max(classes) <= np.iinfo(t).max)
