"""Counts of rows that have two things at once, as matrix products: what relations of columns and codes are read off.

Everything is a 0/1 matrix: codes as they are, table columns one-hot (numbers in the deciles of the real records, a
missing value in a place of its own). Counts are kept by group of patients, so that a group can be left out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import GROUPS

FEWEST = 10  # rows that have both, without which two numbers have no correlation


@dataclass(frozen=True)
class PairCounts:
    """How many rows of each group have both columns."""

    n: Float[np.ndarray, "group"]
    both: Float[np.ndarray, "group column column"]

    @staticmethod
    def of(*ones: np.ndarray, groups: int = GROUPS) -> "PairCounts":
        """Of 0/1 matrices beside each other."""
        own = groups_of(len(ones[0]), groups)
        beside = lambda rows: np.concatenate([part[rows].astype(np.float32) for part in ones], 1)
        parts = [beside(own == g) for g in range(groups)]
        # float32 counts are exact below 2^24 rows.
        both = np.stack([part.T @ part for part in parts])
        return PairCounts(np.array([len(part) for part in parts], float), both)

    def share(self, leave: int | None = None) -> Float[np.ndarray, "column column"]:
        """P(both); the diagonal holds P(one)."""
        n, both = self.n.sum(), self.both.sum(0, dtype=float)
        if leave is not None:
            n, both = n - self.n[leave], both - self.both[leave]
        return both / max(n, 1)


def phi(share: Float[np.ndarray, "column column"]) -> Float[np.ndarray, "column column"]:
    """Correlation of 0/1 columns; NaN where one does not vary."""
    p = np.diag(share)
    spread = p * (1 - p)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (share - np.outer(p, p)) / np.sqrt(np.outer(spread, spread))
    varies = spread > 1e-12
    return np.where(np.outer(varies, varies), r, np.nan)


def by_chance(share: Float[np.ndarray, "column column"], n: int) -> np.ndarray:
    """How many of n rows would have both, were they independent."""
    p = np.diag(share)
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


def one_hot(blocks: Blocks, real: Blocks) -> tuple[np.ndarray, Places]:
    binned = in_deciles(blocks, real)
    ends = np.cumsum([0, *[11] * len(real.number_names), *real.sizes])
    hot = np.zeros((len(blocks), int(ends[-1])), np.float32)
    for j in range(binned.shape[1]):
        hot[np.arange(len(blocks)), ends[j] + binned[:, j]] = 1
    return hot, Places(ends, real.columns, len(real.number_names))


def in_deciles(blocks: Blocks, real: Blocks) -> np.ndarray:
    """All columns as small whole numbers: the deciles of `real` for numbers (from 1), 0 for missing, and labels."""
    binned = np.zeros(blocks.numbers.shape, int)
    for j, x in enumerate(blocks.numbers.T):
        seen = real.numbers[:, j][~np.isnan(real.numbers[:, j])]
        edges = np.unique(np.quantile(seen, np.linspace(0.1, 0.9, 9))) if len(seen) else seen
        binned[:, j] = np.where(np.isnan(x), 0, np.searchsorted(edges, x, side="right") + 1)
    return np.concatenate([binned, blocks.labels], axis=1)


def variation(p: np.ndarray, q: np.ndarray, places: Places) -> Float[np.ndarray, "column column"]:
    """Total variation of the contingency tables of each pair of columns."""
    starts = places.ends[:-1]
    apart = np.abs(p - q)
    return np.add.reduceat(np.add.reduceat(apart, starts, axis=0), starts, axis=1) / 2


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
