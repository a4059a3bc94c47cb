"""Columns that are products and quotients of others: a body mass index, the same mass in another unit."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from jaxehr.data.dependencies.dependency import LEAST, Dependency
from jaxehr.data.dependencies.quantities import Quantities
from jaxehr.data.dependencies.sums import of_formula
from jaxehr.data.formulas import Product
from jaxehr.data.kinds import Column

POWERS = (1, -1, 2, -2)
ROWS = 32  # on which columns and their powers are tried
MANY = 20  # different values that each column has at least: of fewer, many products fit
SPREAD = (
    0.1  # what is off, as a share of the standard deviation, at most: factors may have been rounded
)
NEAR = 0.02  # what may be left of the spread of the logarithm


def products(
    frame: pd.DataFrame, columns: Mapping[str, Column], quantities: Quantities
) -> list[Dependency]:
    """Of one column or two, which come to the first or second power, above or below the line; and a factor.

    Of columns of numbers above 0. Of several that say the same (a = 2 b, b = a / 2) the last one follows.
    """
    positive = _positive(quantities)
    tests = max(len(positive) ** 3 * len(POWERS) ** 2, 1)
    found: list[Dependency] = []
    done: list[frozenset[str]] = []
    for column, powers in _candidates(quantities, positive):
        names = frozenset(quantities.names[i] for i in (column, *powers))
        if any(names >= each for each in done):
            continue
        law = _fitted(quantities, column, powers)
        each = of_formula(law, frame, columns, tests, SPREAD)
        if each is not None:
            found.append(each)
            done.append(names)
    return found


def _positive(quantities: Quantities) -> list[int]:
    """Columns of numbers above 0 of many values."""
    found = []
    for i, values in enumerate(quantities.sample):
        seen = values[~np.isnan(values)]
        if not quantities.dated[i] and (seen > 0).all() and len(np.unique(seen)) >= MANY:
            found.append(i)
    return found


def _candidates(
    quantities: Quantities, positive: list[int]
) -> Iterator[tuple[int, dict[int, int]]]:
    """(column, the powers of others) of which the logarithms differ by a constant, on some rows.

    First those of one other column, and of several columns the last one in the table.
    """
    rng = np.random.default_rng(0)
    for several in (False, True):
        for column in reversed(positive):
            at = np.flatnonzero(~np.isnan(quantities.values[column]))
            at = rng.choice(at, min(len(at), ROWS), replace=False)
            with np.errstate(invalid="ignore", divide="ignore"):
                logs = np.log(quantities.values[np.array(positive)[:, None], at])
            y = logs[positive.index(column)]
            most = NEAR * float(np.nanstd(y))
            for i, other in enumerate(positive):
                if other == column:
                    continue
                for power in POWERS:
                    rest = y - power * logs[i]
                    if not several:
                        if _constant(rest[None], most)[0]:
                            yield column, {other: power}
                        continue
                    for second in POWERS:
                        fits = _constant(rest - second * logs[i + 1 :], most)
                        for j in np.flatnonzero(fits) + i + 1:
                            if positive[j] != column:
                                yield column, {other: power, positive[j]: second}


def _constant(logs: np.ndarray, most: float) -> np.ndarray:
    """[k]: which rows vary no more than `most`, where half of them at least is there."""
    there = np.isfinite(logs)
    count = there.sum(axis=1)
    filled = np.where(there, logs, 0.0)
    mean = filled.sum(axis=1) / np.maximum(count, 1)
    off = np.where(there, filled - mean[:, None], 0.0)
    return (count >= ROWS // 2) & ((off**2).sum(axis=1) <= most**2 * np.maximum(count, 1))


def _fitted(quantities: Quantities, column: int, powers: dict[int, int]) -> Product:
    """With the factor to as few digits as leave the rest as small as it can be."""
    own, computed = quantities.values[column], np.ones(quantities.values.shape[1])
    for i, power in powers.items():
        computed = computed * quantities.values[i] ** power
    there = ~np.isnan(own) & np.isfinite(computed)
    own, computed = own[there], computed[there]
    times = float(own @ computed / (computed @ computed))
    least = np.quantile(np.abs(own - times * computed), 0.999)
    exact = 1e-10 * float(np.abs(own).max())
    for digits in range(15):
        rounded = float(f"{times:.{digits}e}")
        if np.quantile(np.abs(own - rounded * computed), 0.999) <= max(1.05 * least, exact):
            times = rounded
            break
    # Of the patients that are furthest off as few as are not learnt from say nothing.
    off = float(np.sort(np.abs(own - times * computed))[-LEAST:][0])
    within = 0.0 if off <= exact else float(f"{1.05 * off:.2g}")
    names = {quantities.names[i]: power for i, power in powers.items()}
    above = tuple(name for name, power in names.items() for _ in range(max(power, 0)))
    below = tuple(name for name, power in names.items() for _ in range(max(-power, 0)))
    return Product(quantities.names[column], above, below, times, within)
