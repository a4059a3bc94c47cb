"""Counts of rows that have two things at once, as matrix products: what relations of columns and codes are read off.

Everything is a 0/1 matrix: codes as they are, table columns one-hot (numbers in the deciles of the real records, a
missing value in a place of its own). Counts are kept by group of patients, so that a group can be left out. All are
sparse: of the pairs of thousands of values few are ever met.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import GROUPS

FEWEST = 10  # rows that have both, without which two numbers have no correlation
Sparse = Any  # scipy.sparse.csr_array, column x column where nothing else is said
Which = slice | Int[np.ndarray, "place"]


@dataclass(frozen=True)
class PairCounts:
    """How many rows of each group have both columns."""

    n: Float[np.ndarray, "group"]
    both: tuple[Sparse, ...]

    @staticmethod
    def of(*ones: Any, groups: int = GROUPS) -> "PairCounts":
        """Of 0/1 matrices beside each other, sparse or not."""
        from scipy.sparse import csr_array, hstack

        rows = hstack([csr_array(part, dtype=float) for part in ones], format="csr")
        own = groups_of(rows.shape[0], groups)
        parts = [rows[np.flatnonzero(own == g)] for g in range(groups)]
        both = tuple((part.T @ part).tocsr() for part in parts)
        return PairCounts(np.array([part.shape[0] for part in parts], float), both)

    @cached_property
    def whole(self) -> Sparse:
        return sum(self.both[1:], self.both[0])

    def share(self, leave: int | None = None) -> Sparse:
        """P(both); the diagonal holds P(one)."""
        n, both = self.n.sum(), self.whole
        if leave is not None:
            n, both = n - self.n[leave], both - self.both[leave]
        share = both.copy()
        share.data /= max(
            n, 1
        )  # SciPy's own quotient is a product with 1 / n, which may lie beside it
        return share


def phi(
    share: Sparse, rows: Which = slice(None), columns: Which = slice(None)
) -> Float[np.ndarray, "row column"]:
    """Correlation of 0/1 columns, of some with some; NaN where one does not vary."""
    p = share.diagonal()
    spread = p * (1 - p)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = share[rows][:, columns].toarray() - np.outer(p[rows], p[columns])
        r = apart / np.sqrt(np.outer(spread[rows], spread[columns]))
    varies = spread > 1e-12
    return np.where(np.outer(varies[rows], varies[columns]), r, np.nan)


def by_chance(share: Sparse, n: int) -> Float[np.ndarray, "column column"]:
    """How many of n rows would have both, were they independent."""
    p = share.diagonal()
    return np.outer(p, p) * n


@dataclass(frozen=True)
class Places:
    """The one-hot columns of a table: column i of the table is columns ends[i] .. ends[i + 1] of the matrix."""

    ends: Int[np.ndarray, "column"]
    names: tuple[str, ...]
    numbers: int  # the first so many are numbers

    @property
    def missing(self) -> np.ndarray:
        """The place of a missing value is the first of each column."""
        return self.ends[:-1]


def one_hot(blocks: Blocks, real: Blocks) -> tuple[Sparse, Places]:
    from scipy.sparse import csr_array

    binned = in_deciles(blocks, real)
    ends = np.cumsum([0, *[11] * len(real.number_names), *real.sizes])
    n, columns = binned.shape
    at = (np.ones(n * columns), (ends[:-1] + binned).ravel(), np.arange(n + 1) * columns)
    hot = csr_array(at, shape=(n, int(ends[-1])))
    return hot, Places(ends, real.columns, len(real.number_names))


def in_deciles(blocks: Blocks, real: Blocks) -> np.ndarray:
    """All columns as small whole numbers: the deciles of `real` for numbers (from 1), 0 for missing, and labels."""
    binned = np.zeros(blocks.numbers.shape, int)
    for j, x in enumerate(blocks.numbers.T):
        seen = real.numbers[:, j][~np.isnan(real.numbers[:, j])]
        edges = np.unique(np.quantile(seen, np.linspace(0.1, 0.9, 9))) if len(seen) else seen
        binned[:, j] = np.where(np.isnan(x), 0, np.searchsorted(edges, x, side="right") + 1)
    return np.concatenate([binned, blocks.labels], axis=1)


def variation(p: Sparse, q: Sparse, places: Places) -> Float[np.ndarray, "column column"]:
    """Total variation of the contingency tables of each pair of columns."""
    from scipy.sparse import csr_array

    c = int(places.ends[-1])
    column = np.repeat(np.arange(len(places.names)), np.diff(places.ends))
    inside = csr_array((np.ones(c), column, np.arange(c + 1)), shape=(c, len(places.names)))
    return np.add.reduceat((inside.T @ abs(p - q)).toarray(), places.ends[:-1], axis=1) / 2


def correlation(numbers: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "p p"]:
    """Pearson over the rows that have both; NaN where fewer than 10 do, or one does not vary."""
    seen = (~np.isnan(numbers)).astype(float)
    centre = np.zeros((1, numbers.shape[1]))
    some = seen.any(0)
    centre[:, some] = np.nanmean(numbers[:, some], axis=0, keepdims=True)
    x = np.where(seen > 0, numbers - centre, 0.0)
    n = seen.T @ seen
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (x.T @ seen) / n  # of column i, where j is seen too
        covariance = (x.T @ x) / n - mean * mean.T
        spread = (x**2).T @ seen / n - mean**2
        r = covariance / np.sqrt(spread * spread.T)
    varies = (spread > 1e-12) & (spread.T > 1e-12)
    return np.where((n >= FEWEST) & varies, r, np.nan)


@dataclass(frozen=True)
class Moments:
    """Of numbers and codes, in each group: what their correlations are read off.

    of_numbers      how many are seen, their sum and the sum of their squares
    of_pairs        seen with the code, and their sum with the code
    """

    of_numbers: Float[np.ndarray, "3 group p"]
    of_pairs: Float[np.ndarray, "2 group p code"]

    @staticmethod
    def of(numbers: Float[np.ndarray, "n p"], bits: np.ndarray, groups: int = GROUPS) -> "Moments":
        own = groups_of(len(numbers), groups)
        seen = ~np.isnan(numbers)
        centre = np.where(seen, numbers, 0.0).sum(0) / np.maximum(seen.sum(0), 1)
        x = np.where(seen, numbers - centre, 0.0)  # about the mean, so that squares do not cancel
        parts = (seen.astype(float), x, x**2)
        sums = [[part[own == g].sum(0) for g in range(groups)] for part in parts]
        with_code = [
            [part[own == g].T @ bits[own == g] for g in range(groups)] for part in parts[:2]
        ]
        return Moments(np.array(sums), np.array(with_code))

    def correlation(self, leave: int | None = None) -> Float[np.ndarray, "p code"]:
        """NaN where fewer than 10 rows have the number, or one does not vary among them."""
        parts = (self.of_numbers, self.of_pairs)
        kept = (part if leave is None else np.delete(part, leave, 1) for part in parts)
        (n, x, squares), (having, x_having) = (part.sum(1) for part in kept)
        n, x, squares = n[:, None], x[:, None], squares[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            p, mean = having / n, x / n
            spread, of_code = squares / n - mean**2, p * (1 - p)
            r = (x_having / n - mean * p) / np.sqrt(spread * of_code)
        return np.where((n >= FEWEST) & (spread > 1e-12) & (of_code > 1e-12), r, np.nan)


def correlations(blocks: Blocks, codes: Int[np.ndarray, "code"]) -> np.ndarray:
    """For the heat maps: numbers, labels (each against its most frequent value), and the codes asked for."""
    first = [column == np.bincount(column).argmax() for column in blocks.labels.T]
    labels = [column[:, None].astype(float) for column in first]
    return correlation(
        np.concatenate([blocks.numbers, *labels, blocks.bits[:, codes].astype(float)], axis=1)
    )
