"""Distances between sets of records, on the device, in tiles of bounded memory: the nearest, the k-th, a kernel's sum.

Bits and one-hot columns are packed 32 to a word, and their distance is XOR and count; a label of so many values that it
would fill words of its own is compared as a number, which counts the same. What is held at once is one tile
of distances; a set of n rows against m in G groups returns n x G numbers. Nothing here is a matrix product, whose
rounding on an accelerator (TF32, bfloat16) would make equal records differ.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Int8

Kind = Literal["hamming", "gower", "l2"]
FEW = 32  # values of a label that is kept one-hot: those of a word


class Tiling(NamedTuple):
    """Most rows of a tile, what they are a multiple of, and how many columns (or words) a step of the loop takes.

    The multiple divides the rows.
    """

    rows: int
    multiple: int
    unroll: int


CPU = Tiling(256, 1, 1)  # a tile of counts then stays in the second-level cache
# A step of the loop is a kernel's launch: few of them, each with work for the whole chip, in whole vectors.
ACCELERATOR = Tiling(4096, 32, 16)


@dataclass(frozen=True)
class Rows:
    """Records as the engine sees them.

    words     bits, packed; for Gower's distance one-hot columns, of which two mismatched labels differ in two
    numbers   in [0, 1] for Gower's distance
    labels    of more than 32 values
    wide      where they would stand among the one-hot columns, and how many values each has
    ones      how many bits and one-hot columns there would be with them
    kind      hamming counts bits; gower is the mean over columns of |a - b| (at most 1) or a mismatch; l2 is Euclid's
    columns   that Gower's mean is over
    """

    words: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray
    kind: Kind
    columns: int
    wide: tuple[tuple[int, int], ...] = ()
    ones: int = 0

    def __len__(self) -> int:
        return len(self.words)

    @property
    def cells(self) -> int:
        """How many cells differ between rows at a distance of 1."""
        return self.columns if self.kind == "gower" else 1

    def take(self, index: np.ndarray) -> "Rows":
        words, numbers, labels = (part[index] for part in self.parts)
        return replace(self, words=words, numbers=numbers, labels=labels)

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.words, self.numbers, self.labels


class Nearest(NamedTuple):
    """To the nearest row of each group of the others: how far, and which row of the others."""

    distance: Float[np.ndarray, "n group"]
    where: Int[np.ndarray, "n group"]

    @property
    def least(self) -> Float[np.ndarray, "n"]:
        return self.distance.min(1)

    @property
    def row(self) -> Int[np.ndarray, "n"]:
        best = self.distance.argmin(1)
        return np.take_along_axis(self.where, best[:, None], 1)[:, 0]


def bit_rows(bits: Int8[np.ndarray, "n column"]) -> Rows:
    """Hamming's distance."""
    words = packed(bits)
    n = bits.shape[1]
    return Rows(words, _none(bits, np.float32), _none(bits, np.int32), "hamming", n, ones=n)


def _none(rows: np.ndarray, dtype: type) -> np.ndarray:
    return np.zeros((len(rows), 0), dtype)


def mixed_rows(
    numbers: Float[np.ndarray, "n p"],
    labels: Int[np.ndarray, "n q"],
    sizes: tuple[int, ...],
    bits: Int8[np.ndarray, "n code"] | None = None,
) -> Rows:
    """Gower's distance.

    numbers   scaled to [0, 1]; 2 stands for a missing one, which is 1 from any that is there
    sizes     of each label: its values are 0 .. size - 1
    bits      each a column as the others are: it stands twice, as a mismatched label does
    """
    bits = _none(labels, np.int8) if bits is None else bits
    columns = numbers.shape[1] + labels.shape[1] + bits.shape[1]
    many = np.array(sizes, int) > FEW
    hot = one_hot(labels[:, ~many], np.array(sizes, int)[~many])
    words = packed(np.concatenate([hot, bits, bits], axis=1))
    starts = np.cumsum([0, *sizes])[:-1]
    wide = tuple((int(starts[j]), sizes[j]) for j in np.flatnonzero(many))
    rest = labels[:, many].astype(np.int32)
    ones = sum(sizes) + 2 * bits.shape[1]
    return Rows(words, numbers.astype(np.float32), rest, "gower", columns, wide, ones)


