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
    logs = np.log(quantities.values[positive])
    rng = np.random.default_rng(0)
    tried = []
    for y in reversed(range(len(positive))):
        at = np.flatnonzero(~np.isnan(logs[y]))
        some = logs[:, rng.choice(at, min(len(at), ROWS), replace=False)]
        some = some - np.nanmean(some, axis=1, keepdims=True)  # a constant more or less
        tried.append((y, some, NEAR * float(np.std(some[y]))))
    for y, some, most in tried:
        for power in POWERS:
            for x in _constant((some[y] - power * some)[:, None], most)[:, 0].nonzero()[0]:
                if x != y:
                    yield positive[y], {positive[x]: power}
    for y, some, most in tried:
        for first in POWERS:
            for second in POWERS:
                fits = np.triu(_pairs(some, y, first, second) <= most**2, 1)
                fits[y] = fits[:, y] = False
                for i, j in np.argwhere(fits):
                    yield positive[y], {positive[i]: first, positive[j]: second}


def _constant(logs: np.ndarray, most: float) -> np.ndarray:
    """[..., rows] -> which vary no more than `most`, where half of the rows at least are there."""
    there = np.isfinite(logs)
    count = there.sum(axis=-1)
    filled = np.where(there, logs, 0.0)
    mean = filled.sum(axis=-1, keepdims=True) / np.maximum(count, 1)[..., None]
    off = np.where(there, filled - mean, 0.0)
    return (count >= ROWS // 2) & ((off**2).sum(axis=-1) <= most**2 * np.maximum(count, 1))


def _pairs(logs: np.ndarray, y: int, first: int, second: int) -> np.ndarray:
    """[p, p]: the variance of log y - first log i - second log j over the rows of both; inf where these are few.

    By products of matrices, of which a missing value is 0: the square is written out.
    """
    there = (~np.isnan(logs)).astype(float)
    x, own = np.nan_to_num(logs), logs[y]
    count = there @ there.T
    mixed = (there * own) @ there.T, x @ there.T
    total = mixed[0] - first * mixed[1] - second * mixed[1].T
    square, cross = (x**2) @ there.T, (x * own) @ there.T
    squares = (there * own**2) @ there.T + first**2 * square + second**2 * square.T
    squares += 2 * (first * second * x @ x.T - first * cross - second * cross.T)
    many = np.maximum(count, 1)
    return np.where(count >= ROWS // 2, squares / many - (total / many) ** 2, np.inf)


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
