"""The distances between three sets of one size, measured once and shared by every metric that looks at neighbours."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxehr.evaluation.blocks.nearest import Nearest, Rows, groups_of, nearest
from jaxehr.evaluation.measures.intervals import GROUPS

Pair = tuple[str, str]


@dataclass(frozen=True)
class Distances:
    """From each row of one set to the nearest row of each group of another, the row itself left out.

    Rows stand in random order, so that contiguous groups are random ones. Leaving a group out of every set is then a
    matter of leaving rows and columns out of these matrices: that is how the figures get their intervals.
    """

    between: dict[Pair, Nearest]
    n: int
    groups: int

    def kept(self, leave: int | None) -> Bool[np.ndarray, "n"]:
        return groups_of(self.n, self.groups) != (-1 if leave is None else leave)

    def least(self, rows: str, others: str, leave: int | None = None) -> Float[np.ndarray, "n"]:
        """To the nearest other row outside the group left out; of every row, those left out as well."""
        return self._without(self.between[rows, others].distance, leave).min(1)

    def row(self, rows: str, others: str, leave: int | None = None) -> Int[np.ndarray, "n"]:
        found = self.between[rows, others]
        best = self._without(found.distance, leave).argmin(1)
        index = self._without(found.where, leave)
        return np.take_along_axis(index, best[:, None], 1)[:, 0]

    def _without(self, matrix: np.ndarray, leave: int | None) -> np.ndarray:
        return matrix if leave is None else np.delete(matrix, leave, axis=1)

    def relabelled(self, names: dict[str, str]) -> "Distances":
        """With other sets in the places of the names: {"synthetic": "holdout", "real": "real"}."""
        between = {(a, b): self.between[names[a], names[b]] for a in names for b in names}
        return Distances(between, self.n, self.groups)

    def of_copies(self) -> "Distances":
        """As they were if the synthetic rows were the real ones: the worst case of every privacy metric."""
        own = groups_of(self.n, self.groups)
        zero = self.between["real", "real"].distance.copy()
        index = self.between["real", "real"].where.copy()
        zero[np.arange(self.n), own], index[np.arange(self.n), own] = 0.0, np.arange(self.n)
        copied = {"synthetic": "real", "real": "real", "holdout": "holdout"}
        between = self.relabelled(copied).between
        at_once = Nearest(zero, index)
        between["synthetic", "real"] = between["real", "synthetic"] = at_once
        return Distances(between, self.n, self.groups)

    def of_fresh(self) -> "Distances":
        """As they were if half of the holdout were the synthetic rows, and the other half the holdout: the floor."""
        first, second = np.arange(self.groups // 2), np.arange(self.groups // 2, self.groups)
        parts = {
            "synthetic": ("holdout", first),
            "holdout": ("holdout", second),
            "real": ("real", first),
        }
        own = groups_of(self.n, self.groups)
        size = min(int(np.isin(own, half).sum()) for half in (first, second))
        between = {}
        for a, b in self.between:
            (rows, row_groups), (others, columns) = parts[a], parts[b]
            (lines,) = np.nonzero(np.isin(own, row_groups))
            found = self.between[rows, others]
            at = np.ix_(lines[:size], columns)
            # Rows are numbered within the half; the last one may be beyond its end where halves differ by one.
            start = int(np.nonzero(np.isin(own, columns))[0][0])
            index = np.minimum(found.where[at] - start, size - 1)
            between[a, b] = Nearest(found.distance[at], index)
        return Distances(between, size, self.groups // 2)


def measure(sets: dict[str, Rows], tick: Callable[[str], None] = lambda what: None) -> Distances:
    """All ordered pairs of the sets. Raises ValueError if they differ in size: the larger would always be nearer."""
    sizes = {name: len(rows) for name, rows in sets.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"sets of one size are wanted; got {sizes}")
    between = {}
    for a in sets:
        for b in sets:
            tick(f"{a} to {b}")
            between[a, b] = nearest(sets[a], sets[b], groups=GROUPS, itself=a == b)
    return Distances(between, next(iter(sizes.values())), GROUPS)
