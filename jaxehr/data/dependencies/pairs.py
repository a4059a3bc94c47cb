"""Of two columns: that they are equal, and that one is never above the other."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from jaxehr.data.dependencies.dependency import LEAST, NEARLY, Dependency, holds
from jaxehr.data.dependencies.quantities import SAMPLE, Quantities
from jaxehr.data.formulas import Equal, Sum
from jaxehr.data.kinds import Column
from jaxehr.data.schema import Inequality

SELDOM = 0.05  # share in which columns of many values are equal by chance, at most
OFTEN = 0.9  # of such columns this many rows may differ, of those that would by chance
OVERLAP = 0.005  # share of rows that would break an order by chance, at least: where ranges hardly touch it says little


def equalities(
    frame: pd.DataFrame, columns: Mapping[str, Column], quantities: Quantities
) -> list[Dependency]:
    """Of a group of equal columns the first one is the source of all others.

    Of columns that have many values, and so are hardly ever equal by chance, it is told where they are in a tenth of
    rows; of others where they nearly always are.
    """
    names = [*quantities.names, *(name for name in columns if name not in quantities.names)]
    codes = _codes(frame, columns, quantities, names)
    some = _sampled(codes)
    kinds = [columns[name].kind for name in names]
    sorts = [kind if kind in ("datetime", "categorical", "boolean") else "number" for kind in kinds]
    order = sorted(range(len(names)), key=lambda i: list(columns).index(names[i]))
    pairs = [(i, j) for i, j in combinations(order, 2) if sorts[i] == sorts[j]]
    found: list[Dependency] = []
    copies: set[int] = set()
    for i, j in pairs:
        if {i, j} & copies or _share(some[i], some[j]) < SELDOM:
            continue
        there = (codes[i] >= 0) & (codes[j] >= 0)
        held, of = int((codes[i] == codes[j])[there].sum()), int(there.sum())
        chance = _chance_of_equality(codes[i][there], codes[j][there])
        most = OFTEN if chance <= SELDOM else 0.1
        if of and holds([held], [of], [chance], len(pairs), most)[0]:
            law = Equal(names[j], names[i])
            apart = int(((codes[i] >= 0) != (codes[j] >= 0)).sum())
            found.append(Dependency((law,), str(law), held, of, chance, apart < LEAST))
            copies |= {j} if found[-1].always else set()
    return found


def _codes(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    quantities: Quantities,
    names: list[str],
) -> np.ndarray:
    """[p, n]: whole numbers that are equal where values are; -1 where missing."""
    n, numbers = len(frame), quantities.values
    found = np.full((len(names), n), -1, np.int32)
    there = ~np.isnan(numbers)
    found[: len(numbers)][there] = np.unique(numbers[there] + 0.0, return_inverse=True)[1]
    rest = names[len(numbers) :]
    if rest:
        stacked = pd.concat([frame[name].astype(object) for name in rest], ignore_index=True)
        found[len(numbers) :] = pd.factorize(stacked)[0].reshape(len(rest), n)
    return found


def _sampled(codes: np.ndarray) -> np.ndarray:
    n = codes.shape[1]
    rows = np.random.default_rng(0).choice(n, min(n, SAMPLE), replace=False)
    return codes[:, rows]


def _share(a: np.ndarray, b: np.ndarray) -> float:
    there = (a >= 0) & (b >= 0)
    return ((a == b) & there).sum() / max(there.sum(), 1)


def _chance_of_equality(a: np.ndarray, b: np.ndarray) -> float:
    (x, in_a), (y, in_b) = (np.unique(each, return_counts=True) for each in (a, b))
    _, i, j = np.intersect1d(x, y, assume_unique=True, return_indices=True)
    return float((in_a[i] / max(len(a), 1)) @ (in_b[j] / max(len(b), 1)))


def orders(quantities: Quantities, sums: Iterable[Dependency]) -> list[Dependency]:
    """Of those that always hold only what does not follow from others, nor from a sum of what is never below 0."""
    p = len(quantities.names)
    pairs = [
        (i, j) for i in range(p) for j in range(p)
        if i != j and quantities.dated[i] == quantities.dated[j]
    ]  # fmt: skip
    ends = [np.sort(each[~np.isnan(each)]) for each in quantities.sample]
    found = {}
    for i, j in pairs:
        low, high = quantities.sample[i], quantities.sample[j]
        there = ~(np.isnan(low) | np.isnan(high))
        if (low > high).sum() > (1 - NEARLY) * 1.5 * there.sum():
            continue
        if _chance_of_order(ends[i], ends[j]) > 1 - OVERLAP / 2:
            continue
        law = _order(quantities, i, j, len(pairs))
        if law is not None:
            found[quantities.names[i], quantities.names[j]] = law
    return _without_what_follows(found, _implied(quantities, sums))


def _chance_of_order(low: np.ndarray, high: np.ndarray) -> float:
    """Of a draw from each of two sets in order, that the first is not above the second."""
    if not len(low) or not len(high):
        return 1.0
    return float(np.searchsorted(low, high, side="right").mean() / len(low))


def _order(quantities: Quantities, i: int, j: int, tests: int) -> Dependency | None:
    low, high = quantities.values[i], quantities.values[j]
    there = ~(np.isnan(low) | np.isnan(high))
    low, high = low[there], high[there]
    held, of = int((low <= high).sum()), len(low)
    chance = _chance_of_order(np.sort(low), np.sort(high))
    if of == 0 or held < NEARLY * of or chance > 1 - OVERLAP or (low == high).all():
        return None
    if not holds([held], [of], [chance], tests)[0]:
        return None
    law = Inequality(quantities.names[i], quantities.names[j])
    return Dependency((law,), str(law), held, of, chance)


def _implied(quantities: Quantities, sums: Iterable[Dependency]) -> set[tuple[str, str]]:
    ends = [np.nanmin(each, initial=np.inf) for each in quantities.values]
    least = dict(zip(quantities.names, ends, strict=True))
    return {
        (name, law.total)
        for each in sums
        for law in each.laws
        if isinstance(law, Sum) and each.always
        for name in law.parts
        if all(least.get(other, -1) >= 0 for other in law.parts if other != name)
    }


def _without_what_follows(
    found: dict[tuple[str, str], Dependency], implied: set[tuple[str, str]]
) -> list[Dependency]:
    always = {pair for pair, law in found.items() if not law.breaks} | implied
    names = {name for pair in always for name in pair}
    return [
        law
        for (low, high), law in found.items()
        if (low, high) not in implied
        and not any((low, x) in always and (x, high) in always for x in names - {low, high})
    ]