def one_hot(labels: Int[np.ndarray, "n q"], sizes: Int[np.ndarray, "q"]) -> Int8[np.ndarray, "n k"]:
    ends = np.cumsum([0, *sizes])
    hot = np.zeros((len(labels), int(ends[-1])), np.int8)
    for j, start in enumerate(ends[:-1]):
        hot[np.arange(len(labels)), start + labels[:, j]] = 1
    return hot


def point_rows(numbers: Float[np.ndarray, "n p"]) -> Rows:
    """Euclid's distance."""
    words, labels = _none(numbers, np.uint32), _none(numbers, np.int32)
    return Rows(words, numbers.astype(np.float32), labels, "l2", numbers.shape[1])


def groups_of(n: int, groups: int) -> Int[np.ndarray, "n"]:
    """Which group each of n rows is in: contiguous, of sizes that differ by one at most."""
    return np.arange(n) * groups // n


def nearest(rows: Rows, others: Rows, *, groups: int = 1, itself: bool = False) -> Nearest:
    """The nearest row in each of `groups` contiguous parts of the others.

    itself   rows and others are one set, and no row is its own neighbour: a group without another row is inf away
    """
    distance, index = _over_tiles(rows, others, groups, itself, _closest)
    return Nearest(_in_units(distance, rows), index)


def kth_nearest(rows: Rows, k: int, *, itself: bool = True) -> Float[np.ndarray, "n"]:
    """Distance to the k-th nearest other row of the same set; inf where there are fewer."""
    (distance,) = _over_tiles(rows, rows, 1, itself, _k_closest(k))
    return _in_units(distance[:, -1], rows)


def log_kernel(
    rows: Rows, others: Rows, bandwidth: float, *, groups: int = 1
) -> Float[np.ndarray, "n group"]:
    """Log of the sum over each group of the others of exp(-d / bandwidth)."""
    unit = float(_in_units(np.ones(1), rows)[0])
    (total,) = _over_tiles(rows, others, groups, False, _log_sum, unit / bandwidth)
    return total.astype(float)


def _in_units(distance: np.ndarray, rows: Rows) -> np.ndarray:
    """The tiles count in halves of a mismatch, so that equal distances are equal numbers."""
    distance = distance.astype(float)
    return distance / (2 * rows.columns) if rows.kind == "gower" else distance


