"""Classes of a number: an age group, a stage, a flag that is set from some value on."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from jaxehr.data.dependencies.classes import Coded, coded_columns
from jaxehr.data.dependencies.dependency import LEAST, NEARLY, Dependency, holds
from jaxehr.data.dependencies.quantities import Quantities
from jaxehr.data.implications import Implication
from jaxehr.data.kinds import Column

FEW, MANY = 5, 12  # different numbers, at least; classes, at most
TURNS = 0.3  # neighbours of different classes, in the order of the number, of those that there are by chance, at most


def steps(
    frame: pd.DataFrame, columns: Mapping[str, Column], quantities: Quantities
) -> list[Dependency]:
    """Columns of which each class lies between two values of a number, the classes in its order."""
    coded = [each for each in coded_columns(frame, columns) if 2 <= _valued(each).sum() <= MANY]
    tests = max(len(quantities.names) * len(coded), 1)
    found = []
    for i, name in enumerate(quantities.names):
        numbers = quantities.values[i]
        there = np.flatnonzero(~np.isnan(numbers))
        if quantities.dated[i] or len(np.unique(quantities.sample[i])) < FEW:
            continue
        order = there[np.argsort(numbers[there], kind="stable")]
        for each in coded:
            if each.name == name or not _turns_seldom(each.codes[order]):
                continue
            law = _stepped(name, numbers[order], each, each.codes[order], tests)
            if law is not None:
                found.append(law)
    return found


def _valued(column: Coded) -> np.ndarray:
    """Its classes but for a missing value and what is left."""
    return column.said & (np.arange(len(column.said)) != column.missing)


def _turns_seldom(codes: np.ndarray) -> bool:
    shares = np.bincount(codes) / len(codes)
    return bool((codes[1:] != codes[:-1]).mean() <= TURNS * (1 - (shares**2).sum()))


def _stepped(
    name: str, numbers: np.ndarray, column: Coded, codes: np.ndarray, tests: int
) -> Dependency | None:
    """numbers, codes   [n] in the order of the number"""
    valued = [k for k in np.flatnonzero(_valued(column)) if (codes == k).sum() >= LEAST]
    if len(valued) < 2:
        return None
    classes = sorted(valued, key=lambda k: float(np.median(numbers[codes == k])))
    cuts = [0]
    for low, high in pairwise(classes):
        cuts.append(_cut(numbers, codes == low, codes == high, cuts[-1]))
    cuts.append(len(numbers))
    right = [int((codes[a:b] == k).sum()) for a, b, k in zip(cuts, cuts[1:], classes, strict=False)]
    of, held = len(codes), sum(right)
    shares = np.bincount(codes, minlength=len(column.said)) / of
    chance = float(np.diff(cuts) @ shares[classes]) / of
    if min(right) < LEAST or held < NEARLY * of or not holds([held], [of], [chance], tests)[0]:
        return None
    ends = [_between(numbers[cut - 1], numbers[cut]) for cut in cuts[1:-1]]
    laws = tuple(
        Implication({name: each}, {column.name: column.values[k]})
        for each, k in zip(_ranges(ends), classes, strict=True)
    )
    at = ", ".join(f"{high:.12g}" for _, high in ends)
    said = f"{name} determines {column.name} (another value from {at} on)"
    return Dependency(laws, said, held, of, chance)


def _cut(numbers: np.ndarray, low: np.ndarray, high: np.ndarray, first: int) -> int:
    """Where the number goes up, and fewest of the lower class are above it and of the higher one below."""
    wrong = np.cumsum(high) - np.cumsum(low)  # but for a constant
    ends = np.flatnonzero(numbers[1:] > numbers[:-1])
    ends = ends[ends + 1 > first]
    return int(ends[wrong[ends].argmin()]) + 1 if len(ends) else first + 1


def _between(low: float, high: float) -> tuple[float, float]:
    """(the end of the lower class, the beginning of the higher one), of a number of each.

    In between, with as few digits as can be: so they are hardly ever one patient's own.
    """
    begin = next((x for x in _near(high, below=False) if low < x <= high), high)
    return next((x for x in _near(begin, below=True) if low <= x < begin), low), begin


def _near(number: float, *, below: bool) -> Iterator[float]:
    """With ever more digits what is nearest to a number, not above it, or below."""
    for digits in range(-3, 13):
        scaled = np.round(number * 10.0**digits, 6)
        found = float(np.ceil(scaled) - 1 if below else np.floor(scaled)) / 10.0**digits
        yield int(found) if found.is_integer() else round(found, digits)


def _ranges(ends: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    lows = [{}, *({"low": high} for _, high in ends)]
    highs = [*({"high": low} for low, _ in ends), {}]
    return [{**low, **high} for low, high in zip(lows, highs, strict=True)]
