"""Values of real and of synthetic patients written in one way, as finely as the less precise of both sets has them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST = 0.99  # of the values say how fine a set is
FIGURES = 3  # that a usual value has at the most
TRUE = ("1", "1.0", "true", "yes")


def numbers(sets: Sequence[pd.Series]) -> list[pd.Series]:
    """With as many decimals for all values alike."""
    found = [pd.to_numeric(values).astype(float) for values in sets]
    decimals = min(_readable(pd.concat(found)), *(_decimals(values) for values in found))
    return [values.map(lambda x: f"{round(x, decimals) + 0.0:.{decimals}f}") for values in found]


def _decimals(values: pd.Series) -> int:
    """Of nearly all values that are no 0; where there are none they say nothing, and any number is right."""
    some = values[values.notna() & (values != 0)].to_numpy()
    # Single precision, through which draws come, is no precision of its own.
    same = lambda d: np.isclose(some.round(d), some, rtol=1e-6, atol=0)
    return next((d for d in range(6) if len(some) and same(d).mean() >= MOST), 6)


def _readable(values: pd.Series) -> int:
    some = values[np.isfinite(values) & (values != 0)].abs()
    if some.empty:
        return 0
    return int(np.clip(FIGURES - 1 - np.floor(np.log10(some.median())), 0, 6))


def dates(sets: Sequence[pd.Series]) -> list[pd.Series]:
    """Days; with hours and minutes where both sets have such."""
    times = [values.reset_index(drop=True) for values in sets]
    timed = all((t.dropna() != t.dropna().dt.normalize()).any() for t in times)
    return [t.dt.strftime("%Y-%m-%d %H:%M" if timed else "%Y-%m-%d") for t in times]


def flags(sets: Sequence[pd.Series]) -> list[pd.Series]:
    return [v.astype(str).str.lower().isin(TRUE).map({True: "yes", False: "no"}) for v in sets]


def texts(sets: Sequence[pd.Series]) -> list[pd.Series]:
    return [values.astype(object).map(_text) for values in sets]


def _text(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()  # numbers that stand for a category
    return str(int(value) if whole else value).strip()  # type: ignore[call-overload]
