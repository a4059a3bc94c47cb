"""What may give a row away: its columns as they are, and what can be read off several of them at once.

Each feature is of one row; what it is measured by (means, frequencies, correlations) is of all rows of both sets
together, without their labels, so that two samples of one law stay exchangeable.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.measures.metric import SMALL_CELL

CODES = 100  # the most frequent ones: boosting looks at every column in every tree
FEWEST_VALUES = 50  # of a feature, or only whether it is missing is looked at
FAMILY = 6  # columns of one set of values that are compared pair by pair
FEW = 10  # values that are counted one by one
IN_ORDER = 0.9  # of the rows, for two numbers to be of an order that a row may break
ORDERED = 30  # pairs of such numbers
RIDGE = 1e-3

Feature = tuple[str, np.ndarray]


class View(NamedTuple):
    """What a learner looks at; NaN is missing."""

    names: tuple[str, ...]
    x: Float32[np.ndarray, "n feature"]


def views(both: Blocks) -> tuple[View, View]:
    """Of both sets in one: the columns and codes as they are; and the columns with what is derived of either.

    columns     derived are the number of missing cells; in columns that share their values how many hold each, how many
                different ones there are, and which columns agree; the difference of numbers that stand in an order; and
                each number less what the other numbers say of it linearly
    codes       the 100 most frequent codes and the number of codes. Derived are the number of codes of each kind
                (before "//"), how frequent a row's codes are, and how often they are met in pairs
    """
    columns = [*_columns(both)]
    derived = [*columns, *_of_columns(both), *_of_codes(both)]
    return _view([*columns, *_codes(both)]), _view(derived)


def _view(features: list[Feature]) -> View:
    x = np.stack([values for _, values in features], 1).astype(np.float32)
    # Boosting refuses a column without a value, which a fold of a rare one may be: such hold the mark alone.
    rare = (~np.isnan(x)).sum(0) < FEWEST_VALUES
    x[:, rare] = ~np.isnan(x[:, rare])
    return View(tuple(name for name, _ in features), x)


def _columns(table: Blocks) -> Iterator[Feature]:
    yield from zip(table.number_names, table.numbers.T, strict=True)
    for name, labels, values in zip(table.label_names, table.labels.T, table.values, strict=True):
        yield name, np.array([np.nan, *_ranks(values)])[labels]


def _ranks(values: tuple[str, ...]) -> Int[np.ndarray, "value"]:
    """Their place in order: numbers by size, then words."""
    return np.argsort(sorted(range(len(values)), key=lambda i: _place(values[i])))


def _place(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _of_columns(table: Blocks) -> Iterator[Feature]:
    if not table.columns:
        return
    missing = np.isnan(table.numbers).sum(1) + (table.labels == 0).sum(1)
    yield "number of missing cells", missing
    for family in _families(table.values):
        yield from _of_family(table, family)
    yield from _in_order(table)
    yield from _residuals(table)


def _families(values: tuple[tuple[str, ...], ...]) -> list[list[int]]:
    """Columns that share their values: the same ones, or of more than two at least half of the fewer."""
    found: list[list[int]] = []
    for j, own in enumerate(map(set, values)):
        for family in found:
            first = set(values[family[0]])
            fewer = min(len(own), len(first))
            if own and (own == first or (fewer > 2 and 2 * len(own & first) >= fewer)):
                family.append(j)
                break
        else:
            found.append([j])
    return [family for family in found if len(family) > 1]


def _of_family(table: Blocks, family: list[int]) -> Iterator[Feature]:
    values = sorted(set().union(*(table.values[j] for j in family)))
    place = {value: i for i, value in enumerate(values)}
    held = np.stack(
        [np.array([-1, *map(place.get, table.values[j])])[table.labels[:, j]] for j in family], 1
    )
    names = [table.label_names[j] for j in family]
    among = f"{names[0]} and {len(names) - 1} like it"
    for i, value in enumerate(values if len(values) <= FEW else ()):
        if (held == i).sum() >= SMALL_CELL:  # its name is shown
            yield f"number of '{value}' in {among}", (held == i).sum(1)
    if len(values) == 2:
        return
    ordered = np.sort(held, 1)
    yield f"different values in {among}", (np.diff(ordered, axis=1) != 0).sum(1) + 1
    for i, j in combinations(range(len(family) if len(family) <= FAMILY else 0), 2):
        yield f"{names[i]} = {names[j]}", (held[:, i] == held[:, j]) & (held[:, i] >= 0)


def _in_order(table: Blocks) -> Iterator[Feature]:
    """x_j - x_i where most rows have x_i <= x_j, though not by the columns' ranges alone."""
    numbers, names, given = table.numbers, table.number_names, 0
    ends = [
        np.quantile(x[~np.isnan(x)], [0.01, 0.99]) if (~np.isnan(x)).any() else None
        for x in numbers.T
    ]
    for i in range(len(names)):
        for j in range(len(names)):
            low, high = ends[i], ends[j]
            if i == j or given == ORDERED or low is None or high is None or low[1] < high[0]:
                continue
            apart = numbers[:, j] - numbers[:, i]
            known = ~np.isnan(apart)
            if known.any() and IN_ORDER <= (apart[known] >= 0).mean():
                given += 1
                yield f"{names[j]} - {names[i]}", apart