def packed(bits: np.ndarray) -> np.ndarray:
    words = -(-bits.shape[1] // 32)
    padded = np.zeros((len(bits), words * 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1).view(np.uint32).reshape(len(bits), words)


def _over_tiles(
    rows: Rows,
    others: Rows,
    groups: int,
    itself: bool,
    reduce: Callable,
    scale: float = 1.0,
) -> tuple[np.ndarray, ...]:
    """reduce over each group, for every tile of rows in turn."""
    n, m = len(rows), len(others)
    tiling = _tiling()
    columns = _chunks(groups_of(m, groups), groups, tiling)
    (lines,) = _chunks(np.zeros(n, int), 1, tiling)
    found = _scanned(
        tuple(map(jnp.asarray, rows.parts)),
        tuple(map(jnp.asarray, others.parts)),
        jnp.asarray(lines, jnp.int32),
        jnp.asarray(columns, jnp.int32),
        jnp.float32(scale),
        rows.kind,
        itself,
        reduce,
        tiling.unroll,
    )
    # [tile, group, row] or, for the k nearest, [tile, group, row, k], which are asked of one group
    lines_first = [np.moveaxis(np.asarray(part), 2, 1) for part in found]
    return tuple(part.reshape(-1, part[0, 0].size)[:n] for part in lines_first)


def _tiling() -> Tiling:
    return CPU if jax.default_backend() == "cpu" else ACCELERATOR


def _chunks(group: np.ndarray, groups: int, tiling: Tiling) -> Int[np.ndarray, "group chunk tile"]:
    """Row numbers, group by group, in even chunks; -1 fills them up."""
    most = int(np.bincount(group, minlength=groups).max())
    chunks = -(-most // tiling.rows)
    tile = -(-most // chunks // tiling.multiple) * tiling.multiple
    index = np.full((groups, chunks * tile), -1)
    for g in range(groups):
        (inside,) = np.nonzero(group == g)
        index[g, : len(inside)] = inside
    return index.reshape(groups, chunks, tile)


@partial(jax.jit, static_argnums=(5, 6, 7, 8))
def _scanned(rows, others, lines, columns, scale, kind, itself, reduce, unroll):
    start, update = reduce(scale)

    def of_tile(line):
        tile = tuple(part[line] for part in rows)

        def of_group(_, group):
            def step(state, column):
                d = _between(kind, tile, tuple(part[column] for part in others), unroll)
                hidden = column[None, :] < 0
                if itself:
                    hidden |= column[None, :] == line[:, None]
                return update(state, jnp.where(hidden, jnp.inf, d), column), None

            return None, jax.lax.scan(step, start(len(line)), group)[0]

        return jax.lax.scan(of_group, None, columns)[1]

    return jax.lax.map(of_tile, lines)


def _between(kind, a, b, unroll):
    """Distances of a tile: a column at a time, so that nothing of size [tile, tile, columns] is held."""
    differ = jnp.zeros((len(a[0]), len(b[0])), jnp.int32)
    apart = jnp.zeros(differ.shape, jnp.float32)
    if a[0].shape[1]:

        def count(total, words):
            bits = jax.lax.population_count(words[0][:, None] ^ words[1][None, :])
            return total + bits.astype(jnp.int32), None

        differ = jax.lax.scan(count, differ, (a[0].T, b[0].T), unroll=unroll)[0]
    if a[2].shape[1]:

        def mismatch(total, labels):
            return total + 2 * (labels[0][:, None] != labels[1][None, :]).astype(jnp.int32), None

        differ = jax.lax.scan(mismatch, differ, (a[2].T, b[2].T), unroll=unroll)[0]
    if a[1].shape[1]:

        def add(total, columns):
            gap = columns[0][:, None] - columns[1][None, :]
            gap = gap**2 if kind == "l2" else 2 * jnp.minimum(jnp.abs(gap), 1.0)
            return total + gap, None

        apart = jax.lax.scan(add, apart, (a[1].T, b[1].T), unroll=unroll)[0]
    return jnp.sqrt(apart) if kind == "l2" else differ.astype(jnp.float32) + apart


def _closest(_scale):
    def start(n):
        return jnp.full(n, jnp.inf, jnp.float32), jnp.full(n, -1, jnp.int32)

    def update(state, d, column):
        # Two minima are vectorised, an argmin is not: the first place of the least.
        least = d.min(1)
        place = jnp.arange(d.shape[1], dtype=jnp.int32)
        best = jnp.where(d == least[:, None], place, d.shape[1]).min(1)
        closer = least < state[0]
        return jnp.where(closer, least, state[0]), jnp.where(closer, column[best], state[1])

    return start, update


@cache
def _k_closest(k):
    def reduce(_scale):
        return start, update

    def start(n):
        return (jnp.full((n, k), jnp.inf, jnp.float32),)

    def update(state, d, column):
        few = -jax.lax.top_k(-d, min(k, d.shape[1]))[0]
        return (jnp.sort(jnp.concatenate([state[0], few], 1), axis=1)[:, :k],)

    return reduce


def _log_sum(scale):
    def start(n):
        return (jnp.full(n, -jnp.inf, jnp.float32),)

    def update(state, d, column):
        return (jnp.logaddexp(state[0], jax.nn.logsumexp(-scale * d, axis=1)),)

    return start, update
