"""Relations of columns, as matrix products: co-occurrence of codes, contingency tables, and missing values beside both.

Everything is a 0/1 matrix: codes as they are, table columns one-hot (numbers in the deciles of the real records, a
missing value in a place of its own). Counts are kept by group of patients, so that a group can be left out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jaxehr.evaluation.blocks.frames import Bits, Records, Table
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import GROUPS

PAIR_CODES = 500  # the most frequent ones: pairs of rarer codes have no count to speak of
EXPECTED = (
    5.0  # patients that a pair of codes would have by chance, for its correlation to be asked
)


@dataclass(frozen=True)
class PairCounts:
    """How many rows of each group have both columns."""

    n: Float[np.ndarray, "group"]
    both: Float[np.ndarray, "group column column"]

    @staticmethod
    def of(ones: np.ndarray, groups: int = GROUPS) -> "PairCounts":
        own = groups_of(len(ones), groups)
        parts = [ones[own == g].astype(np.float32) for g in range(groups)]
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


@dataclass(frozen=True)
class Blocks:
    """The one-hot columns of a table: column i of the table is columns ends[i] .. ends[i + 1] of the matrix."""

    ends: Int[np.ndarray, "column"]
    names: tuple[str, ...]
    numbers: int  # the first so many are numbers

    @property
    def missing(self) -> np.ndarray:
        """The place of a missing value is the first of each block."""
        return self.ends[:-1]


def one_hot(table: Table, real: Table) -> tuple[np.ndarray, Blocks]:
    binned = in_deciles(table, real)
    labels = [len(values) + 1 for values in real.values]
    sizes = [11] * len(real.number_names) + labels
    ends = np.cumsum([0, *sizes])
    hot = np.zeros((len(table), int(ends[-1])), np.float32)
    for j in range(binned.shape[1]):
        hot[np.arange(len(table)), ends[j] + binned[:, j]] = 1
    names = (*real.number_names, *real.label_names)
    return hot, Blocks(ends, names, len(real.number_names))


def in_deciles(table: Table, real: Table) -> np.ndarray:
    """All columns as small whole numbers: the deciles of `real` for numbers (from 1), 0 for missing, and labels."""
    columns = []
    for j in range(table.numbers.shape[1]):
        seen = real.numbers[:, j][~np.isnan(real.numbers[:, j])]
        edges = np.unique(np.quantile(seen, np.linspace(0.1, 0.9, 9))) if len(seen) else seen
        x = table.numbers[:, j]
        columns.append(np.where(np.isnan(x), 0, np.searchsorted(edges, x, side="right") + 1))
    columns += list(table.labels.T)
    return np.stack(columns, 1)


def variation(p: np.ndarray, q: np.ndarray, blocks: Blocks) -> Float[np.ndarray, "column column"]:
    """Total variation of the contingency tables of each pair of columns."""
    starts = blocks.ends[:-1]
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
    return np.where((n >= 10) & (spread > 1e-12) & (spread.T > 1e-12), r, np.nan)


def frequent(real: Bits) -> Int[np.ndarray, "code"]:
    return np.argsort(-real.bits.sum(0), kind="stable")[:PAIR_CODES]


def correlations(records: Records, codes: np.ndarray | None = None) -> np.ndarray:
    """For the heat maps: numbers and labels (each against its most frequent value); or the codes asked for."""
    if isinstance(records, Bits):
        return correlation(records.bits[:, codes].astype(float))
    first = [column == np.bincount(column).argmax() for column in records.labels.T]
    columns = [records.numbers, *[c[:, None].astype(float) for c in first]]
    return correlation(np.concatenate(columns, axis=1))