def _residuals(table: Blocks) -> Iterator[Feature]:
    """Each number less its linear regression on all others, by the inverse of their correlations; a missing one is
    the mean to the others."""
    asked = [j for j, x in enumerate(table.numbers.T) if len(np.unique(x[~np.isnan(x)])) > 2]
    if len(asked) < 2:
        return
    x = table.numbers[:, asked]
    gaps = np.isnan(x)
    z = (x - np.nanmean(x, 0)) / np.maximum(np.nanstd(x, 0), 1e-12)
    z = np.clip(np.where(gaps, 0.0, z), -10, 10)
    inverse = np.linalg.inv(z.T @ z / len(z) + RIDGE * np.eye(len(asked)))
    rest = np.where(gaps, np.nan, z @ inverse / np.diag(inverse))
    for j, values in zip(asked, rest.T, strict=True):
        yield f"{table.number_names[j]} given other numbers", values


def _codes(both: Blocks) -> Iterator[Feature]:
    if not both.codes:
        return
    first = [j for j in both.frequent(CODES) if both.counts[j] >= SMALL_CELL]
    yield from ((both.codes[j], both.bits[:, j]) for j in first)
    yield "number of codes", both.bits.sum(1, dtype=int)


def _of_codes(both: Blocks) -> Iterator[Feature]:
    if not both.codes:
        return
    bits, counts = both.bits, both.counts
    number = bits.sum(1, dtype=int)
    yield "number of codes", number
    kinds = np.array([code.partition("//")[0] if "//" in code else "" for code in both.codes])
    if len(different := np.unique(kinds)) > 1:
        for kind in different:
            yield f"number of {kind or 'other'} codes", bits[:, kinds == kind].sum(1)
    often = np.log(np.maximum(counts, 1))
    yield "mean log frequency of codes", bits @ often / np.maximum(number, 1)
    ones = [np.flatnonzero(row) for row in bits]
    least = lambda values: values.min() if len(values) else np.nan
    most = lambda values: values.max() if len(values) else np.nan
    yield "frequency of the rarest code", np.array([least(often[own]) for own in ones])
    yield "frequency of the commonest code", np.array([most(often[own]) for own in ones])
    yield from _of_pairs(bits, counts, ones)


def _of_pairs(bits: np.ndarray, counts: np.ndarray, ones: list[np.ndarray]) -> Iterator[Feature]:
    """How often the codes of a row are met together, and how much more often than by chance (log)."""
    wide = bits.astype(np.float32)
    together = wide.T @ wide
    lift = np.log((together + 1) / (np.outer(counts, counts) / len(bits) + 1))
    pairs = [own[np.stack(np.triu_indices(len(own), 1))] for own in ones]
    lifts = [lift[i, j] for i, j in pairs]
    of = lambda what, lists: np.array([what(v) if len(v) else np.nan for v in lists])
    yield "sum of the lifts of pairs of codes", np.array([v.sum() for v in lifts])
    yield "mean lift of pairs of codes", of(np.mean, lifts)
    yield "least lift of a pair of codes", of(np.min, lifts)
    yield "frequency of the rarest pair", of(np.min, [np.log(together[i, j]) for i, j in pairs])
