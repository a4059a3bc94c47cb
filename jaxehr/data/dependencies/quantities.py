"""Columns of numbers and dates side by side."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jaxehr.data.formulas import ORDERED, values_of
from jaxehr.data.kinds import Column

SAMPLE = 4_096  # rows on which what is not there is ruled out


@dataclass(frozen=True)
class Quantities:
    """names, dated    [p] of each column, and whether it is one of dates
    values          [p, n] float64, NaN where missing; dates are days since 1970
    """

    names: tuple[str, ...]
    dated: np.ndarray
    values: np.ndarray

    @staticmethod
    def of(frame: pd.DataFrame, columns: Mapping[str, Column]) -> "Quantities":
        names = [name for name, column in columns.items() if column.kind in ORDERED]
        values = [_finite(values_of(frame[name], columns[name]).to_numpy()) for name in names]
        dated = np.array([columns[name].kind == "datetime" for name in names], bool)
        return Quantities(tuple(names), dated, np.array(values).reshape(len(names), len(frame)))

    def without(self, left: Collection[str]) -> "Quantities":
        keep = [i for i, name in enumerate(self.names) if name not in left]
        names = tuple(self.names[i] for i in keep)
        return Quantities(names, self.dated[keep], self.values[keep])

    @cached_property
    def sample(self) -> np.ndarray:
        """[p, rows]: some of them, the same each time."""
        n = self.values.shape[1]
        if n <= SAMPLE:
            return self.values
        return self.values[:, np.random.default_rng(0).choice(n, SAMPLE, replace=False)]

    def decimals(self, i: int) -> int:
        """That write all values of a column; 12 at most, which stands for more too."""
        values = self.sample[i][~np.isnan(self.sample[i])]
        return next((d for d in range(12) if np.array_equal(np.round(values, d), values)), 12)


def _finite(values: np.ndarray) -> np.ndarray:
    """What is infinite, or so large that its square is, is missing."""
    return np.where(np.abs(values) < 1e100, values, np.nan)
