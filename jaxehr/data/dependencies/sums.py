"""Columns that are sums of others."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from jaxehr.data.dependencies.dependency import LEAST, NEARLY, Dependency, holds
from jaxehr.data.dependencies.quantities import Quantities
from jaxehr.data.formulas import ROUNDING, Product, Sum, values_of
from jaxehr.data.kinds import Column

ROWS = 64  # rows of the total on which pairs of parts are tried
MOST = 64_000_000  # comparisons of all of them
MATCH = 0.9  # of these rows
FIT = 2_000  # rows on which three parts and more are tried
SPREAD = 0.01  # what is off by rounding, as a share of the total's standard deviation, at most


def sums(
    frame: pd.DataFrame, columns: Mapping[str, Column], quantities: Quantities
) -> list[Dependency]:
    """Totals of two parts, and then of more, which are there wherever the total is.

    Each column is the total of one sum at most, and no sum is told twice.
    """
    found: list[Dependency] = []
    p = len(quantities.names)
    tests = max(p * p * (p - 1) // 2, 1)
    done: set[frozenset[str]] = set()
    for total, parts in (*_of_two(quantities), *_of_more(quantities)):
        names = frozenset(quantities.names[i] for i in (total, *parts))
        if any(names >= each for each in done):
            continue
        for within in (0.0, _rounding(quantities, (total, *parts))):
            law = Sum(quantities.names[total], tuple(quantities.names[i] for i in parts), within)
            each = of_formula(law, frame, columns, tests)
            if each is not None:
                found.append(each)
                done.add(names)
                break
    return _one_of_each(found)


def of_formula(
    law: Sum | Product,
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    tests: int,
    spread: float = SPREAD,
) -> Dependency | None:
    """How often a sum or a product holds, asked of patients of whom no part is 0: where one is, fewer would do.

    By chance is with the values computed of other rows.
    spread      how far off it may be, as a share of the column's standard deviation
    """
    own = values_of(frame[law.column], columns[law.column]).to_numpy()
    parts = {name: values_of(frame[name], columns[name]) for name in law.sources}
    computed = law.of(parts).to_numpy()
    there = ~(np.isnan(own) | np.isnan(computed))
    held, of = int((there & ~law.broken(frame, columns)).sum()), int(there.sum())
    if of < LEAST or held < NEARLY * of or law.within > spread * np.std(own[there]):
        return None
    a, b = own[there], computed[there]
    asked = np.ones(of, bool)
    for part in parts.values():
        asked &= part.to_numpy()[there] != 0
    if asked.sum() < LEAST:
        return None
    turned = np.random.default_rng(0).permutation(b[asked])
    size = law.within + ROUNDING * np.maximum(np.abs(a[asked]), np.abs(turned))
    chance = float((np.abs(a[asked] - turned) <= size).mean())
    right = int((asked & (np.abs(a - b) <= law.within + ROUNDING * np.abs(a).max())).sum())
    if not holds([right], [asked.sum()], [chance], tests)[0]:
        return None
    apart = int((np.isnan(own) != np.isnan(computed)).sum())
    return Dependency((law,), str(law), held, of, chance, apart < LEAST)


def _of_two(quantities: Quantities) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(total, parts) that fit on some rows, in which neither part is 0."""
    values, dated = quantities.values, quantities.dated
    p = len(values)
    rng = np.random.default_rng(0)
    rows = int(np.clip(MOST // max(p, 1) ** 3, 16, ROWS))
    for total in range(p):
        at = np.flatnonzero(~np.isnan(values[total]) & (values[total] != 0))
        some = values[:, rng.choice(at, min(len(at), rows), replace=False)]
        parts = np.where(some == 0, np.nan, some)  # where one is 0 the other would do
        left = some[total] - parts
        near = np.abs(left[:, None] - parts[None]) <= _tolerance(some[total])
        asked = (~np.isnan(left))[:, None] & (~np.isnan(parts))[None]
        good = (near.sum(-1) >= MATCH * asked.sum(-1)) & (asked.sum(-1) >= 4)
        good[total] = good[:, total] = False
        dates = dated[:, None].astype(int) + dated[None]
        good &= dates == int(dated[total])
        yield from ((total, (int(a), int(b))) for a, b in np.argwhere(np.triu(good, 1)))


def _tolerance(total: np.ndarray) -> float:
    if not len(total):
        return 0.0
    return max(SPREAD * float(np.std(total)), 1e-6 * float(np.abs(total).max(initial=0)))


def _of_more(quantities: Quantities) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(total, parts) by least squares on all columns that are there with the total; the weights of parts are 1."""
    numbers = [i for i in range(len(quantities.names)) if not quantities.dated[i]]
    values = quantities.values
    there = ~np.isnan(values)
    rng = np.random.default_rng(0)
    for total in numbers:
        at = np.flatnonzero(there[total])
        some = rng.choice(at, min(len(at), FIT), replace=False)
        others = [i for i in numbers if i != total and there[i, some].mean() >= NEARLY]
        some = some[there[others][:, some].all(axis=0)]
        x, y = values[np.ix_(others, some)].T, values[total, some]
        spread = x.std(axis=0) if len(x) else np.zeros(len(others))
        others, x = [o for o, s in zip(others, spread, strict=True) if s], x[:, spread > 0]
        if len(others) < 3 or len(y) < 3 * len(others) + 20 or not y.std():
            continue
        scale = x.std(axis=0)
        centred = (x - x.mean(axis=0)) / scale
        weights = np.linalg.lstsq(centred, y - y.mean(), rcond=1e-8)[0] / scale
        parts = [o for o, w in zip(others, weights, strict=True) if abs(w - 1) < 0.05]
        rest = [w for w in weights if abs(w - 1) >= 0.05]
        off = y - values[np.ix_(parts, some)].sum(axis=0)
        if (
            len(parts) >= 3
            and np.std(off) <= SPREAD * y.std()
            and np.abs(rest).max(initial=0) < 0.05
        ):
            yield total, tuple(parts)


def _rounding(quantities: Quantities, columns: tuple[int, ...]) -> float:
    """What numbers of so few decimals may be off by when each is rounded by itself."""
    fewest = min(quantities.decimals(i) for i in columns if not quantities.dated[i])
    return float(f"{0.5 * len(columns) * 10.0**-fewest:.3g}")


def _one_of_each(found: list[Dependency]) -> list[Dependency]:
    """Of sums that have a column as their total the one that holds oftenest."""
    best: dict[str, Dependency] = {}
    for each in sorted(found, key=lambda each: (-each.held, len(each.laws[0].names))):
        best.setdefault(each.laws[0].names[0], each)
    return list(best.values())
